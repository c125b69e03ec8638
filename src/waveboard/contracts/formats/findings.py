"""`mint.storage.findings.map.yaml` as the operator writes it: STOR ids, their root causes, and who owns them."""

from typing import Literal

from waveboard.contracts.formats.shape import Doc, Id, Operator, OperatorFile

STATUSES = ("open", "in_progress", "covered", "fixed", "closed", "accepted-risk")


class Cluster(Operator):
    """One root cause of several findings."""

    id: Id
    title: str | None = None
    stor_findings: list[str] | None = None
    summary: Doc = None
    primary_gap_ids: list[str] | None = None
    primary_loop_id: str | None = None


class Stor(Operator):
    """One finding of the storage audit."""

    id: Id
    title: str | None = None
    severity: Literal["critical", "high", "medium", "low"]
    wave_bucket: str | None = None
    status: str
    root_cause_cluster: str | None = None
    existing_gap_ids: list[str] | None = None
    existing_loop_ids: list[str] | None = None
    evidence_refs: list[str] | None = None


class Findings(OperatorFile):
    """The whole file."""

    source_audit: Doc = None
    root_cause_clusters: list[Cluster] | None = None
    stor_findings: list[Stor]
