"""`waves/*.yaml`: one wave a file. Conditions are checked in `conditions`, step parameters against the shelf of steps."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from waveboard.contracts.formats.shape import HostId, Id, Once, Own, Text
from waveboard.contracts.formats.windows import Overruns

Condition = Annotated[
    Any,
    WithJsonSchema(
        {
            "oneOf": [
                {"type": "string", "description": "fact < fact, for example mint-data.root.used_pct < guard.root_usage_warn_pct"},
                {"type": "object", "minProperties": 1, "maxProperties": 1, "description": "a named predicate and its argument"},
            ]
        }
    ),
]


class Scope(Own):
    """Hosts the wave may change, and hosts it may only read."""

    mutate: Annotated[list[HostId], Once] = Field(default_factory=list)
    read_only: Annotated[list[HostId], Once] = Field(default_factory=list)


class Links(Own):
    """What the wave works on."""

    stor: list[str] = Field(default_factory=list)
    gaps: list[str] = Field(default_factory=list)
    loops: list[str] = Field(default_factory=list)


class Window(Overruns):
    """required: the wave runs only inside an open allow window. overrun: for windows that do not say it themselves."""

    required: bool
    max_downtime_s: int | None = Field(None, ge=0, le=604_800)


class Worker(Own):
    """How the worker's prompt begins, and the sentences of it that are not the wave's rules or outputs."""

    opening: Text | None = None
    scope: list[Text] = Field(default_factory=list)
    acceptance: list[Text] = Field(default_factory=list)


class Step(Own):
    """A kind of the shelf, a host, and the kind's own parameters."""

    model_config = ConfigDict(extra="allow")

    kind: Id
    host: HostId


class Wave(Own):
    """The whole file. draft: may be shown and discussed, never planned. preflight: sections of evidence that must be there at entry."""

    schema_: Literal["waveboard.wave/1"] | None = Field(None, alias="schema")
    id: Id
    goal: Text
    draft: bool = False
    mutation_policy: Literal["none", "governance", "controlled-runtime"]
    scope: Scope = Scope()
    links: Links = Links()
    excludes: list[Id] = Field(default_factory=list)
    entry: list[Condition] = Field(default_factory=list)
    exit: list[Condition] = Field(min_length=1)
    window: Window | None = None
    soak_s: int | None = Field(None, ge=0, le=31_536_000)
    preflight: Annotated[list[Id], Once] = Field(default_factory=list)
    steps: list[Step] = Field(default_factory=list)
    rules: list[Text] = Field(default_factory=list)
    outputs: list[Text] = Field(default_factory=list)
    worker: Worker = Worker()
