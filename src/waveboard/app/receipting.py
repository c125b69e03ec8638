"""Issue a receipt: signed, chained, stored, filed. No receipt, no action: a failure here stops the verb that asked."""

from collections.abc import Mapping

from waveboard.app.site import Site
from waveboard.model.errors import RefusedError
from waveboard.model.receipt import GENESIS, Head, Receipt, Subject
from waveboard.model.units import run_key
from waveboard.receipts import bundle, chain

_TRIES = 5  # another process may append between our look at the head and our own append


def subject(name: str, digest: str) -> Subject:
    """A subject from a `sha256:…` digest."""
    return Subject(name, digest.removeprefix("sha256:"))


def new_key(site: Site, capability: str) -> str:
    """A fresh run key for a capability."""
    return run_key(site.clock.now(), capability, site.clock.token(8))


def issue(site: Site, kind: str, key: str, subjects: tuple[Subject, ...], body: Mapping[str, object]) -> int:
    """The receipt's seq, once it is durable in the store and filed beside the checkpoint. Raises: RefusedError, ReceiptError."""
    at = site.clock.now().replace(microsecond=0)
    receipt = Receipt(kind, key, site.instance, site.actor, at, site.four_eyes, subjects, body)
    for attempt in range(_TRIES):
        seq, digest = site.store.receipt_head()
        head = Head(seq, digest.removeprefix("sha256:")) if seq else GENESIS
        link = chain.append(head, receipt, site.signer.sign)
        try:
            site.store.append_receipt(link.raw, "sha256:" + link.head.sha256, kind, key, at, link.head.seq)
        except RefusedError:
            if attempt == _TRIES - 1:
                raise
            continue
        site.archive.file(bundle.RECEIPTS + link.name, link.raw)
        for name, digest in bundle.needed((link,)).items():
            site.archive.file(name, site.store.get_object(digest))
        site.archive.file(bundle.CHECKPOINT, chain.checkpoint(link.head, site.instance, at, site.signer.sign))
        return link.head.seq
    raise AssertionError("unreachable")
