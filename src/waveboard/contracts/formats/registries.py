"""The operator's registers of gates, of who asks them, and of capabilities: read for their ids and links, and judged by nobody here."""

from waveboard.contracts.formats.shape import Doc, Free, Id

SAFETIES = ("read-only", "mutating", "destructive")
APPROVALS = ("auto", "manual", "operator")


class GateRow(Free):
    """One gate of `gate.registry.yaml`."""

    id: Id
    name: str | None = None
    severity: str | None = None
    ring: str | None = None
    retired: Doc = None
    parent_loop: str | None = None
    composite_of: Doc = None
    composite_parent: Doc = None


class GateRegistry(Free):
    """The whole gate registry."""

    gate_count: Doc = None
    gates: list[GateRow]


class Assigned(Free):
    """One row of `gate.execution.topology.yaml`."""

    gate_id: Id
    primary_domain: str | None = None
    secondary_domains: list[str] | None = None


class Domain(Free):
    """One domain of the topology."""

    domain_id: str
    depends_on: Doc = None


class CoreMode(Free):
    """The gates that are always asked."""

    core_gate_ids: list[str] | None = None


class Topology(Free):
    """The whole topology."""

    core_mode: CoreMode | None = None
    domain_metadata: list[Domain] | None = None
    gate_assignments: list[Assigned]


class CapabilityRow(Free):
    """One capability of `capabilities.yaml`."""

    safety: str | None = None
    approval: str | None = None
    domain: str | None = None
    requires: list[str] | None = None
    post_action: Doc = None


class CapabilityRegistry(Free):
    """The whole capability registry."""

    capabilities: dict[str, CapabilityRow]
