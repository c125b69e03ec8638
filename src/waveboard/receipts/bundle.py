"""The bundle: receipts, key, checkpoint, approvals and evidence as named files that a stranger can verify.

It makes and names the files; `world` writes and reads them, `verify` judges them. docs/receipts.md is the layout's norm.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping

from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import Receipt
from waveboard.receipts.chain import Link, file_name, follow

KEY, CHECKPOINT = "receipts.pub", "checkpoint.json"
RECEIPTS, APPROVALS, EVIDENCE = "receipts/", "approvals/", "evidence/"
PARTS = {"message": ".json", "signature": ".sig", "allowed_signers": ".allowed_signers"}  # body key -> file suffix
_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: the DER before a raw Ed25519 public key
_BEGIN, _END = b"-----BEGIN PUBLIC KEY-----\n", b"\n-----END PUBLIC KEY-----\n"
_HEX_ONLY = bytes(byte if byte in b"0123456789abcdef" else ord(" ") for byte in range(256))


def public_pem(public: bytes) -> bytes:
    """The PEM file of a raw Ed25519 public key, as openssl writes it."""
    return _BEGIN + b64encode(_SPKI + public) + _END


def raw_key(pem: bytes) -> bytes:
    """The raw 32 bytes whose PEM file is exactly `pem`. Raises: ReceiptError."""
    try:
        der = b64decode(pem.removeprefix(_BEGIN).removesuffix(_END), validate=True)
    except Base64Error:
        der = b""
    public = der.removeprefix(_SPKI)
    if len(public) != 32 or public_pem(public) != pem:
        raise ReceiptError(f"read {KEY}", "it is not the PEM file of one Ed25519 public key")
    return public


def digests_named(payload: bytes) -> set[str]:
    """Every sha256 (hex) that a signed payload names: each run of exactly 64 hex digits, wherever it stands."""
    return {run.decode() for run in payload.translate(_HEX_ONLY).split() if len(run) == 64}


def approval_files(receipt: Receipt) -> dict[str, str]:
    """File name -> digest ("sha256:…") of the three files that prove an approval receipt. Raises: ReceiptError."""
    body = receipt.body
    nonce = body.get("nonce")
    if not isinstance(nonce, str) or not re.fullmatch(r"[0-9a-f]{32}", nonce):
        raise ReceiptError("read an approval receipt", "its nonce is not 32 hex digits")
    found = {}
    for part, suffix in PARTS.items():
        digest = body.get(part)
        if not isinstance(digest, str) or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise ReceiptError("read an approval receipt", f"it names no {part} digest")
        found[f"{APPROVALS}{nonce}{suffix}"] = digest
    return found


def needed(links: Iterable[Link]) -> dict[str, str]:
    """File name -> digest of every object the approvals in this chain need; the caller fetches them from the store."""
    return {
        name: digest for link in links if link.receipt.kind == "approval" for name, digest in approval_files(link.receipt).items()
    }


def files(
    raws: Iterable[bytes], public: bytes, checkpoint: bytes, objects: Mapping[str, bytes], evidence: Iterable[str] = ()
) -> dict[str, bytes]:
    """The bundle's files by relative path. objects: bytes by digest ("sha256:…"), at least those of `needed`;
    evidence: digests whose bytes shall travel along. Raises: ReceiptError when the chain does not hold or an object is missing.
    """
    links = tuple(follow(raws, public))
    made = {KEY: public_pem(public), CHECKPOINT: checkpoint}
    made |= {RECEIPTS + file_name(link.head): link.raw for link in links}
    wanted = needed(links) | {EVIDENCE + digest.removeprefix("sha256:"): digest for digest in evidence}
    for name, digest in wanted.items():
        if digest not in objects:
            raise ReceiptError(f"export {name}", f"the store holds no object {digest}")
        made[name] = objects[digest]
    return made
