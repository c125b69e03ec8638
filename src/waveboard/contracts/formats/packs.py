"""`packs.yaml`: which gates are asked of which hosts, and which of their findings belong to which STOR id."""

from typing import Literal

from pydantic import Field

from waveboard.contracts.formats.shape import HostId, Id, Own, WorkspacePath

PackMode = Literal["report", "enforce"]


class Pack(Own):
    """Ordered gates. guard: which guard file gives the numbers, needed only where there are several.

    later: gates the pack asks for and waveboard does not have yet; they are shown as such and never counted as pass.
    """

    mode: PackMode | None = None
    hosts: list[HostId] = Field(min_length=1)
    gates: list[Id] = Field(min_length=1)
    modes: dict[Id, PackMode] = Field(default_factory=dict)
    later: list[Id] = Field(default_factory=list)
    guard: WorkspacePath | None = None


class Link(Own):
    """Findings of that gate with one of those codes, on those hosts (none named: any), belong to that STOR id."""

    stor: Id
    gate: Id
    codes: list[str] = Field(min_length=1)
    hosts: list[HostId] = Field(default_factory=list)


class Packs(Own):
    """The whole file."""

    schema_: Literal["waveboard.packs/1"] | None = Field(None, alias="schema")
    packs: dict[Id, Pack] = Field(default_factory=dict)
    links: list[Link] = Field(default_factory=list)
