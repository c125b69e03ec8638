"""Where a host path is, on tables indexed once. The steps of one answer: locate the mount, ask what it rests on, judge, tell."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from waveboard.audit.placement_backing import Backing, not_known
from waveboard.audit.placement_boot import BootSet, Judgement, judge
from waveboard.audit.placement_filesystems import Filesystems
from waveboard.audit.placement_flags import Marks
from waveboard.audit.placement_mounts import MountTree, asked_above, tidy
from waveboard.audit.placement_why import sentence
from waveboard.model.facts import BlockDevice, Mount, PathFact
from waveboard.model.graph import Confidence, Node, Placement, PlacementClass


@dataclass(frozen=True, slots=True)
class Ground:
    """The tables of one host, indexed once. docker_*: dockerd's own view when it lives in another mount namespace.

    doubt: why the mount table itself, a recorded one, observes nothing; "" for a table that does.
    """

    tree: MountTree
    files: Filesystems
    docker_tree: MountTree
    docker_files: Filesystems
    devices: Mapping[str, BlockDevice]
    boot: BootSet
    marks: Marks
    paths: Mapping[str, PathFact]
    recorded: bool
    doubt: str = ""
    judged: dict[int, tuple[Backing, Judgement]] = field(default_factory=dict, compare=False)  # by id, which the backing keeps

    def judge(self, backing: Backing) -> Judgement:
        """(class, boot, reasons) of what rests there, worked out once for each backing."""
        known = self.judged.get(id(backing))
        if known is None:
            known = self.judged[id(backing)] = (backing, judge(backing, self.boot, self.devices))
        return known[1]


# -- a host path ------------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """Where a path led. problem: why no answer may be given. missing: the path is not there. known: how well."""

    text: str
    mount: Mount | None
    known: Confidence
    flags: frozenset[str] = frozenset()
    problem: str = ""
    missing: bool = False
    note: str = ""


def where(
    ground: Ground, path: str, tree: MountTree | None = None, files: Filesystems | None = None, proof: Mount | None = None
) -> Placement:
    """The placement of a host path. tree, files: dockerd's, for a path of its own. proof: the mount it was seen to be on."""
    if not path.startswith("/"):
        return unknown(path, "it is not an absolute path")
    tree, files = tree or ground.tree, files or ground.files
    found = locate(ground, path, tree) if proof is None else Found(tidy(path), proof, Confidence.OBSERVED)
    if found.mount is None:
        return unknown(path, found.problem or "the mount table does not tell what it is on", found.flags)
    backing = files.of(found.mount)
    kind, boot, reasons = ground.judge(backing)
    flags = set(found.flags) | ground.marks.of_mount((tidy(path), found.text), found.mount, backing, kind)
    if ground.marks.read_only(found.mount):
        flags.add("READ_ONLY")
    if tree.hides(found.text, found.mount):
        flags.add("SHADOWED")
    if found.problem or found.missing:
        return _no_answer(ground, path, found, kind, flags)
    found = found._replace(known=as_sure(found.known, backing, boot, ground))
    if ground.doubt and found.known is Confidence.OBSERVED:
        found = found._replace(known=Confidence.DECLARED, note=ground.doubt)
    known = Confidence.NONE if kind is PlacementClass.UNKNOWN and not backing.leaves else found.known
    note = "; ".join(filter(None, (found.note, ground.marks.not_told(kind))))
    why = sentence(path, found.mount, backing, kind, ground.boot.disks, reasons, flags, note)
    return settle(path, found.mount, backing, kind, boot, known, why, flags, found.text)


def as_sure(known: Confidence, backing: Backing, boot: bool | None, ground: Ground) -> Confidence:
    """No surer than what it rests on: a spelling, or a boot set of which a part was not told."""
    weak = backing.lexical or (boot is False and ground.boot.untold)
    return Confidence.LEXICAL if weak and known is Confidence.OBSERVED else known


