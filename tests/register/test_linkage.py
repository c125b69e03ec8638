"""Findings and STOR entries, both ways, and what changed since an earlier run."""

from dataclasses import replace

import pytest

from waveboard.model.contract import FindingsMap, LinkRule, StorFinding
from waveboard.model.finding import Finding, GateReport, Mode, PackReport, Severity, Verdict
from waveboard.register import changes, linkage


def entry(stor: str, gaps: tuple[str, ...] = ("GAP-OP-1",), loops: tuple[str, ...] = ("LOOP-A",)) -> StorFinding:
    return StorFinding(stor, "t", Severity.HIGH, "W8B", "open", "c", gaps, loops)


def finding(code: str, host: str = "a", gate: str = "D236") -> Finding:
    return Finding(gate, host, code, "s", Severity.HIGH, "m")


def report(*findings: Finding, reasons: tuple[str, ...] = (), verdict: Verdict = Verdict.FAIL) -> PackReport:
    gate = GateReport("D236", "t", verdict, Mode.REPORT, Severity.HIGH, findings, reasons, ("a", "b"))
    return PackReport("mint", (gate,), "sha256:0")


MAP = FindingsMap(
    (entry("STOR-001"), entry("STOR-002", ("GAP-OP-2", "GAP-OP-1")), entry("STOR-003"), entry("STOR-004")),
    (),
    (
        LinkRule("STOR-001", "D236", ("x",)),
        LinkRule("STOR-002", "D236", ("x", "y"), ("a",)),
        LinkRule("STOR-003", "D236", ("z",)),
        LinkRule("STOR-003", "D999", ("z",)),
    ),
)


def test_a_finding_knows_its_entries_gaps_and_loops() -> None:
    linked = linkage.link(report(finding("x"), finding("x", "b"), finding("other")), MAP).findings
    assert [f.stor for f in linked] == [("STOR-001", "STOR-002"), ("STOR-001",), ()]
    assert linked[0].gaps == ("GAP-OP-1", "GAP-OP-2") and linked[0].loops == ("LOOP-A",)
    assert [f.fingerprint for f in linked] == [f.fingerprint for f in (finding("x"), finding("x", "b"), finding("other"))]


def test_both_ways() -> None:
    seen = linkage.both_ways((report(finding("x", "b"), finding("other")),), MAP)
    assert [f.code for f in seen.unlinked] == ["other"] and not seen.complete
    assert {e.stor.id: e.observed for e in seen.entries} == {
        "STOR-001": True,
        "STOR-002": False,
        "STOR-003": None,  # a gate linked to it was not asked
        "STOR-004": None,  # nothing is linked to it
    }


def test_not_seen_is_not_gone() -> None:
    seen = linkage.both_ways((report(reasons=("b: unreachable",)),), MAP)
    assert {e.observed for e in seen.entries} == {None}


def pack(name: str, *findings: Finding, hosts: tuple[str, ...] = ("a", "b"), reasons: tuple[str, ...] = ()) -> PackReport:
    verdict = Verdict.FAIL if findings else Verdict.UNKNOWN if reasons else Verdict.PASS
    return PackReport(name, (GateReport("D236", "t", verdict, Mode.REPORT, Severity.HIGH, findings, reasons, hosts),), "sha256:0")


SEES = pack("sees", hosts=("a",))
BLIND = pack("blind", hosts=("b",), reasons=("b: unreachable",))
IDLE = PackReport("idle", (replace(SEES.reports[0], verdict=Verdict.NOT_APPLICABLE, hosts=("b",)),), "sha256:0")
ELSEWHERE = PackReport("elsewhere", (replace(SEES.reports[0], gate="D999"),), "sha256:0")


@pytest.mark.parametrize("hosts", [(), ("a", "b")], ids=["any-host", "both-named"])
@pytest.mark.parametrize("packs", [(SEES, BLIND), (BLIND, SEES)], ids=["sees-first", "blind-first"])
def test_one_pack_that_saw_nothing_does_not_answer_for_another_that_could_not_see(
    packs: tuple[PackReport, ...], hosts: tuple[str, ...]
) -> None:
    one = FindingsMap((entry("STOR-001"),), (), (LinkRule("STOR-001", "D236", ("x",), hosts),))
    found = linkage.over(packs, one)["STOR-001"]
    assert found.observed is None and "b: unreachable" in found.why


