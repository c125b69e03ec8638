"""The gates and the kinds of check there are, found on their shelves. Knows none by name."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from waveboard.gates import declared, drift
from waveboard.gates.gate import Gate, identify
from waveboard.gates.kind import Kind


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


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind of check by name.

    Raises: TypeError for a shelf file that exports no KIND, or one whose name is not its file's.
    """
    found: dict[str, Kind] = {}
    for module in sorted(iter_modules(declared.__path__), key=lambda m: m.name):
        kind = getattr(import_module(f"{declared.__name__}.{module.name}"), "KIND", None)
        if not isinstance(kind, Kind) or kind.name != module.name:
            raise TypeError(f"{declared.__name__}.{module.name} does not export a KIND of its own name")
        found[kind.name] = kind
    return MappingProxyType(found)
