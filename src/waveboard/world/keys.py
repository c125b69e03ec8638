"""The controller's receipt key: one Ed25519 key in `.waveboard/keys`, made at first use, never an approval key.

It is never overwritten, and refused when others could have read or replaced it. Losing it ends the chain it signed: old
receipts still verify with the exported public key, new ones need a new chain.
"""

import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import Signature

NAME = "receipts.key"


class ReceiptKey:
    """Implements the Signer port."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self._keyid = sha256(self.public).hexdigest()

    @classmethod
    def open(cls, directory: Path) -> "ReceiptKey":
        """The key in `directory` (0700), generated when there is none. Raises: ReceiptError when it cannot be trusted."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / NAME
        _private(directory, stat.S_ISDIR)
        if not path.is_symlink() and not path.exists():
            if (directory.parent / "receipts" / "receipts.pub").exists():
                raise ReceiptError(
                    "open the receipt key",
                    f"{path} is gone, and there are receipts signed with it",
                    "put it back; another one would end their chain",
                )
            _create(path)
        _private(path, stat.S_ISREG)
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _bad(path, f"it is not a readable PEM key ({error})") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _bad(path, "it is not an Ed25519 key")
        return cls(key)

    @property
    def keyid(self) -> str:
        """Hex sha256 of the raw public key."""
        return self._keyid

    def sign(self, message: bytes) -> Signature:
        """One Ed25519 signature over `message`."""
        return Signature(self._keyid, self._key.sign(message))

    def public_pem(self) -> bytes:
        """`receipts.pub` of a bundle; openssl reads it."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def public_line(self, principal: str) -> str:
        """The key as a line of an allowed_signers file, good for receipts only, never for approvals."""
        wire = self._key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        return f'{principal} namespaces="waveboard-receipt@v1" {wire}\n'


def _create(path: Path) -> None:
    """A fresh key, complete on disk before it has its name; the first of two processes wins and the other uses its key."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    handle, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        temporary.unlink()


def _private(path: Path, is_kind: Callable[[int], bool]) -> None:
    """Raises: ReceiptError unless it is a real file or directory of this user that nobody else may touch."""
    found = path.lstat()
    if not is_kind(found.st_mode):
        raise _bad(path, "it is not a plain file or directory")
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise _bad(path, f"others could have touched it (owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o})")


def _bad(path: Path, because: str) -> ReceiptError:
    return ReceiptError(
        "use the receipt key",
        f"{path}: {because}",
        "if nobody else had access, restore owner and mode (0700 directory, 0600 file); otherwise start a new chain",
    )
