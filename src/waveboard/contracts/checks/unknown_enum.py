"""Status and tier words outside the vocabulary. The file stays usable; a tier that is not known is judged as no tier at all."""

from collections.abc import Collection, Iterator
from typing import Any

from waveboard.contracts.check import Check, warning
from waveboard.contracts.estate import Estate
from waveboard.contracts.formats import findings, placement, vms
from waveboard.contracts.nodes import show
from waveboard.contracts.typed import Read
from waveboard.model.contract import Complaint


def run(estate: Estate) -> Iterator[Complaint]:
    for lives in estate.vms:
        for at, vm in enumerate(lives.value.vms):
            yield from _word(lives, ("vms", at, "status"), vm.status, vms.STATUSES)
            yield from _word(lives, ("vms", at, "storage_tier"), vm.storage_tier, placement.TIERS)
    for places in estate.placement:
        for host, storage in (places.value.vm_storage or {}).items():
            yield from _word(places, ("vm_storage", host, "status"), storage.status, placement.STATUSES)
            for key in ("current_storage_tier", "target_storage_tier"):
                yield from _word(places, ("vm_storage", host, key), getattr(storage, key), placement.TIERS)
    for maps in estate.findings:
        for at, stor in enumerate(maps.value.stor_findings):
            yield from _word(maps, ("stor_findings", at, "status"), stor.status, findings.STATUSES)


def _word(read: Read[Any], loc: tuple[str | int, ...], word: str | None, known: Collection[str]) -> Iterator[Complaint]:
    if word is not None and word not in known:
        path = show(loc)
        said = f"`{word}` is none of the words for this: {', '.join(known)}"
        yield warning(read.at(*loc), path, "unknown-enum", said, "use one of them")


CHECK = Check(("unknown-enum",), run)
