"""What became of each thing a plan listed for deletion, by the hand's own report. Believes no worker; looks at no host."""

from collections.abc import Mapping

from waveboard.model.change import Event, Step

_ENDS = ("applied", "failed", "undone", "undo-failed")


def ended(event: Event) -> str:
    """How a step came to its end with this journal line, "" when it did not: told by the hand, or found by looking at the host."""
    if event.kind == "probed" and event.detail.get("found") == "done":
        return "found undone" if event.detail.get("phase") == "undo" else "found done"
    return event.kind if event.kind in _ENDS else ""


def deletions(step: Step, event: Event) -> list[tuple[str, str]]:
    """What became of everything the step listed, as the hand reported it when the step ended."""
    outcome = event.detail.get("outcome")
    told = outcome.get("facts") if isinstance(outcome, dict) else None
    facts: Mapping[str, object] = told if isinstance(told, dict) else {}
    removed, gone, back = (_named(facts, key) for key in ("removed", "gone_already", "restored"))
    fates = []
    for what in step.deletes:
        name = what.partition(":")[2] if what.startswith(("image:", "build-cache:")) else what
        if event.kind == "applied":
            fate = "was gone already" if name in gone else "removed" if "removed" not in facts or name in removed else "not told"
        elif ended(event) == "found done":
            fate = "gone, as seen on the host"
        elif event.kind == "undone":
            fate = "put back" if name in back else "not put back"
        else:
            fate = "not told: see the hand's journal"
        fates.append((what, fate))
    return fates


def _named(facts: Mapping[str, object], key: str) -> set[str]:
    listed = facts.get(key)
    return {str(one) for one in listed} if isinstance(listed, list) else set()
