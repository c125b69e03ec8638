"""What an answer of Proxmox VE must be: lists, objects, names, numbers, instants. Pure; what is of another form is no answer.

An empty list says that nothing is there; anything else in its place says nothing at all.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from waveboard.model.errors import HostError

Json = Mapping[str, object]


def rows(value: object) -> list[Json]:
    """A list of objects. Raises: HostError."""
    if not isinstance(value, list):
        raise _odd("a list", value)
    return [record(row) for row in value]


def record(value: object) -> Json:
    """One object. Raises: HostError."""
    if not isinstance(value, dict):
        raise _odd("an object", value)
    return value


def named(row: Json, key: str) -> str:
    """A text, or a number as one, that must be there. Raises: HostError."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise _odd(f"`{key}`", value)
    return str(value)


def whole(value: object) -> int:
    """A number as PVE writes it, in JSON or in a text; 0 for none. Raises: HostError."""
    if value is None or value == "":
        return 0
    if isinstance(value, float | str | int):
        try:
            return int(value)
        except (ValueError, OverflowError):
            pass
    raise _odd("a whole number", value)


def instant(value: object) -> datetime:
    """Seconds since 1970. Raises: HostError."""
    try:
        return datetime.fromtimestamp(whole(value), UTC)
    except (ValueError, OverflowError, OSError):
        raise _odd("an instant", value) from None


def _odd(wanted: str, value: object) -> HostError:
    told = "".join(c for c in repr(value)[:80] if c.isprintable())
    return HostError("understand Proxmox VE", f"it told {told} where {wanted} was to stand", "is this the API of Proxmox VE?")
