"""What a plan depends on, reduced to one digest, so that "the facts have changed" is a comparison and not an opinion.

Sizes, counters and times are left out on purpose: data grows while a person reads a plan. Identity, disks, mounts, files to be
edited, containers and their mounts are in: any change there voids the plan.
"""

import json
from hashlib import sha256

from waveboard.model.facts import BlockDevices, ConfigFiles, Docker, Fstab, HostFacts, Mounts, Unavailable


def relied_on(facts: HostFacts) -> dict[str, object]:
    """The facts a plan for this host relies on, JSON-ready and in a fixed order."""
    docker, files, fstab = facts.get(Docker), facts.get(ConfigFiles), facts.get(Fstab)
    blocks, mounts = facts.get(BlockDevices), facts.get(Mounts)
    return {
        "machine_id": facts.identity.machine_id,
        "disks": []
        if isinstance(blocks, Unavailable)
        else sorted(
            [d.serial or d.wwid or d.name, d.size_bytes]
            for d in blocks.devices.values()
            if d.parent is None and not d.slaves and not d.loop_file
        ),
        "mounts": []
        if isinstance(mounts, Unavailable)
        else sorted([m.target, m.fstype] for m in mounts.table if m.source.startswith("/dev/") and "/docker/" not in m.target),
        "fstab": [] if isinstance(fstab, Unavailable) else [[e.spec, e.target, e.fstype, list(e.options)] for e in fstab.entries],
        "files": {} if isinstance(files, Unavailable) else {path: f.sha256 for path, f in sorted(files.by_path.items())},
        "docker": None
        if isinstance(docker, Unavailable)
        else {
            "root": docker.root_dir,
            "containers": sorted([c.id, c.name, sorted([m.destination, m.source] for m in c.mounts)] for c in docker.containers),
            "volumes": sorted(v.name for v in docker.volumes),
        },
    }


def fingerprint(facts: HostFacts) -> str:
    """`sha256:…` of relied_on."""
    text = json.dumps(relied_on(facts), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + sha256(text.encode()).hexdigest()
