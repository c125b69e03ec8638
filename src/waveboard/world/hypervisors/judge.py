"""Whether a plan and what was signed for it count for this hypervisor: the host's own check, as the hand makes it on a VM.

It believes nobody: digest, form, instance, machine, window, slot, signature, persons and nonce are looked at here again.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from waveboard.model import canonical
from waveboard.model.change import signers_needed
from waveboard.model.errors import ApprovalNeeded, RefusedError, UsageError
from waveboard.model.evidence import digest_of
from waveboard.model.units import exact_instant, instant_text

_APPROVAL = {
    "schema", "instance", "plan", "wave", "hosts", "principal", "nonce",
    "not_before", "not_after", "deletes", "downtime_s", "max_uses",
}  # fmt: skip
_SETTLEMENT = {"schema", "instance", "plan", "wave", "principal", "nonce", "line", "steps", "not_before", "not_after"}
_NONCE = re.compile(r"[0-9a-f]{32}")
Json = Mapping[str, object]


class Verifier(Protocol):
    """Says whose key made a signature."""

    def principal_of(self, message: bytes, signature: str, allowed_signers: str, at: datetime) -> str: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A plan of this hypervisor, its form checked."""

    digest: str
    body: Json

    @property
    def steps(self) -> list[Json]:
        return cast(list[Json], self.body["steps"])

    def step(self, name: str) -> Json:
        """Raises: UsageError."""
        for step in self.steps:
            if step["id"] == name:
                return step
        raise UsageError(f"find step {name}", "the plan has no such step", "waveboard status")

    @property
    def tag(self) -> str:
        """What it writes into everything it makes, and knows it again by."""
        return f"wb-{self.body['instance']}-{self.digest[7:19]}"


def plan_of(text: str, digest: str, host: str, instance: str, verbs: Mapping[str, frozenset[str]]) -> Opened:
    """What does not depend on who signed it or when. verbs: verb -> the keys of its arguments. Raises: RefusedError."""
    try:
        body = canonical.decode(text.encode())
    except ValueError as why:
        raise _no(f"it is not canonical JSON ({why})") from None
    if digest_of(text.encode()) != digest:
        raise _no("its bytes do not have the digest that was named")
    if not isinstance(body, dict) or body.get("schema") != "waveboard.plan/1" or body.get("kind") != "provision":
        raise _no("it is no provision plan")
    if body.get("instance") != instance:
        raise _no(f"it belongs to {body.get('instance')!r}, this workspace is {instance!r}")
    pins = body.get("hosts")
    if not isinstance(pins, list) or [pin.get("host") for pin in pins if isinstance(pin, dict)] != [host]:
        raise _no(f"it is not for {host} alone")
    steps = body.get("steps")
    if not isinstance(steps, list):
        raise _no("it has no steps")
    for step in steps:
        keys = verbs.get(str(step.get("verb"))) if isinstance(step, dict) else None
        if keys is None or step.get("host") != host:
            raise _no("a step of it is none of a hypervisor's hand")
        if not isinstance(step.get("args"), dict) or set(step["args"]) != keys:
            raise _no(f"the arguments of {step.get('id')} are not those of {step['verb']}")
    return Opened(digest, body)


def in_time(body: Json, now: datetime, fresh: bool) -> None:
    """Window and slot. fresh: nothing of it has begun; with overrun `finish`, what is under way may go on to the end."""
    begins, ends = exact_instant(body["not_before"]), exact_instant(body["not_after"])
    slots = cast(Sequence[Json], body["slots"])
    inside = any(exact_instant(s["not_before"]) <= now < exact_instant(s["not_after"]) for s in slots)
    if not begins <= now < ends or (not inside and (fresh or body["overrun"] != "finish")):
        because = f"it is {instant_text(now)}, and no change window of the plan is open"
        raise RefusedError("start", because, "wait for the next one, or make and sign a new plan")


