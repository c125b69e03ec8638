"""What a check across files is, and the shelf of them: one file in `checks/` each. Holds no check itself."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from waveboard.contracts.estate import Estate
from waveboard.model.contract import Complaint, Place


@dataclass(frozen=True, slots=True)
class Check:
    """codes: every code its complaints may carry. run: looks at everything that could be read."""

    codes: tuple[str, ...]
    run: Callable[[Estate], Iterable[Complaint]]


@cache
def checks() -> tuple[Check, ...]:
    """Every check on the shelf, by file name."""
    from waveboard.contracts import checks as shelf

    names = sorted(module.name for module in iter_modules(shelf.__path__))
    return tuple(import_module(f"{shelf.__name__}.{name}").CHECK for name in names)


def warning(place: Place, path: str, code: str, message: str, fix: str) -> Complaint:
    """A true statement about the estate that somebody should settle."""
    return Complaint("warning", place, path, code, message, fix)


def error(place: Place, path: str, code: str, message: str, fix: str) -> Complaint:
    """What makes the contract unusable."""
    return Complaint("error", place, path, code, message, fix)
