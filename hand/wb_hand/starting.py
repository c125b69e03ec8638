"""The operations do and undo: everything that must be so before a step starts, then its unit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from .documents import dumped, parse_json
from .fence import raise_fence
from .files import read_bytes, sha_of
from .grammar import DIGEST, STEP, Check, content, demand_keys, integer, word
from .journal import Journal, PlanRecord, StepRecord, history
from .judging import stored_plan
from .learning import learned
from .plan import Opened
from .refused import Json, Refused
from .state import locked
from .units import start_unit, unit_name, unit_state
from .verb import Ctx
from .verbs import VERBS
from .windows import in_slot, in_window

UNDO_ATTEMPTS = 5
RUN_KEYS: Mapping[str, Check] = {
    "op": content(),
    "plan": word(DIGEST),
    "step": word(STEP),
    "attempt": integer(1, 100),
    "fence": integer(1, 10**15),
}


def op_do(request: Json) -> Json:
    demand_keys(request, RUN_KEYS, "the request")
    plan, entries = stored_plan(request["plan"]), Journal().entries()
    past = history(entries)
    record, cannot = past[plan.digest], f"start {request['step']}"
    step = plan.step(request["step"])
    if record.closed:
        raise Refused("not-open", cannot, f"the plan was closed as {record.closed}")
    raise_fence(request["fence"], cannot)
    if record.undone:
        raise Refused("plan-undone", cannot, "an undo of this plan has begun; it never goes forward again", "finish the undo")
    in_window(plan.body, "the plan")
    in_slot(plan.body, fresh=False)
    for approval in json.loads(read_bytes(f"{plan.directory}/approvals.json")):
        in_window(parse_json(approval["message"], "an approval"), "its approval")
    mine = record.step(step["id"])
    if mine.state == "applied":
        raise Refused("already-applied", cannot, "the journal says it is applied", "ask status")
    for earlier in plan.steps:
        if earlier["id"] == step["id"]:
            break
        if (state := learned(plan, record, earlier, request["fence"])) != "applied":
            raise Refused("out-of-order", cannot, f"{earlier['id']} is {state}, not applied")
    return _start(plan, step, "do", request, mine, past, step["attempts"])


def op_undo(request: Json) -> Json:
    demand_keys(request, RUN_KEYS, "the request")
    plan, entries = stored_plan(request["plan"]), Journal().entries()
    past = history(entries)
    record, cannot = past[plan.digest], f"undo {request['step']}"
    step = plan.step(request["step"])
    raise_fence(request["fence"], cannot)
    if record.closed == "halted":
        raise Refused(
            "plan-halted", cannot, "the plan is halted", "a person says how its unresolved steps stand: waveboard settle"
        )
    mine = record.step(step["id"])
    if mine.state in ("none", "undone"):
        because = "it was never begun" if mine.state == "none" else "the journal says it is undone"
        raise Refused("nothing-to-undo", cannot, because)
    for later in reversed(plan.steps):
        if later["id"] == step["id"]:
            break
        if (state := learned(plan, record, later, request["fence"])) not in ("none", "undone"):
            raise Refused("out-of-order", cannot, f"{later['id']}, a later step, is {state}", "undo that first")
    _refuse_below_newer(past, plan, entries, cannot)
    return _start(plan, step, "undo", request, mine, past, mine.forgiven + UNDO_ATTEMPTS)


def _refuse_below_newer(past: Mapping[str, PlanRecord], plan: Opened, entries: Sequence[Json], cannot: str) -> None:
    """An older plan is not undone from under a newer wave that changed this host since."""
    since = False
    for entry in entries:
        if entry["kind"] != "opened":
            continue
        if since and any(one.state not in ("none", "undone") for one in past[entry["plan"]].steps.values()):
            if stored_plan(entry["plan"]).body["kind"] == "retire":
                continue  # what it removed is looked for by the undo itself
            raise Refused(
                "out-of-order", cannot, f"a newer plan ({entry['plan']}) has changed this host since", "undo that one first"
            )
        since = since or entry["plan"] == plan.digest


def refuse_running(past: Mapping[str, PlanRecord], cannot: str) -> None:
    """One running step a host, whatever plan it belongs to."""
    for other, digest in ((one, key) for key, past_plan in past.items() for one in past_plan.steps.items()):
        if other[1].state in ("applying", "undoing"):
            side = "do" if other[1].state == "applying" else "undo"
            name = f"wb-{digest[7:15]}-{other[0]}-{side}-{other[1].attempts[side]}"
            state = unit_state(name)
            if state is not None and state["active"] == "running":
                raise Refused("still-running", cannot, f"{name} is still running on this host", "ask status")


def _start(
    plan: Opened, step: Json, phase: str, request: Json, record: StepRecord, past: Mapping[str, PlanRecord], most: int
) -> Json:
    attempt, cannot = request["attempt"], f"start {phase} of {step['id']}"
    refuse_running(past, cannot)
    if attempt <= record.attempts[phase]:
        raise Refused(
            "already-started", cannot, f"attempt {attempt} was begun before", "ask status and holds, then use the next attempt"
        )
    if attempt > most:  # a gap is fine: the controller counts requests, and one that never arrived did nothing here
        raise Refused("bad-request", cannot, f"attempt {attempt} is more than {most}")
    ctx = Ctx(plan, step, phase, attempt, request["fence"])
    with locked("run.lock", 2):
        detail = VERBS[step["verb"]].prepare(ctx) if phase == "do" else {"backup": ctx.notes}
    name = unit_name(plan, step["id"], phase, attempt)
    ctx.record("intent", {"verb": step["verb"], "unit": name, "args": sha_of(dumped(step["args"]).encode()), "undo": detail})
    try:
        start_unit(name, ["--run", plan.digest, step["id"], phase, str(attempt), str(request["fence"])], step["limit_s"])
    except (Refused, OSError) as why:
        raise Refused("cannot-start", cannot, f"its unit {name} did not start ({why})", "ask status and holds") from None
    return {"state": "started", "unit": name}
