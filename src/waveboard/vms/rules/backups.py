"""The VM is in an enabled backup job that leaves out no disk it must hold, and the newest backup is young enough."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from waveboard.model.facts import Unavailable
from waveboard.model.vm import VmSpec
from waveboard.vms.rule import Checked, Configured, NotHere, Rule, Said, Seen, Stage, fails, unknown


def puts(vm: VmSpec) -> Mapping[str, object]:
    return {"data_disk.backup": vm.data.backup} if vm.data else {}


def check(seen: Seen) -> Iterator[Said]:
    if isinstance(seen.hypervisor, Unavailable):
        yield unknown(f"the hypervisor {seen.vm.hypervisor} did not tell: {seen.hypervisor.reason}")
        return
    if seen.vm.data is not None and seen.vm.data.backup:
        disk = seen.disk()
        if isinstance(disk, Said):
            yield disk
        elif not disk.backup:
            yield fails(f"the data disk {disk.slot} is left out of every backup")
    found = seen.hypervisor.backups.get(seen.vm.vmid)
    if found is None:
        yield unknown("the hypervisor did not tell of its backups")
        return
    if not found.enabled or not found.jobs:
        yield _lacks("no enabled backup job holds it", found.unseen_jobs)
    if found.newest is None:
        yield _lacks("there is no backup of it", found.unseen_backups)
    elif found.newest > seen.at:
        yield unknown(
            f"the newest backup is of {found.newest:%Y-%m-%d %H:%M} UTC, which is still to come: how old it is is not known"
        )
    elif seen.vm.backup_max_age_s is not None and seen.at - found.newest > timedelta(seconds=seen.vm.backup_max_age_s):
        aged = f"the newest backup is of {found.newest:%Y-%m-%d %H:%M} UTC; {seen.vm.backup_max_age_s} s are allowed"
        yield _lacks(aged, found.unseen_backups)


def _lacks(what: str, unseen: str) -> Said:
    """Certain only when everything could be seen."""
    return unknown(f"{what}, as far as could be seen: {unseen}") if unseen else fails(what)


RULE = Rule(
    "SR-012",
    "backed up, data disk included, and lately",
    100,
    lambda vm, policy: bool(vm.hypervisor) and vm.backup_max_age_s is not None,
    {
        Stage.PROVISION: Configured(puts),
        Stage.BOOTSTRAP: NotHere("a guest cannot see or make its hypervisor's backups"),
        Stage.READY: Checked(check),
        Stage.GATE: NotHere("a guest's evidence cannot show its hypervisor's backups; ready asks the hypervisor"),
        Stage.WAVE: NotHere("backup jobs are the hypervisor's, and a person's to make"),
    },
)
