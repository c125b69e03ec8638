"""What a check across files is and how it speaks. Holds no check itself."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from waveboard.contracts.estate import Estate
from waveboard.contracts.nodes import show
from waveboard.contracts.typed import Read
from waveboard.model.contract import Complaint, Place

Told = Callable[[Place, str, str, str, str], Complaint]


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


def missing(place: Place, path: str, name: str, listed: frozenset[str] | None, what: str) -> Iterator[Complaint]:
    """A name that is not among those listed; without a list nothing is known of it."""
    if listed is not None and name not in listed:
        yield warning(place, path, "dangling-reference", f"there is no {what} `{name}`", "correct the id, or register it")


def word(place: Place, path: str, said: str, known: Collection[str], so: str) -> Iterator[Complaint]:
    """A word outside its vocabulary. so: what follows from that."""
    if said not in known:
        told = f"`{said}` is none of the words for this: {', '.join(known)}" if said else f"`{path}` says nothing"
        yield warning(place, path, "unknown-enum", f"{told}; {so}", f"use one of: {', '.join(known)}")


def ids_of(reads: Iterable[Read[Any]], table: str, key: str = "id") -> Iterator[tuple[str, Place, str]]:
    """(id, place, path) of every record of that list, in every file."""
    for read in reads:
        for at, record in enumerate(getattr(read.value, table) or ()):
            loc = (table, at, key)
            yield getattr(record, key), read.at(*loc), show(loc)


def repeated(noun: str, ids: Iterable[tuple[str, Place, str]], told: Told) -> Iterator[Complaint]:
    """Every id that stands a second time."""
    first: dict[str, Place] = {}
    for name, place, path in ids:
        if name in first:
            said = f"the {noun} `{name}` stands here and at {first[name]}: one of the two would be lost"
            yield told(place, path, "duplicate-id", said, f"give one of them an id of its own, or keep only one {noun}")
        first.setdefault(name, place)
