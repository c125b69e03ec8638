"""Issue a receipt: signed, chained, stored, filed. No receipt, no action: a failure here stops the verb that asked."""

from collections.abc import Iterator, Mapping

from waveboard.app.site import Site
from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import GENESIS, Head, Receipt, Subject
from waveboard.model.units import capability_of, run_key
from waveboard.receipts import bundle, chain, envelope, statement


def subject(name: str, digest: str) -> Subject:
    """A subject from a `sha256:…` digest."""
    return Subject(name, digest.removeprefix("sha256:"))


def new_key(site: Site, capability: str, *also: str) -> str:
    """The run key of a capability: a fresh one, or the site's own when it was opened for a run of just that capability. also: others
    whose runs do this as a part of themselves."""
    if capability_of(site.run) in (capability, *also):
        return site.run
    return run_key(site.clock.now(), capability, site.clock.token(8))


def issue(site: Site, kind: str, key: str, subjects: tuple[Subject, ...], body: Mapping[str, object]) -> int:
    """The receipt's seq, once it is durable in the store and filed beside the checkpoint. Raises: RefusedError, ReceiptError."""
    at = site.clock.now().replace(microsecond=0)
    receipt = Receipt(kind, key, site.instance, site.actor, at, site.four_eyes, subjects, body)
    with site.archive.exclusive():
        belongs(site)
        refile(site)
        seq, digest = site.store.receipt_head()
        link = chain.append(Head(seq, digest.removeprefix("sha256:")) if seq else GENESIS, receipt, site.signer.sign)
        site.store.append_receipt(link.raw, "sha256:" + link.sha256, kind, key, at, link.head.seq)
        _file(site, link.head, link.raw)
        site.archive.file(bundle.CHECKPOINT, chain.checkpoint(link.head, site.instance, at, site.signer.sign))
    return link.head.seq


def belongs(site: Site) -> None:
    """Returns when the store knows every receipt that is filed, and they are this workspace's. Raises: ReceiptError: a store that was lost,
    or put back from an older time, would begin a second chain under the same key, and would know neither used approvals nor what was done;
    a receipt of another instance would end the chain."""
    raw = site.archive.read(bundle.CHECKPOINT)
    seq, digest = site.store.receipt_head()
    if raw is None:
        ahead = seq == 0 and any(name.startswith(bundle.RECEIPTS) for name in site.archive.all())
    else:
        try:
            filed, instance = chain.claimed(raw)
        except ReceiptError:
            return  # `receipts verify` tells of it, and the next receipt files another
        if instance != site.instance:
            because = f"its receipts are of the instance {instance!r}, and the state directory says {site.instance!r}"
            raise ReceiptError("use the store", because, "put back the `instance` file that belongs to the receipts")
        ahead = filed.seq > seq or (filed.seq == seq and digest != f"sha256:{filed.sha256}")
    if ahead:
        raise ReceiptError(
            "use the store",
            f"it holds {seq} receipts and not those that were filed: it was lost, replaced or put back from an older time",
            "put back the store that belongs to .waveboard/receipts; to begin anew, move .waveboard away as a whole (what it holds still verifies)",
        )


def all_receipts(site: Site) -> Iterator[Receipt]:
    """Every receipt of this workspace, oldest first."""
    return (statement.enclosed(raw) for _, _, raw in site.store.receipts())


def newest_of(site: Site, kind: str) -> Iterator[tuple[str, Receipt]]:
    """(digest, receipt) of one kind, newest first; no other is parsed."""
    mark = statement.predicate_type(kind).encode()
    for _, digest, raw in reversed(site.store.receipts()):
        if mark in envelope.from_bytes(raw).payload:
            yield digest, statement.enclosed(raw)


def refile(site: Site) -> None:
    """File what a crash left between the store and the archive: the newest receipts, back to the first that is there."""
    seq, digest = site.store.receipt_head()
    if not seq or site.archive.has(bundle.RECEIPTS + chain.file_name(Head(seq, digest.removeprefix("sha256:")))):
        return
    for number, told, raw in site.store.receipts():
        _file(site, Head(number, told.removeprefix("sha256:")), raw)


def _file(site: Site, head: Head, raw: bytes) -> None:
    """The receipt's own file last: once it is there, everything it needs is there."""
    told = statement.enclosed(raw)
    for name, needed in bundle.approval_files(told).items() if told.kind == "approval" else ():
        site.archive.file(name, site.store.get_object(needed))
    site.archive.file(bundle.RECEIPTS + chain.file_name(head), raw)
