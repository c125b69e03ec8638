"""It has been restarted since it was made so, and came back so. Settings alone prove nothing: only a new boot does."""

from collections.abc import Iterable, Iterator

from waveboard.model.contract import StepSpec
from waveboard.vms.rule import Asked, Built, Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, spec, unknown


def steps(asked: Asked) -> Iterable[StepSpec]:
    yield spec(asked.vm, "reboot")


def check(seen: Seen) -> Iterator[Said]:
    if seen.reboot is None:
        yield unknown("no restart is proven: waveboard vm bootstrap makes one")
    elif seen.facts.identity.boot_id is None:
        yield unknown("its evidence names no boot")
    elif seen.facts.identity.boot_id == seen.reboot.before:
        yield fails("it runs in the boot before the one that proved it")
    if seen.vm.data is not None and seen.places is not None:
        found = seen.places.paths.get(seen.vm.data.mount)
        for flag in ("NOT_PERSISTED", "PERSISTENCE_UNKNOWN", "LATE_MOUNT"):
            if found is not None and flag in found.flags:
                yield (unknown if "UNKNOWN" in flag else fails)(f"{seen.vm.data.mount}: {flag}")


RULE = Rule(
    "SR-013",
    "survives a restart",
    1000,
    lambda vm, policy: True,
    {
        Stage.PROVISION: NotHere("a VM that was only made has nothing to survive yet"),
        Stage.BOOTSTRAP: Built(("reboot",), steps),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D236": ("not-persisted", "late-mount")}),
        Stage.WAVE: Repaired(("reboot",)),
    },
)
