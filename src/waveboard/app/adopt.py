"""A first contract for a host that is there already: drafted from what it shows, judged as if it counted, each violation a dated proposal.

Nothing on the host changes and no file of the operator's is touched. What the contracts say already is not drafted again: there they
speak for the person, and where the host shows something else, that is told.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from waveboard.app import adopt_files as files
from waveboard.app import read
from waveboard.app.check import judge
from waveboard.app.machine import ready, unasked
from waveboard.app.read import Reading
from waveboard.app.site import Site
from waveboard.contracts import edit
from waveboard.contracts.joined import Said, joined, said_of
from waveboard.contracts.load import estate_of, load
from waveboard.gates import shelf
from waveboard.model.contract import Contract, Known, Pack, Unreadable
from waveboard.model.document import Recorded
from waveboard.model.errors import ContractError, HostError, UsageError
from waveboard.model.evidence import Bundle
from waveboard.model.facts import HostFacts, Unavailable
from waveboard.model.finding import Finding, Mode
from waveboard.vms.adopt import Choice, Draft, draft
from waveboard.vms.adopt_disk import Told
from waveboard.vms.ready import Answer
from waveboard.vms.rule import State


@dataclass(frozen=True, slots=True)
class Ground:
    """The workspace's own bytes, which the drafts are laid beside. at: the drafts' directory as waveboard.yaml would write it."""

    workspace: bytes
    files: Mapping[str, bytes | Unreadable]
    known: Known
    at: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """files: the drafts by name. lines: keys of waveboard.yaml -> what they must name for the drafts to count. named: drafts that it
    names already, by a pattern. by_hand: what no draft
    can say. found: what the gates tell, each with a proposal; waived: what a waiver covers already. unready: rules of a VM that do
    not hold; unknown: what could not be seen; contradictions: where the contracts and the host differ."""

    host: str
    files: Mapping[str, str]
    lines: Mapping[str, Sequence[str]]
    named: tuple[str, ...]
    by_hand: tuple[str, ...]
    found: tuple[Finding, ...]
    waived: int
    unready: tuple[Answer, ...]
    unknown: tuple[str, ...]
    questions: tuple[Told, ...]
    proposed: tuple[Told, ...]
    contradictions: tuple[str, ...]
    run_key: str

    @property
    def doubtful(self) -> bool:
        """Something could not be seen: by the draft, by a gate, or by a rule of a ready VM."""
        return bool(self.unknown) or any(answer.state is State.UNKNOWN for answer in self.unready)


def adopt(site: Site, host: str, ground: Ground, choice: Choice, given: Bundle | None, days: int) -> Adopted:
    """given: a recorded bundle; None audits the host now. days: how long the proposals run.

    Raises: UsageError for an unknown host, evidence of another one, a disk that is not there; HostError for a host that gave no
    complete answer; ContractError when the drafts do not fit what is there.
    """
    site.target(host)
    if given is not None and given.host != host:
        raise UsageError(f"adopt {host}", f"the evidence is of {given.host}", f"waveboard audit {host} -o DIR records {host}")
    bundle = given or read.collect(site, (host,))[host]
    first = read.understand(site.contract, {host: bundle}, "", bundle.collected_at)
    facts = _answered(host, first)
    said = _said(site, ground, host)
    made = draft(facts, first.places.get(host), _choice(host, said, choice))
    drafts = _drafts(made, said)
    contract, _ = _merged(site, host, ground, said, drafts)
    there = replace(site, contract=contract)
    reading = read.audit(there, (host,)) if given is None else read.replayed(there, {host: given}, Recorded())
    _answered(host, reading)
    found, waived, doubts = _judged(contract, host, reading)
    answers = ready(there, host, reading, unasked, fresh=False).readiness.answers if host in contract.vms else ()
    if found:
        drafts["contracts.waivers"] = files.waivers(host, found, site.clock.now(), days, said.waivers)
    _, lines = _merged(site, host, ground, said, drafts)
    return Adopted(
        host=host,
        files={files.FILES[key]: text for key, text in drafts.items()},
        lines=lines,
        named=tuple(f"{ground.at}/{files.FILES[key]}" for key in drafts if key not in lines),
        by_hand=tuple(_by_hand(said, made)),
        found=found,
        waived=waived,
        unready=tuple(a for a in answers if a.state is not State.HOLDS),
        unknown=tuple(dict.fromkeys((*(f"{t.what}: {t.why}" for t in made.unknown), *doubts))),
        questions=(*_unspoken(said, made.questions), *_asked(contract, host, said, drafts)),
        proposed=tuple(_unspoken(said, made.proposed)),
        contradictions=tuple(_contradictions(said, made)),
        run_key=reading.run_key,
    )


def _answered(host: str, reading: Reading) -> HostFacts:
    """Raises: HostError for a host that gave no complete answer."""
    facts = reading.facts[host]
    if isinstance(facts, Unavailable):
        raise HostError(
            f"adopt {host}", facts.reason, "make it readable (waveboard vm kit HOST) and try again; nothing is drafted blindly"
        )
    return facts


def _said(site: Site, ground: Ground, host: str) -> Said:
    estate = estate_of(ground.workspace, ground.files, ground.known)
    if estate is None:
        raise ContractError(f"adopt {host}", "waveboard.yaml cannot be used", "waveboard contracts check")
    return said_of(estate, host, site.contract.policies[host].services, files.profile_name(host))


def _choice(host: str, said: Said, choice: Choice) -> Choice:
    """What the contracts say counts like a person's word. Raises: UsageError where the two differ: a contract is not talked over."""
    pairs = (("tier", choice.tier, said.tier), ("data disk", choice.disk, said.serial), ("mount", choice.mount, said.mount))
    for what, mine, theirs in pairs:
        if mine is not None and theirs is not None and mine != theirs.value:
            fix = "change the contract, or leave the option out"
            raise UsageError(f"adopt {host}", f"{theirs.place} says its {what} is {theirs.value}, not {mine}", fix)
    if choice.vmid is not None and said.vmid not in (None, choice.vmid):
        raise UsageError(f"adopt {host}", f"the contracts say its VM id is {said.vmid}, not {choice.vmid}", "leave --vmid out")
    mount = choice.mount or (said.mount.value if said.mount else None)
    return Choice(
        said.vmid if choice.vmid is None else choice.vmid,
        choice.tier or (said.tier.value if said.tier else None),
        choice.disk,
        mount,
        shared=mount is not None and mount in [path for path, _ in said.shares],
    )


