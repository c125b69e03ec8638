"""VMs that cannot be made or judged as their files ask: profile, policy, services and hypervisor that disagree or lack something."""

from collections.abc import Iterator

from waveboard.contracts import machines
from waveboard.contracts.check import Check, error
from waveboard.contracts.estate import Estate
from waveboard.model.contract import Complaint, Place


def run(estate: Estate) -> Iterator[Complaint]:
    yield from _probes(estate)
    owners: dict[str, str] = {}
    for one in machines.machines(estate):
        yield from one.complaints
        if one.spec is None or one.spec.data is None:
            continue
        first = owners.setdefault(one.spec.data.serial, one.spec.host)
        if first != one.spec.host:
            place = one.spec.place or Place("")
            said = f"`{one.spec.host}` and `{first}` would both have a data disk with the serial `{one.spec.data.serial}`"
            yield error(place, "", "serial-taken", said, "put {hostname} into the profile's serial")


def _probes(estate: Estate) -> Iterator[Complaint]:
    """One place lends probes, and its id is nobody's."""
    lends = [one for one in machines.hypervisors(estate).values() if one.probe]
    taken = {vm.id: vm.hostname for lives in estate.vms for vm in lives.value.vms}
    for at, one in enumerate(lends):
        assert one.probe is not None
        place, path = estate.workspace.at("hypervisors", one.id, "probe"), f"hypervisors.{one.id}.probe"
        if one.kind != "qemu":
            said = f"probes are made on a local QEMU, and `{one.id}` is a {one.kind}"
            yield error(place, path, "probe-misplaced", said, "name a hypervisor of kind qemu, and its probe")
        if at:
            said = f"`{lends[0].id}` lends its probe already"
            yield error(place, path, "probe-misplaced", said, "leave one of them")
        if one.probe.vmid in taken:
            said = f"its id {one.probe.vmid} is that of {taken[one.probe.vmid]}"
            yield error(place, path, "probe-misplaced", said, "give the probe an id of its own")


CHECK = Check(
    (
        "vm-incomplete",
        "bad-address",
        "no-pool",
        "too-long",
        "root-outside-mount",
        "profile-disagrees",
        "serial-taken",
        "dangling-reference",
        "probe-misplaced",
    ),
    run,
)
