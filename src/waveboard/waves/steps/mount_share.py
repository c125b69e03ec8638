"""Mount a network share that the contracts name: its line in fstab, really mounted, at a mount point nobody can write to while it is bare.

The line says `nofail`, so that a server that is away does not keep the host from starting; what writes there then gets an error
instead of filling the boot disk. Whether the share can be written is its export's to say. Undo unmounts and restores fstab byte for
byte. Source: notes on safe moves 5a; nfs(5), systemd.mount(5).
"""

from dataclasses import replace

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import RefusedError
from waveboard.model.facts import Docker, Fstab, Mounts, PathFact, Paths, Unavailable
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param

FSTAB = "/etc/fstab"
OPTIONS = "defaults,noatime,_netdev,nofail,x-systemd.mount-timeout=30s"


def _refuse_used(outlook: Outlook, target: str) -> None:
    where = f"plan {outlook.wave} on {outlook.facts.host}"
    found = outlook.facts[Paths].by_path.get(target, PathFact(target, None, False, None, problem="it was not looked at"))
    if found.problem or found.blocked:
        raise RefusedError(where, f"{target} could not be looked at ({found.problem or found.blocked})", "audit again")
    if found.exists and found.non_empty is not False:
        raise RefusedError(where, f"{target} is not provably empty", "data may lie under it: move it away yourself first")
    docker = outlook.facts.get(Docker)
    inside = target.rstrip("/") + "/"
    for container in () if isinstance(docker, Unavailable) else docker.containers:
        for mount in container.mounts:
            if mount.type == "bind" and (mount.source == target or mount.source.startswith(inside)):
                because = f"{container.name} has {mount.source} bound: it would go on with the bare directory"
                raise RefusedError(where, because, "remove the container first, and make it again on the share")


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    source, target = text_param(spec, "source"), text_param(spec, "target")
    where = f"plan {outlook.wave} on {outlook.facts.host}"
    if (target, source) not in outlook.policy.nfs_mounts:
        known = ", ".join(f"{one} at {path}" for path, one in outlook.policy.nfs_mounts) or "none"
        raise RefusedError(where, f"no contract asks for {source} at {target} (they ask for: {known})", "add it to nfs_mounts")
    entries = [e for e in outlook.facts[Fstab].entries if e.target == target]
    mounted = [m for m in outlook.facts[Mounts].table if m.target == target]
    there = mounted and mounted[-1].source == source and mounted[-1].fstype.startswith("nfs")
    if there and any(e.spec == source for e in entries):
        return Rendered((), outlook, f"{source} is mounted at {target} already")
    if entries or mounted:
        what = f"{mounted[-1].source} is mounted" if mounted else f"{entries[0].origin} names {entries[0].spec}"
        raise RefusedError(where, f"{what} at {target}", "settle what is there first: waveboard does not mount over it")
    _refuse_used(outlook, target)
    step = Step(
        id=prefix,
        verb="mount_share",
        host=outlook.facts.host,
        title=f"mount {source} at {target} from fstab",
        args={
            "source": source,
            "target": target,
            "fstype": "nfs",
            "options": OPTIONS,
            "fstab_before_sha256": outlook.file(FSTAB).digest,
            "fstab_edited_by": (outlook.edited_by or {}).get(FSTAB),
        },
        reversibility=Reversibility.EXACT,
        commands=(
            f"mkdir -p {target} && chattr +i {target}   # the bare mount point cannot be written",
            f"echo '{source} {target} nfs {OPTIONS} 0 0' >> {FSTAB} && findmnt --verify && mount {target}",
        ),
        undo_commands=(f"umount {target}", f"# {FSTAB} restored byte for byte; chattr -i and rmdir of the mount point"),
        evidence=("mountinfo", "fstab"),
        limit_s=600,
    )
    return Rendered((step,), replace(outlook, edited_by={**(outlook.edited_by or {}), FSTAB: prefix}))


STEP = StepKind("mount_share", ("source", "target"), ("source", "target"), render)
