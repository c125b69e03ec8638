"""The receipt key on disk: made once, private, never replaced; and bundles as directories."""

import subprocess
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.receipts import estate
from waveboard.model.errors import ReceiptError, UsageError
from waveboard.receipts import bundle, envelope
from waveboard.world.keys import NAME, ReceiptKey
from waveboard.world.receipt_files import read_bundle, write_bundle

PEM = bundle.public_pem(estate.PUBLIC)


def test_made_at_first_use_and_the_same_ever_after(tmp_path: Path) -> None:
    first, second = ReceiptKey.open(tmp_path / "keys"), ReceiptKey.open(tmp_path / "keys")
    assert first.keyid == second.keyid == envelope.keyid(first.public)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [NAME]
    sealed = envelope.seal(b"{}", "t", first.sign)
    assert envelope.verify(envelope.from_bytes(sealed), "t", second.public) == b"{}"


def test_many_at_once_get_one_key(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(ReceiptKey.open(tmp_path / "keys").keyid)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert len(set(found)) == 1


def test_its_public_forms_are_those_of_the_tools(tmp_path: Path) -> None:
    key = ReceiptKey.open(tmp_path / "keys")
    assert key.public_pem() == bundle.public_pem(key.public)
    assert bundle.raw_key(key.public_pem()) == key.public
    read = subprocess.run(["openssl", "pkey", "-pubin"], input=key.public_pem(), capture_output=True, check=True)
    assert read.stdout == key.public_pem()
    (tmp_path / "line").write_text(key.public_line("waveboard").split(" ", 2)[2])
    assert b"ED25519" in subprocess.run(["ssh-keygen", "-lf", tmp_path / "line"], capture_output=True, check=True).stdout


def _readable(directory: Path) -> None:
    (directory / NAME).chmod(0o640)


def _open_directory(directory: Path) -> None:
    directory.chmod(0o755)


def _link(directory: Path) -> None:
    (directory / NAME).rename(directory / "elsewhere")
    (directory / NAME).symlink_to("elsewhere")


def _dangling(directory: Path) -> None:
    (directory / NAME).unlink()
    (directory / NAME).symlink_to("nowhere")


def _broken(directory: Path) -> None:
    (directory / NAME).write_bytes(b"-----BEGIN PRIVATE KEY-----\n")


def _other_kind(directory: Path) -> None:
    other = generate_private_key(SECP256R1())
    (directory / NAME).write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_readable, "others could have touched it"), (_open_directory, "others could have touched it"),
        (_link, "not a plain file"), (_dangling, "not a plain file"), (_broken, "not a readable PEM key"),
        (_other_kind, "not an Ed25519 key"),
    ],
)  # fmt: skip
def test_a_key_others_could_have_touched_is_refused_and_left_alone(tmp_path: Path, spoil, why: str) -> None:
    ReceiptKey.open(tmp_path / "keys")
    spoil(tmp_path / "keys")
    with pytest.raises(ReceiptError, match=f"cannot use the receipt key: .*{why}"):
        ReceiptKey.open(tmp_path / "keys")


@pytest.mark.parametrize(
    "other",
    [
        PEM + b"\n", PEM[:-1], bundle.public_pem(estate.PUBLIC[:31]),
        b"", PEM.splitlines()[1], PEM.replace(PEM.splitlines()[1][-2:], bytes([PEM.splitlines()[1][-2] + 1]) + b"="),
        PEM.replace(b"\n", b"\r\n"), b"x" + PEM,
    ],
)  # fmt: skip
def test_a_public_key_file_has_one_spelling(other: bytes) -> None:
    with pytest.raises(ReceiptError):
        bundle.raw_key(other)


def test_a_bundle_is_written_once_and_read_whole(tmp_path: Path) -> None:
    write_bundle(tmp_path / "out", estate.whole())
    assert read_bundle(tmp_path / "out") == estate.whole()
    with pytest.raises(UsageError, match="not an empty directory"):
        write_bundle(tmp_path / "out", estate.whole())
    with pytest.raises(UsageError, match="not a directory"):
        read_bundle(tmp_path / "absent")
    (tmp_path / "out" / "evidence" / "x").symlink_to("/etc/hostname")
    with pytest.raises(ReceiptError, match="not a plain file"):
        read_bundle(tmp_path / "out")


def test_an_export_lacking_an_object_says_which(tmp_path: Path) -> None:
    with pytest.raises(ReceiptError, match=r"export approvals/0123.*the store holds no object sha256:"):
        estate.bundled(estate.linked(estate.drafts()))
