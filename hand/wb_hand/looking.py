"""The operations that only look: status, holds, journal, aside."""

from __future__ import annotations

import contextlib
import json

from .aside import RETIRABLE, Aside
from .documents import parse_json
from .files import read_or_none, sha_of
from .grammar import DIGEST, STEP, content, demand_keys, integer, one_of, or_null, word
from .journal import Journal, history
from .judging import stored_plan
from .place import RUNTIME
from .refused import Json
from .units import unit_name, unit_state
from .verb import Ctx
from .verbs import VERBS


def op_status(request: Json) -> Json:
    keys = {"op": content(), "plan": word(DIGEST), "step": word(STEP), "phase": one_of("do", "undo"), "attempt": integer(1, 100)}
    demand_keys(request, keys, "the request")
    plan = stored_plan(request["plan"])
    step, phase, attempt = plan.step(request["step"])["id"], request["phase"], request["attempt"]
    name = unit_name(plan, step, phase, attempt)
    unit = unit_state(name)  # before the journal: an outcome written between the two is then seen
    record = history(Journal().entries())[plan.digest].step(step)
    answer: Json = {"unit": unit, "outcome": record.outcomes.get((phase, attempt)), "progress": None, "why": ""}
    raw = read_or_none(f"{RUNTIME}/progress/{name}.json")
    with contextlib.suppress(ValueError):
        answer["progress"] = json.loads(raw) if raw else None
    if answer["outcome"] is not None:
        answer["state"] = answer["outcome"]["result"]
    elif attempt > record.attempts[phase]:
        answer["state"] = "absent"
    elif unit is not None and unit["active"] == "running":
        answer["state"] = "running"
    else:
        answer["state"], answer["why"] = "unknown", "it was begun, left no outcome and is not running: killed or rebooted"
    return answer


def op_holds(request: Json) -> Json:
    demand_keys(request, {"op": content(), "plan": word(DIGEST), "step": word(STEP)}, "the request")
    plan = stored_plan(request["plan"])
    step = plan.step(request["step"])
    verb, ctx = VERBS[step["verb"]], Ctx(plan, step, "do", 0, 0)
    held, reasons = verb.holds(ctx)
    return {"holds": held, "reasons": reasons, "facts": verb.seen(ctx) if held == "DONE" else {}}


def op_journal(request: Json) -> Json:
    demand_keys(
        {"after": 0, "plan": None, **request}, {"op": content(), "after": integer(0, 10**12), "plan": or_null(word(DIGEST))}, "it"
    )
    lines, after, plan = Journal().lines(), request.get("after", 0), request.get("plan")
    chosen = [line for line in lines[after:] if plan is None or parse_json(line, "journal line").get("plan") == plan]
    kept, size = [], 0
    for line in chosen[:2000]:
        size += len(line)
        if size > 3 << 20:
            break
        kept.append(line.decode())
    return {"lines": kept, "head": sha_of(lines[-1]) if lines else None, "more": len(kept) < len(chosen)}


def op_aside(request: Json) -> Json:
    demand_keys(request, {"op": content()}, "the request")
    shown = "id kind path volume origin bytes plan wave step why at state".split()
    plans = history(Journal().entries())

    def needed(one: Json) -> str:
        return Aside.still_needed(one, plans) if one["state"] in RETIRABLE else ""

    return {"aside": [{**{key: one[key] for key in shown}, "needed": needed(one)} for one in Aside.all()]}