@pytest.mark.parametrize(
    ("packs", "hosts", "observed"),
    [
        ((BLIND, pack("saw", finding("x"))), (), True),
        ((BLIND, SEES), ("a",), False),  # the one host it is about was seen
        ((SEES, BLIND), ("a",), False),
        ((BLIND, pack("whole")), ("a", "b"), False),
        ((BLIND, pack("whole")), (), None),  # which hosts it is about, nobody said
        ((SEES, ELSEWHERE), (), False),  # a pack without the gate says nothing of it
        ((ELSEWHERE, SEES), (), False),
        ((ELSEWHERE,), (), None),
        ((SEES, IDLE), (), False),  # nothing was asked of its hosts
        ((IDLE,), (), None),
        ((SEES, pack("other", hosts=("b",))), ("a", "b"), None),  # no one report covers both
        ((SEES, pack("other", hosts=("b",))), (), False),
    ],
)
def test_over_several_packs(packs: tuple[PackReport, ...], hosts: tuple[str, ...], observed: bool | None) -> None:
    one = FindingsMap((entry("STOR-001"),), (), (LinkRule("STOR-001", "D236", ("x",), hosts),))
    found = linkage.over(packs, one)["STOR-001"]
    assert found.observed is observed
    assert observed or bool(found.why) is (observed is None)


def test_every_gate_linked_to_an_entry_must_have_seen() -> None:
    links = (LinkRule("STOR-001", "D236", ("x",)), LinkRule("STOR-001", "D999", ("x",)))
    one = FindingsMap((entry("STOR-001"),), (), links)
    assert linkage.over((SEES,), one)["STOR-001"].why == "D999 gave no verdict"
    assert linkage.over((SEES, ELSEWHERE), one)["STOR-001"].observed is False


@pytest.mark.parametrize("hole", [{"gaps": ()}, {"loops": ()}])
def test_an_entry_without_owner_is_incomplete(hole: dict[str, tuple[str, ...]]) -> None:
    whole = FindingsMap((entry("STOR-001"),), (), (LinkRule("STOR-001", "D236", ("x",)),))
    assert linkage.both_ways((report(finding("x")),), whole).complete
    broken = replace(whole, findings=(replace(whole.findings[0], **hole),))
    assert not linkage.both_ways((report(finding("x")),), broken).complete


def codes(found: tuple[Finding, ...]) -> list[str]:
    return [f"{f.host}:{f.code}" for f in found]


def test_new_known_vanished() -> None:
    earlier = (finding("x"), finding("y"))
    now = changes.since(earlier, report(replace(finding("x"), message="other words", measured=(("n", "2"),)), finding("z")))
    assert (codes(now.new), codes(now.known), codes(now.vanished), codes(now.unseen)) == (["a:z"], ["a:x"], ["a:y"], [])


@pytest.mark.parametrize(
    "now",
    [
        report(reasons=("a: unreachable",)),
        report(reasons=("*: freshness: old",)),
        report(verdict=Verdict.ERROR),
        PackReport("mint", (), "sha256:0"),
        PackReport("mint", (replace(report().reports[0], hosts=("b",)),), "sha256:0"),
        PackReport("mint", (replace(report().reports[0], canary=False),), "sha256:0"),
    ],
    ids=["doubted", "fleet-doubted", "error", "not-asked", "host-not-judged", "blind"],
)
def test_what_was_not_looked_at_has_not_vanished(now: PackReport) -> None:
    found = changes.since((finding("x"),), now)
    assert (codes(found.vanished), codes(found.unseen)) == ([], ["a:x"])


def test_a_doubt_about_another_host_does_not_keep_it() -> None:
    assert codes(changes.since((finding("x"),), report(reasons=("b: unreachable",))).vanished) == ["a:x"]
