"""Receipts in their places: what is written is read back, and nothing out of place is accepted."""

from dataclasses import replace
from hashlib import sha256

import pytest

from tests.receipts import estate
from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import GENESIS, PAYLOAD_TYPE, Actor, ActorKind, Head, Signature, Subject
from waveboard.receipts import chain, envelope, statement
from waveboard.receipts.envelope import keyid

LINKS = estate.linked(estate.drafts())
RAWS = [link.raw for link in LINKS]


def test_a_receipt_reads_back_as_it_was_written() -> None:
    assert [link.receipt for link in chain.follow(RAWS, estate.PUBLIC)] == [link.receipt for link in LINKS]
    assert [link.receipt.seq for link in LINKS] == [1, 2, 3, 4, 5]
    assert LINKS[0].receipt.prev == "0" * 64
    assert LINKS[0].name == f"000001-{LINKS[0].sha256[:16]}.json"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Audit"}, {"kind": "a/b"}, {"run_key": "CAP-1"}, {"instance": ""}, {"instance": "a b"}, {"subjects": ()},
        {"subjects": (Subject("a", "0" * 63),)}, {"subjects": (Subject("", "0" * 64),)}, {"body": {"a": 1.5}},
        {"body": {"a": 2**60}},
        {"subjects": (Subject("a", "0" * 64), Subject("a", "1" * 64))}, {"actor": Actor("", ActorKind.MACHINE)},
    ],
)  # fmt: skip
def test_what_could_not_be_read_back_is_never_signed(change: dict) -> None:
    with pytest.raises(ReceiptError):
        chain.append(GENESIS, replace(estate.draft("audit", {}), **change), estate.SIGN)


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda raws: raws[1:], "number 2, not 1"),
        (lambda raws: raws[:1] + raws[2:], "number 3, not 2"),
        (lambda raws: [raws[1], raws[0], *raws[2:]], "number 2, not 1"),
        (lambda raws: [*raws, raws[-1]], "number 5, not 6"),
    ],
)  # fmt: skip
def test_a_row_with_a_gap_or_a_swap_is_refused(edit, why: str) -> None:
    with pytest.raises(ReceiptError, match=why):
        list(chain.follow(edit(RAWS), estate.PUBLIC))


def test_a_splice_of_two_chains_of_one_key_is_refused() -> None:
    other = estate.linked([replace(d, four_eyes=False) for d in estate.drafts()])
    with pytest.raises(ReceiptError, match="receipt 3: it does not name the receipt before it"):
        list(chain.follow([*RAWS[:2], *(link.raw for link in other[2:])], estate.PUBLIC))


def test_a_receipt_of_another_instance_is_refused_even_in_its_place() -> None:
    foreign = chain.append(LINKS[-1].head, replace(estate.draft("audit", {}), instance="other"), estate.SIGN)
    with pytest.raises(ReceiptError, match="receipt 6: it belongs to the instance 'other'"):
        list(chain.follow([*RAWS, foreign.raw], estate.PUBLIC))


def test_the_checkpoint_sees_a_cut_tail_and_a_grown_one() -> None:
    point = chain.checkpoint(LINKS[3].head, estate.INSTANCE, estate.AT, estate.SIGN)
    chain.check_tail(LINKS[3], point, estate.PUBLIC)
    for wrong in (LINKS[2], LINKS[4]):
        with pytest.raises(ReceiptError, match="the checkpoint signs 4 receipts"):
            chain.check_tail(wrong, point, estate.PUBLIC)
    elsewhere = chain.checkpoint(LINKS[3].head, "other", estate.AT, estate.SIGN)
    with pytest.raises(ReceiptError, match="of the instance 'other'"):
        chain.check_tail(LINKS[3], elsewhere, estate.PUBLIC)


def test_an_empty_chain_is_never_signed_off() -> None:
    with pytest.raises(ReceiptError, match="no receipt yet"):
        chain.checkpoint(GENESIS, estate.INSTANCE, estate.AT, estate.SIGN)


def test_a_receipt_is_no_checkpoint_and_a_checkpoint_no_receipt() -> None:
    point = chain.checkpoint(LINKS[0].head, estate.INSTANCE, estate.AT, estate.SIGN)
    with pytest.raises(ReceiptError, match="payload type"):
        list(chain.follow([point], estate.PUBLIC))
    with pytest.raises(ReceiptError, match="payload type"):
        chain.read_checkpoint(RAWS[0], estate.PUBLIC)


