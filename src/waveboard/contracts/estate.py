"""Everything that could be read of a workspace, side by side, for the checks and for assembling. Decides nothing."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from waveboard.contracts.formats.declared import Gate
from waveboard.contracts.formats.findings import Findings
from waveboard.contracts.formats.gaps import Gaps
from waveboard.contracts.formats.guard import SECTION, Guard, HostSection
from waveboard.contracts.formats.hosts import SshTargets
from waveboard.contracts.formats.loops import Loop, name_of
from waveboard.contracts.formats.packs import Packs
from waveboard.contracts.formats.placement import Placement
from waveboard.contracts.formats.profiles import Profiles
from waveboard.contracts.formats.registries import CapabilityRegistry, GateRegistry, Topology
from waveboard.contracts.formats.stateful import Services
from waveboard.contracts.formats.vms import GONE, Lifecycle, Vm
from waveboard.contracts.formats.waivers import Waivers
from waveboard.contracts.formats.waves import Wave
from waveboard.contracts.formats.windows import Windows
from waveboard.contracts.formats.workspace import Workspace
from waveboard.contracts.nodes import Document
from waveboard.contracts.typed import Read
from waveboard.model.contract import Known, Place


@dataclass(frozen=True, slots=True)
class Section:
    """One `<host>_contract` of a guard file."""

    guard: Read[Guard]
    key: str
    value: HostSection


@dataclass(frozen=True, slots=True)
class LoopFile:
    """One loop file. read: its front matter, None where it has none; body: the markdown below it; text: all of it."""

    path: str
    read: Read[Loop] | None
    body: str
    text: str

    @property
    def id(self) -> str:
        """What it calls itself; its file's name where it calls itself nothing."""
        value = self.read.value if self.read else None
        return (value and (value.loop_id or value.id)) or name_of(self.path)

    @property
    def closed(self) -> bool:
        """A loop that is closed is history: what it demanded binds nobody any more."""
        return bool(self.read and self.read.value.status == "closed")

    def at(self, *loc: str | int) -> Place:
        """Where that value of the front matter stands."""
        return self.read.at(*loc) if self.read else Place(self.path)


