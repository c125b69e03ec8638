"""SSHSIG (openssh PROTOCOL.sshsig): the armor, the blob, and Ed25519 signatures in memory.

The armor is malleable as ssh-keygen reads it (trailing text, other line breaks), so only its one canonical spelling is
accepted here. Key types other than Ed25519, agents and FIDO keys are ssh-keygen's work, in `world`.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256, sha512

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from waveboard.model.errors import ApprovalNeeded

NAMESPACE = "waveboard-approval@v1"
_BEGIN, _END, _WIDTH = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n", 70
_MAGIC, _ED25519, _CERTIFICATE = b"SSHSIG", b"ssh-ed25519", b"-cert-v01@openssh.com"
_HASHES = {"sha512": sha512, "sha256": sha256}


@dataclass(frozen=True, slots=True)
class SshSig:
    """What a signature blob says. public_key: ssh wire form; signature: ssh wire form (algorithm, bytes)."""

    public_key: bytes
    namespace: str
    hash: str
    signature: bytes

    @property
    def fingerprint(self) -> str:
        """`SHA256:…` as `ssh-keygen -l` prints it."""
        return "SHA256:" + b64encode(sha256(self.public_key).digest()).decode().rstrip("=")


def armor(blob: bytes) -> str:
    """The text form, as ssh-keygen writes it."""
    text = b64encode(blob).decode()
    return _BEGIN + "".join(text[i : i + _WIDTH] + "\n" for i in range(0, len(text), _WIDTH)) + _END


def dearmor(text: str) -> bytes:
    """The blob whose armor is exactly `text`. Raises: ApprovalNeeded for any other spelling."""
    if not text.startswith(_BEGIN) or not text.endswith(_END) or not text.isascii():
        raise _bad("it is not an armored SSH signature")
    try:
        blob = b64decode(text[len(_BEGIN) : -len(_END)].replace("\n", ""), validate=True)
    except Base64Error:
        raise _bad("its base64 is broken") from None
    if armor(blob) != text:
        raise _bad("its armor is not in canonical form")
    return blob


def parse(text: str) -> SshSig:
    """The signature in an armored text, every field in its place and nothing after them. Raises: ApprovalNeeded."""
    blob = dearmor(text)
    if not blob.startswith(_MAGIC + b"\x00\x00\x00\x01"):
        raise _bad("it is not an SSHSIG of version 1")
    fields, rest = _strings(blob[len(_MAGIC) + 4 :], 5)
    key, namespace, reserved, digest, signature = fields
    if rest or reserved:
        raise _bad("it has bytes where none belong")
    if digest.decode("latin-1") not in _HASHES:
        raise _bad("its hash is neither sha512 nor sha256")
    if _strings(key, 1)[0][0].endswith(_CERTIFICATE):
        raise _bad(
            "a certificate made it, and that stands for whomever its authority names: allowed_signers names the key itself"
        )
    try:
        return SshSig(key, namespace.decode(), digest.decode(), signature)
    except UnicodeDecodeError:
        raise _bad("its namespace is not text") from None


def sign(key: Ed25519PrivateKey, message: bytes, namespace: str = NAMESPACE) -> str:
    """The armored signature ssh-keygen -Y sign would make with the same key."""
    wire = _public_wire(key.public_key())
    inner = _string(_ED25519) + _string(key.sign(_signed(namespace, "sha512", message)))
    fields = (wire, namespace.encode(), b"", b"sha512", inner)
    return armor(_MAGIC + b"\x00\x00\x00\x01" + b"".join(map(_string, fields)))


def verify(text: str, message: bytes, key: Ed25519PublicKey, namespace: str = NAMESPACE) -> None:
    """Returns when `key` signed `message` in `namespace`. Raises: ApprovalNeeded."""
    sig = parse(text)
    if sig.namespace != namespace:
        raise _bad(f"it was made for {sig.namespace!r}, not for {namespace!r}")
    if sig.public_key != _public_wire(key):
        raise _bad("another key made it")
    (algorithm, raw), rest = _strings(sig.signature, 2)
    if algorithm != _ED25519 or rest:
        raise _bad("it is not an Ed25519 signature")
    try:
        key.verify(raw, _signed(namespace, sig.hash, message))
    except InvalidSignature:
        raise _bad("it does not fit the message") from None


def public_line(key: Ed25519PublicKey) -> str:
    """`ssh-ed25519 AAAA…`: the key as authorized_keys and allowed_signers write it."""
    return f"ssh-ed25519 {b64encode(_public_wire(key)).decode()}"


def _signed(namespace: str, hash_name: str, message: bytes) -> bytes:
    fields = (namespace.encode(), b"", hash_name.encode(), _HASHES[hash_name](message).digest())
    return _MAGIC + b"".join(map(_string, fields))


def _public_wire(key: Ed25519PublicKey) -> bytes:
    return _string(_ED25519) + _string(key.public_bytes_raw())


def _string(raw: bytes) -> bytes:
    return len(raw).to_bytes(4, "big") + raw


def _strings(raw: bytes, count: int) -> tuple[list[bytes], bytes]:
    found = []
    for _ in range(count):
        size = int.from_bytes(raw[:4], "big")
        if len(raw) < 4 + size:
            raise _bad("it ends too early")
        found.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return found, raw


def _bad(because: str) -> ApprovalNeeded:
    return ApprovalNeeded("accept an approval signature", because, "sign the approval again with `waveboard approve`")
