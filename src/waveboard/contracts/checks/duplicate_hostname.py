"""Two entries that claim to be the same machine: one host name, VM id or address twice. VMs that are gone do not count."""

from collections import defaultdict
from collections.abc import Iterator

from waveboard.contracts.check import Check, error, warning
from waveboard.contracts.estate import Estate
from waveboard.model.contract import Complaint, Place

_CODE = "duplicate-hostname"
Seen = dict[tuple[str, object], list[tuple[Place, str, str]]]


def run(estate: Estate) -> Iterator[Complaint]:
    yield from _ids(estate)
    seen: Seen = defaultdict(list)
    for read, at, vm in estate.living():
        who = vm.called
        fields = {"hostname": vm.hostname.lower(), "id": vm.id, "lan_ip": vm.lan_ip, "tailscale_ip": vm.tailscale_ip}
        for field, value in fields.items():
            if value is not None:
                kind = "address" if field.endswith("_ip") else field
                seen[kind, value].append((read.at("vms", at, field), f"vms[{at}].{field}", who))
    for targets in estate.hosts:
        for at, target in enumerate(targets.value.ssh.targets):
            place = targets.at("ssh", "targets", at, "host")
            seen["host", (target.host.lower(), target.port)].append((place, f"ssh.targets[{at}].host", f"target `{target.id}`"))
    for placement in estate.placement:
        for host, storage in (placement.value.vm_storage or {}).items():
            if storage.vmid is not None:
                place = placement.at("vm_storage", host, "vmid")
                seen["vmid", storage.vmid].append((place, f"vm_storage.{host}.vmid", f"`{host}`"))
    for (kind, claimed), claims in seen.items():
        for place, path, who in claims[1:]:
            shown = claimed[0] if isinstance(claimed, tuple) else claimed
            said = f"{who} has the {kind} {shown}, and so has {claims[0][2]} at {claims[0][0]}"
            yield warning(place, path, _CODE, said, "correct one of the two, or mark the one that is gone as decommissioned")


def _ids(estate: Estate) -> Iterator[Complaint]:
    """Two targets of one id are an error: which of the two addresses is meant cannot be known."""
    first: dict[str, Place] = {}
    for read in estate.hosts:
        for at, target in enumerate(read.value.ssh.targets):
            place = read.at("ssh", "targets", at, "id")
            if target.id in first:
                said = f"the target `{target.id}` stands here and at {first[target.id]}"
                yield error(place, f"ssh.targets[{at}].id", _CODE, said, "give one of the two another id")
            first.setdefault(target.id, place)


CHECK = Check((_CODE,), run)