def approvals(
    plan: Opened, given: Sequence[Json], signers: str, verifier: Verifier, now: datetime, person: Callable[[str], str]
) -> list[Json]:
    """The messages that count, one a person; together enough. Raises: ApprovalNeeded.

    The verifier gives a key one name, so two persons are two keys.
    """
    messages = [_approval(plan, one, signers, verifier, now) for one in given]
    people = {person(str(m["principal"])).casefold() for m in messages}
    body = plan.body
    if body["four_eyes"] and person(str(body["proposer"])).casefold() in people:
        raise ApprovalNeeded(
            "open the plan", f"{body['proposer']} proposed it and may not approve it", "another person must sign"
        )
    final = any(step["reversibility"] == "none" for step in plan.steps)
    needed = signers_needed(cast(int, body["quorum"]), bool(body["four_eyes"]), final)
    if len(people) < needed:
        raise ApprovalNeeded("open the plan", f"{len(people)} of {needed} needed persons have signed", "waveboard approve")
    return messages


def _approval(plan: Opened, given: Json, signers: str, verifier: Verifier, now: datetime) -> Json:
    message = _signed(given, _APPROVAL, "waveboard.approval/1", signers, verifier, now)
    body = plan.body
    agreed: Json = {
        "plan": plan.digest,
        "instance": body["instance"],
        "wave": body["wave"],
        "hosts": sorted(str(pin["host"]) for pin in cast(Sequence[Json], body["hosts"])),
        "deletes": [path for step in plan.steps for path in cast(Sequence[str], step["deletes"])],
        "downtime_s": sum(cast(int, step["downtime_s"]) for step in plan.steps),
        "max_uses": 1,
    }
    for key, value in agreed.items():
        if message[key] != value:
            raise _void(f"its {key!r} is not the plan's")
    return message


def settlement(plan: Opened, message: str, signature: str, signers: str, verifier: Verifier, now: datetime) -> Json:
    """A person's word on a halted plan. Raises: ApprovalNeeded."""
    given = {"message": message, "signature": signature}
    found = _signed(given, _SETTLEMENT, "waveboard.settlement/1", signers, verifier, now)
    for key, value in {"plan": plan.digest, "instance": plan.body["instance"], "wave": plan.body["wave"]}.items():
        if found[key] != value:
            raise _void(f"its {key!r} is not the plan's")
    words = found["steps"]
    known = {str(step["id"]) for step in plan.steps}
    if not isinstance(words, dict) or not set(words) <= known or not set(words.values()) <= {"done", "undone"}:
        raise _void("what it says of the steps has not its form")
    return found


def _signed(given: Json, fields: set[str], schema: str, signers: str, verifier: Verifier, now: datetime) -> Json:
    text, signature = given.get("message"), given.get("signature")
    if set(given) != {"message", "signature"} or not isinstance(text, str) or not isinstance(signature, str):
        raise _void("it is not a message with its signature")
    try:
        message = canonical.decode(text.encode(), limit=2**20)
    except ValueError as why:
        raise _void(f"its message is broken: {why}") from None
    if not isinstance(message, dict) or set(message) != fields or message["schema"] != schema:
        raise _void(f"its message is not {schema}")
    if not isinstance(message["nonce"], str) or not _NONCE.fullmatch(message["nonce"]):
        raise _void("its nonce has not its form")
    if not exact_instant(message["not_before"]) <= now < exact_instant(message["not_after"]):
        raise _void(f"it is {instant_text(now)}, and it counts from {message['not_before']} to {message['not_after']}")
    signer = verifier.principal_of(text.encode(), signature, signers, now)
    if signer != message["principal"] or signer.casefold().startswith("agent:"):
        raise _void(f"the key that signed belongs to {signer}, not to {message['principal']}")
    return message


def _no(because: str) -> RefusedError:
    return RefusedError("open the plan", because, "make and sign a new plan")


def _void(because: str) -> ApprovalNeeded:
    return ApprovalNeeded("accept an approval", because, "sign this plan again")
