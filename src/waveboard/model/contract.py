"""The operator's policy as nouns. Read by `contracts`; judged by nobody here. Absent values are None: nothing is defaulted.

Where a value's place in its file matters to a complaint or a receipt, it travels as a Sourced.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from waveboard.model.declared import DeclaredGate, KindShape
from waveboard.model.document import Unreadable as Unreadable
from waveboard.model.finding import Finding, Mode, Severity
from waveboard.model.logs import LogRule
from waveboard.model.place import Place as Place
from waveboard.model.place import Sourced as Sourced
from waveboard.model.register import Registers
from waveboard.model.target import HostTarget as HostTarget
from waveboard.model.vm import Hypervisor, VmSpec

WORKSPACE_HOST = "@workspace"  # what a plan calls the workspace itself; no host id can begin so


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing `contracts check` says. level: error | warning."""

    level: str
    place: Place
    path: str
    code: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One path or glob below the workspace that the contracts ask to be read, and how much of a file at most."""

    pattern: str
    limit_bytes: int
    glob: bool = False


@dataclass(frozen=True, slots=True)
class StepShape:
    """What one kind of step takes in a wave file: names it may give, and those it must."""

    params: tuple[str, ...]
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What exists in code, told to the contracts by whoever can see the shelves. gates: gate id -> its finding codes. kinds: of checks.

    holes: storage rules that nobody enforces at some stage, each a sentence (`vms.parity`).
    evidence: sections a bundle may hold; none known: their names are not checked.
    """

    gates: Mapping[str, Collection[str]]
    steps: Mapping[str, StepShape]
    kinds: Mapping[str, KindShape] = field(default_factory=dict)
    holes: tuple[str, ...] = ()
    evidence: Collection[str] = ()
    parity: str = ""  # digest of who enforces which storage rule at which stage


@dataclass(frozen=True, slots=True)
class S3Access:
    """How the hand may ask a container's own S3 port: the port inside it and the names of the variables that hold its keys."""

    port: int
    access_env: str
    secret_env: str


@dataclass(frozen=True, slots=True)
class Service:
    """One stateful container the contract names. data_paths are paths inside the container.

    engine: postgres | redis | s3 | other. data_dir: where its data must live on the host (the plan's target), None: no move
    wanted.
    """

    container: str
    engine: str
    data_paths: tuple[str, ...]
    data_dir: str | None = None
    place: Place | None = None
    s3: S3Access | None = None


@dataclass(frozen=True, slots=True)
class RedisRule:
    """Durability asked of a redis container."""

    require_appendonly: Sourced[bool] | None = None
    require_volume_prefix: Sourced[str] | None = None
    require_bind_prefix: Sourced[str] | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Sizes in bytes, shares in percent; each None when no contract gives it."""

    root_warn_pct: Sourced[float] | None = None
    root_fail_pct: Sourced[float] | None = None
    images_warn_bytes: Sourced[int] | None = None
    build_cache_warn_bytes: Sourced[int] | None = None
    volumes_warn_bytes: Sourced[int] | None = None
    tmp_large_file_bytes: Sourced[int] | None = None
    writable_layer_warn_bytes: Sourced[int] | None = None
    data_warn_pct: Sourced[float] | None = None  # fill of the filesystem at `data_mount`
    data_fail_pct: Sourced[float] | None = None


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Everything the contracts ask of one host, gathered from placement, guard, lifecycle and services."""

    host: str
    vmid: int | None = None
    tier: Sourced[str] | None = None  # boot-only | tank-docker | tank-vms | nfs-media | local-ext4
    data_mount: Sourced[str] | None = None
    boundary: str = "disk"  # disk | filesystem: whether a second partition of the boot disk is accepted
    allow_network_block: bool = False
    nfs_mounts: tuple[tuple[str, str], ...] = ()  # (path, source)
    services: tuple[Service, ...] = ()
    required_containers: tuple[Sourced[str], ...] = ()
    write_surface_patterns: tuple[str, ...] = ()
    redis: RedisRule | None = None
    logs: LogRule | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    container_probes: tuple[str, ...] = ()  # names of declared in-container probe classes allowed here: "redis"
    data_disk_serial: str | None = None
    data_fstype: str | None = None  # of the filesystem at `data_mount`, where the host's profile says it


