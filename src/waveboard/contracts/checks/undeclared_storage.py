"""An active VM of which the placement policy does not say where its data belongs: every storage gate passes it by in silence."""

from collections.abc import Iterator

from waveboard.contracts.check import Check, warning
from waveboard.contracts.estate import Estate
from waveboard.model.contract import Complaint


def run(estate: Estate) -> Iterator[Complaint]:
    if not estate.placement or "placement" in estate.broken:
        return
    declared = {host for read in estate.placement for host in read.value.vm_storage or {}}
    for read, at, vm in estate.living():
        if vm.status == "active" and vm.hostname not in declared and vm.ssh_target not in declared:
            said = f"{vm.called} is active, and vm_storage of {estate.placement[0].document.file} does not name it"
            fix = f"add `{vm.hostname}:` with its tiers to vm_storage"
            yield warning(read.at("vms", at, "hostname"), f"vms[{at}].hostname", "undeclared-storage", said, fix)


CHECK = Check(("undeclared-storage",), run)