def _drafts(made: Draft, said: Said) -> dict[str, str]:
    """Key of waveboard.yaml -> text, for what no contract says yet."""
    host, found = made.host, dict[str, str]()
    about = f"Draft of a first contract for {host}, from what it shows. Read it before it counts: docs/adoption.md."
    if said.lifecycle is None:
        found["contracts.vms"] = files.text((about,), files.lifecycle(made))
    if made.tier is not None and not said.judged:
        notes = [f"proposed: {t.what}: {t.why}" for t in made.proposed]
        asked = [f"question: {t.what}: {t.why}" for t in made.questions]
        theirs = (
            made if said.placement is None else replace(made, shares=())
        )  # the placement policy's shares count for the profile too
        found["contracts.profiles"] = files.text((about, *notes, *asked), files.profiles(theirs))
    if made.tier is not None and said.placement is None:
        found["contracts.placement"] = files.text((about,), files.placement(made))
    if said.services is None and (made.services or made.disk):
        found["services"] = files.text(
            (about, "data_dir is where the data should be; where it is now, the findings say."), files.services(made)
        )
    if not said.packs and said.guards < 2:
        ask = "question: evidence_max_age_s: how old may evidence be when it is judged? Without it D239 stays unknown."
        found["packs"] = files.text((about, ask), files.pack(host, sorted(shelf.gates())))
    return found


