"""The gates there are, found on the shelf. Knows no gate by name."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from waveboard.gates import drift
from waveboard.gates.gate import Gate, identify


@cache
def gates() -> Mapping[str, Gate]:
    """Every gate by id, in id order.

    Raises: TypeError for a shelf file that exports no GATE, or one whose id is not its file's.
    """
    found: dict[str, Gate] = {}
    for module in sorted(iter_modules(drift.__path__), key=lambda m: m.name):
        name = f"{drift.__name__}.{module.name}"
        gate = getattr(import_module(name), "GATE", None)
        if not isinstance(gate, Gate) or (gate.id, gate.title) != identify(name):
            raise TypeError(f"{name} does not export a GATE of its own name")
        found[gate.id] = gate
    return MappingProxyType(found)
