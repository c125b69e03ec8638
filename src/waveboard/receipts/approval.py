"""Approvals: the message a person signs over a plan's digest, and whether what was signed counts.

It verifies no signature (an ApprovalVerifier does) and consumes no nonce (the store does). An agent's approval never counts.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from waveboard.model import canonical
from waveboard.model.change import Approval, Plan, Reversibility, signers_needed
from waveboard.model.errors import ApprovalNeeded
from waveboard.model.evidence import digest_of
from waveboard.model.units import exact_instant, instant_text
from waveboard.receipts import sshsig

SCHEMA = "waveboard.approval/1"
PRINCIPAL = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")  # no colon: `agent:…` and `machine:…` are not people
_NONCE = re.compile(r"[0-9a-f]{32}")
_PLAN = re.compile(r"sha256:[0-9a-f]{64}")
_FIELDS = {
    "schema", "instance", "plan", "wave", "hosts", "principal", "nonce",
    "not_before", "not_after", "deletes", "downtime_s", "max_uses",
}  # fmt: skip


Person = Callable[[str], str]  # a name -> the person who goes by it; four eyes are those of persons, whatever they are called


@dataclass(frozen=True, slots=True)
class Signed:
    """An approval whose signature an ApprovalVerifier found good, and the principal that verifier named."""

    approval: Approval
    signer: str


def build(plan: Plan, plan_digest: str, principal: str, nonce: str, not_before: datetime, not_after: datetime) -> bytes:
    """The exact bytes to sign. nonce: 32 fresh hex digits. Raises: ApprovalNeeded when they could never count."""
    if not PRINCIPAL.fullmatch(principal):
        raise ApprovalNeeded("approve the plan", f"{principal!r} is not a person's principal", "a person must sign")
    terms = {
        "schema": SCHEMA,
        "principal": principal,
        "nonce": nonce,
        "not_before": instant_text(not_before),
        "not_after": instant_text(not_after),
        "max_uses": 1,
        **_scope(plan, plan_digest),
    }
    raw = canonical.encode(terms)
    _terms(raw)
    return raw


def read(message: bytes) -> Mapping[str, object]:
    """What a message says, every field of its form. Raises: ApprovalNeeded for a broken or non-canonical one."""
    return _terms(message)[0]


def parse(message: bytes, signature: str) -> Approval:
    """The approval that this message and armored signature make. Raises: ApprovalNeeded when either is not canonical."""
    terms, not_before, not_after = _terms(message)
    sshsig.parse(signature)
    return Approval(
        principal=str(terms["principal"]),
        plan=str(terms["plan"]),
        message=message,
        signature=signature,
        nonce=str(terms["nonce"]),
        not_before=not_before,
        not_after=not_after,
    )


def needed(plan: Plan) -> int:
    """How many distinct people must sign this plan."""
    return signers_needed(plan.quorum, plan.four_eyes, any(step.reversibility is Reversibility.NONE for step in plan.steps))


def objections(signed: Signed, plan: Plan, plan_digest: str, at: datetime, applier: str, person: Person) -> tuple[str, ...]:
    """Why this approval does not count for this plan now; empty when it does. plan_digest: of the exact plan bytes."""
    approval, found = signed.approval, []
    try:
        terms, not_before, not_after = _terms(approval.message)
    except ApprovalNeeded as error:
        return (error.because,)
    who = str(terms["principal"])
    if (approval.principal, approval.plan, approval.nonce) != (who, terms["plan"], terms["nonce"]):
        found.append("its message does not say what it claims")
    if signed.signer != who:
        found.append(f"the key that signed belongs to {signed.signer}, not to {who}")
    if who.casefold().startswith("agent:") or not PRINCIPAL.fullmatch(who):
        found.append(f"{who} is not a person, and only people approve")
    for name, wanted in _scope(plan, plan_digest).items():
        if terms[name] != wanted:
            found.append(f"it approves another {_SAID[name]}")
    if at < not_before:
        found.append(f"it is not valid before {instant_text(not_before)}")
    if at >= not_after:
        found.append(f"it expired at {instant_text(not_after)}")
    if plan.four_eyes and _same(person(who), person(plan.proposer)):
        found.append(f"{_called(who, plan.proposer)} proposed the plan (four_eyes asks for somebody else)")
    if plan.four_eyes and _same(person(who), person(applier)):
        found.append(f"{_called(who, applier)} applies the plan (four_eyes asks for somebody else)")
    return tuple(found)


def shortfall(
    given: Sequence[Signed], plan: Plan, plan_digest: str, at: datetime, applier: str, person: Person
) -> tuple[str, ...]:
    """Why these approvals are not enough; empty when they are. People, keys and nonces each count once."""
    reasons: list[str] = []
    people: set[str] = set()
    keys: set[str] = set()
    nonces: set[str] = set()
    for signed in given:
        approval = signed.approval
        against = list(objections(signed, plan, plan_digest, at, applier, person))
        who = person(approval.principal).casefold()
        key = _key_of(approval)
        if approval.nonce in nonces:
            against.append(f"its nonce {approval.nonce[:8]} is used twice")
        elif who in people or key in keys:
            against.append(f"{approval.principal} has signed already, and one person counts once")
        nonces.add(approval.nonce)
        reasons += [f"approval of {approval.principal}: {reason}" for reason in against]
        if not against:
            people.add(who)
            keys.add(key)
    if len(people) >= needed(plan):
        return ()
    return (*reasons, f"{len(people)} of {needed(plan)} needed approvals count")


def record(approval: Approval, allowed_signers: str) -> dict[str, object]:
    """The body of the approval's receipt: what was signed, by whom, and the digests of the three files that prove it."""
    return {
        "plan": approval.plan,
        "wave": read(approval.message)["wave"],
        "principal": approval.principal,
        "nonce": approval.nonce,
        "message": digest_of(approval.message),
        "signature": digest_of(approval.signature.encode()),
        "allowed_signers": digest_of(allowed_signers.encode()),
    }