def _merged(
    site: Site, host: str, ground: Ground, said: Said, drafts: Mapping[str, str]
) -> tuple[Contract, Mapping[str, Sequence[str]]]:
    """The contract as it will be once the drafts count, and the lines of waveboard.yaml that make them count.

    Raises: ContractError naming the first thing that does not fit.
    """
    named = {key: f"{ground.at}/{files.FILES[key]}" for key in drafts}
    workspace, lines = joined(ground.workspace, named)
    there = dict(ground.files)
    if (change := said.profile) is not None and "contracts.profiles" in drafts and said.lifecycle is not None:
        raw = there[change.file]
        assert isinstance(raw, bytes)
        there[change.file] = edit.applied(change.file, raw, edit.edits(change.file, raw, [(change.path, change.old, change.new)]))
    loaded = load(workspace, {**there, **{named[key]: text.encode() for key, text in drafts.items()}}, ground.known)
    if loaded.contract is None:
        first = loaded.errors[0]
        because = f"with the drafts beside them the contracts have an error at {first.place}: {first.message}"
        raise ContractError(f"adopt {host}", because, f"{first.fix}; nothing was written")
    return replace(loaded.contract, targets=site.contract.targets), lines


def _judged(contract: Contract, host: str, reading: Reading) -> tuple[tuple[Finding, ...], int, tuple[str, ...]]:
    """What the gates of the host's packs say of it: findings nobody answers for, how many somebody does, and what could not be seen."""
    gates = tuple(sorted(shelf.gates()))
    asked = [p for p in contract.packs.values() if host in p.hosts] or [Pack("adopted", gates, (host,), Mode.REPORT)]
    found: dict[str, Finding] = {}
    doubts: list[str] = []
    for pack in asked:
        alone = replace(pack, hosts=(host,), gates=tuple(g for g in pack.gates if g in gates), later=())
        report = judge(contract, alone, reading)
        found |= {f.fingerprint: f for f in report.findings if f.host == host}
        doubts += [f"{r.gate}: {reason}" for r in report.reports for reason in r.reasons]
    open_ = tuple(f for f in found.values() if not f.waiver)
    return open_, len(found) - len(open_), tuple(dict.fromkeys(doubts))


def _by_hand(said: Said, made: Draft) -> Iterator[str]:
    """Changes of the operator's own files that the drafts need."""
    if made.tier is None or said.judged:
        return
    if said.placement is not None and said.tier is None:
        yield f"{said.placement}: add `target_storage_tier: {made.tier}` to this host"
    if said.placement is not None and said.mount is None and made.disk is not None:
        yield f"{said.placement}: add `data_mount: {made.disk.mount}` to this host"
    if said.lifecycle is None:
        return
    name = files.profile_name(made.host)
    if said.profile is not None:
        yield f"{said.profile.place}: write `profile: {name}` there in place of `{said.profile.old}`"
    else:
        yield f"{said.lifecycle}: add `profile: {name}` to this VM"


def _unspoken(said: Said, told: Sequence[Told]) -> Iterator[Told]:
    """Without what the host's own profile says already, where no other contract that is silent must say it too."""
    spoken = {"backup", "containerd_root", "docker_data_root", "log_rotation"}
    spoken |= {"tier", "mount"} if said.placement is not None else set()
    spoken |= {"data_disk"} if said.services is not None else set()
    yield from (one for one in told if not said.judged or one.what not in spoken)


def _asked(contract: Contract, host: str, said: Said, drafts: Mapping[str, str]) -> Iterator[Told]:
    """What no contract asks of the host, so that nobody would judge it: numbers that only a person chooses."""
    policy, vm = contract.policies[host], contract.vms.get(host)
    redis = [s.container for s in policy.services if s.engine == "redis"]
    if policy.thresholds.root_fail_pct is None:
        yield Told("thresholds", "how full its disks may get: neither a guard nor the placement policy gives numbers for it")
    if redis and policy.redis is None:
        yield Told("redis", f"how durable {', '.join(redis)} must be: no guard's section for it says `require_appendonly`")
    if vm is not None and vm.backup_max_age_s is None:
        yield Told("backup", "how old its newest backup may be: `backup: {max_age_h: …}` in its profile")
    if "packs" in drafts:
        yield Told("evidence_max_age_s", "how old evidence may be when it is judged: without it D239 stays unknown")
    if contract.hypervisors and "contracts.vms" in drafts:
        yield Told("proxmox_host", f"which of {', '.join(contract.hypervisors)} it lives on cannot be seen from inside")
    if not said.packs and "packs" not in drafts:
        yield Told("packs", "there are several guards: say in a pack of your own which one gives this host's numbers")


