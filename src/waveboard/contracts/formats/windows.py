"""`windows.yaml`: when hosts may be changed. Deny wins over allow. Instants are RFC 3339 with a time zone."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from waveboard.contracts.formats.shape import HostId, Id, Own, Text
from waveboard.model.units import parse_instant


def _instant(value: str) -> str:
    try:
        parse_instant(value)
    except (ValueError, OverflowError):
        raise ValueError("an instant is written like 2026-02-26T22:00:00Z, with its time zone") from None
    return value


Instant = Annotated[str, AfterValidator(_instant)]


class Window(Own):
    """From `not_before` to `not_after`, both included."""

    id: Id
    kind: Literal["allow", "deny"]
    hosts: list[HostId] = Field(min_length=1)
    not_before: Instant
    not_after: Instant
    reason: Text | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Window":
        if parse_instant(self.not_before) >= parse_instant(self.not_after):
            raise ValueError("the window ends before it begins")
        return self


class Windows(Own):
    """The whole file."""

    schema_: Literal["waveboard.windows/1"] | None = Field(None, alias="schema")
    windows: list[Window] = Field(default_factory=list)