def locate(ground: Ground, path: str, tree: MountTree) -> Found:
    """Which mount a host path is on: the kernel's own mount id first, else the walk of the mount tree."""
    text = tidy(path)
    fact = ground.paths.get(path) or ground.paths.get(text)
    if fact is None:
        note = "the host was not asked about this path, so links on the way could not be seen"
        through = asked_above(text, ground.paths)
        return Found(through, tree.walk(through), Confidence.LEXICAL, problem=_automount(tree, through), note=note)
    where_to = fact.canonical or text
    walked = tree.walk(where_to if fact.canonical else fact.ancestor or text)
    if pending := _automount(tree, where_to):
        return Found(where_to, walked, Confidence.NONE, frozenset(("AUTOFS_PENDING",)), pending)
    if fact.blocked:
        return Found(where_to, walked, Confidence.LEXICAL, frozenset(("BLOCKED",)), note=f"{fact.blocked} may not be entered")
    if fact.problem:
        flags = frozenset(("AUTOFS_PENDING",)) if fact.problem.startswith("autofs") else frozenset[str]()
        return Found(where_to, walked, Confidence.NONE, flags, f"the host could not answer for it: {fact.problem}")
    if ground.recorded:
        known = Confidence.OBSERVED if fact.exists else Confidence.LEXICAL
        note = "" if fact.exists else "the recording does not hold the path itself, so links on the way could not be seen"
        return Found(where_to, walked, known, note=note)
    if not fact.exists:
        mount = _by_kernel(tree, fact) or walked
        return Found(where_to, mount, Confidence.OBSERVED, frozenset(("PATH_MISSING",)), missing=True)
    if fact.mount_id is None or tree is not ground.tree:
        return Found(where_to, walked, Confidence.OBSERVED)
    mount = _by_kernel(tree, fact)
    if mount is None:
        note = "the kernel's mount id is not in the mount table, which belongs to another namespace or has changed"
        return Found(where_to, walked, Confidence.LEXICAL, note=note)
    return Found(where_to, mount, Confidence.OBSERVED)


def _by_kernel(tree: MountTree, fact: PathFact) -> Mount | None:
    return tree.by_id(fact.mount_id) if fact.mount_id is not None else None


def _automount(tree: MountTree, text: str) -> str:
    mount = tree.walk(text)
    pending = mount is not None and mount.fstype == "autofs"
    return f"{mount.target} is an automount that nothing has triggered" if pending and mount else ""


def _no_answer(ground: Ground, path: str, found: Found, kind: PlacementClass, flags: set[str]) -> Placement:
    """The path is not there or must not be looked at: what it would be is told, and no more."""
    assert found.mount is not None
    if found.mount.fstype == "autofs":
        flags.add("AUTOFS_PENDING")
        planned = ground.marks.planned_at(found.mount.target)
        kind = _predict(ground, planned.spec) if planned else PlacementClass.UNKNOWN
    reason = found.problem or "it does not exist yet"
    would = f"; it would be {kind.value}" if kind is not PlacementClass.UNKNOWN else ""
    if found.missing and kind is not PlacementClass.UNKNOWN:
        would += f" on the {found.mount.fstype} mounted at {found.mount.target}"
    nodes = (Node("path", path), Node("mount", found.mount.target, found.mount.source))
    mount = found.mount
    why = f"{path} cannot be placed: {reason}{would}"
    if missing := ground.marks.not_mounted((tidy(path), found.text)):
        why += f"; fstab names {missing}, which is not mounted"
    predicted = None if kind is PlacementClass.UNKNOWN else kind
    return Placement(
        path, mount.target, mount.source, mount.fstype, nodes, (), PlacementClass.UNKNOWN, None, Confidence.NONE, why,
        tuple(sorted(flags)), None, predicted,
    )  # fmt: skip


def _predict(ground: Ground, spec: str) -> PlacementClass:
    backing = ground.files.device(spec)
    return PlacementClass.UNKNOWN if backing is None else ground.judge(backing)[0]


# -- answers ----------------------------------------------------------------------------------------------------------


def settle(
    path: str,
    mount: Mount | None,
    backing: Backing,
    kind: PlacementClass,
    boot: bool | None,
    known: Confidence,
    why: str,
    flags: Collection[str],
    text: str,
    container: str | None = None,
    first: tuple[Node, ...] = (),
) -> Placement:
    """A placement with its chain. first: nodes before the mount."""
    start = first or (Node("path", path, text if text != path else ""),)
    return Placement(
        path=path,
        mount_target=mount.target if mount else None,
        mount_source=mount.source if mount else None,
        mount_fstype=mount.fstype if mount else None,
        chain=(*start, *backing.nodes),
        disks=tuple(sorted(backing.leaves)),
        placement=kind,
        boot=boot,
        confidence=known,
        why=why,
        flags=tuple(sorted(flags)),
        container=container,
    )


def unknown(path: str, reason: str, flags: Iterable[str] = ()) -> Placement:
    """No answer, and why."""
    backing = not_known(path, reason)
    why = f"{path} cannot be placed: {reason}"
    return settle(path, None, backing, PlacementClass.UNKNOWN, None, Confidence.NONE, why, sorted(flags), path)
