"""`gates/*.yaml`: one declared gate a file. Parameters of checks are checked against the shelf of kinds, not here."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from waveboard.contracts.formats.shape import Id, Once, Own, Text, WorkspacePath

Alias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
ExitCode = Annotated[int, Field(ge=0, le=255)]
Form = Literal["yaml", "json", "text", "table"]
Level = Literal["critical", "high", "medium", "low"]
Codes = Annotated[list[str], Once]


def _argv(value: list[str]) -> list[str]:
    if any(not one or any(ord(c) < 32 for c in one) for one in value):
        raise ValueError("an argument is empty or holds control characters")
    return value


class Need(Own):
    """A document: a file, or with `*` and `?` several, below the workspace or below a sibling checkout (`root`); or what a command
    prints, run without a shell, cut at its limits.

    form: yaml, json, text, or table (a text read by `pattern`, whose groups are key, value and perhaps field); the file's ending
    says it where it is left out. ok_exits: exit codes after which what the command printed is a document; without it only 0.
    """

    root: Id | None = None
    path: WorkspacePath | None = None
    command: Annotated[list[str], AfterValidator(_argv)] | None = Field(None, min_length=1, max_length=64)
    form: Form | None = None
    pattern: Text | None = None
    timeout_s: float | None = Field(None, gt=0, le=300)
    limit_bytes: int | None = Field(None, ge=1, le=4 * 2**20)
    ok_exits: list[ExitCode] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_thing(self) -> "Need":
        if (self.path is None) is (self.command is None):
            raise ValueError("a need is either a `path` or a `command`")
        if self.command and (self.timeout_s is None or self.limit_bytes is None or self.form not in ("json", "text")):
            raise ValueError("a command needs `timeout_s`, `limit_bytes` and `form` (json or text)")
        if self.command is None and (self.timeout_s is not None or self.ok_exits is not None):
            raise ValueError("only a command takes `timeout_s` and `ok_exits`")
        if (self.form == "table") is not (self.pattern is not None):
            raise ValueError("`form: table` and `pattern` go together")
        if self.pattern is not None and not {"key", "value"} <= set(_compiled(self.pattern).groupindex):
            raise ValueError("the pattern needs the groups `(?P<key>…)` and `(?P<value>…)`")
        return self


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ValueError(f"this is no regular expression: {problem}") from None


def _short(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


class Check(Own):
    """A kind of the shelf and the kind's own parameters. says: what it stands for, shown with its findings.

    name: part of the subject of its findings, where two checks of one kind may speak about one record.
    """

    model_config = ConfigDict(extra="allow")

    kind: Id
    name: Alias | None = None
    says: Text | None = None
    severity: Level | None = None


class Plant(Own):
    """One change in a copy of a document."""

    doc: Alias
    set: dict[str, Any] = Field(default_factory=dict)
    append: dict[str, Any] = Field(default_factory=dict)
    remove: list[str] = Field(default_factory=list)
    replace: dict[Text, str] = Field(default_factory=dict)
    add: str = ""
    exit: int | None = Field(None, ge=0, le=255)
    absent: Literal[True] | None = None


class Violation(Own):
    """What the gate must see in every run. expect: the codes it must then say."""

    about: Text
    plant: list[Plant] = Field(min_length=1)
    expect: Codes = Field(min_length=1)


class Lookalike(Own):
    """What looks like a violation and is none: the gate must say nothing new."""

    about: Text
    plant: list[Plant] = Field(min_length=1)


Needed = Annotated[Need, BeforeValidator(_short, json_schema_input_type=str | Need)]


class Gate(Own):
    """The whole file."""

    schema_: Literal["waveboard.gate/1"] | None = Field(None, alias="schema")
    id: Id
    title: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    severity: Level
    ring: Id
    why: Text
    fix: Text
    needs: dict[Alias, Needed] = Field(min_length=1)
    checks: list[Check] = Field(min_length=1)
    violations: list[Violation] = Field(min_length=1)
    lookalike: Lookalike
