"""The operations that begin and end a plan on this host: open, fence, close."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .approvals import judge_approval, signing_key
from .documents import dumped
from .fence import raise_fence
from .files import write_atomic
from .grammar import DIGEST, MAX_REQUEST, content, demand_keys, integer, list_of, one_of, word
from .journal import Journal, PlanRecord, history
from .judging import judge_plan, stored_plan
from .learning import learned
from .place import at
from .plan import Identity, identity
from .refused import Json, Refused
from .state import load_state, save_state
from .windows import in_slot, in_window

ALONE = 'a lone operator writes "four_eyes": false into /etc/waveboard/hand.json here, as root'


def op_open(request: Json) -> Json:
    checks = {"op": content(), "plan": word(DIGEST), "text": content(MAX_REQUEST), "fence": integer(1, 10**15)}
    demand_keys(request, {**checks, "approvals": list_of(lambda one: isinstance(one, dict), 20)}, "the request")
    me = identity()
    plan = judge_plan(request["text"], request["plan"], me)
    in_window(plan.body, "the plan")
    past = history(Journal().entries())
    record = past.get(plan.digest, PlanRecord())
    in_slot(plan.body, fresh=not record.opened)
    if record.closed:
        raise Refused("plan-closed", "open the plan", f"it was closed as {record.closed}", "make and sign a new plan")
    never_begun = []  # nothing was done for them: they give way, or a controller that died there would hold this host for ever
    for digest, other in past.items():
        if other.opened and other.closed in ("", "halted") and digest != plan.digest:
            if not other.closed and not other.steps and not other.settled:
                never_begun.append(digest)
                continue
            how = "halted" if other.closed else "still open"
            raise Refused(
                "already-open", "open the plan", f"plan {digest} is {how} on this host", "bring that one to its end first"
            )
    os.makedirs(at(plan.directory), mode=0o700, exist_ok=True)
    messages = [judge_approval(plan, one) for one in request["approvals"]]
    principals = sorted({message["principal"] for message in messages})
    keys = [signing_key(one["signature"]) for one in request["approvals"]]
    _judge_signers(plan.body, me, [(message["principal"], key) for message, key in zip(messages, keys)])  # noqa: B905 (3.9)
    nonces: dict[str, str] = load_state("nonces.json", {})
    for message in messages:
        if nonces.get(message["nonce"], plan.digest) != plan.digest:
            raise Refused("approval-replayed", "open the plan", "its approval was already used for another plan")
    raise_fence(request["fence"], "open the plan")
    for digest in never_begun:
        Journal().append("closed", plan=digest, fence=request["fence"], detail={"result": "rolled-back", "for": plan.digest})
    save_state("nonces.json", {**nonces, **{message["nonce"]: plan.digest for message in messages}})
    for name in ("backup", "manifests", "steps"):
        os.makedirs(at(f"{plan.directory}/{name}"), mode=0o700, exist_ok=True)
    write_atomic(f"{plan.directory}/plan.json", request["text"].encode())
    write_atomic(f"{plan.directory}/approvals.json", dumped(request["approvals"]).encode())
    if not record.opened:
        detail = {"principals": principals, "nonces": [message["nonce"] for message in messages], "wave": plan.body["wave"]}
        Journal().append("opened", plan=plan.digest, fence=request["fence"], detail=detail)
    steps = [step["id"] for step in plan.steps]
    return {"plan": plan.digest, "principals": principals, "steps": steps, "resumed": record.opened}


def _judge_signers(body: Json, me: Identity, signed: Sequence[tuple[str, bytes]]) -> None:
    """signed: principal and key of each approval. A person counts once whatever they are called, and so does a key.

    What this host's root asks binds beside what the plan says: whoever writes a plan could ask for one signature less.
    """
    four_eyes = body["four_eyes"] or me.four_eyes
    final = [step["id"] for step in body["steps"] if step["reversibility"] == "none"]
    needed = max(body["quorum"], me.quorum, 2 if four_eyes and final else 1)
    people: set[str] = set()
    keys: set[bytes] = set()
    for principal, key in signed:
        if me.person(principal) not in people and key not in keys:
            people.add(me.person(principal))
            keys.add(key)
    if four_eyes and me.person(body["proposer"]) in {me.person(principal) for principal, _ in signed}:
        raise Refused(
            "approval-void",
            "open the plan",
            f"{body['proposer']} proposed it and may not approve it",
            "another person must sign" if body["four_eyes"] else f"another person must sign; {ALONE}",
        )
    if len(people) < needed:
        because = f"{len(people)} of {needed} needed persons have signed"
        if final and four_eyes:
            because += f", and nothing brings back what {final[0]} removes"
        by_host_alone = four_eyes and not body["four_eyes"]
        raise Refused("approval-missing", "open the plan", because, f"waveboard approve{f'; {ALONE}' if by_host_alone else ''}")


def op_fence(request: Json) -> Json:
    """Remember a newer fence and do nothing else: what an undo sends first, since it may come when `open` is no longer allowed."""
    demand_keys(request, {"op": content(), "plan": word(DIGEST), "fence": integer(1, 10**15)}, "the request")
    plan = stored_plan(request["plan"])
    raise_fence(request["fence"], "take the plan over")
    return {"plan": plan.digest, "fence": request["fence"]}


def op_close(request: Json) -> Json:
    keys = {"op": content(), "plan": word(DIGEST), "fence": integer(1, 10**15), "result": one_of("done", "rolled-back", "halted")}
    demand_keys(request, keys, "the request")
    plan = stored_plan(request["plan"])
    raise_fence(request["fence"], "close the plan")
    record = history(Journal().entries())[plan.digest]
    states = [learned(plan, record, one, request["fence"]) for one in plan.steps] if request["result"] != "halted" else []
    if request["result"] == "done" and any(state != "applied" for state in states):
        raise Refused("out-of-order", "close the plan as done", "not every step of this host is applied")
    if request["result"] == "rolled-back" and any(state not in ("none", "undone") for state in states):
        raise Refused("out-of-order", "close the plan as rolled back", "not every begun step of this host is undone")
    if record.closed != request["result"]:
        Journal().append("closed", plan=plan.digest, fence=request["fence"], detail={"result": request["result"]})
    return {"plan": plan.digest, "result": request["result"]}
