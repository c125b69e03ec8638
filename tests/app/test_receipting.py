"""Receipts are filed in order, and what a crash left out is filed by the next one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.model.bounded import inline
from waveboard.model.contract import ApprovalPolicy, Contract, FindingsMap
from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import Actor, ActorKind
from waveboard.receipts.verify import verify
from waveboard.world.archive import FileArchive
from waveboard.world.clock import SystemClock
from waveboard.world.keys import ReceiptKey
from waveboard.world.store.memory import MemoryStore

SUBJECTS = (subject("contract", "sha256:" + "0" * 64),)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    key, archive = ReceiptKey.open(tmp_path / "keys"), FileArchive(tmp_path / "receipts")
    archive.file("receipts.pub", key.public_pem())
    contract = Contract(
        "m", "@o", "sha256:" + "0" * 64, {}, (), {}, FindingsMap(), {}, {}, approvals=ApprovalPolicy("a", 1, True)
    )
    nothing = object()
    yield Site(
        contract, "i", Actor("p@x", ActorKind.HUMAN), nothing, nothing, MemoryStore(), archive, lambda: nothing, key, nothing,  # type: ignore[arg-type, return-value]
        SystemClock(), "sha256:" + "0" * 64, print, lambda place: None, nothing, nothing, inline,  # type: ignore[arg-type]
    )  # fmt: skip


def told(site: Site) -> int:
    return verify(dict(site.archive.all()), lambda *_: "nobody").head.seq


def test_every_receipt_is_filed_and_the_checkpoint_follows(site: Site) -> None:
    for number in range(1, 4):
        assert issue(site, "audit", new_key(site, "host.audit"), SUBJECTS, {"n": number}) == number
        assert told(site) == number


def test_what_a_crash_left_out_of_the_archive_is_filed_with_the_next_receipt(site: Site, tmp_path: Path) -> None:
    for number in range(3):
        issue(site, "audit", new_key(site, "host.audit"), SUBJECTS, {"n": number})
    last = sorted((tmp_path / "receipts" / "receipts").iterdir())[-1]
    last.unlink()  # the store has it, the archive lost the race with a kill
    (tmp_path / "receipts" / ".half.json.tmp").write_bytes(b"{")
    with pytest.raises(ReceiptError):
        told(site)
    issue(site, "audit", new_key(site, "host.audit"), SUBJECTS, {"n": 4})
    assert told(site) == 4


def test_a_workspace_that_calls_itself_otherwise_ends_no_chain(site: Site) -> None:
    """Its id lies in a file beside the receipts: one receipt under another id, and nothing after it would verify."""
    issue(site, "audit", new_key(site, "host.audit"), SUBJECTS, {})
    with pytest.raises(ReceiptError, match="its receipts are of the instance 'i'"):
        issue(replace(site, instance="other"), "audit", new_key(site, "host.audit"), SUBJECTS, {})
    assert told(site) == 1


def test_a_filed_receipt_is_never_rewritten(site: Site, tmp_path: Path) -> None:
    issue(site, "audit", new_key(site, "host.audit"), SUBJECTS, {})
    name = next((tmp_path / "receipts" / "receipts").iterdir()).name
    with pytest.raises(ReceiptError, match="another text"):
        site.archive.file("receipts/" + name, b"other")


@pytest.mark.parametrize("without", ["", "checkpoint.json"])
def test_a_store_that_lost_its_receipts_begins_no_second_chain(site: Site, tmp_path: Path, without: str) -> None:
    for number in range(3):
        issue(site, "audit", new_key(site, "host.audit"), SUBJECTS, {"n": number})
    if without:
        (tmp_path / "receipts" / without).unlink()
    before = dict(site.archive.all())
    for known in (0, 2) if not without else (0,):
        store = MemoryStore()
        for seq, digest, raw in site.store.receipts()[:known]:
            store.append_receipt(raw, digest, "audit", f"CAP-{seq}", site.clock.now(), seq)
        with pytest.raises(ReceiptError, match=f"holds {known} receipts"):
            issue(replace(site, store=store), "audit", new_key(site, "host.audit"), SUBJECTS, {})
    assert dict(site.archive.all()) == before


def test_a_checkpoint_that_cannot_be_read_is_filed_anew(site: Site) -> None:
    issue(site, "audit", new_key(site, "host.audit"), SUBJECTS, {})
    site.archive.file("checkpoint.json", b"{")
    assert issue(site, "audit", new_key(site, "host.audit"), SUBJECTS, {}) == told(site) == 2
