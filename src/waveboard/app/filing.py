"""Words about gaps and loops: filed, reparented, said to be fixed, accepted. None of them closes anything."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from waveboard.app.receipting import new_key
from waveboard.app.registers import Recorded, change, gap_named, loop_named, named, not_anothers, record
from waveboard.app.site import Site
from waveboard.contracts.formats.shape import ID
from waveboard.model.condition import parse_condition
from waveboard.model.errors import ApprovalNeeded, RefusedError, UsageError
from waveboard.model.receipt import ActorKind
from waveboard.model.register import Change
from waveboard.model.units import instant_text
from waveboard.register.view import View

_NUMBERED = re.compile(r"(.*?)([0-9]+)")
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_LOOP = re.compile(r"LOOP-[A-Z0-9]+(?:-[A-Z0-9]+)*-[0-9]{8}")


@dataclass(frozen=True, slots=True)
class NewGap:
    """What is known of a gap when it is filed. id "": the next free number; finding: a fingerprint it is filed for."""

    description: str
    severity: str
    type: str
    id: str = ""
    loop: str = ""
    criterion: str = ""
    producer: str = ""
    finding: str = ""


def file_gap(site: Site, new: NewGap) -> Recorded:
    """Raises: UsageError for an id that is taken or a condition that is none, RefusedError."""
    cannot = f"file {new.id or 'a gap'}"
    if not new.description.strip():
        raise UsageError(cannot, "its description is empty", "say what is wrong")
    if new.criterion:
        _condition(new.criterion, cannot)
    key = new_key(site, "gaps.file")

    def draft(view: View) -> list[Change]:
        name = new.id or _next(view)
        if not ID.fullmatch(name):
            raise UsageError(
                cannot,
                "that is no id of a gap",
                "up to 64 letters, digits, `.`, `_` and `-`, beginning with one of the first two",
            )
        if other := next((one for one in (*view.gaps, *view.loops) if _alike(one) == _alike(name)), ""):
            because = (
                f"{name} is registered already" if other == name else f"{name} could be taken for {other}, which is registered"
            )
            raise UsageError(cannot, because, "leave --id out for the next free number")
        loop = loop_named(view, new.loop, cannot).loop.id if new.loop else ""
        told = {
            "severity": new.severity,
            "type": new.type,
            "description": new.description,
            "discovered_by": site.actor.principal,
            "discovered_at": f"{site.clock.now():%Y-%m-%d}",
            "parent_loop": loop,
            "criterion": new.criterion,
            "producer": new.producer,
            "finding": new.finding,
        }
        return [replace(change(site, key, "gap", name, "filed"), detail={k: v for k, v in told.items() if v})]

    return record(site, key, cannot, draft)


def file_loop(site: Site, name: str, told: Mapping[str, str]) -> Recorded:
    """told: owner, objective, scope, severity, parent_loop. Raises: UsageError, RefusedError."""
    cannot = f"file {name}"
    if not _LOOP.fullmatch(name):
        raise UsageError(cannot, "a loop is named like LOOP-WHAT-IT-IS-20260226", "use capitals, digits and a date")
    key = new_key(site, "loops.file")

    def draft(view: View) -> list[Change]:
        if view.loop(name):
            raise UsageError(cannot, f"{name} is registered already", "choose another name")
        if told.get("parent_loop"):
            loop_named(view, told["parent_loop"], cannot)
        known = {**told, "created": f"{site.clock.now():%Y-%m-%d}"}
        return [replace(change(site, key, "loop", name, "filed"), detail={k: v for k, v in known.items() if v})]

    return record(site, key, cannot, draft)


def reparent(site: Site, noun: str, name: str, to: str, reason: str) -> Recorded:
    """to: a loop, or "" for none. Raises: UsageError, RefusedError."""
    cannot = f"reparent {name}"
    key = new_key(site, f"{noun}s.reparent")

    def draft(view: View) -> list[Change]:
        own = named(noun, view, name, cannot)
        not_anothers(site, own, cannot)
        loop = loop_named(view, to, cannot).loop.id if to else ""
        return [replace(change(site, key, noun, own, "reparented", reason), detail={"to": loop})]

    return record(site, key, cannot, draft)


def say_fixed(site: Site, name: str, fixed_in: str, reason: str) -> Recorded:
    """Somebody's word that it is fixed: kept, shown, and proof of nothing. Raises: UsageError, RefusedError."""
    cannot = f"mark {name} fixed"
    key = new_key(site, "gaps.fix")

    def draft(view: View) -> list[Change]:
        gap_named(view, name, cannot)
        not_anothers(site, name, cannot)
        return [replace(change(site, key, "gap", name, "fix-said", reason), detail={"fixed_in": fixed_in})]

    return record(site, key, cannot, draft)


def accept(site: Site, name: str, reason: str, owner: str, until: datetime) -> Recorded:
    """A person lives with a gap for a while. Raises: ApprovalNeeded for an agent, UsageError, RefusedError."""
    cannot = f"accept {name}"
    if site.actor.kind is not ActorKind.HUMAN:
        raise ApprovalNeeded(
            cannot, f"{site.actor.principal} is no person, and only people answer for a gap", "ask a person to do it"
        )
    if until <= site.clock.now():
        raise RefusedError(cannot, f"{instant_text(until)} is past", "name an end that is still to come")
    key = new_key(site, "gaps.accept")

    def draft(view: View) -> list[Change]:
        gap_named(view, name, cannot)
        not_anothers(site, name, cannot)
        detail = {"owner": owner, "until": instant_text(until)}
        return [replace(change(site, key, "gap", name, "accepted", reason), detail=detail)]

    return record(site, key, cannot, draft)


def _alike(name: str) -> str:
    """What a person who reads or types an id may not tell apart: letters by their case, numbers by zeros before them."""
    return _ZEROS.sub("", name.casefold())


def _next(view: View) -> str:
    """One more than the highest number under the register's most used prefix."""
    numbers: dict[str, list[int]] = {}
    for name in view.gaps:
        if match := _NUMBERED.fullmatch(name):
            numbers.setdefault(match[1], []).append(int(match[2]))
    if not numbers:
        raise UsageError(
            "file a gap", "the register is empty, so there is no number to go on from", "name the first one with --id"
        )
    prefix, used = max(numbers.items(), key=lambda item: (len(item[1]), item[0]))
    return f"{prefix}{max(used) + 1}"


def _condition(text: str, cannot: str) -> None:
    try:
        parse_condition(text)
    except ValueError as problem:
        raise UsageError(cannot, f"its criterion is no condition: {problem}", "write it like one of docs/contracts.md") from None
