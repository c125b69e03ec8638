"""Move docker's data-root to the data disk: copy while running, stop, copy again, prove equal, switch by one atomic write.

The old tree is renamed aside, never deleted. The image store of containerd is a different tree: a host that uses it is refused
here until its own step exists, because moving data-root alone would leave its layers on the boot disk.
Source: notes on safe moves 5b; dockerd(8) `data-root`; moby discussion of the containerd snapshotter.
"""

import json
from dataclasses import replace

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import RefusedError
from waveboard.model.facts import Docker, Paths, Unavailable
from waveboard.waves.estimate import measured_or, move_seconds
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param, writers
from waveboard.waves.steps.prepare_docker import STOCK
from waveboard.waves.steps.set_log_rotation import DAEMON_JSON, named_root, settings_text


def _tree_bytes(docker: Docker) -> int | None:
    """What docker says of everything it keeps; None when it said nothing of a part."""
    images = docker.layers_bytes or (None if docker.images is None else sum(i.size_bytes for i in docker.images))
    told = [
        images,
        docker.build_cache_bytes,
        *(v.size_bytes for v in docker.volumes),
        *(c.writable_bytes for c in docker.containers),
    ]
    parts = [size for size in told if size is not None]
    return sum(parts) if len(parts) == len(told) else None


def _start_order(outlook: Outlook, running: list[str]) -> list[str]:
    """Databases first, then the other declared services, then everything else; stopping goes the other way round."""
    engines = {s.container: s.engine for s in outlook.policy.services}
    rank = {"postgres": 0, "redis": 1, "s3": 1, "other": 2}
    return sorted(running, key=lambda name: (rank.get(engines.get(name, ""), 3), name))


def _refuse_another_word(outlook: Outlook, docker: Docker) -> None:
    """Docker works where its settings, or their absence, say. Otherwise the new line in them would not count, or docker would not start:
    dockerd refuses a data-root that stands both in daemon.json and on its command line. Raises: RefusedError."""
    cannot, src, named = f"plan {outlook.wave} on {outlook.facts.host}", docker.root_dir, named_root(outlook)
    if any(option.startswith("name=userns") for option in docker.security_options):
        because = f"docker remaps users (userns-remap) and works on {src}, a directory that it makes itself below its data-root"
        raise RefusedError(
            cannot, because, "move it by hand: stop docker, copy the whole data-root, name the new one, start docker"
        )
    paths = outlook.facts.get(Paths)
    looked = None if isinstance(paths, Unavailable) else paths.by_path.get(named or STOCK)
    if src in (named or STOCK, looked.canonical if looked else None):
        return
    if named:
        because = f"{DAEMON_JSON} names {named}, while docker works on {src}"
        because += ": its next restart would begin there without what it holds"
        fix = "take that line out again, or restart docker if that root is the right one, then audit and plan again"
        raise RefusedError(cannot, because, fix)
    because = f"docker works on {src}, and {DAEMON_JSON} names no data-root: it gets it as a flag of its unit or a drop-in"
    fix = f'look with `systemctl cat docker`, write "data-root": "{src}" into {DAEMON_JSON} instead, restart docker, audit and plan again'
    raise RefusedError(cannot, f"{because} (--data-root), and does not start when both say one", fix)


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    to = text_param(spec, "to")
    docker = outlook.facts[Docker]
    host = outlook.facts.host
    src = outlook.docker_root or docker.root_dir
    after = replace(outlook, docker_root=to)
    if src == to:
        return Rendered((), after, f"docker's data-root is already {to}")
    if docker.driver_status.get("driver-type") == "io.containerd.snapshotter.v1":
        raise RefusedError(
            f"plan {outlook.wave} on {host}",
            f"docker keeps its layers in containerd's own root ({docker.containerd_root or '/var/lib/containerd'}), which data-root does not move",
            "switch the image store to overlay2 or wait for the containerd step; moving data-root alone would leave the layers behind",
        )
    if docker.live_restore:
        raise RefusedError(
            f"plan {outlook.wave} on {host}",
            "live-restore is on: containers would keep writing to the old tree while docker is stopped",
            f'set "live-restore": false in {DAEMON_JSON} and reload docker, then plan again',
        )
    if outlook.docker_root is None:
        _refuse_another_word(outlook, docker)
    if outlook.data_uuid is None or outlook.data_target is None or not to.startswith(outlook.data_target + "/"):
        raise RefusedError(
            f"plan {outlook.wave} on {host}", f"{to} is not below a data disk this wave mounts", "mount_data_disk comes first"
        )
    aside = f"{src}.wb-{outlook.wave}-<plan>"
    order = _start_order(outlook, [c.name for c in docker.containers if c.state == "running"])
    amount = measured_or(_tree_bytes(docker), outlook.facts, src)
    before, text = settings_text(outlook)  # refuses a file that may not be told whole: what it holds would be lost
    settings = json.dumps({**(json.loads(text) if text.strip() else {}), "data-root": to}, indent=2) + "\n"
    step = Step(
        id=prefix,
        verb="docker_root_move",
        host=host,
        title=f"move docker's data-root from {src} to {to}",
        args={
            "src": src,
            "dst": to,
            "dst_mount": {"target": outlook.data_target, "uuid": outlook.data_uuid},
            "daemon_json_before_sha256": before,
            "daemon_json_after": settings,
            "containerd": True,
            "stop_containers": list(reversed(order)),
            "start_order": order,
            "services": [{"container": s.container, "engine": s.engine} for s in outlook.policy.services if s.container in order],
            "writers": writers(spec),
            "expected": {
                "containers": sorted(
                    ({"id": c.id, "name": c.name, "running": c.state == "running"} for c in docker.containers),
                    key=lambda c: str(c["id"]),
                ),
                "volumes": sorted(v.name for v in docker.volumes),
            },
        },
        reversibility=Reversibility.RESTORABLE,
        commands=(
            f"rsync -aHAXS --numeric-ids {src}/ {to}/        # first pass, containers running",
            f"docker stop -t 120 {' '.join(reversed(order))}   # redis by SHUTDOWN SAVE",
            "systemctl stop docker.socket docker.service containerd.service",
            f"rsync -aHAXS --numeric-ids --delete {src}/ {to}/   # second pass, into the directory this step made",
            "# compare both trees: path, type, mode, owner, size, links, xattrs, ACLs, sha256; stop here unless equal",
            f'# {DAEMON_JSON}: "data-root": "{to}"   (compare-and-swap, dockerd --validate)',
            f"mv {src} {aside}        # kept: nothing is deleted",
            "systemctl start containerd.service docker.service docker.socket",
        ),
        undo_commands=(
            "systemctl stop docker.socket docker.service containerd.service",
            f"# {DAEMON_JSON} restored byte for byte",
            f"mv {to} {to}.wb-undone-<plan> && mv {aside} {src}   # volumes written since are carried back",
            f"# what containers wrote since into their own layers is not carried back: it is kept in {to}.wb-undone-<plan>",
            "systemctl start containerd.service docker.service docker.socket",
        ),
        copy_bytes=amount.size_bytes,
        downtime_s=move_seconds(amount.size_bytes),
        amount=amount.told,
        stops=("docker.service", "docker.socket", "containerd.service", *reversed(order)),
        evidence=("mountinfo", "docker"),
        limit_s=6 * 3600,
    )
    return Rendered((step,), replace(after, daemon_json=settings))


STEP = StepKind("move_docker_root", ("to", "writers"), ("to",), render)
