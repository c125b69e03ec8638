"""Work in other hands: who may apply, and a report judged by both audits. Four liars and one honest worker, on the recorded fleet."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from waveboard.app import dispatch, report
from waveboard.app.site import Site
from waveboard.contracts.report import read as read_claim
from waveboard.model.bounded import inline
from waveboard.model.claim import Support
from waveboard.model.errors import ContractError, HostError, RefusedError, UsageError
from waveboard.model.receipt import Actor, ActorKind
from waveboard.receipts.verify import verify
from waveboard.wiring import load_contracts, usable
from waveboard.world.archive import FileArchive
from waveboard.world.clock import SystemClock
from waveboard.world.commands import ScriptedCommands
from waveboard.world.documents import FileDocuments
from waveboard.world.hosts.replay import ReplayReader
from waveboard.world.keys import ReceiptKey
from waveboard.world.store.memory import MemoryStore

MINT = Path(__file__).resolve().parents[2] / "examples" / "mint"
CONTRACT = usable(load_contracts(MINT))
AGENT = Actor("agent:fixer", ActorKind.AGENT)


@dataclass
class Desk:
    """A workspace over a recorded fleet that a test can change."""

    site: Site
    fleet: Path

    def change(self, host: str, probe: str, edit: Callable[[str], str]) -> None:
        """What the host says from now on."""
        file = self.fleet / f"{host}.json"
        bundle = json.loads(file.read_text())
        told = edit(bundle["probes"][probe]["stdout"])
        digest = "sha256:" + hashlib.sha256(told.encode()).hexdigest()
        bundle["probes"][probe] |= {"stdout": told, "sha256": digest}
        file.write_text(json.dumps(bundle))

    def says(self, host: str, probe: str) -> str:
        return str(json.loads((self.fleet / f"{host}.json").read_text())["probes"][probe]["stdout"])

    def report(self, **said: object) -> report.Reported:
        held = self.site.store.dispatches("W8B")[0]
        told: Mapping[str, object] = {
            "task_id": held.task, "terminal_id": held.worker, "lane": "execution", "status": "failed", "files_changed": [], "run_keys": [],
            "blockers": [], "ready_for_verify": False, "timestamp_utc": "2026-02-26T04:00:00Z", "wave_id": "W8B", **said,
        }  # fmt: skip
        raw = json.dumps(told).encode()
        return report.report(self.site, "W8B", read_claim("report.json", raw), raw)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    for file in (MINT / "fleet").glob("*.json"):
        (fleet / file.name).write_bytes(file.read_bytes())
    key, archive, nothing = ReceiptKey.open(tmp_path / "keys"), FileArchive(tmp_path / "receipts"), object()
    archive.file("receipts.pub", key.public_pem())
    yield Desk(
        Site(
            CONTRACT, "i", Actor("dana@desk", ActorKind.HUMAN), ReplayReader(fleet), nothing, MemoryStore(), archive, lambda: nothing,  # type: ignore[arg-type, return-value]
            key, nothing, SystemClock(), "sha256:" + "0" * 64, lambda text: None, lambda place: None,  # type: ignore[arg-type]
            documents=FileDocuments(MINT, CONTRACT.siblings), commands=ScriptedCommands({}, (), SystemClock().now), runner=inline,  # type: ignore[arg-type]
        ),
        fleet,
    )  # fmt: skip


def swap_on(text: str) -> str:
    return text + "/swapfile file 1048576 0 -2\n"


def test_a_worker_gets_scope_rules_outputs_and_the_time_it_has(desk: Desk) -> None:
    given = dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    wave = CONTRACT.waves["W8B"]
    assert given.text.startswith("You are a mutation-approved infra worker for Mint Wave 8B.\n\nScope:\n- ")
    for line in (*wave.rules, *wave.outputs, *wave.acceptance, *wave.exit, given.made.task):
        assert line in given.text
    assert dispatch.newest(desk.site, "W8B") == given.made, "kept whole"
    assert set(given.made.baseline) == {"mint-data", "mint-apps"}
    verify(dict(desk.site.archive.all()), lambda *_: "nobody")


def test_one_wave_has_one_worker_and_excluded_waves_wait(desk: Desk) -> None:
    given = dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    with pytest.raises(RefusedError, match=f"agent:fixer has W8B as {given.made.task} until"):
        dispatch.dispatch(desk.site, "W8B", "dana@desk", 1)
    held = dispatch.live(desk.site, "W8B")
    assert dispatch.why_not(AGENT, "W8B", held) == ""
    assert "agent:fixer" in dispatch.why_not(desk.site.actor, "W8B", held)
    dispatch.recall(desk.site, "W8B")
    assert dispatch.why_not(AGENT, "W8B", dispatch.live(desk.site, "W8B")) == "an agent works only on what was dispatched to it"
    assert dispatch.why_not(desk.site.actor, "W8B", None) == ""
    with pytest.raises(RefusedError, match="nobody has it"):
        dispatch.recall(desk.site, "W8B")


def test_agents_give_out_nothing_and_give_back_only_their_own(desk: Desk) -> None:
    given = dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    other = replace(desk.site, actor=Actor("agent:other", ActorKind.AGENT))
    with pytest.raises(RefusedError, match="is an agent"):
        dispatch.dispatch(other, "W8A", "agent:other", 4)
    with pytest.raises(RefusedError, match="only its own"):
        dispatch.recall(other, "W8B")
    assert dispatch.recall(replace(desk.site, actor=AGENT), "W8B").task == given.made.task


def test_a_host_without_a_baseline_is_not_dispatched(desk: Desk) -> None:
    (desk.fleet / "mint-apps.json").unlink()
    with pytest.raises(HostError, match="mint-apps has no baseline"):
        dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    assert desk.site.store.dispatches() == ()


def test_a_report_for_other_work_is_refused(desk: Desk) -> None:
    given = dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    with pytest.raises(UsageError, match="it is a report on W8C"):
        desk.report(wave_id="W8C")
    with pytest.raises(UsageError, match=f"{given.made.task} was dispatched to agent:fixer, and the report is dana's"):
        desk.report(terminal_id="dana")
    with pytest.raises(UsageError, match="no task W8B-none was dispatched"):
        desk.report(task_id="W8B-none")


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ({"status": "finished"}, "report.json:1:"),
        ({"status": "blocked"}, "a blocked task names what blocks it"),
        ({"run_keys": ["made up"]}, "should match"),
        ({"lane": "fast"}, "'control', 'execution'"),
        ({"mood": "good"}, "the key `mood` means nothing here"),
        ({"statements": [{"says": "fine", "condition": "is it"}]}, "report.json:1:"),
    ],
)
def test_a_report_that_is_none_is_named_by_its_place(desk: Desk, said: dict[str, object], because: str) -> None:
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    with pytest.raises(ContractError, match=r"cannot read the report: report\.json:1:") as refused:
        desk.report(**said)
    assert because in str(refused.value)


def test_an_honest_report_holds(desk: Desk) -> None:
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    desk.change("mint-data", "swaps", swap_on)
    told = desk.report(
        actions=[{"host": "mint-data", "subject": "swap:/swapfile"}],
        statements=[{"says": "the root filesystem is over the threshold", "condition": "mint-data.root.used_pct > guard.root_usage_warn_pct"}],
        evidence=[{"host": "mint-data", "probe": "swaps", "output": desk.says("mint-data", "swaps")}],
    )  # fmt: skip
    assert told.comparison.holds, told.comparison
    assert [j.support for j in told.comparison.sentences] == [Support.SUPPORTED] * 3
    verify(dict(desk.site.archive.all()), lambda *_: "nobody")


def test_liar_who_did_nothing(desk: Desk) -> None:
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    told = desk.report(
        status="done",
        files_changed=["mint-data:/etc/fstab", "packs.yaml"],
        run_keys=["CAP-20990101-000000__made.up__Rzzzz"],
        actions=[{"host": "mint-data", "subject": "swap:/swapfile"}],
    ).comparison
    assert not told.holds and told.unfound == ("mint-data swap:/swapfile", "mint-data file:/etc/fstab")
    assert {j.sentence: j.support for j in told.sentences} == {
        "W8B is done": Support.CONTRADICTED,
        "run CAP-20990101-000000__made.up__Rzzzz": Support.CONTRADICTED,
        "mint-data:/etc/fstab changed": Support.CONTRADICTED,
        "packs.yaml changed": Support.CONTRADICTED,
        "mint-data swap:/swapfile": Support.CONTRADICTED,
    }


def test_liar_who_did_more(desk: Desk) -> None:
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    desk.change("mint-data", "swaps", swap_on)
    desk.change("mint-data", "fstab", lambda text: text + "/swapfile none swap sw 0 0\n")
    told = desk.report(actions=[{"host": "mint-data", "subject": "swap:/swapfile"}]).comparison
    assert not told.holds and [m.name for m in told.undeclared] == ["mint-data file:/etc/fstab"]


def test_liar_who_pasted_old_output(desk: Desk) -> None:
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    old = desk.says("mint-data", "usage")
    desk.change("mint-data", "usage", lambda text: text.replace("151409", "157000"))
    told = desk.report(evidence=[{"host": "mint-data", "probe": "usage", "output": old}]).comparison
    (judged,) = told.sentences
    assert not told.holds and judged.support is Support.CONTRADICTED and "from before the dispatch" in judged.why


def test_liar_who_pasted_an_old_run(desk: Desk) -> None:
    from waveboard.app.read import audit

    old = audit(desk.site, ("mint-data",)).run_key
    desk.site.clock.sleep(1.1)
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    (judged,) = desk.report(run_keys=[old]).comparison.sentences
    assert judged.support is Support.CONTRADICTED and "before this dispatch" in judged.why


def test_liar_who_touched_another_host(desk: Desk) -> None:
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    desk.change("mint-apps", "swaps", swap_on)
    told = desk.report(actions=[{"host": "mint-apps", "subject": "swap:/swapfile"}]).comparison
    assert {m.host for m in told.outside} == {"mint-apps"} and not told.undeclared
    assert not told.holds, "declared or not: the wave may not change that host"


def test_liar_who_moved_the_goalposts(desk: Desk) -> None:
    """A threshold raised, or an exit condition gone, makes `done` true without anything done."""
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    place = CONTRACT.waves["W8B"].place
    assert place is not None
    for path in ("mint.storage.guard.policy.yaml", place.file):
        files = {**CONTRACT.files, path: "sha256:" + "7" * 64}
        moved = Desk(replace(desk.site, contract=replace(CONTRACT, files=files)), desk.fleet)
        told = moved.report().comparison
        assert not told.holds and [m.name for m in told.undeclared] == [f"@workspace file:{path}"]
        told = moved.report(files_changed=[path]).comparison
        assert told.holds and not told.outside, "said openly: whoever reads it sees by what it is judged"
    register = {**CONTRACT.files, "operational.gaps.yaml": "sha256:" + "7" * 64}
    assert Desk(replace(desk.site, contract=replace(CONTRACT, files=register)), desk.fleet).report().comparison.holds


def test_a_sentence_is_told_with_the_condition_it_rests_on(desk: Desk) -> None:
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    said = {"says": "everything is off the boot disk", "condition": "mint-data.root.used_pct > 0"}
    (judged,) = desk.report(statements=[said]).comparison.sentences
    assert judged.support is Support.SUPPORTED and judged.why.startswith("mint-data.root.used_pct > 0: ")


def test_what_cannot_be_seen_is_not_believed(desk: Desk) -> None:
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    (desk.fleet / "mint-data.json").unlink()
    told = desk.report(actions=[{"host": "mint-data", "subject": "swap:/swapfile"}], status="done").comparison
    assert told.unseen and not told.holds
    assert told.sentences[-1].support is Support.UNSUPPORTED and Support.SUPPORTED not in {j.support for j in told.sentences}


def test_the_operators_own_reports_are_accepted(desk: Desk) -> None:
    dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    own = {"loop_id": "LOOP-STORAGE-BOOT-DRIVE-AUDIT-20260226", "gap_ids": ["GAP-OP-942"], "commit_hashes": ["fca8714"]}
    told = desk.report(
        status="blocked", blockers=["no window"], run_keys=["S20260226-033831__inline.check__R1"], **own
    ).comparison
    assert [j.support for j in told.sentences] == [Support.CONTRADICTED], "its run key is in no receipt of ours"


def test_a_template_is_a_report_that_can_be_read(desk: Desk) -> None:
    given = dispatch.dispatch(desk.site, "W8B", AGENT.principal, 4)
    raw = json.dumps(report.template(desk.site, "W8B")).encode()
    assert read_claim("t", raw).task == given.made.task
