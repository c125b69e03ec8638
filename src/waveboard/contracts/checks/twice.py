"""What stands twice outside the registers, so that one of the two would be lost: findings and clusters, windows, services, a VM's storage."""

from collections.abc import Iterator

from waveboard.contracts.check import Check, error, ids_of, repeated, warning
from waveboard.contracts.estate import Estate
from waveboard.contracts.nodes import show
from waveboard.model.contract import Complaint


def run(estate: Estate) -> Iterator[Complaint]:
    yield from repeated("STOR entry", ids_of(estate.findings, "stor_findings"), error)
    yield from repeated("root-cause cluster", ids_of(estate.findings, "root_cause_clusters"), error)
    yield from repeated("window", ids_of(estate.windows, "windows"), error)
    hosts = ((host, read.key("hosts", host), show(("hosts", host))) for read in estate.services for host in read.value.hosts)
    yield from repeated("host with services", hosts, error)
    for read in estate.services:
        for host, own in read.value.hosts.items():
            places = [("hosts", host, "services", at, "container") for at in range(len(own.services))]
            told = ((one.container, read.at(*loc), show(loc)) for one, loc in zip(own.services, places, strict=True))
            yield from repeated(f"service of {host}", told, error)
    stored = (
        (name, read.key("vm_storage", name), show(("vm_storage", name)))
        for read in estate.placement
        for name in read.value.vm_storage or {}
    )
    yield from repeated("storage of VM", stored, warning)


CHECK = Check(("duplicate-id",), run)
