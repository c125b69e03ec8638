"""What making VMs asks of a hypervisor. `world.hypervisors` satisfies it by shape; making, and mypy, prove it."""

from collections.abc import Mapping
from typing import Protocol

from waveboard.model.vm import BackupState, DataDisk, HypervisorState, Shape


class Hypervisor(Protocol):
    """Makes VMs. Every call but `stop` and `destroy` only adds; each returns when it is done, within its own limit.

    Raises: RefusedError (a rule of the hypervisor says no: nothing was changed), StepError (it began and failed), HostError (no
    answer, or not in time: the outcome is unknown; `look` before anything else).
    """

    def look(self) -> HypervisorState:
        """What is there now. Changes nothing."""
        ...

    def create(self, vmid: int, name: str, template: str, pool: str, tag: str) -> None:
        """A stopped VM with a boot disk of its own, a whole copy of the template's. tag: written with its first line of
        configuration, so that it is known again whatever happens next."""
        ...

    def configure(self, vmid: int, shape: Shape) -> None: ...

    def grow(self, vmid: int, size_bytes: int) -> None:
        """The boot disk. Never shrinks: a smaller size is refused."""
        ...

    def attach(self, vmid: int, disk: DataDisk) -> None:
        """A new, blank disk with that serial. An existing one is never taken."""
        ...

    def seed(self, vmid: int, pool: str, files: Mapping[str, bytes]) -> None:
        """What the guest reads at its first boot: a NoCloud medium of these files."""
        ...

    def start(self, vmid: int) -> None:
        """Returns when it runs; whether its system came up is another question."""
        ...

    def blank(self, vmid: int, serial: str) -> bool | None:
        """Whether the disk was never written to; None where the hypervisor cannot tell."""
        ...

    def backups(self, vmid: int) -> BackupState:
        """The VM's backup jobs and its newest backup. `look` does not ask: it costs a listing of every place that holds backups."""
        ...

    def guest(self, vmid: int) -> tuple[bool, tuple[str, ...]]:
        """Whether the guest's agent answers now, and the addresses it tells. `look` does not ask: an absent agent costs seconds."""
        ...

    def stop(self, vmid: int, grace_s: int) -> None:
        """Asks the guest to end, and switches it off when the grace is over."""
        ...

    def destroy(self, vmid: int, name: str, tag: str) -> None:
        """A stopped VM with its disks and its seed, only if it has that name and that tag. One that is not there is destroyed."""
        ...

    def by_hand(self, vmid: int) -> str:
        """The command by which a person removes that VM with all that was made for it. Runs nothing, asks nobody."""
        ...
