"""The chain: each receipt names the exact bytes before it, and a signed checkpoint names the last.

It keeps nothing: the caller stores the bytes and passes the head back. Without a checkpoint (or a head remembered elsewhere)
a cut tail cannot be seen, and an older checkpoint with its older tail is a true picture of an older time.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import islice

from waveboard.model import canonical
from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import GENESIS, PAYLOAD_TYPE, Head, Receipt
from waveboard.model.units import exact_instant, instant_text
from waveboard.receipts import envelope, statement

CHECKPOINT_SCHEMA = "waveboard.checkpoint/1"
CHECKPOINT_TYPE = "application/vnd.waveboard.checkpoint+json"
AT_ONCE = 256  # receipts whose signatures are checked in one go
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Link:
    """One receipt in its place: the exact file bytes, their sha256 (hex), the signed payload and what it says."""

    raw: bytes
    sha256: str
    payload: bytes
    receipt: Receipt

    @property
    def head(self) -> Head:
        """Where the chain stands after it."""
        return Head(self.receipt.seq, self.sha256)

    @property
    def name(self) -> str:
        """Its file name in a bundle: `000001-<first 16 hex digits>.json`."""
        return file_name(self.head)


def file_name(head: Head) -> str:
    """`000001-<sha256[:16]>.json`."""
    return f"{head.seq:06d}-{head.sha256[:16]}.json"


def append(head: Head, receipt: Receipt, sign: envelope.Sign) -> Link:
    """The receipt, signed, as the one after `head`. The caller must store it before anybody else appends to the same head."""
    placed = replace(receipt, seq=head.seq + 1, prev=head.sha256)
    payload = statement.to_bytes(statement.build(placed))
    raw = envelope.seal(payload, PAYLOAD_TYPE, sign)
    return Link(raw, sha256(raw).hexdigest(), payload, placed)


def follow(raws: Iterable[bytes], public: bytes, after: Head = GENESIS, instance: str = "") -> Iterator[Link]:
    """Each receipt once it is proven: signature, place, predecessor, instance ("" takes the first one's).

    Raises: ReceiptError naming the place in the chain of the first one that does not fit.
    """
    return follow_digested(((raw, sha256(raw).hexdigest()) for raw in raws), public, after, instance)


def follow_digested(
    files: Iterable[tuple[bytes, str]], public: bytes, after: Head = GENESIS, instance: str = ""
) -> Iterator[Link]:
    """What `follow` does, of bytes whose sha256 (hex) the caller has just computed, and answers for. Reads AT_ONCE of them ahead."""
    head, rest = after, iter(files)
    while some := list(islice(rest, AT_ONCE)):
        payloads, problem = envelope.opened((raw for raw, _ in some), PAYLOAD_TYPE, public)
        for (raw, digest), payload in zip(some, payloads, strict=False):  # those before the problem
            try:
                receipt = _placed(head, payload)
            except ReceiptError as error:
                raise ReceiptError(f"accept receipt {head.seq + 1}", error.because, error.fix) from None
            if instance and receipt.instance != instance:
                raise ReceiptError(f"accept receipt {head.seq + 1}", f"it belongs to the instance {receipt.instance!r}")
            instance, head = receipt.instance, Head(receipt.seq, digest)
            yield Link(raw, digest, payload, receipt)
        if problem:
            raise ReceiptError(f"accept receipt {head.seq + 1}", problem.because, problem.fix)


def _placed(head: Head, payload: bytes) -> Receipt:
    receipt = statement.read(payload)
    if receipt.seq != head.seq + 1:
        raise ReceiptError("follow the chain", f"it says it is number {receipt.seq}, not {head.seq + 1}")
    if receipt.prev != head.sha256:
        raise ReceiptError("follow the chain", "it does not name the receipt before it")
    return receipt


def checkpoint(head: Head, instance: str, at: datetime, sign: envelope.Sign) -> bytes:
    """The signed head: `checkpoint.json`. Raises: ReceiptError for a chain without receipts."""
    if head.seq < 1:
        raise ReceiptError("sign a checkpoint", "there is no receipt yet", "run something first")
    value = {
        "schema": CHECKPOINT_SCHEMA,
        "instance": instance,
        "seq": head.seq,
        "head": head.sha256,
        "at": instant_text(at),
    }
    return envelope.seal(canonical.encode(value), CHECKPOINT_TYPE, sign)


def read_checkpoint(raw: bytes, public: bytes) -> tuple[Head, str]:
    """The head and the instance a checkpoint signs. Raises: ReceiptError."""
    return _signed(envelope.verify(envelope.from_bytes(raw), CHECKPOINT_TYPE, public))


def claimed(raw: bytes) -> tuple[Head, str]:
    """The head and the instance a checkpoint names, whoever signed it. Raises: ReceiptError."""
    return _signed(envelope.from_bytes(raw).payload)


def _signed(payload: bytes) -> tuple[Head, str]:
    try:
        value = canonical.decode(payload)
        if isinstance(value, dict) and set(value) == {"schema", "instance", "seq", "head", "at"}:
            exact_instant(value["at"])
            seq, head, instance = value["seq"], value["head"], value["instance"]
            right = value["schema"] == CHECKPOINT_SCHEMA and isinstance(instance, str) and isinstance(head, str)
            if right and type(seq) is int and seq > 0 and _HEX.fullmatch(head):
                return Head(seq, head), instance
    except ValueError as error:
        raise ReceiptError("read the checkpoint", str(error)) from None
    raise ReceiptError("read the checkpoint", f"it is not {CHECKPOINT_SCHEMA}")


def check_tail(last: Link, raw_checkpoint: bytes, public: bytes) -> None:
    """Returns when the checkpoint signs exactly this end. Raises: ReceiptError when the tail was cut, or grew past it."""
    signed, instance = read_checkpoint(raw_checkpoint, public)
    if last.head != signed:
        raise ReceiptError(
            "accept the end of the chain",
            f"the checkpoint signs {signed.seq} receipts ending in {signed.sha256[:16]}, "
            f"there are {last.head.seq} ending in {last.sha256[:16]}",
        )
    if last.receipt.instance != instance:
        raise ReceiptError("accept the end of the chain", f"the checkpoint is of the instance {instance!r}")
