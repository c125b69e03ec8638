"""Whose approval counts, for which plan, and when. Every way it does not count is a row."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.receipts import estate
from tests.receipts.estate import AT, DIGEST, PLAN, RONNY, SAM, key_of
from waveboard.model import canonical
from waveboard.model.change import Reversibility
from waveboard.model.errors import ApprovalNeeded
from waveboard.receipts import approval, sshsig
from waveboard.receipts.approval import Signed

NOW = AT + timedelta(minutes=5)
GOOD = estate.approve()
SECOND = estate.approve(who="sam", key=SAM, nonce="f" * 32)
RETIRE = replace(PLAN, steps=(replace(PLAN.steps[0], reversibility=Reversibility.NONE, deletes=("/b", "/a")),))


def person(name: str) -> str:
    return {"ronny@desk": "ronny", "root@board": "ronny", "sam@old": "sam"}.get(name, name)


def reasons(made=GOOD, signer="ronny", plan=PLAN, digest=DIGEST, at=NOW, applier="worker") -> str:
    return "; ".join(approval.objections(Signed(made, signer), plan, digest, at, applier, person))


def short(*given: Signed, plan=PLAN, digest=DIGEST) -> str:
    return "; ".join(approval.shortfall(given, plan, digest, NOW, "worker", person))


def resigned(**changes: object):
    """The good message with fields changed, properly signed again."""
    message = canonical.encode({**approval.read(GOOD.message), **changes})
    return approval.parse(message, sshsig.sign(RONNY, message))


def test_a_good_approval_counts() -> None:
    assert reasons() == ""
    assert short(Signed(GOOD, "ronny")) == ""


def test_the_message_says_what_the_hand_compares() -> None:
    assert approval.read(estate.approve(RETIRE).message) == {
        "schema": "waveboard.approval/1", "instance": "mint-7f3a", "plan": DIGEST, "wave": "W8B", "hosts": ["mint-data"],
        "principal": "ronny", "nonce": estate.NONCE, "not_before": "2026-02-26T03:38:31Z", "not_after": "2026-02-26T07:38:31Z",
        "deletes": ["/b", "/a"], "downtime_s": 20, "max_uses": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"at": AT - timedelta(seconds=1)}, "not valid before"),
        ({"at": AT + timedelta(hours=4)}, "expired"),
        ({"digest": "sha256:" + "0" * 64}, "another plan"),
        ({"plan": replace(PLAN, instance="other")}, "another instance"),
        ({"plan": replace(PLAN, wave="W8C")}, "another wave"),
        ({"plan": replace(PLAN, hosts=(replace(PLAN.hosts[0], host="mint-apps"),))}, "another set of hosts"),
        ({"plan": RETIRE}, "another list of deletions"),
        ({"plan": replace(PLAN, steps=(replace(PLAN.steps[0], downtime_s=21),))}, "another downtime"),
        ({"signer": "sam"}, "belongs to sam"),
        ({"plan": replace(PLAN, proposer="ronny")}, "proposed the plan"),
        ({"plan": replace(PLAN, proposer="RONNY")}, "proposed the plan"),
        ({"applier": "Ronny"}, "applies the plan"),
        ({"applier": "ronny@desk"}, "ronny, who is also ronny@desk, applies the plan"),
        ({"plan": replace(PLAN, proposer="root@board")}, "ronny, who is also root@board, proposed the plan"),
        ({"made": replace(GOOD, principal="sam"), "signer": "sam"}, "does not say what it claims"),
        ({"made": replace(GOOD, nonce="1" * 32)}, "does not say what it claims"),
        ({"made": replace(GOOD, plan="sha256:" + "1" * 64)}, "does not say what it claims"),
        ({"made": resigned(principal="agent:w1"), "signer": "agent:w1"}, "only people approve"),
        ({"made": resigned(principal="machine:x"), "signer": "machine:x"}, "only people approve"),
        ({"made": replace(GOOD, message=GOOD.message + b"\n")}, "not in canonical form"),
        ({"made": replace(GOOD, message=b'{"a":1,"a":2}')}, "broken"),
    ],
)  # fmt: skip
def test_one_that_does_not_count_says_why(asked: dict, why: str) -> None:
    assert why in reasons(**asked)


def test_without_four_eyes_a_lone_operator_may_sign_what_they_proposed() -> None:
    alone = replace(PLAN, proposer="ronny", four_eyes=False)
    assert reasons(plan=alone, applier="ronny") == ""


@pytest.mark.parametrize("who", ["agent:w1", "Agent:w1", "machine:x", "", "a b", "a,b", "*", "-I", "x\n", "ro\u202enny"])
def test_no_message_is_made_for_one_who_is_no_person(who: str) -> None:
    with pytest.raises(ApprovalNeeded):
        estate.approve(who=who)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_uses": 2}, {"max_uses": True}, {"max_uses": "1"}, {"nonce": "F" * 32}, {"nonce": "0" * 31}, {"plan": "0" * 64},
        {"not_after": "2026-02-26T03:38:31Z"}, {"not_after": "2026-02-26T05:38:31+01:00"}, {"not_before": 0}, {"hosts": []},
        {"hosts": ["b", "a"]}, {"hosts": ["a", "a"]}, {"hosts": "a"}, {"deletes": [1]}, {"downtime_s": -1}, {"downtime_s": True},
        {"schema": "waveboard.approval/2"}, {"extra": 1}, {"wave": ""}, {"principal": None},
    ],
)  # fmt: skip
def test_a_message_of_another_form_is_refused_however_well_signed(changes: dict) -> None:
    with pytest.raises(ApprovalNeeded):
        resigned(**changes)


def test_every_flipped_bit_of_the_message_is_refused() -> None:
    raw, key = bytearray(GOOD.message), RONNY.public_key()
    for place in range(len(raw)):
        for bit in range(8):
            raw[place] ^= 1 << bit
            with pytest.raises(ApprovalNeeded):
                sshsig.verify(GOOD.signature, bytes(raw), key)
            raw[place] ^= 1 << bit


def test_a_quorum_counts_people_keys_and_nonces_once() -> None:
    two = replace(PLAN, quorum=2)
    ronny, sam = Signed(GOOD, "ronny"), Signed(SECOND, "sam")
    assert short(ronny, sam, plan=two) == ""
    assert "1 of 2 needed approvals count" in short(ronny, plan=two)
    assert "signed already" in short(ronny, Signed(estate.approve(nonce="a" * 32), "ronny"), plan=two)
    assert "used twice" in short(ronny, ronny, plan=two)
    assert "used twice" in short(ronny, Signed(estate.approve(who="sam", key=SAM), "sam"), plan=two)
    one_key_two_names = Signed(estate.approve(who="sam", key=RONNY, nonce="f" * 32), "sam")
    assert "one person counts once" in short(ronny, one_key_two_names, plan=two)
    assert "0 of 1" in short()


def test_one_person_with_two_principals_counts_once() -> None:
    two, old = replace(PLAN, quorum=2), Signed(estate.approve(who="sam@old", key=key_of(9), nonce="e" * 32), "sam@old")
    assert "one person counts once" in short(Signed(SECOND, "sam"), old, plan=two)
    assert short(Signed(GOOD, "ronny"), old, plan=two) == ""


def test_one_bad_approval_does_not_spoil_a_good_one() -> None:
    assert short(Signed(SECOND, "ronny"), Signed(GOOD, "ronny")) == ""


def test_what_cannot_be_undone_needs_a_second_person_under_four_eyes() -> None:
    assert approval.needed(PLAN) == 1
    assert approval.needed(RETIRE) == 2
    assert approval.needed(replace(RETIRE, four_eyes=False)) == 1
    assert approval.needed(replace(RETIRE, quorum=3)) == 3
    made = estate.approve(RETIRE)
    assert "1 of 2" in short(Signed(made, "ronny"), plan=RETIRE)
    assert (
        short(Signed(made, "ronny"), Signed(estate.approve(RETIRE, who="sam", key=SAM, nonce="f" * 32), "sam"), plan=RETIRE) == ""
    )
