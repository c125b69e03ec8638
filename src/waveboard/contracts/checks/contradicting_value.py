"""One fact of a VM told differently in two files: its id, boot disk or tier. Neither file is believed over the other."""

from collections.abc import Iterator

from waveboard.contracts.check import Check, warning
from waveboard.contracts.estate import Estate
from waveboard.contracts.formats.placement import TIERS
from waveboard.model.contract import Complaint

_CODE = "contradicting-value"


def run(estate: Estate) -> Iterator[Complaint]:
    for read, at, vm in estate.living():
        for policy in estate.placement:
            name = vm.hostname if vm.hostname in (policy.value.vm_storage or {}) else vm.ssh_target or ""
            storage = (policy.value.vm_storage or {}).get(name)
            if storage is None:
                continue
            boot = vm.resources.boot_disk_gb if vm.resources else None
            tiers = (storage.current_storage_tier, storage.target_storage_tier)
            for what, here, loc, there, key in (
                ("VM id", vm.id, ("id",), storage.vmid, "vmid"),
                ("boot disk size in GB", boot, ("resources", "boot_disk_gb"), storage.boot_disk_gb, "boot_disk_gb"),
                ("storage tier", vm.storage_tier, ("storage_tier",), tiers[1], "target_storage_tier"),
            ):
                if here is None or there is None or here == there:
                    continue
                if what == "storage tier" and (here in tiers or not {here, there} <= set(TIERS)):
                    continue  # a word that is no tier is told as such
                place = read.at("vms", at, *loc)
                said = f"{what} of `{vm.hostname}`: {_show(here)} here, {_show(there)} at {policy.at('vm_storage', name, key)}"
                yield warning(place, f"vms[{at}].{'.'.join(loc)}", _CODE, said, "correct the one that is wrong")


def _show(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


CHECK = Check((_CODE,), run)
