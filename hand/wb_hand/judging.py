"""What must be true of a plan whoever signed it, and the plans this host opened before."""

from __future__ import annotations

from collections.abc import Mapping

from .documents import parse_json
from .files import read_or_none, sha_of
from .grammar import HOST, NAME, STEP, Check, content, demand_keys, integer, list_of, one_of, truth, word
from .journal import Journal, PlanRecord, history
from .place import STATE
from .plan import Identity, Opened, identity
from .refused import Json, Refused
from .verbs import VERBS
from .windows import slot_form

REVERSIBILITY = one_of("exact", "restorable", "compensable", "none")
STEP_KEYS: Mapping[str, Check] = {
    "id": word(STEP),
    "verb": word(NAME),
    "host": word(HOST),
    "title": content(2000),
    "args": lambda value: isinstance(value, dict),
    "reversibility": REVERSIBILITY,
    "commands": list_of(content()),
    "undo_commands": list_of(content()),
    "copy_bytes": integer(0, 1 << 60),
    "downtime_s": integer(0, 10**7),
    "loss_window_s": integer(0, 10**7),
    "stops": list_of(content(300)),
    "deletes": list_of(content(700)),
    "evidence": list_of(content(2000)),
    "limit_s": integer(1, 86400),
    "attempts": integer(1, 10),
}


def judge_plan(text: str, digest: str, me: Identity) -> Opened:
    """Everything about a plan that does not depend on who signed it or when. Raises: Refused."""
    if sha_of(text.encode()) != digest:
        raise Refused("plan-differs", "open the plan", "its bytes do not have the digest that was named")
    plan = parse_json(text, "the plan")
    need = "schema instance wave kind hosts read_only_hosts not_before not_after quorum four_eyes proposer steps slots overrun".split()
    for key in need:
        if key not in plan:
            raise Refused("bad-request", "open the plan", f"it has no {key!r}")
    wave, steps = word("[A-Za-z0-9][A-Za-z0-9._-]{0,31}"), list_of(lambda one: isinstance(one, dict), 500)
    host = list_of(
        lambda one: isinstance(one, dict) and word(HOST)(one.get("host")) and isinstance(one.get("machine_id"), str), 100
    )
    forms: Mapping[str, Check] = {
        "schema": one_of("waveboard.plan/1"),
        "instance": word(NAME),
        "wave": wave,
        "kind": one_of("wave", "retire"),
        "hosts": host,
        "read_only_hosts": list_of(word(HOST)),
        "quorum": integer(1, 20),
        "four_eyes": truth,
        "proposer": content(200),
        "steps": steps,
        "slots": list_of(slot_form, 500),
        "overrun": one_of("finish", "pause", "rollback"),
    }
    for key, check in forms.items():
        if not check(plan[key]):
            raise Refused("bad-request", "open the plan", f"{key!r} is not of the agreed form")
    if plan["instance"] != me.instance:
        raise Refused("wrong-instance", "open the plan", f"it belongs to {plan['instance']!r}, this host to {me.instance!r}")
    mine = [one for one in plan["hosts"] if one["machine_id"] == me.machine_id]
    if len(mine) != 1 or mine[0]["host"] != me.hostname:
        raise Refused(
            "wrong-host", "open the plan", f"{me.hostname} with its machine id is not one of the plan's hosts", "audit again"
        )
    if me.hostname in plan["read_only_hosts"]:
        raise Refused("read-only-host", "open the plan", f"{me.hostname} is read-only in it")
    _judge_steps(plan)
    return Opened(digest, plan, me.hostname)


def _judge_steps(plan: Json) -> None:
    names = {one["host"] for one in plan["hosts"]} - set(plan["read_only_hosts"])
    seen: set[str] = set()
    for step in plan["steps"]:
        what = f"step {str(step.get('id'))[:40]!r}"
        demand_keys(step, STEP_KEYS, what)
        if step["id"] in seen:
            raise Refused("bad-request", f"accept {what}", "its id is used twice")
        seen.add(step["id"])
        if step["host"] not in names:
            raise Refused("read-only-host", f"accept {what}", f"{step['host']} may not be changed by this plan")
        verb = VERBS.get(step["verb"])
        if verb is None:
            raise Refused(
                "bad-request", f"accept {what}", f"{step['verb']!r} is no verb of this hand", f"it has {', '.join(VERBS)}"
            )
        if (step["verb"] == "retire") != (plan["kind"] == "retire"):
            raise Refused("bad-request", f"accept {what}", "only a retire plan retires, and it does nothing else")
        demand_keys(step["args"], verb.keys, f"the arguments of {what}")
        verb.judge(step)


def stored_plan(digest: str) -> Opened:
    """A plan this host opened before, re-checked against its digest."""
    raw = read_or_none(f"{STATE}/plans/{digest[7:]}/plan.json")
    if raw is None or not history(Journal().entries()).get(digest, PlanRecord()).opened:
        raise Refused("unknown-plan", "find the plan", "this host has never opened it")
    return judge_plan(raw.decode(), digest, identity())