@dataclass(frozen=True)
class Estate:
    """broken: workspace keys of which a file is missing or unusable, so that their absence proves nothing.

    documents: every YAML file that could be parsed and that is no register.
    """

    workspace: Read[Workspace]
    known: Known
    hosts: tuple[Read[SshTargets], ...] = ()
    vms: tuple[Read[Lifecycle], ...] = ()
    placement: tuple[Read[Placement], ...] = ()
    profiles: tuple[Read[Profiles], ...] = ()
    guard: tuple[Read[Guard], ...] = ()
    sections: tuple[Section, ...] = ()
    findings: tuple[Read[Findings], ...] = ()
    services: tuple[Read[Services], ...] = ()
    packs: tuple[Read[Packs], ...] = ()
    waves: tuple[Read[Wave], ...] = ()
    windows: tuple[Read[Windows], ...] = ()
    gaps: tuple[Read[Gaps], ...] = ()
    waivers: tuple[Read[Waivers], ...] = ()
    gates: tuple[Read[GateRegistry], ...] = ()
    topology: tuple[Read[Topology], ...] = ()
    capabilities: tuple[Read[CapabilityRegistry], ...] = ()
    loops: tuple[LoopFile, ...] = ()
    declared_gates: tuple[Read[Gate], ...] = ()
    derived: tuple[Document, ...] = ()
    documents: tuple[Document, ...] = ()
    broken: frozenset[str] = frozenset()

    @cached_property
    def prose(self) -> Mapping[str, str]:
        """Texts that only people read (open loops), by path."""
        return {loop.path: loop.text for loop in self.loops if not loop.closed}

    @cached_property
    def gap_ids(self) -> frozenset[str] | None:
        """Every registered gap; None when there is no usable register."""
        if not self.gaps or "gaps" in self.broken:
            return None
        return frozenset(gap.id for read in self.gaps for gap in read.value.gaps)

    @cached_property
    def loop_ids(self) -> frozenset[str] | None:
        """Every loop by its id and by the name of its file; None when there is no usable one."""
        if not self.loops or "loops" in self.broken:
            return None
        return frozenset(name for loop in self.loops for name in (loop.id, name_of(loop.path)))

    @cached_property
    def host_ids(self) -> frozenset[str] | None:
        """Every reachable host's id; None when a host file is unusable."""
        if "hosts" in self.broken:
            return None
        return frozenset(target.id for read in self.hosts for target in read.value.ssh.targets)

    @cached_property
    def stor_ids(self) -> frozenset[str] | None:
        """Every STOR id; None when there is no usable findings map."""
        if "findings" in self.broken or not self.findings:
            return None
        return frozenset(stor.id for read in self.findings for stor in read.value.stor_findings)

    @cached_property
    def pack_ids(self) -> frozenset[str] | None:
        """Every pack's id; None when a pack file is unusable."""
        return None if "packs" in self.broken else frozenset(name for read in self.packs for name in read.value.packs)

    @cached_property
    def gate_codes(self) -> Mapping[str, frozenset[str]]:
        """Every gate there is, in code or in the workspace's own files, with the codes it may say."""
        found = {gate: frozenset(codes) for gate, codes in self.known.gates.items()}
        for read in self.declared_gates:
            shapes = (self.known.kinds.get(check.kind) for check in read.value.checks)
            found.setdefault(read.value.id, frozenset(code for shape in shapes if shape for code in shape.codes))
        return found

    def living(self) -> Iterator[tuple[Read[Lifecycle], int, Vm]]:
        """Every VM that is not gone, with its file and index."""
        for read in self.vms:
            for index, vm in enumerate(read.value.vms):
                if vm.status not in GONE:
                    yield read, index, vm

    @cached_property
    def reached_as(self) -> Mapping[str, str]:
        """VM hostname -> id of the target it is reached as, where the lifecycle says so."""
        return {vm.hostname: vm.ssh_target for _, _, vm in self.living() if vm.ssh_target}

    @cached_property
    def vm_ids(self) -> Mapping[str, frozenset[int]]:
        """Host id or hostname -> every VM id that a living VM or the placement policy claims for it."""
        found: dict[str, set[int]] = {}
        for _, _, vm in self.living():
            if vm.id is None:
                continue
            for name in {vm.hostname, vm.ssh_target or vm.hostname}:
                found.setdefault(name, set()).add(vm.id)
        for read in self.placement:
            for name, storage in (read.value.vm_storage or {}).items():
                if storage.vmid is not None:
                    found.setdefault(self.reached_as.get(name, name), set()).add(storage.vmid)
        return {name: frozenset(ids) for name, ids in found.items()}

    @cached_property
    def guard_of(self) -> Mapping[str, Read[Guard]]:
        """Host id -> the guard whose numbers judge it: its pack's; without a pack, the one whose section names it."""
        files = {read.document.file: read for read in self.guard}
        found: dict[str, Read[Guard]] = {}
        for read in self.packs:
            for pack in read.value.packs.values():
                guard = files.get(pack.guard or next(iter(files), ""))
                for host in pack.hosts if guard else ():
                    found.setdefault(host, guard)  # type: ignore[arg-type]
        sections = {section.key: section.guard for section in reversed(self.sections)}
        for host in self.host_ids or ():
            if section_key(host) in sections:
                found.setdefault(host, sections[section_key(host)])
        return found

    def section_of(self, host: str) -> Section | None:
        """The section of that host in the guard that judges it."""
        guard = self.guard_of.get(host)
        mine = (
            s for s in self.sections if s.key == section_key(host) and s.guard.document is (guard.document if guard else None)
        )
        return next(mine, None)


def section_key(host: str) -> str:
    """`mint-data` -> `mint_data_contract`."""
    return re.sub(r"[-.]", "_", host) + SECTION
