"""The 13 document gates of the Mint workspace: all pass on its files, and each variant fails, or is unknown, for its own reason."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from waveboard.app import paper_files
from waveboard.app.papers import Gatherer
from waveboard.gates import declare, evaluate
from waveboard.model.bounded import Runner, inline
from waveboard.model.contract import Contract, Unreadable
from waveboard.model.declared import DeclaredGate, Planted
from waveboard.model.document import CommandAnswer, FileAsk, Found, Recorded
from waveboard.model.finding import GateReport, Verdict
from waveboard.wiring import load_contracts, usable
from waveboard.world import forked
from waveboard.world.clock import SystemClock
from waveboard.world.commands import ScriptedCommands
from waveboard.world.documents import FileDocuments
from waveboard.world.store.memory import MemoryStore

ROOT = Path(__file__).resolve().parents[2]
MINT = ROOT / "examples" / "mint"
CONTRACT = usable(load_contracts(MINT))
CASES = ROOT / "tests" / "cases" / "declared"
DECLARED = ["D174", "D195", "D196", "D197", "D198", "D199", "D203", "D204", "D205", "D222", "D225", "D226", "D227"]
AT = SystemClock().now()
RECORDED = {"quote-alerts": "quote-alerts.json", "--strict": "live-baseline.json"}


class Changed:
    """The workspace's documents with a variant's changes in them."""

    def __init__(self, variant: dict[str, Any]) -> None:
        self.change, self.gone = variant.get("change", {}), variant.get("gone", [])
        self.real = FileDocuments(MINT, CONTRACT.siblings)

    def read(self, asks: tuple[FileAsk, ...]) -> dict[FileAsk, Found]:
        found = {}
        for ask, files in self.real.read(asks).items():
            kept = [(path, self.bytes(ask.address(path), raw)) for path, raw in files]
            found[ask] = tuple(one for one in kept if not (ask.glob and isinstance(one[1], Unreadable)))
        return found

    def bytes(self, address: str, raw: bytes | Unreadable) -> bytes | Unreadable:
        assert isinstance(raw, bytes), address
        return Unreadable("no such file") if address in self.gone else self.patched(address, raw)

    def patched(self, address: str, raw: bytes) -> bytes:
        text = raw.decode()
        for old, new in self.change.get(address, {}).items():
            assert old in text, f"{address} holds no {old!r}: the variant changes nothing"
            text = text.replace(old, str(new))
        return text.encode()


def commands(variant: dict[str, Any], documents: Changed) -> ScriptedCommands:
    answers = {}
    for gate in CONTRACT.declared.values():
        for need in gate.needs:
            if isinstance(need.ask, FileAsk):
                continue
            name = need.ask.argv[1]
            raw = documents.patched(f"command:{name}", (MINT / "commands" / "recorded" / RECORDED[name]).read_bytes())
            code = variant.get("exit", {}).get(f"command:{name}", 0)
            if f"command:{name}" not in variant.get("denied", []):
                answers[need.ask.argv] = CommandAnswer(need.ask.argv, code, raw, b"", AT)
    return ScriptedCommands(answers, CONTRACT.commands.allow, lambda: AT)


def judged(gate: str, variant: dict[str, Any], contract: Contract = CONTRACT, runner: Runner = inline) -> GateReport:
    documents = Changed(variant)
    gatherer = Gatherer(contract, documents, commands(variant, documents), MemoryStore(), SystemClock(), Recorded())  # type: ignore[arg-type]
    pack = replace(contract.packs["mint"], gates=(gate,))
    return evaluate.run(pack, contract, {}, {}, AT, papers=gatherer.papers(pack, AT), runner=runner).reports[0]


@cache
def variants() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*.yaml")):
        for one in yaml.safe_load(path.read_text()):
            found.append(pytest.param(path.stem, one, id=f"{path.stem}-{one['about']}"))
    return found


def test_the_thirteen_are_declared_and_nothing_else() -> None:
    assert sorted(CONTRACT.declared) == DECLARED == sorted(path.stem for path in CASES.glob("*.yaml"))


@pytest.mark.parametrize("gate", DECLARED)
def test_it_passes_on_the_workspaces_own_documents(gate: str) -> None:
    report = judged(gate, {})
    assert (report.verdict, report.findings, report.reasons) == (Verdict.PASS, (), ())
    assert report.canary


@pytest.mark.parametrize(("gate", "variant"), variants())
def test_a_variant_fails_for_its_own_reason(gate: str, variant: dict[str, Any]) -> None:
    report = judged(gate, variant)
    told = sorted(f"{one.code} {one.subject}" for one in report.findings)
    assert told == sorted(variant.get("findings", [])), report
    assert not any(reason.startswith("canary") for reason in report.reasons), report.reasons
    assert bool(report.reasons) is ("unknown" in variant), report.reasons
    assert report.verdict is (Verdict.FAIL if told else Verdict.UNKNOWN)
    assert variant.get("never", "\0") not in str(report) and variant.get("says", "") in str(report)
    for one in report.findings:
        assert re.match(r"(command|[a-z-]+:)?\S+(:\d+:\d+)?: ", one.message), one.message


@pytest.mark.parametrize("gate", DECLARED)
def test_every_gate_has_variants_that_fail_and_that_are_unknown(gate: str) -> None:
    told = yaml.safe_load((CASES / f"{gate}.yaml").read_text())
    assert sum(1 for one in told if one.get("findings")) >= 2
    assert any("unknown" in one and not one.get("findings") for one in told)


# -- what must not be possible


def with_gate(gate: DeclaredGate) -> Contract:
    return replace(CONTRACT, declared={**CONTRACT.declared, gate.id: gate})


def test_a_gate_that_does_not_see_its_planted_violation_is_in_error() -> None:
    sound = CONTRACT.declared["D197"]
    blind = replace(sound, checks=tuple(check for check in sound.checks if check.kind != "forall_not"))
    report = judged("D197", {}, with_gate(blind))
    assert report.verdict is Verdict.ERROR and "does not see its own seeded violation" in report.reasons[0]


def test_a_gate_that_speaks_at_the_look_alike_is_in_error() -> None:
    sound = CONTRACT.declared["D197"]
    wolf = replace(sound, lookalike=Planted("a violation", sound.violations[0].patches))
    report = judged("D197", {}, with_gate(wolf))
    assert report.verdict is Verdict.ERROR and "does not clear the clean look-alike" in report.reasons[0]


def test_a_really_slow_gate_is_cut_and_unknown_and_the_others_are_not_its_victims() -> None:
    sound = CONTRACT.declared["D197"]
    check = next(check for check in sound.checks if check.kind == "path_equals")
    slow = replace(check, kind="matches", params={"doc": "sync", "path": "runtime.slow", "pattern": "(a|aa)+"})
    contract = replace(
        with_gate(replace(sound, checks=(slow, *sound.checks))), rings={"instant": 0.5, "standard": 60, "deep": 60}
    )
    long = {
        "change": {
            "bindings/calendar.sync.contract.yaml": {"  provider: microsoft\n": f"  provider: microsoft\n  slow: {'a' * 200}b\n"}
        }
    }
    report = judged("D197", long, contract, forked.run)
    assert report.verdict is Verdict.UNKNOWN and report.findings == ()
    assert report.reasons == ("*: cut: it was stopped at the 0.5 s that ring instant gives it, so nothing it judged counts",)
    assert judged("D195", {}, replace(contract, rings={"instant": 60.0}), forked.run).verdict is Verdict.PASS


def test_no_documents_at_all_is_unknown() -> None:
    pack = replace(CONTRACT.packs["mint"], gates=("D197",))
    report = evaluate.run(pack, CONTRACT, {}, {}, AT).reports[0]
    assert report.verdict is Verdict.UNKNOWN and declare.NO_PAPERS in report.reasons[0]


def gathered(documents: Changed, scripted: ScriptedCommands | None, recorded: Recorded) -> tuple[Any, MemoryStore]:
    store, pack = MemoryStore(), CONTRACT.packs["mint"]
    return Gatherer(CONTRACT, documents, scripted, store, SystemClock(), recorded).papers(pack, AT), store  # type: ignore[arg-type]


def test_a_probe_that_two_gates_need_is_run_once() -> None:
    documents = Changed({})
    scripted = commands({}, documents)
    gathered(documents, scripted, Recorded())
    assert sorted(scripted.ran) == [("commands/live-baseline-status", "--strict"), ("commands/n8n-workflow-get", "quote-alerts")]


def test_kept_evidence_repeats_the_run_without_files_and_commands() -> None:
    documents = Changed({})
    papers, store = gathered(documents, commands({}, documents), Recorded())
    recorded = paper_files.from_bytes(store.get_object(papers.digest))

    class Nothing:
        def read(self, asks: tuple[FileAsk, ...]) -> dict[FileAsk, Found]:
            assert not asks, "everything is in the evidence"
            return {}

    again, _ = gathered(Nothing(), None, recorded)  # type: ignore[arg-type]
    assert (again.digest, again.sums) == (papers.digest, papers.sums)
    pack = replace(CONTRACT.packs["mint"], gates=tuple(DECLARED))
    assert {one.verdict for one in evaluate.run(pack, CONTRACT, {}, {}, AT, papers=again).reports} == {Verdict.PASS}
    stale = replace(recorded, answers=tuple(replace(one, at=AT.replace(year=AT.year - 1)) for one in recorded.answers))
    old, _ = gathered(Nothing(), None, stale)  # type: ignore[arg-type]
    verdicts = {one.gate: one.verdict for one in evaluate.run(pack, CONTRACT, {}, {}, AT, papers=old).reports}
    assert [gate for gate, verdict in verdicts.items() if verdict is Verdict.UNKNOWN] == ["D222", "D225"]
