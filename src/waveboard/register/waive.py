"""Waivers laid over a report: which findings somebody answers for. Hides nothing: a waived finding stays, and its gate stays failed.

A waiver whose condition cannot be judged covers nothing, and none touches what a gate could not see: unknown is never waived.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase

from waveboard.model.finding import Finding, PackReport
from waveboard.model.register import Waiver
from waveboard.model.units import instant_text

Holds = Callable[[str], bool | None]


def apply(report: PackReport, waivers: Iterable[Waiver], at: datetime, holds: Holds) -> PackReport:
    """The same report, each covered finding with its waiver's id: the first in the file's order. holds: a condition's answer now."""
    live = [waiver for waiver in waivers if not ended(waiver, at, holds)]
    reports = tuple(
        replace(one, findings=tuple(replace(f, waiver=_covering(f, live)) for f in one.findings)) for one in report.reports
    )
    waived = sum(bool(f.waiver) for one in reports for f in one.findings)
    counts = {**report.counts, "waived": waived, "unexpected": sum(len(one.unexpected) for one in reports)}
    return replace(report, reports=reports, waived=waived, counts=counts)


def ended(waiver: Waiver, at: datetime, holds: Holds) -> str:
    """Why it covers nothing, or nothing any more; "" while it lives."""
    if waiver.proposed:
        return "it is a proposal: nobody's name stands as its owner"
    if waiver.until is not None and waiver.until <= at:
        return f"it ended at {instant_text(waiver.until)}"
    if waiver.during and (answer := holds(waiver.during)) is not True:
        return f"{waiver.during} {'is unknown' if answer is None else 'no longer holds'}"
    if waiver.ends_when and (answer := holds(waiver.ends_when)) is not False:
        return f"{waiver.ends_when} {'is unknown' if answer is None else 'holds now'}"
    return ""


def covers(waiver: Waiver, finding: Finding) -> bool:
    """By fingerprint, or by everything it names; the gate is never a pattern."""
    if waiver.fingerprint:
        return waiver.fingerprint == finding.fingerprint
    return waiver.gate == finding.gate and all(
        not pattern or fnmatchcase(value, pattern.replace("[", "[[]"))  # `*` and `?` alone stand for anything
        for pattern, value in ((waiver.host, finding.host), (waiver.code, finding.code), (waiver.subject, finding.subject))
    )


def _covering(finding: Finding, live: Iterable[Waiver]) -> str:
    return next((waiver.id for waiver in live if covers(waiver, finding)), "")
