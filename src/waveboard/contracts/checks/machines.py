"""VMs that cannot be made or judged as their files ask: profile, policy, services and hypervisor that disagree or lack something."""

from collections.abc import Iterator

from waveboard.contracts import machines
from waveboard.contracts.check import Check, error
from waveboard.contracts.estate import Estate
from waveboard.model.contract import Complaint, Place


def run(estate: Estate) -> Iterator[Complaint]:
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


CHECK = Check(
    ("vm-incomplete", "no-pool", "too-long", "root-outside-mount", "profile-disagrees", "serial-taken", "dangling-reference"), run
)
