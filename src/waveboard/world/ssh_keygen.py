"""Approval signatures through `ssh-keygen -Y`: so encrypted keys, the agent and FIDO keys work as the operator has them.

It never sees a private key. ssh-keygen accepts altered armor, so the caller's `canonical` check runs before it.
"""

import os
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from waveboard.model.errors import ApprovalNeeded, UsageError

SIGN_LIMIT_S = 300  # a person types a passphrase or touches a token
VERIFY_LIMIT_S = 20


class SshKeygen:
    """Implements ApprovalVerifier, and signs for a person at a terminal.

    canonical: raises when the armored text is not the one spelling of its signature. namespace: of both signing and verifying.
    """

    def __init__(self, canonical: Callable[[str], object], namespace: str, program: str = "ssh-keygen") -> None:
        self._canonical, self._namespace, self._program = canonical, namespace, program

    def sign(self, message: bytes, key: Path, ask: bool = True) -> str:
        """The armored signature. key: a private key, or the public key of one the agent holds; ask: may prompt on the terminal.

        Raises: UsageError with ssh-keygen's own words.
        """
        environment = dict(os.environ)
        if not ask:
            environment |= {"SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"}
        fix = "name the private key, or the public key of one held by ssh-agent, with --key"
        if not key.is_file():
            raise UsageError(f"sign with {key}", "there is no such file", fix)
        argv = ["-Y", "sign", "-f", str(key), "-n", self._namespace]
        done = self._run(argv, message, environment, SIGN_LIMIT_S)
        if done.returncode != 0:
            raise UsageError(f"sign with {key}", _last_line(done.stderr) or f"ssh-keygen ended with {done.returncode}", fix)
        signature = done.stdout.decode("ascii", "replace")
        self._canonical(signature)
        return signature

    def principal_of(self, message: bytes, signature: str, allowed_signers: str, at: datetime) -> str:
        """The one principal whose key signed `message`. allowed_signers: the file's text; at: when keys must be valid.

        Raises: ApprovalNeeded, also when the key's line names several principals or a pattern: nobody may count twice.
        """
        self._canonical(signature)
        valid_at = "-Overify-time=" + at.astimezone(UTC).strftime("%Y%m%d%H%M%S")
        environment = {**os.environ, "TZ": "UTC"}  # releases before 9.1 read verify-time in local time only
        with TemporaryDirectory(prefix="waveboard-") as scratch:
            signed, allowed = Path(scratch, "sig"), Path(scratch, "allowed_signers")
            signed.write_text(signature, encoding="utf-8")
            allowed.write_text(allowed_signers, encoding="utf-8")
            files = ["-s", str(signed), "-f", str(allowed), valid_at]
            found = self._run(["-Y", "find-principals", *files], b"", environment, VERIFY_LIMIT_S)
            names = found.stdout.decode("utf-8", "replace").splitlines()
            if found.returncode != 0 or not names:
                raise _void("no line of allowed_signers that is valid now has the key that made it")
            if len(names) != 1 or set(names[0]) & set("*?!,"):
                raise _void(f"its key stands for {', '.join(names)} in allowed_signers, not for one person")
            argv = ["-Y", "verify", "-n", self._namespace, "-I", names[0], *files]
            if self._run(argv, message, environment, VERIFY_LIMIT_S).returncode != 0:
                raise _void("it does not fit the message, or its key is not allowed to approve")
        return names[0]

    def _run(
        self, argv: list[str], stdin: bytes, environment: Mapping[str, str], limit_s: int
    ) -> "subprocess.CompletedProcess[bytes]":
        try:
            return subprocess.run(
                [self._program, *argv], input=stdin, capture_output=True, env=environment, timeout=limit_s, check=False
            )
        except FileNotFoundError:
            raise UsageError("use SSH signatures", f"{self._program} is not installed", "install openssh-client") from None
        except subprocess.TimeoutExpired:
            raise UsageError("use SSH signatures", f"ssh-keygen gave no answer in {limit_s} s", "try again") from None


def _last_line(raw: bytes) -> str:
    """ssh-keygen's complaint, without control characters."""
    lines = [line for line in raw.decode("utf-8", "replace").splitlines() if line.strip()]
    return "".join(c for c in lines[-1] if c.isprintable())[:200] if lines else ""


def _void(because: str) -> ApprovalNeeded:
    return ApprovalNeeded("accept the approval signature", because, "have an allowed person sign this plan")
