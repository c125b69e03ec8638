"""What a plan depends on, reduced to one digest, so that "the facts have changed" is a comparison and not an opinion.

Sizes, counters and times are left out on purpose: data grows while a person reads a plan. Identity, disks, mounts, files to be
edited, containers and their mounts are in: any change there voids the plan.
"""

import json
from hashlib import sha256

from waveboard.model.facts import BlockDevices, ConfigFiles, Docker, Fstab, HostFacts, Mounts, Unavailable


def relied_on(facts: HostFacts) -> dict[str, object]:
    """The facts a plan for this host relies on, JSON-ready and in a fixed order. None: what could not be seen, which is not nothing."""
    docker, files, fstab = facts.get(Docker), facts.get(ConfigFiles), facts.get(Fstab)
    blocks, mounts = facts.get(BlockDevices), facts.get(Mounts)
    return {
        "machine_id": facts.identity.machine_id,
        "disks": None if isinstance(blocks, Unavailable) else _disks(blocks),
        "mounts": None
        if isinstance(mounts, Unavailable)
        else sorted([m.target, m.fstype] for m in mounts.table if m.source.startswith("/dev/") and "/docker/" not in m.target),
        "fstab": None
        if isinstance(fstab, Unavailable)
        else [[e.spec, e.target, e.fstype, list(e.options)] for e in fstab.entries],
        "files": None if isinstance(files, Unavailable) else {path: f.sha256 for path, f in sorted(files.by_path.items())},
        "docker": None if isinstance(docker, Unavailable) else _docker(docker),
    }


def _disks(blocks: BlockDevices) -> list[list[object]]:
    whole = (d for d in blocks.devices.values() if d.parent is None and d.devno and not d.slaves and not d.loop_file)
    return sorted([d.serial or d.wwid or d.name, d.size_bytes] for d in whole)


def _docker(docker: Docker) -> dict[str, object]:
    return {
        "root": docker.root_dir,
        "containers": sorted([c.id, c.name, sorted([m.destination, m.source] for m in c.mounts)] for c in docker.containers),
        "volumes": sorted(v.name for v in docker.volumes),
    }


def unseen(facts: HostFacts) -> tuple[str, ...]:
    """What a plan relies on and this look did not see, each with its reason: with it missing nothing can be said to have changed."""
    found = ((noun, facts.get(noun)) for noun in (BlockDevices, Mounts, Fstab, ConfigFiles, Docker))
    return tuple(f"{noun.__name__}: {fact.reason}" for noun, fact in found if isinstance(fact, Unavailable))


def fingerprint(facts: HostFacts) -> str:
    """`sha256:…` of relied_on."""
    text = json.dumps(relied_on(facts), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + sha256(text.encode()).hexdigest()
