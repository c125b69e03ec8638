"""Root and data disk are filled below the shares at which the contracts say the host fails."""

from collections.abc import Iterator, Mapping

from waveboard.model.contract import Sourced
from waveboard.model.facts import Usage
from waveboard.model.vm import VmSpec
from waveboard.vms.rule import Checked, Configured, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, unknown


def puts(vm: VmSpec) -> Mapping[str, object]:
    return {"boot_disk.size_bytes": vm.boot_bytes, "boot_disk.pool": vm.boot_pool}


def check(seen: Seen) -> Iterator[Said]:
    numbers = seen.policy.thresholds
    yield from _share(seen, "/", numbers.root_fail_pct)
    if seen.vm.data is not None:
        yield from _share(seen, seen.vm.data.mount, numbers.data_fail_pct)


def _share(seen: Seen, target: str, limit: Sourced[float] | None) -> Iterator[Said]:
    if limit is None:
        return
    found = seen.facts[Usage].filesystems.get(target)
    if found is None:
        yield unknown(f"how full {target} is was not told")
    elif found.used_pct >= limit.value:
        yield fails(f"{target} is {found.used_pct:.0f} % full; {limit.value:g} % is the limit ({limit.place})")


RULE = Rule(
    "SR-009",
    "disks are filled below their limits",
    70,
    lambda vm, policy: policy.thresholds.root_fail_pct is not None or policy.thresholds.data_fail_pct is not None,
    {
        Stage.PROVISION: Configured(puts),
        Stage.BOOTSTRAP: NotHere("an empty VM has nothing to give back"),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D237": ("root-usage", "data-usage")}),
        Stage.WAVE: Repaired(("remove_images", "remove_build_cache")),
    },
)
