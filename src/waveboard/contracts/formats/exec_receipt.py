"""A worker's report (EXEC_RECEIPT). Every report the operator's own schema accepts is accepted; the last three keys are ours.

The operator's: task_id to timestamp_utc required, wave_id, commit_hashes, loop_id, gap_ids optional. Ours: actions (mutations the
worker says it made), statements (sentences, each with the condition that would have to hold), evidence (pasted output).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from waveboard.contracts.formats.shape import HostId, Id, Own, Text

RunKey = Annotated[str, StringConstraints(pattern=r"^(?:CAP-|S)[0-9]{8}-[0-9]{6}__[A-Za-z0-9._-]+__R[A-Za-z0-9]+$")]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{7,40}$")]
Stamp = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9:@._-]{0,127}$")]
Subject = Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,32}:.{1,4000}$")]
Output = Annotated[str, StringConstraints(max_length=400_000)]


class Action(Own):
    """One mutation: `subject` is `kind:name`, as `waveboard wave report` prints observed ones."""

    host: HostId
    subject: Subject


class Statement(Own):
    """One sentence. condition: in the language of wave conditions."""

    says: Text
    condition: Text | None = None


class Evidence(Own):
    """Output of one probe, pasted."""

    host: HostId
    probe: Id
    output: Output


class ExecReceipt(Own):
    """The whole report."""

    task_id: Name
    terminal_id: Name
    lane: Literal["control", "execution", "audit", "watcher"]
    status: Literal["done", "failed", "blocked"]
    files_changed: list[Text] = Field(max_length=1000)
    run_keys: list[RunKey] = Field(max_length=1000)
    blockers: list[Text] = Field(max_length=1000)
    ready_for_verify: bool
    timestamp_utc: Stamp
    wave_id: Name | None = None
    commit_hashes: list[Commit] = Field(default_factory=list)
    loop_id: Name | None = None
    gap_ids: list[Name] = Field(default_factory=list)
    actions: list[Action] = Field(default_factory=list, max_length=1000)
    statements: list[Statement] = Field(default_factory=list, max_length=1000)
    evidence: list[Evidence] = Field(default_factory=list, max_length=100)

    @model_validator(mode="after")
    def _blocked_says_by_what(self) -> Self:
        if self.status == "blocked" and not self.blockers:
            raise ValueError("a blocked task names what blocks it")
        return self
