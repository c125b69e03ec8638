"""The operation settle: a person's signed word on a plan that is halted."""

from __future__ import annotations

from collections.abc import Mapping

from .approvals import verify_signature
from .documents import dumped, parse_json
from .fence import raise_fence
from .files import write_atomic
from .grammar import DIGEST, NAME, PRINCIPAL, STEP, Check, content, demand_keys, integer, one_of, word
from .journal import Journal, PlanRecord, history
from .judging import stored_plan
from .plan import Opened
from .refused import Json, Refused
from .starting import refuse_running
from .state import load_state, save_state
from .verb import Ctx
from .verbs import VERBS
from .windows import in_window

SETTLE_KEYS: Mapping[str, Check] = {
    "schema": one_of("waveboard.settlement/1"),
    "instance": word(NAME),
    "plan": word(DIGEST),
    "wave": word(NAME),
    "principal": word(PRINCIPAL),
    "nonce": word("[0-9a-f]{32}"),
    "line": integer(1, 10**9),
    "steps": lambda value: (
        isinstance(value, dict) and all(word(STEP)(k) and one_of("done", "undone")(v) for k, v in value.items())
    ),
    "not_before": content(40),
    "not_after": content(40),
}


def op_settle(request: Json) -> Json:
    """A person's signed word on how the unresolved steps of a halted plan stand. It is believed, and what `holds` sees is kept beside it."""
    keys = {"op": content(), "plan": word(DIGEST), "fence": integer(1, 10**15)}
    demand_keys(request, {**keys, "message": content(1 << 16), "signature": content(1 << 14)}, "the request")
    plan, past, cannot = stored_plan(request["plan"]), history(Journal().entries()), "settle the plan"
    record, message = past[plan.digest], parse_json(request["message"], "a settlement")
    demand_keys(message, SETTLE_KEYS, "a settlement")
    for key, value in {"plan": plan.digest, "instance": plan.body["instance"], "wave": plan.body["wave"]}.items():
        if message[key] != value:
            raise Refused("approval-void", cannot, f"its {key!r} is not the plan's", "sign it for this plan")
    if record.closed not in ("", "halted"):
        raise Refused("plan-closed", cannot, f"it was closed as {record.closed}")
    in_window(message, f"the word of {message['principal']}")
    verify_signature(message["principal"], request["message"], request["signature"], plan.directory)
    nonces: dict[str, str] = load_state("nonces.json", {})
    if message["nonce"] in nonces and message["nonce"] not in record.settled:
        raise Refused("approval-replayed", cannot, "what was signed was already used", "sign it again")
    said = {one["id"]: message["steps"][one["id"]] for one in plan.steps if one["id"] in message["steps"]}
    _judge_word(plan, record, message, said)
    raise_fence(request["fence"], cannot)
    refuse_running(past, cannot)
    saw = {name: _seen(plan, name) for name in said}
    if message["nonce"] not in record.settled:
        save_state("nonces.json", {**nonces, message["nonce"]: plan.digest})
        write_atomic(f"{plan.directory}/settlement-{message['nonce']}.json", dumped(request).encode())
        detail = {"principal": message["principal"], "nonce": message["nonce"], "steps": said, "saw": saw}
        Journal().append("settled", plan=plan.digest, fence=request["fence"], detail=detail)
    return {"plan": plan.digest, "principal": message["principal"], "saw": saw}


def _seen(plan: Opened, name: str) -> str:
    """What `holds` says of a step; UNKNOWN when it cannot look, which is why a person is asked at all."""
    try:
        return VERBS[plan.step(name)["verb"]].holds(Ctx(plan, plan.step(name), "do", 0, 0))[0]
    except Exception:
        return "UNKNOWN"


def _judge_word(plan: Opened, record: PlanRecord, message: Json, said: Json) -> None:
    known = {one["id"] for one in plan.body["steps"]}
    if not set(message["steps"]) <= known:
        raise Refused("unknown-step", "settle the plan", f"it has no step {min(set(message['steps']) - known)}")
    if message["nonce"] in record.settled:
        return
    for one in plan.steps:
        state = record.step(one["id"]).state
        if one["id"] not in said and state in ("applying", "undoing", "failed", "undo-failed"):
            raise Refused(
                "approval-void", "settle the plan", f"it says nothing of {one['id']}, which is {state} here", "sign it again"
            )
        if said.get(one["id"]) == "done" and state == "none":
            raise Refused("approval-void", "settle the plan", f"{one['id']} was never begun here", "sign it again")
