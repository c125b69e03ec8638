"""Entry and exit conditions of a wave, judged on one reading. What cannot be judged is not met: unknown is never green."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from waveboard.app.check import judge
from waveboard.app.comparing import compare
from waveboard.app.read import Reading
from waveboard.gates import outcome
from waveboard.model.change import Plan
from waveboard.model.condition import Predicate, parse_condition
from waveboard.model.contract import WORKSPACE_HOST, Contract
from waveboard.model.finding import PackReport
from waveboard.model.graph import Confidence, PlacementClass
from waveboard.waves import rollback

_AWAY = (PlacementClass.DATA, PlacementClass.NET, PlacementClass.NETDISK)


Told = Mapping[str, Callable[[object], tuple[bool | None, str]]]  # predicate -> its argument -> answer, what was seen


class HasContract(Protocol):
    """Whoever asks."""

    @property
    def contract(self) -> Contract: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One condition's answer. holds None: it could not be judged. saw: the operands, for the reader and the receipt."""

    text: str
    holds: bool | None
    saw: str


def hosts_needed(contract: Contract, plan: Plan, side: str) -> tuple[str, ...]:
    """Every host that must be read to judge the wave's conditions on that side, the plan's own first."""
    hosts = [pin.host for pin in plan.hosts if pin.host != WORKSPACE_HOST] + list(plan.read_only_hosts)
    for text in _conditions(contract, plan, side):
        parsed = parse_condition(text)
        if isinstance(parsed, Predicate) and parsed.name == "pack_complete" and str(parsed.argument) in contract.packs:
            hosts += contract.packs[str(parsed.argument)].hosts
        if isinstance(parsed, Predicate) and parsed.name == "gate_passes":
            hosts += [h for pack in contract.packs.values() for h in pack.hosts if _gate(parsed) in pack.gates]
    return tuple(dict.fromkeys(hosts))


def ask(contract: Contract, plan: Plan, read: Reading, side: str, told: Told | None = None) -> tuple[Asked, ...]:
    """Every condition of that side with its answer, in the wave's order. told: predicates that history answers, not this reading."""
    reports: dict[str, PackReport] = {}
    return tuple(_ask(contract, plan, read, text, reports, told or {}) for text in _conditions(contract, plan, side))


def ask_conditions(contract: Contract, read: Reading, texts: Sequence[str]) -> tuple[Asked, ...]:
    """Conditions that belong to no plan; what asks about a plan's own steps is unknown."""
    reports: dict[str, PackReport] = {}
    return tuple(_ask(contract, None, read, text, reports, {}) for text in texts)


@dataclass(frozen=True, slots=True)
class Unmet:
    """Conditions in words with what was seen. failing: those that do not hold; unseen: those that could not be judged."""

    failing: tuple[str, ...]
    unseen: tuple[str, ...]


def unmet(site: HasContract, plan: Plan, read: Reading, side: str, told: Told | None = None) -> Unmet:
    """What stands against the wave on that side."""
    asked = ask(site.contract, plan, read, side, told)
    failing, unseen = ([f"{a.text}: {a.saw}" for a in asked if a.holds is answer] for answer in (False, None))
    return Unmet(tuple(failing), tuple(unseen))


def _conditions(contract: Contract, plan: Plan, side: str) -> tuple[str, ...]:
    wave = contract.waves.get(plan.wave)
    return () if wave is None else (wave.entry if side == "entry" else wave.exit)


def _ask(contract: Contract, plan: Plan | None, read: Reading, text: str, reports: dict[str, PackReport], told: Told) -> Asked:
    condition = parse_condition(text)
    if isinstance(condition, Predicate) and condition.name in told:
        return Asked(text, *told[condition.name](condition.argument))
    if isinstance(condition, Predicate):
        holds, saw = _predicate(contract, plan, read, condition, reports)
        return Asked(text, holds, saw)
    return Asked(text, *compare(contract, read, text))


def _gate(predicate: Predicate) -> str:
    return str(predicate.argument.get("gate", "")) if isinstance(predicate.argument, dict) else ""


