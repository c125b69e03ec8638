"""A VM's contract -> the wave that makes the VM so: every rule's steps in order, a restart last. Renders nothing, performs nothing.

It is a wave like any other: planned against the facts, signed, applied and undone by the same engine. What is already so drops out
when it is planned, so a second bootstrap of a compliant VM is an empty plan.
"""

from collections.abc import Sequence

from waveboard.model.change import bootstrap_name
from waveboard.model.contract import HostPolicy, Overrun, WaveSpec
from waveboard.model.facts import HostFacts
from waveboard.model.vm import VmSpec
from waveboard.vms import shelf
from waveboard.vms.rule import Asked, Built, Reboot, Rule, Stage, spec


def bootstrap(
    vm: VmSpec, policy: HostPolicy, facts: HostFacts, reboot: Reboot | None, rules: Sequence[Rule] | None = None
) -> WaveSpec:
    """reboot: the restart an earlier bootstrap proved; without one this one restarts even when nothing else is left to do."""
    asked = Asked(vm, policy, facts)
    steps = []
    for rule in sorted(shelf.rules() if rules is None else rules, key=lambda r: (r.order, r.id)):
        stage = rule.stages.get(Stage.BOOTSTRAP)
        if isinstance(stage, Built) and rule.asked(vm, policy):
            steps += [one for one in stage.steps(asked) if one not in steps]
    steps = [spec(vm, one.kind, when="always" if reboot is None else "changed") if one.kind == "reboot" else one for one in steps]
    return WaveSpec(
        id=bootstrap_name(vm.host),
        goal=f"Make {vm.host} what its contracts ask for",
        policy="controlled-runtime",
        mutate_hosts=(vm.host,),
        read_only_hosts=(),
        stor=(),
        gaps=(),
        loops=(),
        excludes=(),
        entry=(),
        exit=(),
        steps=tuple(steps),
        place=vm.place,
        overrun=Overrun("rollback"),
    )
