"""Approvals through the real ssh-keygen: each kind of key, encrypted or in the agent; and who does not count."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.receipts import estate
from tests.receipts.judges import KEYGEN, ours, theirs
from waveboard.model.errors import ApprovalNeeded, UsageError
from waveboard.receipts import approval, sshsig
from waveboard.world.ssh_keygen import SshKeygen

MESSAGE = estate.approve().message


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> str:
    """A fresh key; returns its public line."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path.with_suffix(".pub").read_text().strip()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_signs_with_each_kind_of_key_and_finds_its_person(tmp_path: Path, kind: str) -> None:
    line = make_key(tmp_path / "key", kind)
    signature = KEYGEN.sign(MESSAGE, tmp_path / "key")
    assert (
        KEYGEN.principal_of(MESSAGE, signature, f"sam {sshsig.public_line(estate.SAM.public_key())}\nronny {line}\n", estate.AT)
        == "ronny"
    )
    assert approval.parse(MESSAGE, signature).principal == "ronny"
    with pytest.raises(ApprovalNeeded, match="does not fit the message"):
        KEYGEN.principal_of(MESSAGE + b" ", signature, f"ronny {line}\n", estate.AT)


def test_accepts_what_was_signed_in_memory() -> None:
    made = estate.approve()
    assert KEYGEN.principal_of(made.message, made.signature, estate.ALLOWED, estate.AT) == "ronny"


LINE = sshsig.public_line(estate.RONNY.public_key())


@pytest.mark.parametrize(
    ("allowed", "why"),
    [
        ("", "no line of allowed_signers"),
        (f"ronny {sshsig.public_line(estate.SAM.public_key())}\n", "no line of allowed_signers"),
        (f'ronny namespaces="file" {LINE}\n', "allowed|no line"),
        (f'ronny valid-before="20260226033830" {LINE}\n', "no line of allowed_signers"),
        (f'ronny valid-after="20260226033900" {LINE}\n', "no line of allowed_signers"),
        (f"ronny,sam {LINE}\n", "not for one person"),
        (f"r*nny {LINE}\n", "not for one person"),
        (f"cert-authority ronny {LINE}\n", "no line of allowed_signers"),
    ],
)  # fmt: skip
def test_who_does_not_count(allowed: str, why: str) -> None:
    made = estate.approve()
    with pytest.raises(ApprovalNeeded, match=why):
        KEYGEN.principal_of(made.message, made.signature, allowed, estate.AT)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def test_validity_is_judged_in_utc_wherever_it_runs(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    made = estate.approve()
    allowed = f'ronny valid-after="20260226033831",valid-before="20260226043831" {LINE}\n'
    assert KEYGEN.principal_of(made.message, made.signature, allowed, estate.AT + timedelta(minutes=1)) == "ronny"
    for at in (estate.AT - timedelta(minutes=1), estate.AT + timedelta(minutes=61)):
        with pytest.raises(ApprovalNeeded):
            KEYGEN.principal_of(made.message, made.signature, allowed, at)


def test_another_namespace_and_altered_armor_are_refused() -> None:
    made = estate.approve()
    other = sshsig.sign(estate.RONNY, made.message, "file")
    with pytest.raises(ApprovalNeeded):
        KEYGEN.principal_of(made.message, other, f"ronny {LINE}\n", estate.AT)
    with pytest.raises(ApprovalNeeded, match=r"canonical|armored"):
        KEYGEN.principal_of(made.message, made.signature + "x\n", estate.ALLOWED, estate.AT)


def certified(tmp_path: Path, principal: str) -> str:
    """What one and the same key signs under a certificate that calls its holder so."""
    for name in ("authority", "key"):
        if not (tmp_path / name).exists():
            make_key(tmp_path / name)
    issue = ["ssh-keygen", "-q", "-s", str(tmp_path / "authority"), "-I", "x", "-n", principal, str(tmp_path / "key.pub")]
    subprocess.run(issue, check=True, stdin=subprocess.DEVNULL)
    sign = ["ssh-keygen", "-Y", "sign", "-n", sshsig.NAMESPACE, "-f", str(tmp_path / "key-cert.pub")]
    return subprocess.run(sign, check=True, capture_output=True, input=MESSAGE).stdout.decode()


def test_a_certificate_is_no_persons_key(tmp_path: Path) -> None:
    """Whoever holds one key could be as many persons as the authority writes certificates for it."""
    signed = {who: certified(tmp_path, who) for who in ("ronny", "sam")}
    allowed = f"* cert-authority {(tmp_path / 'authority.pub').read_text()}"
    for who, signature in signed.items():
        with pytest.raises(ApprovalNeeded, match="certificate"):
            KEYGEN.principal_of(MESSAGE, signature, allowed, datetime.now(UTC))
        with pytest.raises(ApprovalNeeded, match="certificate"):
            approval.parse(MESSAGE, signature)
        receipt = estate.draft("approval", approval.record(replace(estate.approve(), signature=signature), allowed), minute=1)
        parts = [MESSAGE, signature.encode(), allowed.encode()]
        files = estate.bundled(estate.linked([replace(receipt, at=datetime.now(UTC).replace(microsecond=0))]), parts)
        assert "certificate" in ours(files) and "certificate" in theirs(files), who


def test_an_encrypted_key_asks_the_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = make_key(tmp_path / "key", passphrase="correct horse")
    askpass = tmp_path / "askpass"
    askpass.write_text("#!/bin/sh\necho correct horse\n")
    askpass.chmod(0o700)
    monkeypatch.setenv("SSH_ASKPASS", str(askpass))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    signature = KEYGEN.sign(MESSAGE, tmp_path / "key")
    assert KEYGEN.principal_of(MESSAGE, signature, f"ronny {line}\n", estate.AT) == "ronny"
    with pytest.raises(UsageError, match="cannot sign with"):
        KEYGEN.sign(MESSAGE, tmp_path / "key", ask=False)


@pytest.fixture
def agent() -> Iterator[str]:
    said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    values = dict(part.split(";")[0].split("=", 1) for part in said.splitlines() if "=" in part)
    yield values["SSH_AUTH_SOCK"]
    os.kill(int(values["SSH_AGENT_PID"]), signal.SIGTERM)


def test_a_key_held_by_the_agent_is_named_by_its_public_half(tmp_path: Path, agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    line = make_key(tmp_path / "key")
    subprocess.run(["ssh-add", "-q", tmp_path / "key"], check=True)
    (tmp_path / "key").unlink()
    signature = KEYGEN.sign(MESSAGE, tmp_path / "key.pub")
    assert KEYGEN.principal_of(MESSAGE, signature, f"ronny {line}\n", estate.AT) == "ronny"


def test_what_cannot_sign_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        KEYGEN.sign(MESSAGE, tmp_path / "absent")
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(UsageError, match="cannot sign with"):
        KEYGEN.sign(MESSAGE, tmp_path / "junk", ask=False)
    with pytest.raises(UsageError, match="not installed"):
        SshKeygen(sshsig.parse, sshsig.NAMESPACE, program="no-such-program").sign(MESSAGE, tmp_path / "junk")
