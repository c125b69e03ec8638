"""A closeout says only what earlier receipts prove, and nothing is closed unjudged: each kind of plan by its own question."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.stage import Desk
from tests.app.test_offline import CONTRACT, MINT
from tests.waves import estate as E
from waveboard.app import closing
from waveboard.app.entry import ask_conditions
from waveboard.app.machine import rebooted
from waveboard.app.opening import for_plan
from waveboard.app.plans import Known, from_bytes
from waveboard.app.read import audit
from waveboard.app.receipting import issue, new_key, newest_of, subject
from waveboard.model.change import Event
from waveboard.model.errors import ReceiptError, RefusedError
from waveboard.model.evidence import Identity
from waveboard.model.vm import Hypervisor
from waveboard.waves import plan_json
from waveboard.world.hosts.replay import ReplayReader


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def ended(desk: Desk) -> Known:
    """A plan whose journal came to an end without a single receipt about it."""
    known = desk.planned("W8B")
    packs = {"mint-storage": CONTRACT.packs["mint-storage"]}
    desk.site = replace(desk.site, contract=replace(CONTRACT, packs=packs), reader=ReplayReader(MINT / "fleet"))
    pins = (replace(known.plan.hosts[0], host="mint-data"),)
    known = Known(replace(known.plan, hosts=pins, read_only_hosts=("mint-apps",)), known.raw, known.digest)
    desk.site.store.save_plan(known.raw, "W8B", "wave", E.AT)
    for seq, kind in enumerate(("opened", "halted"), 1):
        desk.site.store.append_event(Event(seq, known.digest, kind, "", 0, E.AT, 0, {"why": "the sun"}))
    return known


def test_a_closeout_that_rests_on_nothing_is_refused(desk: Desk) -> None:
    known = ended(desk)
    with pytest.raises(ReceiptError, match="no earlier receipt names"):
        closing.close(desk.site, known)
    assert all(b'"kind":"closeout"' not in raw for _, _, raw in desk.site.store.receipts())


def test_a_closeout_that_rests_on_receipts_is_issued(desk: Desk) -> None:
    known = ended(desk)
    issue(desk.site, "plan", new_key(desk.site, "wave.plan"), (subject("plan", known.digest),), {"plan": known.digest})
    assert closing.close(desk.site, known).document["outcome"] == "halted"


# -- what is judged, by the kind of plan

_DRAWN = E.planned(E.MOUNT, facts=E.facts())
DRAWN = replace(_DRAWN, steps=tuple(replace(step, host="mint-data") for step in _DRAWN.steps))
LINKED = ('linkage_complete: ["STOR-001"]',)


def mint(desk: Desk, exit_: tuple[str, ...] = CONTRACT.waves["W8B"].exit) -> None:
    """The desk before the recorded, drifted fleet of the example; W8B asks for these exit conditions."""
    packs = {"mint-storage": CONTRACT.packs["mint-storage"]}
    waves = {**CONTRACT.waves, "W8B": replace(CONTRACT.waves["W8B"], exit=exit_)}
    contract = replace(CONTRACT, packs=packs, waves=waves, approvals=desk.site.contract.approvals)
    desk.site = replace(desk.site, contract=contract, reader=ReplayReader(MINT / "fleet"))


def carried_out(desk: Desk, wave: str, kind: str = "wave", end: str = "done", **changes: object) -> Known:
    """A plan of mint-data that came to this end ("" is none yet), with its receipt and its place on the board."""
    pin = replace(DRAWN.hosts[0], host="mint-data")
    made = replace(DRAWN, wave=wave, kind=kind, hosts=(pin,), read_only_hosts=("mint-apps",), **changes)  # type: ignore[arg-type]
    known = from_bytes(plan_json.to_bytes(made))
    store = desk.site.store
    store.save_plan(known.raw, wave, kind, desk.site.clock.now())
    issue(desk.site, "plan", new_key(desk.site, "wave.plan"), (subject("plan", known.digest),), {"plan": known.digest})
    pinned: dict[str, object] = {}
    store.open_wave(Event(1, known.digest, "opened", "", 0, E.AT, 0, {}), [], for_plan(desk.site, made, known.digest, pinned))
    if end:
        store.append_event(Event(2, known.digest, end, "", 0, E.AT, 0, {}))
    return known


def closeouts(desk: Desk) -> int:
    return sum(1 for _ in newest_of(desk.site, "closeout"))


def test_a_retire_plan_is_judged_by_the_conditions_of_the_wave_it_serves(desk: Desk) -> None:
    mint(desk)
    parent, retired = carried_out(desk, "W8B"), carried_out(desk, "W8B-RETIRE", "retire")
    done = closing.close(desk.site, retired)
    assert not done.holds and "FAILS" in done.text and "not_boot_backed" in done.text
    assert (done.document["wave"], done.document["plan"]) == ("W8B", parent.digest)
    assert [one.wave for one in desk.site.store.board()] == ["W8B"], "the drifted wave stays open"


def test_closing_through_the_retire_plan_ends_the_wave_and_tells_what_was_removed(desk: Desk) -> None:
    mint(desk, LINKED)
    carried_out(desk, "W8B")
    retired = carried_out(desk, "W8B-RETIRE", "retire", "")
    step = retired.plan.steps[0].id
    desk.site.store.append_event(Event(2, retired.digest, "applied", step, 1, E.AT, 0, {}))
    desk.site.store.append_event(Event(3, retired.digest, "done", "", 0, E.AT, 0, {}))
    done = closing.close(desk.site, retired)
    assert done.holds and desk.site.store.board() == ()
    items = done.document["items"]
    assert isinstance(items, dict) and [one["step"] for one in items["runtime_actions"]["entries"]] == [step]
    with pytest.raises(RefusedError, match="W8B, which is not open"):
        closing.close(desk.site, retired)


def test_a_wave_is_not_closed_while_its_leavings_are_being_removed(desk: Desk) -> None:
    mint(desk, LINKED)
    parent = carried_out(desk, "W8B")
    carried_out(desk, "W8B-RETIRE", "retire", "")
    with pytest.raises(RefusedError, match="W8B-RETIRE is under way"):
        closing.close(desk.site, parent)
    assert {one.wave for one in desk.site.store.board()} == {"W8B"}


@pytest.mark.parametrize("end", ["rolled-back", "halted"])
def test_a_retire_plan_that_removed_nothing_closes_nothing(desk: Desk, end: str) -> None:
    mint(desk, LINKED)
    carried_out(desk, "W8B")
    with pytest.raises(RefusedError, match=f"it is {end}"):
        closing.close(desk.site, carried_out(desk, "W8B-RETIRE", "retire", end))


def test_the_retire_plan_of_a_wave_that_was_taken_back_is_refused(desk: Desk) -> None:
    mint(desk, LINKED)
    carried_out(desk, "W8B", end="rolled-back")
    with pytest.raises(RefusedError, match="taken back, or closed already"):
        closing.close(desk.site, carried_out(desk, "W8B-RETIRE", "retire"))
    assert closeouts(desk) == 0


def test_a_bootstrap_is_closed_on_the_readiness_of_its_vm_and_unknown_is_not_ready(desk: Desk) -> None:
    mint(desk)
    one = replace(desk.site.contract.packs["mint-storage"], id="data", hosts=("mint-data",))  # covers the host, and judges no VM
    desk.site = replace(desk.site, contract=replace(desk.site.contract, packs={"data": one}))
    done = closing.close(desk.site, carried_out(desk, "BOOT-mint-data"))
    assert not done.holds
    assert "FAILS    vm_ready: SR-004" in done.text and "UNKNOWN  vm_ready: SR-001" in done.text
    assert "nothing certifies its birth" in done.text


@pytest.mark.parametrize(
    ("wave", "kind", "because", "fix"),
    [
        ("PROMOTE-mint", "promotion", "no wave governs this promotion", "waveboard verify mint judges it"),
        ("BOOT-gone", "wave", "no longer say what that VM is asked for", "waveboard undo BOOT-gone"),
        ("PROV-gone", "provision", "no longer say what that VM is asked for", "waveboard undo PROV-gone"),
        ("W7", "wave", "hold no wave of that name any more", "below waves/"),
    ],
)
def test_what_nothing_judges_is_refused_with_the_way_out(desk: Desk, wave: str, kind: str, because: str, fix: str) -> None:
    mint(desk)
    step = replace(DRAWN.steps[0], args={"pack": "mint"})
    with pytest.raises(RefusedError, match=because) as refused:
        closing.close(desk.site, carried_out(desk, wave, kind, steps=(step,)))
    assert fix in refused.value.fix and closeouts(desk) == 0


def test_a_wave_without_an_exit_condition_is_not_closed(desk: Desk) -> None:
    mint(desk, ())
    with pytest.raises(RefusedError, match="names no exit condition"):
        closing.close(desk.site, carried_out(desk, "W8B"))


def test_a_host_that_was_not_read_is_not_counted_as_read(desk: Desk) -> None:
    mint(desk, LINKED)
    known = carried_out(desk, "W8B")
    desk.site = replace(desk.site, contract=replace(desk.site.contract, hypervisors={"hv": Hypervisor("hv", "proxmox", "n", {})}))
    known = Known(replace(known.plan, read_only_hosts=("mint-apps", "hv")), known.raw, known.digest)
    assert "2 of 3 hosts read; no answer from hv" in closing.close(desk.site, known).text


# -- what could not be seen is never told as if it had been


def test_linkage_tells_what_could_not_be_seen_as_not_known(desk: Desk, tmp_path: Path) -> None:
    mint(desk, LINKED)
    wave = replace(desk.site.contract.waves["W8B"], stor=("STOR-001", "STOR-005", "STOR-007"), gaps=("GAP-OP-932",))
    (tmp_path / "half").mkdir()
    shutil.copy(MINT / "fleet" / "mint-data.json", tmp_path / "half")
    contract = replace(desk.site.contract, waves={"W8B": wave})
    desk.site = replace(desk.site, contract=contract, reader=ReplayReader(tmp_path / "half"))
    items = closing.close(desk.site, carried_out(desk, "W8B")).document["items"]
    assert isinstance(items, dict)
    told = {row["id"]: row["impact"] for row in items["linkage"]["entries"]}
    assert told["STOR-001"] == "still observed"
    assert told["STOR-005"].startswith("not known: D237 could not see everything: mint-apps")
    assert told["STOR-007"] == "not known: no gate observes it"
    assert "candidate" not in told["GAP-OP-932"]


def test_a_gate_that_did_not_judge_the_host_has_not_passed_there(desk: Desk) -> None:
    mint(desk)
    one = replace(desk.site.contract.packs["mint-storage"], hosts=("mint-data",))
    contract = replace(desk.site.contract, packs={"mint-storage": one})
    read = audit(desk.site, ("mint-data", "mint-apps"))
    (asked,) = ask_conditions(contract, read, ['gate_passes: {"gate":"D237","hosts":["mint-apps"]}'])
    assert (asked.holds, asked.saw) == (None, "D237 did not judge mint-apps")


def test_services_that_declare_no_data_are_not_known_to_be_off_the_boot_disk(desk: Desk) -> None:
    mint(desk)
    policy = desk.site.contract.policies["mint-data"]
    bare = replace(policy, services=tuple(replace(service, data_paths=()) for service in policy.services))
    contract = replace(desk.site.contract, policies={**desk.site.contract.policies, "mint-data": bare})
    (asked,) = ask_conditions(contract, audit(desk.site, ("mint-data",)), ["not_boot_backed: mint-data"])
    assert asked.holds is None and "declares where it keeps its data" in asked.saw


BOOTED = {"outcome": {"facts": {"boot_before": "b1", "boot_after": "b2"}}}
SAME = {"outcome": {"facts": {"boot_before": "b1", "boot_after": "b1"}}}


@pytest.mark.parametrize(
    ("kind", "detail", "proven"),
    [
        ("applied", BOOTED, True),
        ("applied", {}, False),
        ("applied", SAME, False),
        ("probed", {"found": "done"}, True),
        ("probed", {"found": "unknown"}, False),
    ],
)
def test_a_restart_is_proven_by_two_boots_that_somebody_saw(
    desk: Desk, kind: str, detail: dict[str, object], proven: bool
) -> None:
    step = replace(DRAWN.steps[0], verb="reboot")
    known = carried_out(desk, "BOOT-mint-data", "wave", "", steps=(step,))
    for seq, (line, told) in enumerate((("intent", {}), (kind, detail)), 2):
        desk.site.store.append_event(Event(seq, known.digest, line, step.id, 1, E.AT, 0, told))
    desk.site.store.append_event(Event(4, known.digest, "done", "", 0, E.AT, 0, {}))
    (pin,) = known.plan.hosts
    facts = replace(E.facts(), host="mint-data", identity=Identity(pin.machine_id, "boot", pin.host_key))
    assert (rebooted(desk.site, facts) is not None) == proven
