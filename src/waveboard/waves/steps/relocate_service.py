"""Move one compose service's data to the data disk: quiesce, copy, prove equal, switch one mount, prove the service's own data.

The old data stays where it was or is renamed aside; nothing is deleted. Only the mount of the named data path changes: the container
is made anew, and begins with what the old one had written into its own layer.
Source: notes on safe moves 5c; the compose file reference (short volume syntax).
"""

from dataclasses import asdict

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import RefusedError
from waveboard.waves.compose_edit import bind, shown
from waveboard.waves.composed import composed
from waveboard.waves.estimate import move_seconds
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param, writers
from waveboard.waves.own_layer import own_layer
from waveboard.waves.stateful import amount_in, declared, mount_at, running

_CHECKS = {
    "postgres": "rows of every table, system identifier",
    "redis": "every key's value (SAVE first, so that a stop loses nothing)",
    "s3": "every object, by its content",
    "other": "the file manifest",
}


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    name, to = text_param(spec, "container"), text_param(spec, "to")
    service = declared(outlook, name)
    container = running(outlook, name)
    data_path = service.data_paths[0]
    mount = mount_at(container, data_path)
    if mount.type == "bind" and mount.source == to:
        return Rendered((), outlook, f"{name} already keeps {data_path} at {to}")
    compose = composed(outlook, container)
    if outlook.data_uuid is None or outlook.data_target is None or not to.startswith(outlook.data_target + "/"):
        raise RefusedError(
            f"plan {outlook.wave}", f"{to} is not below a data disk this wave mounts", "mount_data_disk comes first"
        )
    edits = bind(compose.file, compose.lines, compose.service, data_path, to)
    layer = own_layer(outlook, container, compose, to)
    amount = amount_in(outlook, mount) + layer.amount
    is_bind = mount.type == "bind"
    short = mount.name[:12] if len(mount.name) == 64 else mount.name
    src = mount.source if is_bind else f"volume {mount.name}"
    aside = f"{src}.wb-{outlook.wave}-<plan>"
    place = src if is_bind else f"$(docker volume inspect -f '{{{{.Mountpoint}}}}' {short})"
    step = Step(
        id=prefix,
        verb="service_relocate",
        host=outlook.facts.host,
        title=f"move {name} ({service.engine}) from {src if is_bind or len(mount.name) < 64 else 'the anonymous volume ' + short} to {to}",
        args={
            "container": name,
            "engine": service.engine,
            **compose.args(edits),
            "source": {"kind": "bind", "path": mount.source} if is_bind else {"kind": "volume", "name": mount.name},
            "dst": to,
            "dst_mount": {"target": outlook.data_target, "uuid": outlook.data_uuid},
            "data_path": data_path,
            "writers": writers(spec),
            "s3": asdict(service.s3) if service.s3 else None,
        },
        reversibility=Reversibility.RESTORABLE,
        commands=(
            f"# record {_CHECKS[service.engine]}",
            f"docker update --restart no {name} && docker stop -t 120 {name}",
            f"rsync -aHAXS --numeric-ids {place}/ {to}/   # then compare: modes, owners, xattrs, links, sha256; stop unless equal",
            *layer.keep,
            f"# {compose.file}, compare-and-swap:\n{shown(edits)}",
            *layer.make,
            f"# compare {_CHECKS[service.engine]} with the record; roll back unless equal",
            *((f"mv {src} {aside}        # kept: nothing is deleted",) if is_bind else (f"# the old volume {short} stays",)),
        ),
        undo_commands=(
            f"docker stop -t 120 {name}",
            *layer.keep_back,
            "# writes since the switch are carried back; without any, the old data is used exactly as it was",
            *((f"mv {aside} {src}",) if is_bind else ()),
            f"# {compose.file} restored byte for byte",
            f"# {name} on {'volume ' + short if mount.name else src} again:",
            *layer.make_back,
        ),
        copy_bytes=amount.size_bytes,
        downtime_s=move_seconds(amount.size_bytes),
        amount=amount.told,
        stops=(name,),
        evidence=("docker", "mountinfo"),
        limit_s=3 * 3600,
    )
    return Rendered((step,), compose.after(edits, prefix))


STEP = StepKind("relocate_service", ("container", "to", "writers"), ("container", "to"), render)
