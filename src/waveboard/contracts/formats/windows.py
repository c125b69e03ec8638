"""`windows.yaml`: when hosts may be changed. Deny wins over allow. A window is one span of time, or comes again by an RFC 5545 rule."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from waveboard.contracts.formats import recurrence
from waveboard.contracts.formats.shape import HostId, Id, Own, Text
from waveboard.model.units import parse_instant


def _instant(value: str) -> str:
    try:
        parse_instant(value)
    except (ValueError, OverflowError):
        raise ValueError("an instant is written like 2026-02-26T22:00:00Z, with its time zone") from None
    return value


def _local(value: str) -> str:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or at.year < 2000:
        raise ValueError("a local time is written like 2026-02-26T22:00:00, without a zone: `time_zone` names that")
    return value


def _zone(value: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        raise ValueError("there is no such time zone in the IANA database; write one like Europe/Berlin") from None
    return value


Instant = Annotated[str, AfterValidator(_instant)]
Local = Annotated[str, AfterValidator(_local)]
Zone = Annotated[str, AfterValidator(_zone)]
Rule = Annotated[str, Field(max_length=500), AfterValidator(recurrence.checked)]


class Overruns(Own):
    """overrun: what a closing window does to a wave under way. overrun_s: with `finish`, how long after the close its steps may
    still begin; with `pause`, how far ahead the windows lie in which it may go on."""

    overrun: Literal["finish", "pause", "rollback"] | None = None
    overrun_s: int | None = Field(None, ge=1, le=604_800)

    @model_validator(mode="after")
    def _limited(self) -> "Overruns":
        if (self.overrun in ("finish", "pause")) != (self.overrun_s is not None):
            raise ValueError("`overrun: finish` and `overrun: pause` need `overrun_s`, and nothing else has it")
        return self


class Window(Overruns):
    """One span: `not_before` to `not_after`. Or a recurrence: `rule`, its first local day and hour `starts`, `time_zone`, `duration_s`."""

    id: Id
    kind: Literal["allow", "deny"]
    hosts: list[HostId] = Field(min_length=1)
    not_before: Instant | None = None
    not_after: Instant | None = None
    starts: Local | None = None
    time_zone: Zone | None = None
    duration_s: int | None = Field(None, ge=60, le=604_800)
    rule: Rule | None = None
    reason: Text | None = None

    @field_validator("rule")
    @classmethod
    def _comes(cls, value: str | None, told: ValidationInfo) -> str | None:
        starts, zone = told.data.get("starts"), told.data.get("time_zone")
        if value and starts and zone and not recurrence.comes(value, datetime.fromisoformat(starts), zone):
            raise ValueError("this rule never comes: not once in five years from `starts`, or not before its UNTIL")
        return value

    @model_validator(mode="after")
    def _one_form(self) -> "Window":
        span = (self.not_before, self.not_after)
        again = (self.rule, self.starts, self.time_zone, self.duration_s)
        if not (all(span) and not any(again)) and not (all(again) and not any(span)):
            raise ValueError("a window has `not_before` and `not_after`, or `rule`, `starts`, `time_zone` and `duration_s`")
        if self.not_before and self.not_after and parse_instant(self.not_before) >= parse_instant(self.not_after):
            raise ValueError("the window ends before it begins")
        if self.kind == "deny" and self.overrun:
            raise ValueError("a deny window has no overrun rule: the allow window or the wave has it")
        return self


class Windows(Own):
    """The whole file."""

    schema_: Literal["waveboard.windows/1"] | None = Field(None, alias="schema")
    windows: list[Window] = Field(default_factory=list)
