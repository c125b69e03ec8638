"""DSSE v1 envelopes with exactly one Ed25519 signature, in exactly one spelling of bytes.

It knows nothing of what the payload says. The envelope's JSON has a fixed shape, so one pattern is both parser and
canonical check: no white space, key order, escape or base64 variant of a valid envelope is a valid envelope.
"""

import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import Envelope, Signature

Sign = Callable[[bytes], Signature]

_SHAPE = re.compile(  # whether the two texts are base64 is told by writing them again
    rb'\{"payload":"([^"]+)","payloadType":"([\x20\x21\x23-\x5b\x5d-\x7e]+)",'
    rb'"signatures":\[\{"keyid":"([0-9a-f]{64})","sig":"([^"]{86}==)"\}\]\}'
)


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the bytes a signature is over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@lru_cache(maxsize=8)
def keyid(public: bytes) -> str:
    """Hex sha256 of the raw 32-byte public key."""
    return sha256(public).hexdigest()


def seal(payload: bytes, payload_type: str, sign: Sign) -> bytes:
    """The file bytes of a signed envelope."""
    return to_bytes(Envelope(payload, payload_type, (sign(pae(payload_type, payload)),)))


def to_bytes(envelope: Envelope) -> bytes:
    """Canonical JSON (RFC 8785) of an envelope with one signature. Raises: ReceiptError when it has no such form."""
    (signature,) = envelope.signatures
    raw = b'{"payload":"%b","payloadType":"%b","signatures":[{"keyid":"%b","sig":"%b"}]}' % (
        b64encode(envelope.payload),
        envelope.payload_type.encode(),
        signature.keyid.encode(),
        b64encode(signature.sig),
    )
    from_bytes(raw)
    return raw


def from_bytes(raw: bytes) -> Envelope:
    """The envelope whose only spelling is `raw`. Raises: ReceiptError."""
    payload, (kind, key), sig = _parts(raw)
    return Envelope(payload, kind, (Signature(key, sig),))


def verify(envelope: Envelope, payload_type: str, public: bytes) -> bytes:
    """The signed payload, once the signature holds. public: raw 32 bytes. Raises: ReceiptError."""
    (signature,) = envelope.signatures
    _claims((envelope.payload_type, signature.keyid), (payload_type, keyid(public)))
    _holds(signature.sig, pae(payload_type, envelope.payload), public)
    return envelope.payload


def opened(raws: Iterable[bytes], payload_type: str, public: bytes) -> tuple[list[bytes], ReceiptError | None]:
    """The signed payloads of these file bytes, up to the first that is not sound, and what is wrong with that one.

    All are read before the first signature is checked: its arithmetic pushes everything else out of the processor's caches,
    and so does it once for all of them.
    """
    payloads: list[bytes] = []
    signatures: list[bytes] = []
    problem, wanted = None, (payload_type, keyid(public))
    for raw in raws:
        try:
            payload, claimed, sig = _parts(raw)
            _claims(claimed, wanted)
        except ReceiptError as error:
            problem = error
            break
        payloads.append(payload)
        signatures.append(sig)
    for number, (payload, sig) in enumerate(zip(payloads, signatures, strict=True)):
        try:
            _holds(sig, pae(payload_type, payload), public)
        except ReceiptError as error:
            return payloads[:number], error
    return payloads, problem


def _parts(raw: bytes) -> tuple[bytes, tuple[str, str], bytes]:
    """Payload, (payload type, keyid), signature. Raises: ReceiptError."""
    match = _SHAPE.fullmatch(raw)
    if not match:
        raise _bad("its bytes are not the canonical form of a DSSE envelope with one signature")
    payload, kind, key, sig = match.groups()
    return _base64(payload), (kind.decode(), key.decode()), _base64(sig)


def _claims(found: tuple[str, str], wanted: tuple[str, str]) -> None:
    """Payload type and keyid. Raises: ReceiptError when they are others."""
    if found[0] != wanted[0]:
        raise _bad(f"its payload type is not {wanted[0]}")
    if found != wanted:
        raise _bad("it is signed by another key")


def _holds(sig: bytes, message: bytes, public: bytes) -> None:
    try:
        _key(public).verify(sig, message)
    except (InvalidSignature, ValueError):
        raise _bad("its signature does not hold") from None


@lru_cache(maxsize=8)
def _key(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)


def _base64(text: bytes) -> bytes:
    """Raises: ReceiptError for unused bits or padding that another spelling of the same bytes could have."""
    try:
        raw = a2b_base64(text)
    except Base64Error:
        raise _bad("its base64 is broken") from None
    if b2a_base64(raw, newline=False) != text:  # whatever the reader let pass, there is one spelling
        raise _bad("its base64 is not in canonical form")
    return raw


def _bad(because: str) -> ReceiptError:
    return ReceiptError("read an envelope", because)
