"""Whether what a person signed counts for a plan: ssh-keygen says whose it is, the rest is compared here."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Mapping

from .documents import parse_json
from .files import write_atomic
from .grammar import DIGEST, HOST, NAME, PRINCIPAL, Check, content, demand_keys, integer, list_of, one_of, word
from .place import at
from .plan import Opened
from .refused import Json, Refused
from .tools import run
from .windows import in_window

NAMESPACE = "waveboard-approval@v1"
ONE_KEY = "give each person's key a line of its own in allowed_signers, with one principal"
MESSAGE_KEYS: Mapping[str, Check] = {
    "schema": one_of("waveboard.approval/1"),
    "instance": word(NAME),
    "plan": word(DIGEST),
    "wave": word(NAME),
    "hosts": list_of(word(HOST)),
    "principal": word(PRINCIPAL),
    "nonce": word("[0-9a-f]{32}"),
    "not_before": content(40),
    "not_after": content(40),
    "deletes": list_of(content(700)),
    "downtime_s": integer(0, 10**9),
    "max_uses": one_of(1),
}


def canonical_armor(signature: str) -> str:
    """SSHSIG armor as ssh-keygen writes it. `ssh-keygen -Y verify` accepts altered armor, so any other text is refused."""
    begin, end = "-----BEGIN SSH SIGNATURE-----\n", "\n-----END SSH SIGNATURE-----\n"
    inner = signature[len(begin) : -len(end)] if signature.startswith(begin) and signature.endswith(end) else ""
    try:
        encoded = base64.b64encode(base64.b64decode(inner.replace("\n", ""), validate=True)).decode()
    except ValueError:
        return ""
    return begin + "\n".join(encoded[n : n + 70] for n in range(0, len(encoded), 70)) + end if encoded else ""


def signing_key(signature: str) -> bytes:
    """The public key inside a canonical armor: after SSHSIG and a version, a length and the key."""
    raw = base64.b64decode("".join(signature.split("\n")[1:-2]))
    return raw[14 : 14 + int.from_bytes(raw[10:14], "big")]


def verify_signature(principal: str, message: str, signature: str, directory: str) -> None:
    """Raises: Refused unless `principal` of /etc/waveboard/allowed_signers signed exactly these bytes for approvals, with a key that
    stands there for one person: whoever holds two keys of a pattern would be two."""
    cannot, signers = "accept an approval", "/etc/waveboard/allowed_signers"
    try:
        status = os.lstat(at(signers))
    except FileNotFoundError:
        raise Refused("not-installed", cannot, f"{signers} is absent") from None
    if not stat.S_ISREG(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise Refused("not-installed", cannot, f"{signers} is not root's alone to write")
    if canonical_armor(signature) != signature:
        raise Refused("approval-void", cannot, "the signature's armor is not the one ssh-keygen writes")
    if b"-cert-v01@" in signing_key(signature)[:64]:
        raise Refused("approval-void", cannot, "a certificate made it: it stands for whomever its authority names", ONE_KEY)
    file = f"{directory}/.signature-{os.getpid()}"
    write_atomic(file, signature.encode())
    try:
        files = ["-f", at(signers), "-s", at(file)]
        argv = ["ssh-keygen", "-Y", "verify", "-I", principal, "-n", NAMESPACE, *files]
        ran = run(argv, seconds=20, stdin=message.encode(), check=False)
        found = run(["ssh-keygen", "-Y", "find-principals", *files], seconds=20, check=False)
    finally:
        os.unlink(at(file))
    if ran.code != 0:
        raise Refused(
            "approval-void", cannot, f"ssh-keygen does not accept it for {principal}: {ran.said}", "sign this plan again"
        )
    names = found.text.splitlines()
    if len(names) != 1 or set(names[0]) & set("*?!,"):
        raise Refused("approval-void", cannot, f"its key stands for {', '.join(names) or 'nobody'} in {signers}", ONE_KEY)


def judge_approval(plan: Opened, approval: Json) -> Json:
    """The parsed message of one approval that counts for this plan now (nonces aside). Raises: Refused."""
    demand_keys(approval, {"message": content(1 << 16), "signature": content(1 << 14)}, "an approval")
    message = parse_json(approval["message"], "an approval")
    demand_keys(message, MESSAGE_KEYS, "an approval")
    body, steps = plan.body, plan.body["steps"]
    agreed = {
        "plan": plan.digest,
        "instance": body["instance"],
        "wave": body["wave"],
        "hosts": sorted(one["host"] for one in body["hosts"]),
        "deletes": [path for step in steps for path in step["deletes"]],
        "downtime_s": sum(step["downtime_s"] for step in steps),
    }
    for key, value in agreed.items():
        if message[key] != value:
            raise Refused("approval-void", "accept an approval", f"its {key!r} is not the plan's", "sign this plan again")
    in_window(message, f"the approval of {message['principal']}")
    verify_signature(message["principal"], approval["message"], approval["signature"], plan.directory)
    return message
