"""What a check across files is and how it speaks. Holds no check itself."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from waveboard.contracts.estate import Estate
from waveboard.model.contract import Complaint, Place


@dataclass(frozen=True, slots=True)
class Check:
    """codes: every code its complaints may carry. run: looks at everything that could be read."""

    codes: tuple[str, ...]
    run: Callable[[Estate], Iterable[Complaint]]


def warning(place: Place, path: str, code: str, message: str, fix: str) -> Complaint:
    """A true statement about the estate that somebody should settle."""
    return Complaint("warning", place, path, code, message, fix)


def error(place: Place, path: str, code: str, message: str, fix: str) -> Complaint:
    """What makes the contract unusable."""
    return Complaint("error", place, path, code, message, fix)