@dataclass(frozen=True, slots=True)
class StorFinding:
    """One entry of the findings map."""

    id: str
    title: str
    severity: Severity
    wave: str
    status: str
    cluster: str
    gaps: tuple[str, ...]
    loops: tuple[str, ...]
    evidence_refs: tuple[str, ...] = ()
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A root-cause cluster of the findings map."""

    id: str
    title: str
    stor: tuple[str, ...]
    gaps: tuple[str, ...]
    loop: str | None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class LinkRule:
    """Which findings belong to which STOR id: by gate and finding code. Comes from packs.yaml, never from code."""

    stor: str
    gate: str
    codes: tuple[str, ...]
    hosts: tuple[str, ...] = ()  # empty: any

    def covers(self, finding: Finding) -> bool:
        """True when the finding belongs to this rule's STOR id."""
        return finding.gate == self.gate and finding.code in self.codes and (not self.hosts or finding.host in self.hosts)


@dataclass(frozen=True, slots=True)
class FindingsMap:
    """STOR ids, clusters and the rules that link observed findings to them."""

    findings: tuple[StorFinding, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    links: tuple[LinkRule, ...] = ()

    def entries_of(self, finding: Finding) -> tuple[StorFinding, ...]:
        """The STOR entries a finding belongs to, in the map's order."""
        wanted = {rule.stor for rule in self.links if rule.covers(finding)}
        return tuple(entry for entry in self.findings if entry.id in wanted)


@dataclass(frozen=True, slots=True)
class Promotion:
    """How many consecutive clean report runs promote a pack, and how far apart they must be."""

    runs: int
    min_interval_s: int


@dataclass(frozen=True, slots=True)
class Switch:
    """One scalar that says report or enforce (or false and true). path: the keys that lead to it in its file."""

    file: str
    path: tuple[str, ...]
    report: str
    enforce: str
    place: Place

    @property
    def field(self) -> str:
        """`packs.mint.mode`: how a complaint would write it."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Pack:
    """Ordered gates and the hosts they are asked about. modes: gate id -> mode, where it differs from `mode`."""

    id: str
    gates: tuple[str, ...]
    hosts: tuple[str, ...]
    mode: Mode
    modes: Mapping[str, Mode] = field(default_factory=dict)
    place: Place | None = None
    later: tuple[str, ...] = ()  # gates the pack asks for that nobody declares yet: shown as such, never counted as pass
    evidence_max_age_s: int | None = None  # how old a host's evidence may be when it is judged; None: no contract says
    promotion: Promotion | None = None
    switches: tuple[Switch, ...] = ()  # every scalar that now says report for it, in its file's order


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step a wave asks for: the shelf's kind and its parameters, as written."""

    kind: str
    host: str
    params: Mapping[str, object]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """When a window comes again. rule: the value of an RFC 5545 RRULE; starts: its DTSTART, local and naive; zone: an IANA name."""

    rule: str
    starts: datetime
    zone: str
    duration_s: int


@dataclass(frozen=True, slots=True)
class Overrun:
    """What happens to a wave that its window closes on. rule: finish | pause | rollback.

    limit_s: with finish, how long after the close steps may still begin; with pause, how far ahead the windows lie in which
    it may go on; None with rollback.
    """

    rule: str
    limit_s: int | None = None


@dataclass(frozen=True, slots=True)
class WaveSpec:
    """One wave as the operator wrote it. policy: none | governance | controlled-runtime.

    entry, exit: one condition each in the spelling of model/condition.py. rules, outputs, opening, scope_notes, acceptance:
    sentences for the worker's prompt.
    draft: may be shown and discussed, never planned.
    """

    id: str
    goal: str
    policy: str
    mutate_hosts: tuple[str, ...]
    read_only_hosts: tuple[str, ...]
    stor: tuple[str, ...]
    gaps: tuple[str, ...]
    loops: tuple[str, ...]
    excludes: tuple[str, ...]
    entry: tuple[str, ...]
    exit: tuple[str, ...]
    steps: tuple[StepSpec, ...]
    window_required: bool = True
    max_downtime_s: int | None = None
    soak_s: int | None = None
    place: Place | None = None
    rules: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    draft: bool = False
    opening: str = ""
    scope_notes: tuple[str, ...] = ()
    acceptance: tuple[str, ...] = ()
    overrun: Overrun | None = None  # what a closing window does to it, where the window itself does not say
    preflight: tuple[str, ...] = ()  # evidence sections (docs/evidence.md) that must be whole, of every host in scope, at entry


@dataclass(frozen=True, slots=True)
class Window:
    """A change window. kind: allow | deny; deny wins. Open from not_before to not_after, or at each occurrence of `recurs` between
    the two. overrun: this window's own rule, None where the wave's counts.
    """

    id: str
    kind: str
    hosts: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    place: Place | None = None
    recurs: Recurrence | None = None
    overrun: Overrun | None = None


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """Who may approve. four_eyes False is allowed to a lone operator, and every receipt then says so.

    people: principal -> the other names this person goes by (user@machine, WAVEBOARD_ACTOR, an older principal).
    """

    allowed_signers: str
    quorum: int
    four_eyes: bool
    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def person(self, name: str) -> str | None:
        """The principal of the person who goes by that name, case aside; None when nobody declared does."""
        wanted = name.casefold()
        known = ((principal, {principal.casefold(), *(n.casefold() for n in names)}) for principal, names in self.people.items())
        return next((principal for principal, names in known if wanted in names), None)


@dataclass(frozen=True, slots=True)
class CommandPolicy:
    """Which commands gates may run, by the exact first word of their argv, and which variables they are lent. None may by default."""

    allow: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """The whole parsed workspace. digest: over the bytes of every file read, in path order."""

    name: str
    owner: str
    digest: str
    files: Mapping[str, str]  # path -> sha256
    targets: tuple[HostTarget, ...]
    policies: Mapping[str, HostPolicy]
    findings: FindingsMap
    packs: Mapping[str, Pack]
    waves: Mapping[str, WaveSpec]
    windows: tuple[Window, ...] = ()
    registers: Registers = field(default_factory=Registers)
    approvals: ApprovalPolicy | None = None
    placement: Mapping[str, Sourced[float]] = field(default_factory=dict)  # thresholds in the placement policy's own words
    store: str = "sqlite:///.waveboard/state.db"
    complaints: tuple[Complaint, ...] = ()
    absent: tuple[str, ...] = ()  # workspace keys that are absent: what is simply not judged
    declared: Mapping[str, DeclaredGate] = field(default_factory=dict)
    rings: Mapping[str, float] = field(default_factory=dict)  # ring -> seconds a gate of it may take
    siblings: Mapping[str, str] = field(default_factory=dict)  # name of a sibling checkout -> its directory
    commands: CommandPolicy = CommandPolicy()
    vms: Mapping[str, VmSpec] = field(default_factory=dict)  # host -> the VM, where its profile says what it stores
    hypervisors: Mapping[str, Hypervisor] = field(default_factory=dict)
    holes: tuple[str, ...] = ()  # storage rules that nobody enforces at some stage: what the code that judges lacks
    parity: str = ""  # digest of who enforces which storage rule at which stage
    unjudged: tuple[str, ...] = ()  # workspace keys whose files are read and pinned, but judged by nothing yet
    judging: tuple[str, ...] = ()  # the files a verdict rests on: all but registers, waves and windows
    policy: str = ""  # digest over the judging files only: what "the policy changed" means

    def target(self, host: str) -> HostTarget | None:
        """The target of that id, or None."""
        return next((t for t in self.targets if t.id == host), None)
