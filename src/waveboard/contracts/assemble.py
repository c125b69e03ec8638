"""An estate without errors -> the Contract nouns. Gathers per host what the files say of it; adds nothing they do not say.

Which number is judged where files disagree: the guard's, for the hosts of its packs and sections; the placement policy's where
no guard speaks. A tier outside the vocabulary is no tier; a VM id claimed by two VMs is none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from waveboard.contracts.conditions import spoken
from waveboard.contracts.declared import declared
from waveboard.contracts.estate import Estate
from waveboard.contracts.files import NOT_JUDGING, UNJUDGED, absent, asked, matches
from waveboard.contracts.formats.guard import Guard
from waveboard.contracts.formats.packs import Pack as PackFile
from waveboard.contracts.formats.packs import Packs
from waveboard.contracts.formats.recurrence import until
from waveboard.contracts.formats.waves import Wave
from waveboard.contracts.formats.windows import Overruns
from waveboard.contracts.formats.workspace import Access, Approvals, Reach
from waveboard.contracts.machines import hypervisors, machines
from waveboard.contracts.policies import placement_thresholds, policies
from waveboard.contracts.probes import probes
from waveboard.contracts.registers import registers
from waveboard.contracts.typed import Read
from waveboard.model.contract import (
    ApprovalPolicy,
    Cluster,
    CommandPolicy,
    Contract,
    FindingsMap,
    HostTarget,
    LinkRule,
    Overrun,
    Pack,
    Promotion,
    Recurrence,
    StepSpec,
    StorFinding,
    Switch,
    WaveSpec,
    Window,
)
from waveboard.model.errors import ContractError
from waveboard.model.finding import Mode, Severity
from waveboard.model.units import parse_instant


def contract(estate: Estate, files: Mapping[str, bytes]) -> Contract:
    """The whole contract. files: the bytes of everything read, by path."""
    workspace = estate.workspace.value
    sums = {path: f"sha256:{sha256(raw).hexdigest()}" for path, raw in sorted(files.items())}
    approvals, commands = workspace.approvals, workspace.commands
    judging = tuple(
        sorted({p for one in asked(workspace) if one.key not in NOT_JUDGING for q in one.patterns for p in matches(q, files)})
    )
    asked_for = {one.spec.host: one.spec for one in machines(estate) if one.spec}
    kinds = {host: spec.data.fstype for host, spec in asked_for.items() if spec.data}
    own = {host: replace(policy, data_fstype=kinds.get(host)) for host, policy in policies(estate).items()}
    targets = tuple(_targets(estate))
    probing = probes(hypervisors(estate), asked_for, own, targets)
    return Contract(
        name=workspace.name or "",
        owner=workspace.owner or "",
        digest=digest(sums),
        files=sums,
        targets=(*targets, *probing.targets),
        policies={**own, **probing.policies},
        findings=_findings(estate),
        packs=dict(_packs(estate)),
        waves={read.value.id: _wave(read) for read in estate.waves},
        windows=probing.among(_windows(estate)),
        registers=registers(estate),
        approvals=_approvals(approvals) if approvals else None,
        placement=dict(placement_thresholds(estate)),
        store=workspace.store or "sqlite:///.waveboard/state.db",
        vms={**asked_for, **probing.vms},
        hypervisors=hypervisors(estate),
        holes=estate.known.holes,
        parity=estate.known.parity,
        absent=absent(workspace),
        declared={read.value.id: declared(read) for read in estate.declared_gates},
        rings={ring: limit for read in estate.packs for ring, limit in read.value.rings.items()},
        siblings=dict(workspace.siblings),
        commands=CommandPolicy(tuple(commands.allow), tuple(commands.pass_env)) if commands else CommandPolicy(),
        unjudged=tuple(one.key for one in asked(workspace) if one.key in UNJUDGED),
        judging=judging,
        policy=digest({path: sums[path] for path in judging}),
    )


def _approvals(given: Approvals) -> ApprovalPolicy:
    people = {principal: tuple(names) for principal, names in given.people.items()}
    return ApprovalPolicy(given.allowed_signers, given.quorum, given.four_eyes, people)


def digest(sums: Mapping[str, str]) -> str:
    """`sha256:…` over `path NUL sum LF` in path order: one changed byte of any file changes it."""
    lines = "".join(f"{path}\0{value}\n" for path, value in sorted(sums.items()))
    return f"sha256:{sha256(lines.encode()).hexdigest()}"


def _targets(estate: Estate) -> Iterator[HostTarget]:
    access = estate.workspace.value.access or Access()
    for read in estate.hosts:
        defaults = read.value.ssh.defaults
        for at, target in enumerate(read.value.ssh.targets):
            own = access.hosts.get(target.id, Reach())
            yield HostTarget(
                id=target.id,
                address=own.address or target.host,
                user=own.audit_user or access.audit_user or target.user or (defaults.user if defaults else None),
                port=own.port or access.port or target.port or (defaults.port if defaults else None),
                tags=tuple(target.tags or ()),
                optional=bool(target.optional),
                jump=target.probe_via,
                known_hosts=own.known_hosts or access.known_hosts,
                key_file=own.audit_key or access.audit_key,
                mutate_user=own.mutate_user or access.mutate_user,
                mutate_key_file=own.mutate_key or access.mutate_key,
                place=read.at("ssh", "targets", at),
            )


def _findings(estate: Estate) -> FindingsMap:
    stors, clusters, links = [], [], []
    for read in estate.findings:
        for at, stor in enumerate(read.value.stor_findings):
            stors.append(
                StorFinding(
                    id=stor.id,
                    title=stor.title or "",
                    severity=Severity(stor.severity),
                    wave=stor.wave_bucket or "",
                    status=stor.status,
                    cluster=stor.root_cause_cluster or "",
                    gaps=tuple(stor.existing_gap_ids or ()),
                    loops=tuple(stor.existing_loop_ids or ()),
                    evidence_refs=tuple(stor.evidence_refs or ()),
                    place=read.at("stor_findings", at),
                )
            )
        for at, cluster in enumerate(read.value.root_cause_clusters or ()):
            place = read.at("root_cause_clusters", at)
            ids, gaps = tuple(cluster.stor_findings or ()), tuple(cluster.primary_gap_ids or ())
            clusters.append(Cluster(cluster.id, cluster.title or "", ids, gaps, cluster.primary_loop_id, place))
    for packs in estate.packs:
        for link in packs.value.links:
            links.append(LinkRule(link.stor, link.gate, tuple(link.codes), tuple(link.hosts)))
    return FindingsMap(tuple(stors), tuple(clusters), tuple(links))


def _packs(estate: Estate) -> Iterator[tuple[str, Pack]]:
    guards = {read.document.file: read.value for read in estate.guard}
    for read in estate.packs:
        for name, pack in read.value.packs.items():
            mode = Mode(pack.mode or _default_mode(pack, guards))
            modes = {gate: Mode(word) for gate, word in pack.modes.items()}
            gates, hosts, later = tuple(pack.gates), tuple(pack.hosts), tuple(pack.later)
            asked = Promotion(pack.promotion.runs, pack.promotion.min_interval_s) if pack.promotion else None
            place, switches = read.key("packs", name), tuple(_switches(estate, read, name)) if asked else ()
            yield name, Pack(name, gates, hosts, mode, modes, place, later, pack.evidence_max_age_s, asked, switches)


def _switches(estate: Estate, own: Read[Packs], name: str) -> Iterator[Switch]:
    """Every scalar that says report where enforcing this pack needs it to say enforce: the pack's mode, its gates' modes wherever a
    pack names them, the mode of packs that hold no other gate, and the guard policy's, so that no two switches disagree."""
    guards = {read.document.file: read for read in estate.guard}

    def guard_of(pack: PackFile) -> Read[Guard] | None:
        return guards.get(pack.guard or next(iter(guards), ""))

    pack = own.value.packs[name]
    guard = guard_of(pack)
    for read in estate.packs:
        for other_name, other in read.value.packs.items():
            if guard_of(other) is not guard:
                continue
            whole = {*other.gates, *other.later} <= set(pack.gates)
            paths: list[tuple[str, ...]] = [("packs", other_name, "mode")] if whole and other.mode == "report" else []
            paths += [
                ("packs", other_name, "modes", g) for g, word in other.modes.items() if word == "report" and g in pack.gates
            ]
            for path in paths:
                yield Switch(read.document.file, path, "report", "enforce", read.at(*path))
    if guard and guard.value.mode:
        if guard.value.mode.default_policy == "report":
            yield Switch(guard.document.file, ("mode", "default_policy"), "report", "enforce", guard.at("mode", "default_policy"))
        if guard.value.mode.enforce_enabled is False:
            yield Switch(guard.document.file, ("mode", "enforce_enabled"), "false", "true", guard.at("mode", "enforce_enabled"))


