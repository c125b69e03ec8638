"""The seven items: all there, none resting on nothing, none claiming what no receipt recorded."""

from dataclasses import replace
from hashlib import sha256

import pytest

from tests.receipts import estate
from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import CloseoutItem
from waveboard.receipts import closeout

GOOD = estate.told()
KNOWN = {sha256(estate.EVIDENCE).hexdigest(), estate.DIGEST.removeprefix("sha256:")}
KEYS = {draft.run_key for draft in estate.drafts()}


def changed(name: str, **fields: object):
    return replace(GOOD, items={**GOOD.items, name: replace(GOOD.items[name], **fields)})


def test_reads_back_as_written_and_is_bound() -> None:
    assert closeout.read(closeout.body(GOOD)) == GOOD
    assert closeout.unbound(GOOD, KNOWN, KEYS) == ()


@pytest.mark.parametrize("name", closeout.ITEMS)
def test_no_item_may_be_missing_or_rest_on_nothing(name: str) -> None:
    with pytest.raises(ReceiptError, match="seven items"):
        closeout.body(replace(GOOD, items={n: i for n, i in GOOD.items.items() if n != name}))
    with pytest.raises(ReceiptError, match=f"{name} rests on no evidence"):
        closeout.body(changed(name, evidence=()))
    with pytest.raises(ReceiptError, match=f"{name} rests on no evidence"):
        closeout.body(changed(name, evidence=("trust me",)))
    with pytest.raises(ReceiptError, match=f"an entry of {name}"):
        closeout.body(changed(name, entries=({"said": "done"},)))


@pytest.mark.parametrize("name", closeout.NEVER_EMPTY)
def test_evidence_verdict_and_attestation_are_never_empty(name: str) -> None:
    with pytest.raises(ReceiptError, match=f"{name} says nothing"):
        closeout.body(changed(name, entries=()))


@pytest.mark.parametrize(
    "fields", [{"wave": ""}, {"plan": "W8B"}, {"outcome": "fine"}, {"items": {**GOOD.items, "more": GOOD.items["verify"]}}]
)
def test_a_closeout_of_another_form_is_refused(fields: dict) -> None:
    with pytest.raises(ReceiptError):
        closeout.body(replace(GOOD, **fields))


def test_what_no_earlier_receipt_recorded_is_named() -> None:
    assert "plan: no earlier receipt" in closeout.unbound(GOOD, KNOWN - {estate.DIGEST[7:]}, KEYS)[0]
    assert (
        "verify: no earlier receipt names sha256:000"
        in closeout.unbound(changed("verify", evidence=("sha256:" + "0" * 64,)), KNOWN, KEYS)[0]
    )
    invented = CloseoutItem(
        ({"pack": "mint", "run_key": "CAP-20260101-000000__x__R1", "result": "pass"},), GOOD.items["verify"].evidence
    )
    assert "has the run key CAP-2026" in closeout.unbound(replace(GOOD, items={**GOOD.items, "verify": invented}), KNOWN, KEYS)[0]


def test_a_wave_without_a_plan_closes_without_one() -> None:
    assert closeout.unbound(closeout.read(closeout.body(replace(GOOD, plan=""))), KNOWN - {estate.DIGEST[7:]}, KEYS) == ()