_SAID = {
    "instance": "instance", "plan": "plan", "wave": "wave", "hosts": "set of hosts",
    "deletes": "list of deletions", "downtime_s": "downtime",
}  # fmt: skip


def _scope(plan: Plan, plan_digest: str) -> dict[str, object]:
    """What a message must say about the plan, word for word."""
    return {
        "instance": plan.instance,
        "plan": plan_digest,
        "wave": plan.wave,
        "hosts": sorted(pin.host for pin in plan.hosts),
        "deletes": [path for step in plan.steps for path in step.deletes],
        "downtime_s": sum(step.downtime_s for step in plan.steps),
    }


def _terms(message: bytes) -> tuple[Mapping[str, object], datetime, datetime]:
    try:
        value = canonical.decode(message, limit=2**20)
    except ValueError as error:
        raise _bad(f"its message is broken: {error}") from None
    if not isinstance(value, dict) or set(value) != _FIELDS or value["schema"] != SCHEMA:
        raise _bad(f"its message is not {SCHEMA}")
    texts = all(isinstance(value[name], str) and value[name] for name in ("instance", "wave", "principal"))
    lists = all(_names(value[name]) for name in ("hosts", "deletes")) and value["hosts"] == sorted(set(value["hosts"]))
    once = type(value["max_uses"]) is int and value["max_uses"] == 1
    downtime = value["downtime_s"]
    if not (texts and lists and once and value["hosts"]) or type(downtime) is not int or downtime < 0:
        raise _bad("its message has a field of the wrong form")
    for name, pattern in (("nonce", _NONCE), ("plan", _PLAN)):
        if not isinstance(value[name], str) or not pattern.fullmatch(value[name]):
            raise _bad(f"its {name} has not its form")
    try:
        not_before, not_after = exact_instant(value["not_before"]), exact_instant(value["not_after"])
    except ValueError as error:
        raise _bad(f"its window is {error}") from None
    if not_before >= not_after:
        raise _bad("its window is empty")
    return value, not_before, not_after


def _names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def _key_of(approval: Approval) -> str:
    try:
        return sshsig.parse(approval.signature).fingerprint
    except ApprovalNeeded:
        return ""


def _called(who: str, name: str) -> str:
    return who if _same(who, name) else f"{who}, who is also {name},"


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _bad(because: str) -> ApprovalNeeded:
    return ApprovalNeeded("accept an approval", because, "sign the plan again with `waveboard approve`")
