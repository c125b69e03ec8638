"""Where something stands in a file of the workspace, and values that know it. Reads no file."""

from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: file relative to the workspace, 1-based line and column."""

    file: str
    line: int = 1
    col: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.col}"


@dataclass(frozen=True, slots=True)
class Sourced(Generic[V]):
    """A contract value with the place it was read from."""

    value: V
    place: Place
