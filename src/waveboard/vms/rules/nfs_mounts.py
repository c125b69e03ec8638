"""Each network share the tier needs is mounted at its path from its export, and would be again after a restart."""

from collections.abc import Iterable, Iterator

from waveboard.model.contract import StepSpec
from waveboard.model.facts import Fstab, Mounts
from waveboard.vms.rule import Asked, Built, Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, spec


def steps(asked: Asked) -> Iterable[StepSpec]:
    for path, source in asked.vm.nfs_mounts:
        yield spec(asked.vm, "mount_share", source=source, target=path)


def check(seen: Seen) -> Iterator[Said]:
    table, entries = seen.facts[Mounts].table, seen.facts[Fstab].entries
    for path, source in seen.vm.nfs_mounts:
        mounted = [m for m in table if m.target == path and m.fstype != "autofs"]
        if not mounted:
            yield fails(f"nothing is mounted at {path}; {source} is asked for")
        elif mounted[-1].source != source or not mounted[-1].fstype.startswith("nfs"):
            yield fails(f"{path} is {mounted[-1].source} ({mounted[-1].fstype}); {source} is asked for")
        if not any(e.target == path and e.spec == source for e in entries):
            yield fails(f"nothing would mount {source} at {path} after a restart")


RULE = Rule(
    "SR-010",
    "network shares mounted from their exports",
    25,
    lambda vm, policy: bool(vm.nfs_mounts),
    {
        Stage.PROVISION: NotHere("a hypervisor knows no mounts"),
        Stage.BOOTSTRAP: Built(("mount_share",), steps),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D236": ("wrong-export", "not-mounted", "not-persisted")}),
        Stage.WAVE: Repaired(("mount_share",)),
    },
)
