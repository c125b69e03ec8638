"""The checks there are, found in `checks/`. Knows none by name."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from waveboard.contracts import checks as drawer
from waveboard.contracts.check import Check


@cache
def checks() -> tuple[Check, ...]:
    """Every check on the shelf, by file name. Raises: TypeError for a shelf file that exports no CHECK."""
    found = []
    for name in sorted(module.name for module in iter_modules(drawer.__path__)):
        check = getattr(import_module(f"{drawer.__name__}.{name}"), "CHECK", None)
        if not isinstance(check, Check):
            raise TypeError(f"{drawer.__name__}.{name} exports no CHECK")
        found.append(check)
    return tuple(found)
