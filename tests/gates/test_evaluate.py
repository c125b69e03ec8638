"""The run itself: canaries, isolation, doubts beside findings, missing gates, determinism."""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.gates import evaluate, outcome, seeds, shelf
from waveboard.gates.gate import Canary, Deviation, Doubt, Fleet, Gate, Observation, Skip
from waveboard.model.contract import HostPolicy, Place, Sourced, Thresholds
from waveboard.model.facts import HostFacts, Unavailable, Usage, WriteSurfaces
from waveboard.model.finding import GateReport, Mode, PackReport, Severity, Verdict
from waveboard.model.graph import HostPlacements

POLICY = HostPolicy("canary", vmid=1)


def see(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    if policy.vmid is None:
        yield Skip("not asked")
        return
    if facts[Usage].filesystems:
        yield Deviation("seen", "thing", Severity.LOW, "there it is")


def canary() -> Canary:
    return Canary(seeds.fleet(POLICY, seeds.usage(1)), frozenset({"seen"}), seeds.fleet(POLICY, Usage({})))


GOOD = Gate("D1", "good", "D1", Severity.LOW, (Usage,), {"seen": "s"}, canary, (see,))


def run(gate: Gate, *hosts: tuple[HostPolicy | None, HostFacts | Unavailable], mode: Mode = Mode.REPORT) -> PackReport:
    base = seeds.many({})
    names = tuple(f"h{i}" for i in range(len(hosts)))
    policies = {name: replace(policy, host=name) for name, (policy, _) in zip(names, hosts, strict=True) if policy}
    facts = {
        name: replace(fact, host=name) if isinstance(fact, HostFacts) else fact
        for name, (_, fact) in zip(names, hosts, strict=True)
    }
    pack = replace(base.pack, gates=(gate.id,), hosts=names, mode=mode)
    return evaluate.run(pack, replace(base.contract, policies=policies), facts, {}, seeds.AT, {gate.id: gate})


def one(report: PackReport) -> GateReport:
    return report.reports[0]


CLEAN = (POLICY, seeds.facts(Usage({})))
BAD = (POLICY, seeds.facts(seeds.usage(1)))
DOWN = (POLICY, Unavailable("unreachable"))
DARK = (POLICY, seeds.facts())
UNASKED = (HostPolicy("x"), seeds.facts())


@pytest.mark.parametrize(
    ("hosts", "verdict"),
    [
        ((CLEAN,), Verdict.PASS),
        ((CLEAN, BAD), Verdict.FAIL),
        ((CLEAN, DOWN), Verdict.UNKNOWN),
        ((CLEAN, DARK), Verdict.UNKNOWN),
        ((CLEAN, UNASKED), Verdict.PASS),
        ((CLEAN, (None, CLEAN[1])), Verdict.UNKNOWN),
        ((BAD, DOWN), Verdict.FAIL),
        ((UNASKED,), Verdict.NOT_APPLICABLE),
        ((UNASKED, DOWN), Verdict.UNKNOWN),
    ],
)
def test_verdicts(hosts: tuple[tuple[HostPolicy | None, HostFacts | Unavailable], ...], verdict: Verdict) -> None:
    assert one(run(GOOD, *hosts)).verdict is verdict


def test_a_failure_with_doubts_keeps_both_and_is_not_complete() -> None:
    report = run(GOOD, BAD, DOWN)
    assert [f.host for f in report.findings] == ["h0"] and one(report).reasons == ("h1: unreachable",)
    assert not report.complete and outcome.exit_code(report) == 5
    assert run(GOOD, BAD).complete and outcome.exit_code(run(GOOD, BAD)) == 2


def test_a_host_without_evidence_is_unknown() -> None:
    base = seeds.many({})
    pack = replace(base.pack, gates=("D1",), hosts=("gone",))
    contract = replace(base.contract, policies={"gone": POLICY})
    report = evaluate.run(pack, contract, {}, {}, seeds.AT, {"D1": GOOD})
    assert one(report).reasons == ("gone: this run holds no evidence from it",) and one(report).verdict is Verdict.UNKNOWN


def _sees_nothing(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    facts[Usage]
    return iter(())


def _cries_wolf(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    facts[Usage]
    yield Deviation("seen", "thing", Severity.LOW, "always")


def _doubts_the_clean(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    yield from see(facts, policy)
    if not facts[Usage].filesystems:
        yield Doubt("thing", "hm")


def _green_in_the_dark(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    usage = facts.get(Usage)
    if isinstance(usage, Usage) and usage.filesystems:
        yield Deviation("seen", "thing", Severity.LOW, "there it is")


def _empty_canary() -> Canary:
    return replace(canary(), codes=frozenset())


def _broken_canary() -> Canary:
    raise ValueError("no scene")


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (replace(GOOD, hosts=(_sees_nothing,)), "does not see its own seeded violation"),
        (replace(GOOD, hosts=(_cries_wolf,)), "does not clear the clean look-alike"),
        (replace(GOOD, hosts=(_doubts_the_clean,)), "does not clear the clean look-alike"),
        (replace(GOOD, hosts=(_green_in_the_dark,)), "clears a host that told it nothing"),
        (replace(GOOD, canary=_empty_canary), "none is seeded"),
        (replace(GOOD, canary=_broken_canary), "ValueError: no scene"),
    ],
    ids=["blind", "wolf", "doubtful", "dark", "empty", "broken"],
)
def test_a_gate_that_cannot_prove_itself_votes_error(gate: Gate, says: str) -> None:
    report = run(gate, CLEAN)
    assert one(report).verdict is Verdict.ERROR and not one(report).canary and says in one(report).reasons[0]
    assert not report.complete and outcome.exit_code(report) == 5


@pytest.mark.parametrize("gate", shelf.gates().values(), ids=lambda gate: gate.id)
def test_every_gate_on_the_shelf_proves_itself(gate: Gate) -> None:
    assert evaluate.blindness(gate) == ""


@pytest.mark.parametrize("gate", shelf.gates().values(), ids=lambda gate: gate.id)
def test_every_check_of_a_gate_is_behind_its_canary(gate: Gate) -> None:
    """With any one check removed the canary no longer sings, so no part of a gate can go blind unnoticed. Exempt: checks
    that never find anything."""
    exempt = {"whole", "fresh", "seen_by_others"}  # D239: they only ever doubt, so no finding can be planted for them
    for part in ("hosts", "fleet", "closing"):
        checks = getattr(gate, part)
        for check in checks:
            left = tuple(other for other in checks if other is not check)
            cut = replace(gate, **{part: left})
            assert evaluate.blindness(cut) or check.__name__ in exempt, check.__name__


def _breaks(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
    yield from see(facts, policy)
    if policy.host != "canary":
        raise ZeroDivisionError("oh")


def test_a_broken_gate_is_in_error_and_keeps_what_it_saw() -> None:
    report = run(replace(GOOD, hosts=(_breaks,)), BAD)
    assert one(report).verdict is Verdict.ERROR and [f.code for f in report.findings] == ["seen"]
    assert one(report).reasons == ("h0: the gate broke: ZeroDivisionError: oh",)


def test_an_undocumented_code_breaks_the_gate() -> None:
    assert one(run(replace(GOOD, codes={"other": "x"}), BAD)).verdict is Verdict.ERROR


def test_a_gate_that_does_not_exist_is_in_error() -> None:
    base = seeds.many({})
    report = evaluate.run(replace(base.pack, gates=("D999",)), base.contract, {}, {}, seeds.AT)
    assert one(report).verdict is Verdict.ERROR and not report.complete and "no gate of this id" in one(report).reasons[0]


def test_enforce_changes_only_the_consequence() -> None:
    told, enforced = run(GOOD, BAD), run(GOOD, BAD, mode=Mode.ENFORCE)
    assert told.findings == enforced.findings and told.complete and not enforced.complete
    assert (outcome.exit_code(told), outcome.exit_code(enforced)) == (2, 3)
    assert [outcome.blocks(one(r)) for r in (told, enforced, run(GOOD, DOWN, mode=Mode.ENFORCE))] == [False, True, True]


def test_pack_modes_by_gate() -> None:
    base = seeds.many({})
    pack = replace(base.pack, gates=("D1",), modes={"D1": Mode.ENFORCE})
    assert one(evaluate.run(pack, base.contract, {}, {}, seeds.AT, {"D1": GOOD})).mode is Mode.ENFORCE


def test_places_are_given_to_the_gates_as_a_noun() -> None:
    def needs_places(facts: HostFacts, policy: HostPolicy) -> Iterator[Observation]:
        assert facts[HostPlacements].boot_disks == ("sda",)
        yield from see(facts, policy)

    gate = replace(GOOD, hosts=(needs_places,))
    base = seeds.many({"h": (POLICY, seeds.facts(Usage({})))})
    pack = replace(base.pack, gates=("D1",))
    contract = replace(base.contract, policies={"h": POLICY})
    with_places = evaluate.run(pack, contract, base.facts, {"h": seeds.places()}, seeds.AT, {"D1": gate})
    assert not [reason for reason in one(with_places).reasons if reason.startswith("h:")]


def test_host_checks_ask_only_for_nouns_they_declare() -> None:
    class Recording(dict[type, object]):
        asked: ClassVar[set[type]] = set()

        def get(self, key: type, default: object = None) -> object:  # type: ignore[override]
            self.asked.add(key)
            return super().get(key, default)

    for gate in shelf.gates().values():
        Recording.asked = set()
        for fleet in (gate.canary().seeded, gate.canary().lookalike):
            for host, fact in fleet.facts.items():
                assert isinstance(fact, HostFacts)
                nouns = Recording(fact.nouns)
                facts = {host: replace(fact, nouns=nouns)}
                evaluate.ask(Fleet(replace(fleet.pack, hosts=(host,)), fleet.contract, facts, fleet.at), {gate.id: gate})
        assert Recording.asked <= set(gate.needs), gate.id


@given(st.integers(60, 100), st.integers(60, 100), st.integers(15, 900), st.integers(15, 900))
def test_fingerprints_hold_no_sizes(pct: int, other: int, images: int, more: int) -> None:
    given = Place("p")
    thresholds = Thresholds(Sourced(60.0, given), Sourced(80.0, given), images_warn_bytes=Sourced(15, given))
    policy = HostPolicy("canary", thresholds=thresholds)
    gate = shelf.gates()["D237"]

    def prints(root: int, layers: int) -> set[str]:
        facts = seeds.facts(seeds.usage(root), seeds.docker(layers_bytes=layers))
        return {finding.fingerprint for finding in run(gate, (policy, facts)).findings}

    assert prints(pct, images) == prints(other, more) and len(prints(pct, images)) == 2


@given(st.lists(st.text(alphabet="abc123", min_size=1, max_size=8), min_size=1, max_size=6, unique=True))
def test_one_surface_finding_whatever_the_directories_are_called(names: list[str]) -> None:
    gate = shelf.gates()["D238"]
    scene = gate.canary().seeded
    fact = scene.facts["canary"]
    assert isinstance(fact, HostFacts)
    listed = WriteSurfaces({"app": tuple((f"/tmp/upload-{name}", 1) for name in names)})
    report = run(gate, (scene.contract.policies["canary"], replace(fact, nouns={**fact.nouns, WriteSurfaces: listed})))
    found = {finding.fingerprint for finding in report.findings if finding.code == "surface-ungoverned"}
    assert len(found) == 1


def test_counts_and_summary() -> None:
    report = run(GOOD, BAD)
    assert report.counts == {
        "gates": 1,
        "pass": 0,
        "fail": 1,
        "unknown": 0,
        "not-applicable": 0,
        "error": 0,
        "findings": 1,
        "waived": 0,
    }
    made = GateReport("D", "", Verdict.PASS, Mode.REPORT, Severity.LOW)
    verdicts = [Verdict.PASS] * 15 + [Verdict.FAIL, Verdict.UNKNOWN, Verdict.NOT_APPLICABLE]
    waived = tuple(replace(f, waiver="W-1") for f in report.findings * 2)
    reports = tuple(replace(made, verdict=verdict) for verdict in verdicts)
    whole = PackReport("mint", (replace(reports[0], findings=waived), *reports[1:]), "sha256:0")
    assert outcome.summary(whole) == "18 gates: 15 pass, 1 fail, 1 unknown, 1 not-applicable, 2 waived"
    assert outcome.summary(replace(whole, reports=reports[:1], later=("D174",))) == "2 gates: 1 pass, 1 not built yet"
    assert outcome.findings_line(whole) == "no findings" and outcome.findings_line(report) == "1 finding: 1 low"


def test_nothing_asked_is_not_complete() -> None:
    empty = PackReport("p", (), "sha256:0")
    assert not empty.complete and outcome.exit_code(empty) == 5


def test_a_gate_whose_only_findings_are_waived_does_not_fail() -> None:
    tally = evaluate.Tally([replace(run(GOOD, BAD).findings[0], waiver="W-1")], [], [], {"h"}, [])
    assert evaluate._verdict(tally, blind=False) is Verdict.PASS
