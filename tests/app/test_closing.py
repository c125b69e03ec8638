"""A closeout says only what earlier receipts prove; what it claims beyond that stops it."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.stage import Desk
from tests.app.test_offline import CONTRACT, MINT
from tests.waves import estate as E
from waveboard.app import closing
from waveboard.app.plans import Known
from waveboard.app.receipting import issue, new_key, subject
from waveboard.model.change import Event
from waveboard.model.errors import ReceiptError
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
