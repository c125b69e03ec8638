"""A plan as a person reads it before signing: each step, its commands, its undo, its class, bytes, downtime, needed approvals."""

from waveboard.model.change import Plan, Step
from waveboard.model.units import instant_text, show_size
from waveboard.waves.estimate import in_all

_OVERRUN = {
    "finish": "finish: steps may begin until {0}, then every step is taken back",
    "pause": "pause: between two steps, until the next window",
    "rollback": "rollback: when the window closes, every step is taken back",
}


def _step(number: int, step: Step) -> list[str]:
    facts = [step.reversibility.value]
    how = {"measured": "about", "at-most": "at most", "unknown": "for at least"}[step.amount]
    if step.amount == "unknown":
        facts.append("copies an unknown amount")
    elif step.copy_bytes:
        facts.append(f"copies {how} {show_size(step.copy_bytes)}")
    if step.downtime_s:
        facts.append(f"down {how} {step.downtime_s} s")
    lines = [
        f"  {'-' if step.deletes else '~'} {number}. {step.id}  {step.title}",
        f"      host {step.host} · undo: {' · '.join(facts)}",
    ]
    if step.stops:
        lines.append(f"      stops: {', '.join(step.stops)}")
    lines += ["      do:"] + [f"        {line}" for command in step.commands for line in command.splitlines()]
    lines += ["      undo:"] + [f"        {line}" for command in step.undo_commands for line in command.splitlines()]
    if step.deletes:
        lines += ["      DELETES, and nothing else:"] + [f"        {path}" for path in step.deletes]
    return [*lines, ""]


def text(plan: Plan, digest: str) -> str:
    """The whole plan, ending in the line that counts. Host-derived text was limited to names by the steps that rendered it."""
    lines = [f"Plan for wave {plan.wave}: {plan.title}", ""]
    for number, step in enumerate(plan.steps, 1):
        lines += _step(number, step)
    deletes = sum(len(s.deletes) for s in plan.steps)
    undoable = sum(s.reversibility.value != "none" for s in plan.steps)
    eyes = "four eyes" if plan.four_eyes else "a lone operator may sign (four_eyes: false)"
    lines += [
        f"Plan: {len(plan.steps)} steps, {deletes} to delete, {undoable} with an undo; {in_all(plan.steps)}",
        f"Changes: {', '.join(h.host for h in plan.hosts)}.  Read-only: {', '.join(plan.read_only_hosts) or 'none'}.",
        *(f"Window:  {instant_text(slot.not_before)} to {instant_text(slot.not_after)}" for slot in plan.slots),
        f"Overrun: {_OVERRUN[plan.overrun].format(instant_text(plan.not_after))}",
        f"Needs:   {plan.quorum} approval{'s' if plan.quorum != 1 else ''}; {eyes}",
        f"Digest:  {digest}",
    ]
    return "\n".join(lines) + "\n"