def _report(contract: Contract, read: Reading, name: str, reports: dict[str, PackReport]) -> PackReport | None:
    if name not in reports and name in contract.packs:
        reports[name] = judge(contract, contract.packs[name], read)
    return reports.get(name)


def _predicate(
    contract: Contract, plan: Plan | None, read: Reading, asked: Predicate, reports: dict[str, PackReport]
) -> tuple[bool | None, str]:
    match asked.name:
        case "pack_complete":
            report = _report(contract, read, str(asked.argument), reports)
            if report is None:
                return None, "there is no such pack"
            doubts = [f"{r.gate}: {r.reasons[0]}" for r in report.reports if r.reasons]
            return report.complete, outcome.summary(report) + ("; " + "; ".join(doubts) if doubts else "")
        case "gate_passes":
            return _gate_passes(contract, read, asked, reports)
        case "not_boot_backed":
            return _away(contract, read, str(asked.argument))
        case "undo_ready":
            if plan is None:
                return None, "there is no plan to ask it of"
            without = rollback.missing(plan)
            return (
                not without,
                f"without an undo: {', '.join(without)}" if without else f"{len(plan.steps)} steps, each with its undo",
            )
        case "window_open" | "approval":
            if plan is None:
                return None, "there is no plan to ask it of"
            return True, "judged at admission, with the plan's own window and approvals"
        case "linkage_complete":
            wanted = asked.argument if isinstance(asked.argument, list) else []
            known = {s.id: s for s in contract.findings.findings}
            loose = [str(s) for s in wanted if str(s) not in known or not known[str(s)].gaps or not known[str(s)].loops]
            return not loose, f"without gap or loop: {', '.join(loose)}" if loose else f"{len(wanted)} ids, all linked"
    return None, "nothing judges this condition yet"


def _gate_passes(contract: Contract, read: Reading, asked: Predicate, reports: dict[str, PackReport]) -> tuple[bool | None, str]:
    gate = _gate(asked)
    hosts = asked.argument.get("hosts", []) if isinstance(asked.argument, dict) else []
    for name, pack in contract.packs.items():
        report = _report(contract, read, name, reports) if gate in pack.gates else None
        for one in report.reports if report else ():
            if one.gate != gate:
                continue
            doubts = [
                r for r in one.reasons if not hosts or any(r.startswith(f"{h}:") for h in hosts) or r.startswith(("canary", "*"))
            ]
            left = [f for f in one.unexpected if not hosts or f.host in hosts]
            if doubts:
                return None, doubts[0]
            unjudged = [host for host in hosts if host not in one.hosts] or ([] if one.hosts else ["any host"])
            if unjudged:
                skipped = (reason for reason in one.skipped if reason.startswith(f"{unjudged[0]}:"))
                return None, next(skipped, f"{gate} did not judge {unjudged[0]}")
            return not left, "; ".join(f"{f.host} {f.code}: {f.message}" for f in left[:3]) or "no finding"
    return None, f"no pack holds {gate}"


def _away(contract: Contract, read: Reading, host: str) -> tuple[bool | None, str]:
    """Every declared data path of the host is off the boot disk, and was seen to be."""
    policy, places = contract.policies.get(host), read.places.get(host)
    if policy is None or places is None or not policy.services:
        return None, f"{host}: no service is declared, or its placements are unknown"
    told = []
    if not any(service.data_paths for service in policy.services):
        return None, f"{host}: no service declares where it keeps its data"
    for service in policy.services:
        for path in service.data_paths:
            place = places.containers.get(service.container, {}).get(path)
            if place is None or place.boot is None or place.confidence is not Confidence.OBSERVED:
                return None, f"{service.container}:{path} could not be placed"
            if place.boot or place.placement not in _AWAY:
                return False, f"{service.container}:{path} is {place.placement.value} ({', '.join(place.disks)})"
            told.append(f"{service.container} on {', '.join(place.disks)}")
    return True, "; ".join(told)
