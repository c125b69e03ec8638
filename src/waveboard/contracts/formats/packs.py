"""`packs.yaml`: which gates are asked of which hosts, and which of their findings belong to which STOR id."""

from typing import Annotated, Literal

from pydantic import Field

from waveboard.contracts.formats.shape import HostId, Id, Once, Own, WorkspacePath

Seconds = Annotated[float, Field(gt=0, le=3600)]
PackMode = Literal["report", "enforce"]


class Promotion(Own):
    """When the pack may go from report to enforce: so many consecutive clean runs, each so many seconds after the one before."""

    runs: int = Field(ge=3, le=100)
    min_interval_s: int = Field(ge=1, le=31_536_000)


class Pack(Own):
    """Ordered gates. guard: which guard file gives the numbers, needed only where there are several.

    later: gates the pack asks for and nobody declares yet; they are shown as such and never counted as pass.
    evidence_max_age_s: how old a host's evidence may be when it is judged; D239 is unknown where nothing says.
    """

    mode: PackMode | None = None
    hosts: Annotated[list[HostId], Once] = Field(min_length=1)
    gates: Annotated[list[Id], Once] = Field(min_length=1)
    modes: dict[Id, PackMode] = Field(default_factory=dict)
    later: Annotated[list[Id], Once] = Field(default_factory=list)
    guard: WorkspacePath | None = None
    evidence_max_age_s: int | None = Field(None, ge=1, le=31_536_000)
    promotion: Promotion | None = None


class Link(Own):
    """Findings of that gate with one of those codes, on those hosts (none named: any), belong to that STOR id."""

    stor: Id
    gate: Id
    codes: list[str] = Field(min_length=1)
    hosts: list[HostId] = Field(default_factory=list)


class Packs(Own):
    """The whole file. rings: how many seconds a gate of each ring may take; past it the gate is cut and is unknown."""

    schema_: Literal["waveboard.packs/1"] | None = Field(None, alias="schema")
    packs: dict[Id, Pack] = Field(default_factory=dict)
    rings: dict[Id, Seconds] = Field(default_factory=dict)
    links: list[Link] = Field(default_factory=list)