def _contradictions(said: Said, made: Draft) -> Iterator[str]:
    """Where a contract says something of the host that it does not show, and the other way round. What the gates tell is not repeated."""
    if made.disk is not None and said.serial is not None and said.serial.value != made.disk.serial:
        yield f"{said.serial.place} names the data disk {said.serial.value}; what the host shows as one is {made.disk.serial}"
    if said.placement is not None:
        theirs, ours = set(said.shares), set(made.shares)
        for path, source in sorted(ours - theirs):
            yield f"{said.placement} names no share at {path}; {source} is mounted there"
        for path, source in sorted(theirs - ours):
            yield f"{said.placement} names {source} at {path}; the host does not have it mounted"
    if said.services is not None:
        named = {s.container: s for s in said.named}
        for service in made.services:
            if service.container not in named:
                yield f"{said.services} does not name {service.container}, which keeps data at {', '.join(service.data_paths)}"
            elif missing := sorted(set(service.data_paths) - set(named[service.container].data_paths)):
                yield f"{said.services} does not name {', '.join(missing)} of {service.container}, where it keeps data"


def as_json(told: Adopted, directory: str) -> dict[str, object]:
    """`waveboard.adopt/1`. directory: where the drafts were written."""
    proposals = [
        {"fingerprint": f.fingerprint, "gate": f.gate, "code": f.code, "subject": f.subject, "message": f.message}
        for f in told.found
    ]
    return {
        "schema": "waveboard.adopt/1",
        "host": told.host,
        "directory": directory,
        "files": sorted(told.files),
        "waveboard_yaml": {key: list(names) for key, names in told.lines.items()},
        "counts_already": list(told.named),
        "by_hand": list(told.by_hand),
        "proposals": proposals,
        "waived": told.waived,
        "not_ready": [{"rule": a.id, "title": a.title, "state": a.state.value, "reasons": list(a.reasons)} for a in told.unready],
        "unknown": list(told.unknown),
        "questions": [{"what": t.what, "why": t.why} for t in told.questions],
        "proposed": [{"what": t.what, "why": t.why} for t in told.proposed],
        "contradictions": list(told.contradictions),
        "run_key": told.run_key,
    }


def counts(told: Adopted, copied: str) -> str:
    """What makes the drafts count, in words. copied: the place in the workspace that drafts outside it are copied to, "" inside it."""
    if not told.files:
        return "nothing is drafted: what could be, the contracts say already"
    there = f", copied to {copied}" if copied else ""
    if not told.named:
        return f"nothing counts yet: read the drafts, then let waveboard.yaml name them{there}"
    verb = "counts" if len(told.named) == 1 else "count"
    when = f"{verb} once copied there" if copied else f"{verb} already"
    rest = f"; let it name the others{there}" if told.lines else ""
    return f"read the drafts: {', '.join(told.named)} {when}, since waveboard.yaml names such files by a pattern{rest}"


def page(told: Adopted, copied: str) -> str:
    """The draft as a person reads it: what to do, and everything that a YAML file cannot say. copied: as `counts` has it."""
    head = counts(told, copied)
    parts = [f"# {told.host}: a first contract, drafted\n", f"{head[0].upper()}{head[1:]}{':' if told.lines else '.'}\n"]
    parts += [f"    {key}: [{', '.join(names)}]" for key, names in told.lines.items()]
    sections: tuple[tuple[str, Sequence[str]], ...] = (
        ("To change by hand", told.by_hand),
        ("Contradictions", told.contradictions),
        ("Questions that only a person can answer", [f"{t.what}: {t.why}" for t in told.questions]),
        ("Chosen by the draft", [f"{t.what}: {t.why}" for t in told.proposed]),
        ("Unknown", told.unknown),
        (
            "Violations, each with a proposal in waivers.yaml" if told.found else "Violations",
            [f"{f.fingerprint} {f.gate} {f.code} {f.subject}: {f.message}" for f in told.found],
        ),
        (
            "Not ready; no waiver makes a VM ready",
            [f"{a.id} {a.state.value}: {a.title}: {'; '.join(a.reasons)}" for a in told.unready],
        ),
    )
    for title, lines in sections:
        parts.append(f"\n## {title}\n")
        parts += [f"- {files.one_line(line)}" for line in lines] or ["none"]
    return "\n".join(parts) + "\n"
