"""Waivers over a report: what they cover, when they end, and that they hide nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from waveboard.gates import outcome
from waveboard.model.finding import Finding, GateReport, Mode, PackReport, Severity, Verdict
from waveboard.model.register import Waiver
from waveboard.register.waive import apply, covers, ended

AT = datetime(2026, 2, 26, 3, 0, tzinfo=UTC)
SEEN = Finding("D237", "apps", "images-size", "docker:images", Severity.MEDIUM, "m")
OTHER = replace(SEEN, code="build-cache-size", subject="docker:cache")
W = Waiver("W-1", "so", "ronny", gate="D237", host="apps", code="images-*", until=AT + timedelta(days=1))


def report(*findings: Finding, mode: Mode = Mode.ENFORCE, reasons: tuple[str, ...] = ()) -> PackReport:
    verdict = Verdict.FAIL if findings else Verdict.UNKNOWN if reasons else Verdict.PASS
    gate = GateReport("D237", "t", verdict, mode, Severity.MEDIUM, findings, reasons, ("apps",))
    return PackReport("mint", (gate,), "sha256:0", counts={"gates": 1, "waived": 0})


def answers(value: bool | None) -> Callable[[str], bool | None]:
    return lambda text: value


def waived(one: PackReport, *waivers: Waiver, at: datetime = AT, holds: bool | None = None) -> PackReport:
    return apply(one, waivers or (W,), at, answers(holds))


def test_a_waived_finding_stays_and_its_gate_stays_failed() -> None:
    told = waived(report(SEEN))
    (gate,) = told.reports
    assert (gate.verdict, gate.findings[0].waiver, gate.unexpected) == (Verdict.FAIL, "W-1", ())
    assert (told.waived, told.counts["waived"], told.counts["unexpected"], told.complete) == (1, 1, 0, True)
    assert outcome.summary(told) == "1 gate: 0 pass, 1 fail, 1 waived"
    assert outcome.exit_code(told) == 0 and not outcome.blocks(gate)


def test_one_unexpected_finding_beside_it_blocks_as_ever() -> None:
    told = waived(report(SEEN, OTHER))
    assert (outcome.exit_code(told), told.complete, outcome.blocks(told.reports[0])) == (3, False, True)
    assert outcome.exit_code(waived(report(SEEN, OTHER, mode=Mode.REPORT))) == 2
    assert told.counts["unexpected"] == 1


def test_only_a_star_and_a_question_mark_are_no_letters_of_their_own() -> None:
    named = replace(SEEN, subject="volume:[ab]")
    assert covers(replace(W, subject="volume:[ab]"), named) and covers(replace(W, subject="volume:[a?]*"), named)
    assert not covers(replace(W, subject="volume:[ab]"), replace(SEEN, subject="volume:a"))


def test_it_never_covers_what_could_not_be_seen() -> None:
    blind = waived(report(SEEN, reasons=("apps: unreachable",)))
    assert outcome.exit_code(blind) == 5 and not blind.complete and outcome.blocks(blind.reports[0])
    assert waived(report(reasons=("apps: unreachable",))).reports[0].verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("waiver", "holds", "why"),
    [
        (W, None, ""),
        (replace(W, until=AT), None, "ended at 2026-02-26T03:00:00Z"),
        (replace(W, owner="To be named "), None, "nobody's name"),
        (replace(W, until=None, during="apps.root.used_pct < 60"), True, ""),
        (replace(W, until=None, during="apps.root.used_pct < 60"), False, "no longer holds"),
        (replace(W, until=None, during="apps.root.used_pct < 60"), None, "is unknown"),
        (replace(W, until=None, ends_when="apps.root.used_pct > 60"), False, ""),
        (replace(W, until=None, ends_when="apps.root.used_pct > 60"), True, "holds now"),
        (replace(W, until=None, ends_when="apps.root.used_pct > 60"), None, "is unknown"),
    ],
)
def test_it_ends(waiver: Waiver, holds: bool | None, why: str) -> None:
    said = ended(waiver, AT, answers(holds))
    assert why in said and bool(said) == bool(why)
    assert bool(waived(report(SEEN), waiver, holds=holds).waived) == (not why)


@pytest.mark.parametrize(
    ("change", "yes"),
    [
        ({}, True),
        ({"gate": "D238"}, False),
        ({"host": "data"}, False),
        ({"host": "", "code": ""}, True),
        ({"subject": "docker:*"}, True),
        ({"subject": "container:*"}, False),
        ({"gate": "", "host": "", "code": "", "fingerprint": SEEN.fingerprint}, True),
        ({"gate": "", "host": "", "code": "", "fingerprint": "0" * 16}, False),
    ],
)
def test_what_it_covers(change: dict[str, str], yes: bool) -> None:
    assert covers(replace(W, **change), SEEN) is yes  # type: ignore[arg-type]
