"""The one way in: a workspace's bytes -> a Contract, or every complaint about it. Reads nothing, judges no host, never raises."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from waveboard.contracts import assemble
from waveboard.contracts.check import error, warning
from waveboard.contracts.estate import Estate, LoopFile, Section
from waveboard.contracts.files import UNJUDGED, WORKSPACE, Asked, asked, is_glob, matches, wanted
from waveboard.contracts.formats.declared import Gate
from waveboard.contracts.formats.findings import Findings
from waveboard.contracts.formats.gaps import Gaps
from waveboard.contracts.formats.guard import SECTION, Guard, HostSection
from waveboard.contracts.formats.hosts import SshTargets
from waveboard.contracts.formats.packs import Packs
from waveboard.contracts.formats.placement import Placement
from waveboard.contracts.formats.profiles import Profiles
from waveboard.contracts.formats.registries import CapabilityRegistry, GateRegistry, Topology
from waveboard.contracts.formats.stateful import Services
from waveboard.contracts.formats.vms import Lifecycle
from waveboard.contracts.formats.waivers import Waivers
from waveboard.contracts.formats.waves import Wave
from waveboard.contracts.formats.windows import Windows
from waveboard.contracts.formats.workspace import Workspace
from waveboard.contracts.loop_files import loop_file
from waveboard.contracts.nodes import Document, Table
from waveboard.contracts.shelf import checks
from waveboard.contracts.text import decode, read
from waveboard.contracts.typed import Read, fit
from waveboard.model.contract import Complaint, Contract, Known, Place, Unreadable

__all__ = ["Loaded", "estate_of", "load", "wanted"]

FORMATS: Mapping[str, type[BaseModel]] = {
    "hosts": SshTargets,
    "vms": Lifecycle,
    "placement": Placement,
    "profiles": Profiles,
    "guard": Guard,
    "findings": Findings,
    "gaps": Gaps,
    "waivers": Waivers,
    "gates": GateRegistry,
    "topology": Topology,
    "capabilities": CapabilityRegistry,
    "services": Services,
    "packs": Packs,
    "waves": Wave,
    "windows": Windows,
    "declared_gates": Gate,
}


_REGISTERS = frozenset({"gaps", "gates", "topology", "capabilities"})  # told of what was, so no rule is looked for in their prose


@dataclass(frozen=True, slots=True)
class Loaded:
    """contract: None as soon as there is one error. complaints: by file and place, errors and warnings mixed."""

    contract: Contract | None
    complaints: tuple[Complaint, ...]

    @property
    def errors(self) -> tuple[Complaint, ...]:
        """What makes the contract unusable."""
        return tuple(c for c in self.complaints if c.level == "error")

    @property
    def warnings(self) -> tuple[Complaint, ...]:
        """What somebody should settle."""
        return tuple(c for c in self.complaints if c.level != "error")


def load(workspace: bytes | Unreadable, files: Mapping[str, bytes | Unreadable], known: Known) -> Loaded:
    """The contract of these bytes. files: everything `wanted(workspace)` asked for, by path relative to the workspace; what could
    not be read as Unreadable, what is not there left out. known: the gates and kinds of step that exist."""
    if isinstance(workspace, Unreadable):
        return Loaded(
            None,
            (
                error(
                    Place(WORKSPACE), "", "missing-file", f"cannot read it: {workspace.reason}", "run `waveboard` in a workspace"
                ),
            ),
        )
    document, complaints = read(WORKSPACE, workspace)
    if document is None:
        return Loaded(None, complaints)
    value, more = fit(document, Workspace)
    if value is None:
        return Loaded(None, _tidy((*complaints, *more)))
    estate, said = _gather(Read(document, value), files, known)
    found = [*complaints, *more, *said]
    for check in checks():
        found.extend(check.run(estate))
    tidy = _tidy(found)
    if any(c.level == "error" for c in tidy):
        return Loaded(None, tidy)
    used = {
        path: raw
        for one in asked(value)
        for p in one.patterns
        for path in matches(p, files)
        if isinstance(raw := files[path], bytes)
    }
    contract = assemble.contract(estate, {WORKSPACE: workspace, **used})
    return Loaded(replace(contract, complaints=tidy), tidy)


def estate_of(workspace: bytes, files: Mapping[str, bytes | Unreadable], known: Known) -> Estate | None:
    """Everything that could be read, unjudged; None for a waveboard.yaml that cannot be used."""
    document, _ = read(WORKSPACE, workspace)
    value = fit(document, Workspace)[0] if document else None
    return _gather(Read(document, value), files, known)[0] if document and value else None


def _tidy(complaints: Iterable[Complaint]) -> tuple[Complaint, ...]:
    unique = dict.fromkeys(complaints)
    return tuple(sorted(unique, key=lambda c: (c.place.file, c.place.line, c.place.col, c.level, c.code, c.message)))


def _gather(workspace: Read[Workspace], files: Mapping[str, bytes | Unreadable], known: Known) -> tuple[Estate, list[Complaint]]:
    said: list[Complaint] = []
    reads: dict[str, list[Read[Any]]] = {key: [] for key in FORMATS}
    derived: list[Document] = []
    sections: list[Section] = []
    loops: list[LoopFile] = []
    broken: set[str] = set()
    for one in asked(workspace.value):
        found = list(_found(workspace, one, files, said))
        if found.count(None):
            broken.add(one.key)
        for path, raw in filter(None, found):
            if one.key in UNJUDGED:
                said.extend(decode(path, raw, one.limits)[1])
                continue
            if one.key == "loops":
                loop, amiss = loop_file(path, raw, warning)  # a glob may meet a page for people
                said.extend(amiss)
                loops += [loop] if loop else []
                broken |= {one.key} if any(c.level == "error" for c in amiss) else set()
                continue
            document, amiss = read(path, raw, one.limits)
            said.extend(amiss)
            if document and one.key == "derived":
                derived.append(document)
            if document and one.key in FORMATS:
                value, unfit = fit(document, FORMATS[one.key], apart=SECTION if one.key == "guard" else "")
                amiss += unfit
                said.extend(unfit)
                if value is not None:
                    reads[one.key].append(Read(document, value))
                if one.key == "guard":
                    sections.extend(_sections(document, value, said))
            if document is None or any(c.level == "error" for c in amiss):
                broken.add(one.key)
    documents = tuple(r.document for key in FORMATS if key not in _REGISTERS for r in reads[key])
    estate = Estate(
        workspace,
        known,
        **{key: tuple(found) for key, found in reads.items()},
        derived=tuple(derived),
        loops=tuple(loops),
        sections=tuple(sections),
        documents=documents,
        broken=frozenset(broken),
    )
    return estate, said


def _found(
    workspace: Read[Workspace], one: Asked, files: Mapping[str, bytes | Unreadable], said: list[Complaint]
) -> Iterator[tuple[str, bytes] | None]:
    """The key's files; None for each that should be there and is not."""
    seen: set[str] = set()
    for index, pattern in enumerate(one.patterns):
        place, path = workspace.at(*one.loc, index), ".".join(one.loc)
        names = matches(pattern, files)
        if not names and not is_glob(pattern):
            said.append(
                error(
                    place, path, "missing-file", f"there is no file `{pattern}`", "create it, correct the path, or drop the key"
                )
            )
            yield None
        elif not names:
            said.append(warning(place, path, "no-match", f"nothing matches `{pattern}`", "correct the pattern, or drop the key"))
        for name in names:
            raw = files[name]
            if isinstance(raw, Unreadable):
                code = "missing-file" if raw.reason == "no such file" else "unreadable-file"
                said.append(
                    error(place, path, code, f"cannot read `{name}`: {raw.reason}", "make it a readable file below the workspace")
                )
                yield None
            elif name not in seen:
                seen.add(name)
                yield name, raw


def _sections(document: Document, guard: BaseModel | None, said: list[Complaint]) -> Iterator[Section]:
    keys = document.root.entries if isinstance(document.root, Table) else {}
    for key in keys:
        if key.endswith(SECTION) and key not in Guard.model_fields:
            value, wrong = fit(document, HostSection, (key,))
            said.extend(wrong)
            if value is not None and isinstance(guard, Guard):
                yield Section(Read(document, guard), key, value)
