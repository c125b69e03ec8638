"""SSHSIG in memory beside the real ssh-keygen, and the armor's one spelling (ssh-keygen itself accepts others)."""

import base64
import subprocess
from pathlib import Path

import pytest

from tests.receipts import estate
from waveboard.model.errors import ApprovalNeeded
from waveboard.receipts import sshsig

MESSAGE = b'{"a":1}'
TEXT = sshsig.sign(estate.RONNY, MESSAGE)
PUBLIC = estate.RONNY.public_key()


def verdict(text: str, directory: Path, principal: str = "ronny", namespace: str = sshsig.NAMESPACE) -> bool:
    """ssh-keygen's own."""
    (directory / "sig").write_text(text)
    (directory / "allowed").write_text(estate.ALLOWED)
    argv = ["ssh-keygen", "-Y", "verify", "-n", namespace, "-I", principal, "-s", "sig", "-f", "allowed"]
    return subprocess.run(argv, input=MESSAGE, cwd=directory, capture_output=True, check=False).returncode == 0


def test_ssh_keygen_accepts_ours_for_its_namespace_and_principal_only(tmp_path: Path) -> None:
    assert verdict(TEXT, tmp_path)
    assert not verdict(TEXT, tmp_path, principal="sam")
    assert not verdict(TEXT, tmp_path, namespace="file")
    assert not verdict(sshsig.sign(estate.RONNY, MESSAGE, "file"), tmp_path)


def test_verifies_its_own_and_nothing_else() -> None:
    sshsig.verify(TEXT, MESSAGE, PUBLIC)
    for text, message, key in (
        (TEXT, MESSAGE + b" ", PUBLIC),
        (TEXT, MESSAGE, estate.SAM.public_key()),
        (sshsig.sign(estate.RONNY, MESSAGE, "file"), MESSAGE, PUBLIC),
        (sshsig.sign(estate.SAM, MESSAGE), MESSAGE, PUBLIC),
    ):
        with pytest.raises(ApprovalNeeded):
            sshsig.verify(text, message, key)


def test_every_flipped_bit_of_the_armor_is_refused() -> None:
    raw = bytearray(TEXT.encode())
    for place in range(len(raw)):
        for bit in range(8):
            raw[place] ^= 1 << bit
            with pytest.raises(ApprovalNeeded):
                sshsig.verify(raw.decode("latin-1"), MESSAGE, PUBLIC)
            raw[place] ^= 1 << bit


def test_armor_that_ssh_keygen_accepts_and_we_do_not(tmp_path: Path) -> None:
    """The reason for the canonical check: without it these would be second spellings of one signature."""
    lines = TEXT.splitlines()
    body = "".join(lines[1:-1])
    rewrapped = "\n".join([lines[0], *(body[i : i + 40] for i in range(0, len(body), 40)), lines[-1], ""])
    for text in (TEXT + "trailing\n", rewrapped, TEXT.replace("\n", "\v\n", 2)):
        assert text != TEXT
        with pytest.raises(ApprovalNeeded):
            sshsig.parse(text)
    assert verdict(TEXT + "trailing\n", tmp_path)
    assert verdict(rewrapped, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda blob: blob + b"\0", lambda blob: blob[:-1], lambda blob: b"X" + blob[1:],
        lambda blob: blob[:6] + b"\0\0\0\2" + blob[10:],
        lambda blob: blob.replace(b"\0\0\0\6sha512", b"\0\0\0\4sha1"), lambda blob: blob[:10], lambda blob: b"",
        lambda blob: blob.replace(b"\0\0\0\0\0\0\0\6sha512", b"\0\0\0\1x\0\0\0\6sha512"),
        lambda blob: blob.replace(b"waveboard", b"wavebo\xff\xffd"),
    ],
)  # fmt: skip
def test_a_blob_with_anything_out_of_place_is_refused(change) -> None:
    blob = change(sshsig.dearmor(TEXT))
    with pytest.raises(ApprovalNeeded):
        sshsig.parse(sshsig.armor(blob))


def test_the_fingerprint_is_ssh_keygens(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(sshsig.public_line(PUBLIC) + "\n")
    shown = subprocess.run(["ssh-keygen", "-lf", "key.pub"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert sshsig.parse(TEXT).fingerprint == shown.split()[1]


def test_padding_bits_are_not_free() -> None:
    text = TEXT
    body = "".join(text.splitlines()[1:-1])
    if not body.endswith("="):
        blob = sshsig.dearmor(text)
        text = sshsig.armor(blob + b"x")
        body = "".join(text.splitlines()[1:-1])
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = len(body.rstrip("=")) - 1
    other = body[:at] + alphabet[alphabet.index(body[at]) ^ 1] + body[at + 1 :]
    assert base64.b64decode(other) == base64.b64decode(body)
    with pytest.raises(ApprovalNeeded, match="canonical"):
        sshsig.dearmor(text.replace(body[-10:], other[-10:]))