def _default_mode(pack: PackFile, guards: Mapping[str, Guard]) -> str:
    guard = guards.get(pack.guard or next(iter(guards), ""))
    if guard is None or guard.mode is None:
        raise ContractError("assemble the packs", "a pack without a mode passed the checks")
    return guard.mode.default_policy


def _wave(read: Read[Wave]) -> WaveSpec:
    wave = read.value
    steps = (
        StepSpec(step.kind, step.host, dict(step.model_extra or {}), read.at("steps", at)) for at, step in enumerate(wave.steps)
    )
    return WaveSpec(
        id=wave.id,
        goal=wave.goal,
        policy=wave.mutation_policy,
        mutate_hosts=tuple(wave.scope.mutate),
        read_only_hosts=tuple(wave.scope.read_only),
        stor=tuple(wave.links.stor),
        gaps=tuple(wave.links.gaps),
        loops=tuple(wave.links.loops),
        excludes=tuple(wave.excludes),
        entry=tuple(said.text for said in spoken(read, "entry")),
        exit=tuple(said.text for said in spoken(read, "exit")),
        steps=tuple(steps),
        window_required=wave.window.required if wave.window else wave.mutation_policy == "controlled-runtime",
        max_downtime_s=wave.window.max_downtime_s if wave.window else None,
        soak_s=wave.soak_s,
        place=read.at("id"),
        rules=tuple(wave.rules),
        outputs=tuple(wave.outputs),
        opening=wave.worker.opening or "",
        scope_notes=tuple(wave.worker.scope),
        acceptance=tuple(wave.worker.acceptance),
        draft=wave.draft,
        overrun=_overrun(wave.window),
        preflight=tuple(wave.preflight),
    )


def _windows(estate: Estate) -> Iterator[Window]:
    for read in estate.windows:
        for at, window in enumerate(read.value.windows):
            place, hosts, over = read.at("windows", at), tuple(window.hosts), _overrun(window)
            if window.not_before and window.not_after:
                first, last = parse_instant(window.not_before), parse_instant(window.not_after)
                yield Window(window.id, window.kind, hosts, first, last, place, None, over)
            elif window.rule and window.starts and window.time_zone and window.duration_s:
                again = Recurrence(window.rule, datetime.fromisoformat(window.starts), window.time_zone, window.duration_s)
                first = again.starts.replace(tzinfo=ZoneInfo(window.time_zone)).astimezone(UTC)
                yield Window(window.id, window.kind, hosts, first, until(window.rule), place, again, over)


def _overrun(asked: Overruns | None) -> Overrun | None:
    return Overrun(asked.overrun, asked.overrun_s) if asked and asked.overrun else None
