"""The five gates together, as a pack: what the closing gate makes of the others, and the order of the pack."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from waveboard.gates import evaluate, outcome, seeds, shelf
from waveboard.gates.gate import Fleet
from waveboard.model.contract import Cluster, FindingsMap, HostPolicy, LinkRule, Place, Sourced, StorFinding, Thresholds
from waveboard.model.facts import BlockDevices, HostFacts, Mounts, Unavailable
from waveboard.model.finding import GateReport, PackReport, Severity, Verdict

POLICY = HostPolicy("box", thresholds=Thresholds(Sourced(60.0, Place("guard.yaml", 7))))
FACTS = seeds.facts(Mounts(()), BlockDevices({}), seeds.usage(87), seeds.places(), host="box")
ENTRY = StorFinding("STOR-001", "t", Severity.HIGH, "W8B", "open", "c", ("GAP-OP-932",), ("LOOP-A",))
MAP = FindingsMap((ENTRY,), (Cluster("c", "t", ("STOR-001",), (), None),), (LinkRule("STOR-001", "D237", ("root-usage",)),))


def run(
    findings: FindingsMap, facts: HostFacts | Unavailable = FACTS, gates: tuple[str, ...] = tuple(shelf.gates())
) -> PackReport:
    base: Fleet = seeds.many({"box": (POLICY, FACTS)}, findings)
    return evaluate.run(replace(base.pack, gates=gates), base.contract, {"box": facts}, {}, base.at)


def gate(report: PackReport, name: str) -> GateReport:
    return next(one for one in report.reports if one.gate == name)


def codes(report: PackReport, name: str) -> list[str]:
    return [finding.code for finding in gate(report, name).findings]


def test_a_linked_finding_leaves_the_snapshot_green() -> None:
    report = run(MAP)
    assert codes(report, "D237") == ["root-usage"] and gate(report, "D239").verdict is Verdict.PASS
    assert report.complete and outcome.exit_code(report) == 2


def test_a_finding_that_nobody_owns_is_a_finding() -> None:
    report = run(replace(MAP, links=(replace(MAP.links[0], hosts=("other",)),)))
    assert codes(report, "D239") == ["unlinked-finding"]
    assert gate(report, "D239").findings[0].subject == "finding:D237:root-usage"


def test_what_was_called_fixed_and_is_back_is_a_finding() -> None:
    assert codes(run(replace(MAP, findings=(replace(ENTRY, status="fixed"),))), "D239") == ["fixed-but-observed"]


def test_what_another_gate_could_not_see_is_missing_from_the_snapshot() -> None:
    report = run(MAP, replace(FACTS, nouns={noun: fact for noun, fact in FACTS.nouns.items() if noun.__name__ != "Usage"}))
    assert "box: snapshot: incomplete for D237" in gate(report, "D239").reasons
    assert gate(report, "D239").verdict is Verdict.UNKNOWN and not report.complete


def test_with_every_host_down_nothing_passes() -> None:
    report = run(MAP, Unavailable("connection timed out"))
    assert {one.verdict for one in report.reports} == {Verdict.UNKNOWN} and outcome.exit_code(report) == 5
    assert all(one.reasons == ("box: connection timed out",) for one in report.reports)


@settings(max_examples=20)
@given(st.permutations(list(shelf.gates())))
def test_the_order_of_a_pack_changes_only_the_order_of_its_report(order: list[str]) -> None:
    usual, shuffled = run(MAP), run(MAP, gates=tuple(order))
    assert [one.gate for one in shuffled.reports] == order
    assert sorted(shuffled.reports, key=lambda one: one.gate) == list(usual.reports)


@settings(max_examples=30)
@given(st.sets(st.sampled_from(sorted(shelf.gates())), min_size=1), st.data())
def test_taking_facts_away_never_makes_anything_greener(gates: set[str], data: st.DataObject) -> None:
    """From the seeded scene of every gate: with nouns removed, a verdict is never pass or not-applicable."""
    for name in sorted(gates):
        scene = shelf.gates()[name].canary().seeded
        kept = data.draw(st.sets(st.sampled_from(sorted({n for f in scene.facts.values() for n in f.nouns}, key=str))))  # type: ignore[union-attr]
        facts = {
            host: replace(fact, nouns={noun: one for noun, one in fact.nouns.items() if noun in kept})  # type: ignore[union-attr,arg-type]
            for host, fact in scene.facts.items()
        }
        pack = replace(scene.pack, gates=(name,))
        verdict = evaluate.run(pack, scene.contract, facts, {}, scene.at).reports[0].verdict
        assert verdict in (Verdict.FAIL, Verdict.UNKNOWN), (name, kept)


def test_a_doubt_about_the_contracts_counts_too() -> None:
    fleet = replace(seeds.many({"box": (POLICY, FACTS)}, MAP), doubts=(("D1", "*", "a contract is unreadable"),))
    tally = evaluate.ask(fleet, {"D239": shelf.gates()["D239"]})["D239"]
    assert tally.doubts == [("*", "snapshot: incomplete for D1")]