def test_a_chain_can_be_followed_from_a_known_head() -> None:
    head = LINKS[2].head
    assert [link.receipt.seq for link in chain.follow(RAWS[3:], estate.PUBLIC, after=head)] == [4, 5]
    with pytest.raises(ReceiptError):
        list(chain.follow(RAWS[3:], estate.PUBLIC, after=Head(3, "1" * 64)))


FORMS = [None, 0, True, [], {}, "x", "2026-02-30T00:00:00Z", "2026-02-26T03:38:31.0Z", {"kind": []}]
RIGHT = [("four_eyes", True), ("body", {}), ("body", {"kind": []}), *(("instance", text) for text in FORMS[5:8])]


@pytest.mark.parametrize("field", ["schema", "kind", "seq", "prev", "run_key", "at", "actor", "four_eyes", "body", "instance"])
@pytest.mark.parametrize("value", FORMS)
def test_a_field_of_another_form_is_refused(field: str, value: object) -> None:
    said = statement.build(LINKS[0].receipt)
    changed = replace(said, predicate={**said.predicate, field: value})
    if (field, value) in RIGHT:
        statement.receipt_of(changed)
    else:
        with pytest.raises(ReceiptError):
            statement.receipt_of(changed)


LONG = estate.linked([estate.draft("step", {"number": number}) for number in range(chain.AT_ONCE + 3)])
STRANGER = estate.signer_of(estate.SAM)


def sealed(payload: bytes) -> bytes:
    return envelope.seal(payload, PAYLOAD_TYPE, estate.SIGN)


FAULTS = {  # a receipt -> one that is refused, from what is seen first to what is seen last
    "spelling": lambda link: link.raw + b"\n",
    "key": lambda link: envelope.seal(link.payload, PAYLOAD_TYPE, STRANGER),
    "signature": lambda link: envelope.seal(
        link.payload, PAYLOAD_TYPE, lambda message: Signature(keyid(estate.PUBLIC), estate.SAM.sign(message))
    ),
    "canonical form": lambda link: sealed(link.payload.replace(b'"seq":', b'"seq": ')),
    "field": lambda link: sealed(link.payload.replace(b'"four_eyes":true', b'"four_eyes":"yes"')),
    "place": lambda link: sealed(link.payload.replace(link.receipt.prev.encode(), b"f" * 64)),
    "instance": lambda link: sealed(link.payload.replace(b'"instance":"', b'"instance":"x')),
}


@pytest.mark.parametrize("at", [1, chain.AT_ONCE - 1, chain.AT_ONCE])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_receipt_that_does_not_fit_is_named_whatever_is_wrong_behind_it(fault: str, at: int) -> None:
    """Signatures are checked many at a time; who follows the chain still gets all before the fault, and the fault."""
    row = [link.raw for link in LONG]
    assert FAULTS[fault](LONG[at]) != row[at]
    for behind in ("", *FAULTS):
        changed = [*row]
        changed[at] = FAULTS[fault](LONG[at])
        if behind:
            changed[at + 1] = FAULTS[behind](LONG[at + 1])
        told = []
        with pytest.raises(ReceiptError, match=f"receipt {at + 1}: "):
            for link in chain.follow(changed, estate.PUBLIC):
                told.append(link)
        assert told == LONG[:at]


def test_a_flipped_bit_is_refused_anywhere_in_a_long_chain() -> None:
    for at, link in [*enumerate(LONG)][:: chain.AT_ONCE // 15]:
        changed = bytearray(link.raw)
        changed[(at * 7919) % len(changed)] ^= 1 << at % 8
        row = [*(one.raw for one in LONG[:at]), bytes(changed)]
        with pytest.raises(ReceiptError, match=f"receipt {at + 1}: "):
            list(chain.follow(row, estate.PUBLIC))


def test_a_chain_ends_where_its_receipts_end() -> None:
    for length in (0, 1, chain.AT_ONCE - 1, chain.AT_ONCE, chain.AT_ONCE + 1, len(LONG)):
        assert list(chain.follow((link.raw for link in LONG[:length]), estate.PUBLIC)) == LONG[:length]


def test_a_receipt_is_called_by_the_digest_of_its_bytes() -> None:
    assert all(link.sha256 == sha256(link.raw).hexdigest() for link in chain.follow(RAWS, estate.PUBLIC))
