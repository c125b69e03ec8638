"""`waivers.yaml`: findings that somebody answers for, each with a reason, an owner and an end."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from waveboard.contracts.formats.shape import Id, Own, Text
from waveboard.model.units import parse_instant

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def ends(text: str) -> datetime:
    """The instant a waiver ends: the one written, or the end of that day in UTC. Raises: ValueError."""
    if _DAY.fullmatch(text):
        return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
    return parse_instant(text)


def _end(value: str) -> str:
    try:
        ends(value)
    except (ValueError, OverflowError):
        raise ValueError("an end is a day like 2026-03-31, or an instant with its time zone") from None
    return value


End = Annotated[str, AfterValidator(_end)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class Waiver(Own):
    """One waiver. It names a fingerprint, or a gate with any of host, code and subject (`*` and `?` stand for anything).

    It ends at `until`, or when `ends_when` holds, or when `while` no longer holds; one of the three must be given.
    """

    id: Id
    reason: Text
    owner: Text
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] | None = None
    gate: Id | None = None
    host: Glob | None = None
    code: Glob | None = None
    subject: Glob | None = None
    until: End | None = None
    during: Text | None = Field(None, alias="while")
    ends_when: Text | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Waiver":
        if not (self.until or self.during or self.ends_when):
            raise ValueError("a waiver without an end is no waiver: give `until`, `while` or `ends_when`")
        named = [name for name in ("gate", "host", "code", "subject") if getattr(self, name)]
        if bool(self.fingerprint) == bool(named):
            raise ValueError("a waiver names either a fingerprint, or a gate with host, code or subject")
        if named and not self.gate:
            raise ValueError("a waiver without a gate would cover what nobody has looked at: name the gate")
        return self


class Waivers(Own):
    """The whole file."""

    schema_: Literal["waveboard.waivers/1"] | None = Field(None, alias="schema")
    waivers: list[Waiver] = Field(default_factory=list)
