"""Everything that could be read of a workspace, side by side, for the checks and for assembling. Decides nothing."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from waveboard.contracts.formats.findings import Findings
from waveboard.contracts.formats.guard import SECTION, Guard, HostSection
from waveboard.contracts.formats.hosts import SshTargets
from waveboard.contracts.formats.packs import Packs
from waveboard.contracts.formats.placement import Placement
from waveboard.contracts.formats.stateful import Services
from waveboard.contracts.formats.vms import GONE, Lifecycle, Vm
from waveboard.contracts.formats.waves import Wave
from waveboard.contracts.formats.windows import Windows
from waveboard.contracts.formats.workspace import Workspace
from waveboard.contracts.nodes import Document
from waveboard.contracts.typed import Read
from waveboard.model.contract import Known


@dataclass(frozen=True, slots=True)
class Section:
    """One `<host>_contract` of a guard file."""

    guard: Read[Guard]
    key: str
    value: HostSection


@dataclass(frozen=True, slots=True)
class Estate:
    """broken: workspace keys of which a file is missing or unusable, so that their absence proves nothing.

    documents: every YAML file that could be parsed. prose: texts that only people read (open loops), by path.
    listed: ids found in registers that nothing judges yet, by workspace key; no entry: no such register.
    """

    workspace: Read[Workspace]
    known: Known
    hosts: tuple[Read[SshTargets], ...] = ()
    vms: tuple[Read[Lifecycle], ...] = ()
    placement: tuple[Read[Placement], ...] = ()
    guard: tuple[Read[Guard], ...] = ()
    sections: tuple[Section, ...] = ()
    findings: tuple[Read[Findings], ...] = ()
    services: tuple[Read[Services], ...] = ()
    packs: tuple[Read[Packs], ...] = ()
    waves: tuple[Read[Wave], ...] = ()
    windows: tuple[Read[Windows], ...] = ()
    derived: tuple[Document, ...] = ()
    gates: tuple[Document, ...] = ()
    documents: tuple[Document, ...] = ()
    prose: Mapping[str, str] = field(default_factory=dict)
    listed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()

    @property
    def host_ids(self) -> frozenset[str] | None:
        """Every reachable host's id; None when a host file is unusable."""
        if "hosts" in self.broken:
            return None
        return frozenset(target.id for read in self.hosts for target in read.value.ssh.targets)

    @property
    def stor_ids(self) -> frozenset[str] | None:
        """Every STOR id; None when there is no usable findings map."""
        if "findings" in self.broken or not self.findings:
            return None
        return frozenset(stor.id for read in self.findings for stor in read.value.stor_findings)

    @property
    def pack_ids(self) -> frozenset[str] | None:
        """Every pack's id; None when a pack file is unusable."""
        return None if "packs" in self.broken else frozenset(name for read in self.packs for name in read.value.packs)

    def living(self) -> Iterator[tuple[Read[Lifecycle], int, Vm]]:
        """Every VM that is not gone, with its file and index."""
        for read in self.vms:
            for index, vm in enumerate(read.value.vms):
                if vm.status not in GONE:
                    yield read, index, vm

    def host_of(self, hostname: str) -> str:
        """The host id under which a VM's hostname is reached: its ssh_target where the lifecycle names one."""
        return next((vm.ssh_target for _, _, vm in self.living() if vm.hostname == hostname and vm.ssh_target), hostname)

    def section_of(self, host: str) -> Section | None:
        """The guard section of that host."""
        return next((s for s in self.sections if s.key == section_key(host)), None)


def section_key(host: str) -> str:
    """`mint-data` -> `mint_data_contract`."""
    return re.sub(r"[-.]", "_", host) + SECTION
