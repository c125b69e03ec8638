"""Restart the host, and take nothing for proof of it but a boot id that is another than before.

`when: changed` restarts only if this plan changes something before it. There is nothing to undo about a restart.
"""

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import ContractError
from waveboard.waves.kind import Outlook, Rendered, StepKind

DOWN_S = 120


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    when = spec.params.get("when", "always")
    if when not in ("always", "changed"):
        raise ContractError("render step reboot", f"{spec.place}: `when` is always or changed, not {when!r}", "choose one")
    if when == "changed" and not outlook.planned:
        return Rendered((), outlook, "nothing changes, so nothing is restarted")
    step = Step(
        id=prefix,
        verb="reboot",
        host=outlook.facts.host,
        title="restart the host; another boot id is the proof",
        args={},
        reversibility=Reversibility.EXACT,
        commands=("systemctl reboot",),
        undo_commands=("# nothing to undo",),
        downtime_s=DOWN_S,
        stops=("the whole host",),
        evidence=("identity", "mountinfo", "docker"),
        limit_s=600,
    )
    return Rendered((step,), outlook)


STEP = StepKind("reboot", ("when",), (), render)
