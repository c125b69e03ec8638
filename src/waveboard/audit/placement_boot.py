"""The boot set, and the class of a set of leaves against it. The only place where boot, mixed and data are told apart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from waveboard.audit.placement_backing import NONE, Backing, join, not_known
from waveboard.audit.placement_filesystems import Filesystems
from waveboard.audit.placement_mounts import MountTree, prefixes, tidy
from waveboard.audit.placement_twins import on_the_same_chip, twins
from waveboard.model.facts import BlockDevice, Fstab, FstabEntry, PathFact
from waveboard.model.graph import PlacementClass

ESP = ("/boot/efi", "/efi")
BESIDE_ROOT = ("/boot", *ESP)


@dataclass(frozen=True, slots=True)
class BootSet:
    """Every disk the host cannot start without. unknown: why it may be more. root: filesystems `/` itself is on. untold: fstab
    could not be read, and a /boot that is not mounted may be anywhere; that something is no boot disk is then not observed."""

    disks: frozenset[str]
    unknown: tuple[str, ...]
    root: frozenset[str]
    untold: bool = False


def boot_set(
    files: Filesystems, tree: MountTree, fstab: Fstab | None, asked: Mapping[str, PathFact], recorded: bool = False
) -> BootSet:
    """leaves(/) with all its layers, leaves(EFI partition), leaves of /boot and of what is mounted below it (`/boot/firmware`,
    `/boot/grub`): a boot loader reads all of it. What fstab names for those counts unmounted. asked: what the host resolved;
    where one of these is a link, what it leads to counts like it. recorded: a tree, in which a missing fstab is ordinary."""
    root = tree.walk("/")
    parts = [files.whole(root) if root else not_known("/", "the mount table does not tell what / is on")]
    declared = _declared(fstab)
    below = (*(mount.target for mount in tree.below("/boot")), *(target for target in declared if target.startswith("/boot/")))
    for target in dict.fromkeys((*BESIDE_ROOT, *below)):
        mount, entries = tree.walk(target), declared.get(target, ())
        if mount is None or mount.target != target:
            parts += [part for entry in entries for part in _unmounted(files, entry)]
        elif mount.fstype == "autofs":
            parts += _pending(files, entries, fstab is not None, target)
        else:  # what it hides, or stands in for, is what a boot loader reads
            hidden = [one for one in tree.mounted_at(target) if one is not mount and one.fstype != "autofs"]
            parts += [files.whole(one) for one in (mount, *hidden)]
            parts += [found for entry in entries if (found := files.device(entry.spec)) is not None]
    for target in BESIDE_ROOT:
        fact = asked.get(target)
        if fact is not None and fact.canonical and not target.startswith(fact.canonical):  # resolved to itself, or only so far
            parts += _linked(files, tree, declared if fstab is not None else None, fact, target)
    whole = join(parts)
    if whole.ram and not whole.leaves and not whole.net and not whole.unknown:
        whole = join([whole, not_known("/", "/ is in memory, and what it was loaded from cannot be told")])
    untold = fstab is None and not recorded and not tree.mounted_at("/boot")
    devices = {} if isinstance(files.blocks, str) else files.blocks.devices
    return BootSet(
        whole.leaves | on_the_same_chip(whole.leaves, devices),
        whole.unknown,
        files.of(root).filesystems if root else NONE,
        untold,
    )


def _linked(
    files: Filesystems, tree: MountTree, declared: Mapping[str, Sequence[FstabEntry]] | None, fact: PathFact, target: str
) -> Iterable[Backing]:
    """What a link at `target` leads to, and all that is mounted or to be mounted there. declared: fstab, None when it was not read."""
    real = fact.canonical or target
    mount = tree.walk(real)
    if fact.problem or mount is None or mount.fstype == "autofs" or (declared is None and not fact.exists):
        why = f"{target} leads to {real}, and what that is on cannot be told"
        return (not_known(target, f"{why}: {fact.problem}" if fact.problem else why),)
    declared = declared or {}
    named = [entry for at in prefixes(real) if len(at) > len(mount.target) for entry in declared.get(at, ())]
    named += [entry for at, entries in declared.items() if at.startswith(f"{real}/") for entry in entries]
    below = [files.whole(one) for one in (mount, *tree.below(real)) if one.fstype != "autofs"]
    return [*below, *(part for entry in named for part in _unmounted(files, entry))]


def _declared(fstab: Fstab | None) -> Mapping[str, Sequence[FstabEntry]]:
    """fstab's lines by their mount point, each of them: what mounts the last does not undo the first."""
    found: dict[str, list[FstabEntry]] = {}
    for entry in fstab.entries if fstab else ():
        found.setdefault(tidy(entry.target) if entry.target.startswith("/") else entry.target, []).append(entry)
    return found


def _unmounted(files: Filesystems, entry: FstabEntry) -> Iterable[Backing]:
    """A /boot that fstab names and nothing has mounted is still on its disk."""
    if {"bind", "rbind"} & set(entry.options):
        return (files.at(entry.spec),) if entry.spec.startswith("/") else ()
    found = files.device(entry.spec)
    if found is not None:
        return (found,)
    named = entry.spec.startswith(("UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=", "ID=", "/dev/disk/", "/dev/mapper/"))
    if not named or (not isinstance(files.blocks, str) and files.blocks.lists(entry.spec)):
        return ()  # no device of this host is called so: none of its disks holds it
    return (not_known(entry.target, f"fstab names {entry.spec} for {entry.target}, and which device that is was not recorded"),)


def _pending(files: Filesystems, entries: Sequence[FstabEntry], fstab_read: bool, target: str) -> Iterable[Backing]:
    """An automount nobody triggered: fstab's device. Without an fstab line systemd made it, on root's own disk by its rule."""
    named = [entry for entry in entries if not entry.spec.startswith("/dev/gpt-auto")]
    if not named:
        return () if fstab_read else (not_known(target, f"{target} is an automount and fstab could not be read"),)
    return [part for entry in named for part in _unmounted(files, entry)]


Judgement = tuple[PlacementClass, bool | None, tuple[str, ...]]


def judge(found: Backing, boot: BootSet, devices: Mapping[str, BlockDevice]) -> Judgement:
    """(class, boot, reasons why not more is known)."""
    leaves = found.leaves
    if leaves & boot.disks:
        if found.unknown:
            return PlacementClass.UNKNOWN, True, found.unknown
        if found.ram:
            return PlacementClass.VOLATILE, True, ()
        alone = leaves <= boot.disks and not found.net
        return (PlacementClass.BOOT if alone else PlacementClass.MIXED), True, ()
    if found.unknown:
        return PlacementClass.UNKNOWN, None, found.unknown
    if not leaves:
        certain = None if found.doubts else False
        return (PlacementClass.VOLATILE if found.ram else PlacementClass.NET), certain, found.doubts
    if boot.unknown:
        return PlacementClass.UNKNOWN, None, tuple(f"the boot disk is not known: {why}" for why in boot.unknown)
    if twin := twins(leaves, boot.disks, devices):
        return PlacementClass.UNKNOWN, None, (twin,)
    certain = None if found.doubts else False
    if found.ram:
        return PlacementClass.VOLATILE, certain, found.doubts
    if found.netdisks or found.net:
        return PlacementClass.NETDISK, certain, found.doubts
    kind = PlacementClass.UNKNOWN if found.doubts else PlacementClass.DATA  # it may be reached over a network after all
    return kind, certain, found.doubts
