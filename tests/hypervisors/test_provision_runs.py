"""Provision plans carried out by the hypervisor's hand: whole, refused, killed at each boundary, taken back. Never half a VM."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.hypervisors.estate import PUBLIC, SPEC, Yard, answered
from tests.receipts.estate import RONNY, SAM, allowed, key_of
from waveboard.app import provision as app
from waveboard.app.apply import undo
from waveboard.app.closing import close
from waveboard.app.receipting import newest_of
from waveboard.model.change import Reversibility
from waveboard.model.errors import HaltedError, HostError, RefusedError, StepError, UsageError
from waveboard.model.facts import Unavailable
from waveboard.receipts import approval, sshsig
from waveboard.waves import plan_json


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def test_a_signed_plan_makes_the_whole_vm_and_a_second_one_is_empty(yard: Yard) -> None:
    known = yard.signed()
    yard.applied(known)
    vm = yard.makes.vms[212]
    assert (vm.name, vm.status, vm.locked, len(vm.disks)) == ("new-1", "running", "", 2)
    assert vm.tag == f"wb-i-{known.digest[7:19]}"
    assert yard.ground.lines == [f"192.0.2.12 {PUBLIC}"]
    told = yard.makes.seeds[212]["user-data"]
    assert b"secret" in told and b"@HOST_KEY@" not in told and "secret" not in known.raw.decode()
    assert yard.proposed().plan.steps == ()


def test_a_vm_that_was_there_before_its_contract_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it was there before its contract"):
        Yard(tmp_path, spec=replace(SPEC, existing=True)).proposed()


def test_nothing_is_made_without_a_signature(yard: Yard) -> None:
    known = yard.proposed()
    request = {"op": "open", "plan": known.digest, "text": known.raw.decode(), "approvals": [], "fence": 1}
    refused = answered(yard.hand, request)
    assert refused["error"]["code"] == "approval-void" and "0 of 1" in refused["error"]["because"]  # type: ignore[index]
    assert answered(yard.hand, {"op": "do", "plan": known.digest, "step": "x", "attempt": 1, "fence": 1})["ok"] is False
    assert yard.makes.calls == []


def test_the_hand_looks_at_the_signature_itself(yard: Yard) -> None:
    known = yard.signed()
    (good,) = yard.site.store.approvals(known.digest)
    forged = {"message": good.message.decode(), "signature": sshsig.sign(SAM, good.message)}
    text = known.raw.decode()
    request: dict[str, object] = {"op": "open", "plan": known.digest, "text": text, "approvals": [forged], "fence": 1}
    assert "belongs to sam" in answered(yard.hand, request)["error"]["because"]  # type: ignore[index]
    true = {"message": good.message.decode(), "signature": good.signature}
    longer = {**request, "approvals": [true], "text": text.replace("8589934592", "8589934593")}
    assert "do not have the digest" in answered(yard.hand, longer)["error"]["because"]  # type: ignore[index]
    assert answered(yard.hand, {**request, "approvals": [true]})["ok"] is True


ONE = "1 of 2 needed persons have signed"


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize(
    ("second", "because"),
    [("ronny", ONE), ("ronny@desk", ONE), ("sam", ""), ("ronnys-other-name", "the key that signed belongs to ronny")],
)
def test_the_hand_counts_persons_and_keys_once(yard: Yard, second: str, because: str, final: bool) -> None:
    """Two names for one key are one signer, as are two keys of one person. Two are asked for by the plan, or by a step nothing undoes."""
    keys = {"ronny": RONNY, "ronny@desk": key_of(9), "sam": SAM, "ronnys-other-name": RONNY}
    plan = replace(yard.proposed().plan, quorum=1 if final else 2)
    if final:
        plan = replace(plan, four_eyes=True, steps=(*plan.steps[:-1], replace(plan.steps[-1], reversibility=Reversibility.NONE)))
    raw, at = plan_json.to_bytes(plan), plan.not_before
    digest, given = plan_json.digest(raw), []
    for number, who in enumerate(("ronny", second)):
        message = approval.build(plan, digest, who, f"{number:032x}", at, at + timedelta(hours=1))
        given.append({"message": message.decode(), "signature": sshsig.sign(keys[who], message)})
    yard.born(allowed(keys), lambda name: name.partition("@")[0])
    told = answered(yard.hand, {"op": "open", "plan": digest, "text": raw.decode(), "approvals": given, "fence": 1})
    assert told["ok"] is not bool(because), told
    if because:
        assert because in told["error"]["because"]  # type: ignore[index]


def test_another_machine_is_never_used(yard: Yard) -> None:
    known = yard.signed()
    yard.makes.identity = "a stranger"
    with pytest.raises(RefusedError, match="not the machine the plan was made for"):
        yard.applied(known)
    assert yard.makes.calls == []


def test_a_plan_is_void_when_somebody_took_the_id(yard: Yard) -> None:
    known = yard.signed()
    yard.makes.create(212, "somebody", "9000", "local-lvm", "")
    with pytest.raises(RefusedError, match="changed since the plan was made"):
        yard.applied(known)
    assert yard.makes.vms[212].name == "somebody"


METHODS = ("create", "configure", "grow", "attach", "seed", "start")


@pytest.mark.parametrize("method", METHODS)
def test_what_fails_is_taken_back_whole(yard: Yard, method: str) -> None:
    known = yard.signed()
    yard.makes.faults[method] = StepError(method, "the task failed", "")
    with pytest.raises(StepError, match="the task failed"):
        yard.applied(known)
    assert yard.makes.vms == {} and yard.makes.loose == {} and yard.ground.lines == []


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("when", ["faults", "late", "torn"])
def test_killed_at_each_boundary_it_is_resumed_or_taken_back(yard: Yard, method: str, when: str) -> None:
    if when == "torn" and method not in ("create", "attach"):
        pytest.skip("it has no half")
    known = yard.signed()
    getattr(yard.makes, when)[method] = Killed()
    with pytest.raises(Killed):
        yard.applied(known)
    if when == "torn" and method == "create":  # its task went on alone and failed
        yard.makes.vms[212] = replace(yard.makes.vms[212], locked="")
    yard.born()
    try:
        yard.applied(known)
    except StepError:
        assert when == "torn"
        assert yard.makes.vms == {} and yard.makes.loose == {} and yard.ground.lines == []
    else:
        assert yard.makes.vms[212].status == "running" and len(yard.makes.vms[212].disks) == 2
    assert yard.makes.calls.count("create") <= 2 and (when != "late" or yard.makes.calls.count(method) == 1)


def test_no_answer_is_unknown_and_looked_at(yard: Yard) -> None:
    known = yard.signed()
    yard.makes.late["create"] = HostError("create", "no answer", "")
    yard.applied(known)
    assert yard.makes.calls.count("create") == 1
    assert "probed" in yard.kinds(known)


def test_a_node_that_goes_away_suspends_and_the_next_run_goes_on(yard: Yard) -> None:
    known = yard.signed()
    yard.makes.faults["attach"] = HostError("attach", "the node does not answer", "")
    yard.makes.late["grow"] = HostError("grow", "the node does not answer", "")

    def gone() -> object:
        raise HostError("look", "the node does not answer", "")

    seen, yard.makes.look = yard.makes.look, gone  # type: ignore[method-assign,assignment]
    with pytest.raises(HostError):
        yard.applied(known)
    yard.makes.look = seen  # type: ignore[method-assign]
    yard.applied(known)
    assert yard.makes.vms[212].status == "running"


def test_half_a_clone_that_nobody_can_tell_apart_halts_with_the_command(yard: Yard) -> None:
    known = yard.signed()
    yard.makes.torn["create"] = Killed()
    with pytest.raises(Killed):
        yard.applied(known)
    yard.makes.vms[212] = replace(yard.makes.vms[212], name="", tag="", locked="clone")
    yard.born()
    with pytest.raises(HaltedError, match="it may be this plan's, half made, or somebody's") as told:
        yard.applied(known)
    assert 212 in yard.makes.vms and "when nobody wants it: forget 212" in told.value.because and told.value.fix


def test_undo_destroys_exactly_what_the_plan_made(yard: Yard) -> None:
    yard.makes.create(300, "bystander", "9000", "local-lvm", "")
    known = yard.signed()
    yard.applied(known)
    undo(yard.site, known)
    assert list(yard.makes.vms) == [300] and yard.ground.lines == []


def test_undo_leaves_a_vm_that_carries_another_tag(yard: Yard) -> None:
    known = yard.signed()
    yard.applied(known)
    yard.makes.vms[212] = replace(yard.makes.vms[212], tag="wb-i-000000000000", status="stopped")
    undo(yard.site, known)
    assert 212 in yard.makes.vms and "destroy" not in yard.makes.calls


def test_a_disk_that_carries_data_is_never_removed(yard: Yard) -> None:
    known = yard.signed()
    yard.applied(known)
    yard.makes.written.add("new-1-data")
    with pytest.raises(RefusedError, match=r"may hold data, and nothing here removes data; .*by hand: forget 212"):
        undo(yard.site, known)
    assert yard.makes.vms[212].status == "running" and yard.kinds(known)[-1] == "done"
    refused = answered(yard.hand, {"op": "undo", "plan": known.digest, "step": "07-vm-wait", "attempt": 1, "fence": 99})
    assert refused["error"]["code"] == "carries-data"  # type: ignore[index]


def test_a_disposable_vm_goes_with_its_data(yard: Yard) -> None:
    known = yard.signed(disposable=True)
    yard.applied(known)
    yard.makes.written.add("new-1-data")
    undo(yard.site, known)
    assert yard.makes.vms == {}


def test_a_guest_with_another_host_key_is_not_believed(yard: Yard) -> None:
    known = yard.signed()
    yard.ground.answers = "ssh-ed25519 AAAAstranger"
    with pytest.raises(StepError, match="answers with another host key"):
        yard.applied(known)
    assert yard.makes.vms == {}


def test_an_older_worker_is_refused_and_a_torn_journal_line_is_cut(yard: Yard) -> None:
    known = yard.signed()
    yard.applied(known)
    assert "lower than" in answered(yard.hand, {"op": "fence", "plan": known.digest, "fence": 0})["error"]["because"]  # type: ignore[index]
    path = yard.tmp / "hypervisors" / "hv" / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq": 99, "to')
    undo(yard.site, known)
    assert yard.makes.vms == {} and path.read_bytes().startswith(whole)


def test_a_journal_that_was_edited_is_not_trusted(yard: Yard) -> None:
    known = yard.signed()
    yard.applied(known)
    path = yard.tmp / "hypervisors" / "hv" / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"vm_grow"', b'"vm_glow"'))
    with pytest.raises(RefusedError, match="does not follow the one before"):
        undo(yard.site, known)
    assert 212 in yard.makes.vms


def test_readiness_is_told_whether_the_agent_answers(yard: Yard) -> None:
    known = yard.signed()
    yard.applied(known)
    look = app.asking(yard.site, yard.makers)
    silent = look(SPEC)
    yard.makes.agents.add(212)
    told = look(SPEC)
    assert not isinstance(silent, Unavailable) and not isinstance(told, Unavailable)
    assert (silent.vms[212].agent, told.vms[212].agent) == (False, True)


def test_readiness_is_told_of_the_hypervisor_that_is_pinned_and_of_no_other(yard: Yard) -> None:
    look = app.asking(yard.site, yard.makers)
    assert look(SPEC) == yard.makes.look()
    pinned = replace(yard.site.contract.hypervisors["hv"], machine_id="another")
    moved = replace(yard.site, contract=replace(yard.site.contract, hypervisors={"hv": pinned}))
    told = app.asking(moved, yard.makers)(SPEC)
    assert isinstance(told, Unavailable) and "waveboard.yaml pins another" in told.reason

    def gone() -> object:
        raise HostError("look at hv", "it does not answer")

    yard.makes.look = gone  # type: ignore[method-assign,assignment]
    assert app.asking(yard.site, yard.makers)(SPEC) == Unavailable("it does not answer")


# -- closing: on the VM being whole, and on nothing else


def test_a_provision_plan_is_closed_on_its_vm_being_whole(yard: Yard) -> None:
    known = yard.signed()
    yard.applied(known)
    done = close(yard.site, known, yard.makers)
    assert done.holds and "VM 212 is whole" in done.text
    yard.makes.vms[212] = replace(yard.makes.vms[212], disks=yard.makes.vms[212].disks[:1])
    later = close(yard.site, known, yard.makers)
    assert not later.holds and "FAILS" in later.text and "vm_whole: new-1" in later.text


def test_a_hypervisor_that_does_not_answer_closes_nothing(yard: Yard) -> None:
    known = yard.signed()
    yard.applied(known)
    yard.makes.faults["look"] = HostError("look", "no route", "")
    with pytest.raises(HostError, match="no route"):
        close(yard.site, known, yard.makers)
    yard.makes.faults.clear()
    yard.makes.identity = "a stranger"
    pinned = replace(yard.site.contract.hypervisors["hv"], fingerprint="AA")
    yard.site = replace(yard.site, contract=replace(yard.site.contract, hypervisors={"hv": pinned}))
    with pytest.raises(RefusedError, match="pins AA"):
        close(yard.site, known, yard.makers)
    assert not list(newest_of(yard.site, "closeout"))


def test_a_hypervisor_that_does_not_say_which_machine_it_is_makes_nothing(yard: Yard) -> None:
    """Two unknown identities are not the same machine."""
    yard.makes.identity = None
    with pytest.raises(HostError, match="does not tell which machine it is"):
        yard.proposed()
    yard.makes.identity = "hv-1"
    known = yard.signed()
    yard.makes.identity = None
    with pytest.raises(HostError, match="cannot be looked at: hv does not tell which machine it is"):
        yard.applied(known)
    assert yard.makes.calls == []
