"""Whether a bundle of receipts holds, file by file. The first thing wrong is named; nothing is repaired or skipped.

It trusts the key it finds unless told which key to expect, and cannot know of receipts newer than the bundle unless told
a head to expect (docs/receipts.md, "What it cannot see"). SSH signatures are judged by the caller's ApprovalVerifier.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from waveboard.model.errors import ApprovalNeeded, ReceiptError
from waveboard.model.evidence import digest_of
from waveboard.model.receipt import ActorKind, Head
from waveboard.receipts import approval, bundle, closeout
from waveboard.receipts.chain import Link, check_tail, file_name, follow_digested
from waveboard.receipts.envelope import keyid

Answer = TypeVar("Answer")
PrincipalOf = Callable[[bytes, str, str, datetime], str]  # ApprovalVerifier.principal_of

_NAME = re.compile(
    r"receipts/[0-9]{6,}-[0-9a-f]{16}\.json|approvals/[0-9a-f]{32}\.(json|sig|allowed_signers)|evidence/[0-9a-f]{64}"
)


@dataclass(frozen=True, slots=True)
class Proven:
    """What a good bundle proves. evidence_held of the evidence_named digests travelled with it and are what they claim."""

    instance: str
    keyid: str
    head: Head
    approvals: int
    closeouts: int
    evidence_named: int
    evidence_held: int


def verify(
    files: Mapping[str, bytes], principal_of: PrincipalOf, expect_key: str = "", expect_head: Head | None = None
) -> Proven:
    """files: bytes by relative path. expect_key: keyid known from elsewhere; expect_head: a head seen before.

    Raises: ReceiptError naming the file and what is wrong with it.
    """
    for name in sorted(files):
        if name not in (bundle.KEY, bundle.CHECKPOINT) and not _NAME.fullmatch(name):
            raise _bad(name, "it does not belong here")
    public = _key(files, expect_key)
    links = _receipts(files, public)
    _naming(bundle.CHECKPOINT, lambda: check_tail(links[-1], _file(files, bundle.CHECKPOINT), public))
    if expect_head and not any(link.head == expect_head for link in links):
        raise _bad(bundle.CHECKPOINT, f"receipt {expect_head.seq} with digest {expect_head.sha256[:16]} is not in this chain")
    approvals = _approvals(files, links, principal_of)
    closeouts, named = _closeouts(links)
    held = _evidence(files, named)
    return Proven(links[0].receipt.instance, keyid(public), links[-1].head, approvals, closeouts, len(named), held)


def _key(files: Mapping[str, bytes], expect_key: str) -> bytes:
    public = _naming(bundle.KEY, lambda: bundle.raw_key(_file(files, bundle.KEY)))
    if expect_key and keyid(public) != expect_key:
        raise _bad(bundle.KEY, f"its keyid is {keyid(public)}, not the expected {expect_key}")
    return public


def _receipts(files: Mapping[str, bytes], public: bytes) -> list[Link]:
    names = sorted(sorted(n for n in files if n.startswith(bundle.RECEIPTS)), key=len)
    if not names:
        raise _bad(bundle.RECEIPTS, "there is no receipt")
    digests = [sha256(files[name]).hexdigest() for name in names]
    for place, (name, digest) in enumerate(zip(names, digests, strict=True), 1):
        should = file_name(Head(place, digest))
        if name != bundle.RECEIPTS + should:
            raise _bad(name, f"as number {place} its name would be {should}: it was altered, or one before it added or removed")
    links: list[Link] = []
    try:
        for link in follow_digested(zip((files[name] for name in names), digests, strict=True), public):
            links.append(link)  # one by one, so that the first that is missing is the one complained about
    except ReceiptError as error:
        raise _bad(names[len(links)], error.because) from None
    return links


def _approvals(files: Mapping[str, bytes], links: list[Link], principal_of: PrincipalOf) -> int:
    spoken_for: set[str] = set()
    found = [link for link in links if link.receipt.kind == "approval"]
    for link in found:
        place = bundle.RECEIPTS + link.name
        wanted = _naming(place, lambda: bundle.approval_files(link.receipt))  # noqa: B023 - called at once
        if spoken_for & set(wanted):
            raise _bad(place, "its nonce was used before")
        spoken_for |= set(wanted)
        for name, digest in wanted.items():
            if digest_of(_file(files, name)) != digest:
                raise _bad(name, f"it is not what {link.name} recorded")
        _approval(link, place, [files[name] for name in wanted], principal_of)
    for name in sorted(files):
        if name.startswith(bundle.APPROVALS) and name not in spoken_for:
            raise _bad(name, "no approval receipt names it")
    return len(found)


def _approval(link: Link, place: str, parts: list[bytes], principal_of: PrincipalOf) -> None:
    """The receipt says what the message says, a person signed it, and the signature holds."""
    receipt, (message, signature, signers) = link.receipt, parts
    try:
        approval.parse(message, signature.decode())
        terms = approval.read(message)
        said = {name: terms[name] for name in ("plan", "wave", "principal", "nonce")}
        if set(receipt.body) != {*said, *bundle.PARTS} or any(receipt.body[name] != said[name] for name in said):
            raise _bad(place, "it does not say what the signed message says")
        if terms["instance"] != receipt.instance:
            raise _bad(place, "the signed message is of another instance")
        who = str(terms["principal"])
        if receipt.actor.kind is not ActorKind.HUMAN or not approval.PRINCIPAL.fullmatch(who):
            raise _bad(place, "no person approved it")
        signer = principal_of(message, signature.decode(), signers.decode(), receipt.at)
    except UnicodeDecodeError:
        raise _bad(place, "its signature or allowed signers are not text") from None
    except ApprovalNeeded as error:
        raise _bad(place, error.because) from None
    if signer != who:
        raise _bad(place, f"{signer} signed it, not {who}")


def _closeouts(links: list[Link]) -> tuple[int, set[str]]:
    digests: set[str] = set()
    run_keys: set[str] = set()
    count = 0
    for link in links:
        if link.receipt.kind == "closeout":
            digests.add(link.receipt.prev)
            told = _naming(bundle.RECEIPTS + link.name, lambda: closeout.read(link.receipt.body))  # noqa: B023 - called at once
            for reason in closeout.unbound(told, digests, run_keys):
                raise _bad(bundle.RECEIPTS + link.name, reason)
            count += 1
        digests |= bundle.digests_named(link.payload)
        run_keys.add(link.receipt.run_key)
    return count, digests


def _evidence(files: Mapping[str, bytes], named: set[str]) -> int:
    held = [name for name in sorted(files) if name.startswith(bundle.EVIDENCE)]
    for name in held:
        digest = sha256(files[name]).hexdigest()
        if name != bundle.EVIDENCE + digest:
            raise _bad(name, "its bytes are not those of its name")
        if digest not in named:
            raise _bad(name, "no receipt names it")
    return len(held)


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise _bad(name, "it is missing")
    return files[name]


def _naming(name: str, work: Callable[[], Answer]) -> Answer:
    """work's answer; what it complains about is said of this file."""
    try:
        return work()
    except ReceiptError as error:
        raise _bad(name, error.because) from None


def _bad(name: str, because: str) -> ReceiptError:
    return ReceiptError(f"trust {name}", because, "get the bundle again from its source; what it proves ends before this file")
