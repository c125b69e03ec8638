"""Give one compose service's data a volume with a name, bound to the directory where the contract wants its bytes.

From an anonymous or other volume, or from a directory, the data is carried with a proven copy and the old kept aside; data that
already lies in that directory stays there and only its name is new. The hand refuses a volume of that name which it did not make.
Source: notes on safe moves 5d; docs.docker.com, `docker volume create` (driver-specific options of the local driver).
"""

from dataclasses import asdict

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import ContractError
from waveboard.model.facts import ContainerMount, Docker
from waveboard.waves.compose_edit import shown
from waveboard.waves.compose_volume import key_for, named
from waveboard.waves.composed import composed
from waveboard.waves.estimate import Amount, move_seconds
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param, writers
from waveboard.waves.own_layer import own_layer
from waveboard.waves.stateful import amount_in, data_disk, declared, mount_at, running


def _target(spec: StepSpec, outlook: Outlook, name: str) -> str:
    to = spec.params.get("to") or declared(outlook, name).data_dir
    if not isinstance(to, str):
        raise ContractError(
            f"render step {spec.kind}",
            f"{spec.place}: neither `to` nor the data_dir of {name} in services.yaml says where its bytes belong",
            "add `data_dir:` to the service",
        )
    return to


def _done(outlook: Outlook, mount: ContainerMount, volume: str, to: str) -> bool:
    found = next((v for v in outlook.facts[Docker].volumes if v.name == volume), None)
    return mount.type == "volume" and mount.name == volume and found is not None and found.bound_to == to


def _texts(name: str, mount: ContainerMount, to: str, wave: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """How the source is called, and what is shown of carrying its data there and back."""
    if mount.type == "bind" and mount.source == to:
        stays = f"# the data stays in {to}: nothing is copied"
        return to, (stays,), (stays, "# and what was written since stays with it")
    short = mount.name[:12] if len(mount.name) == 64 else mount.name
    back = "# writes since the switch are carried back; without any, the old data is used exactly as it was"
    if mount.type == "bind":
        aside = f"{mount.source}.wb-{wave}-<plan>"
        copy = f"rsync -aHAXS --numeric-ids {mount.source}/ {to}/   # then compare: modes, owners, xattrs, links, sha256; stop unless equal"
        return (
            mount.source,
            (copy, f"mv {mount.source} {aside}        # kept: nothing is deleted"),
            (back, f"mv {aside} {mount.source}"),
        )
    place = f"$(docker volume inspect -f '{{{{.Mountpoint}}}}' {short})"
    copy = f"rsync -aHAXS --numeric-ids {place}/ {to}/   # then compare: modes, owners, xattrs, links, sha256; stop unless equal"
    what = "the anonymous volume" if len(mount.name) == 64 else "volume"
    return f"{what} {short}", (copy, f"# the old volume {short} stays"), (back, f"# {name} mounts volume {short} again")


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    name, volume, to = text_param(spec, "container"), text_param(spec, "volume"), ""
    service, container = declared(outlook, name), running(outlook, name)
    to, data_path = _target(spec, outlook, name), service.data_paths[0]
    mount = mount_at(container, data_path)
    if _done(outlook, mount, volume, to):
        return Rendered((), outlook, f"{name} already keeps {data_path} in volume {volume} at {to}")
    compose = composed(outlook, container)
    edits = named(compose.file, compose.lines, compose.service, data_path, key_for(compose.project, volume), volume, to)
    layer = own_layer(outlook, container, compose, to)
    amount = layer.amount + (Amount(0) if mount.type == "bind" and mount.source == to else amount_in(outlook, mount))
    source, carry, back = _texts(name, mount, to, outlook.wave)
    step = Step(
        id=prefix,
        verb="name_volume",
        host=outlook.facts.host,
        title=f"give {name}'s data the volume {volume}, bound to {to} (it is in {source})",
        args={
            "container": name,
            "engine": service.engine,
            **compose.args(edits),
            "source": {"kind": "bind", "path": mount.source} if mount.type == "bind" else {"kind": "volume", "name": mount.name},
            "dst": to,
            "dst_mount": data_disk(outlook, to),
            "data_path": data_path,
            "writers": writers(spec),
            "s3": asdict(service.s3) if service.s3 else None,
            "volume": volume,
        },
        reversibility=Reversibility.RESTORABLE,
        commands=(
            "# record what the service itself says it holds; for redis CONFIG GET dir save appendonly too",
            f"docker update --restart no {name} && docker stop -t 120 {name}   # redis by SAVE first",
            *carry,
            *layer.keep,
            f"# {compose.file}, compare-and-swap:\n{shown(edits)}",
            f"# compose makes volume {volume}: driver local, type none, o bind, device {to}",
            *layer.make,
            "# compare with the record, and the directory behind the volume with the one that is meant; roll back unless equal",
        ),
        undo_commands=(
            f"docker stop -t 120 {name}",
            *layer.keep_back,
            *back,
            f"# {compose.file} restored byte for byte",
            *layer.make_back,
            f"# volume {volume} is left, empty of data of its own, registered as set aside: only a signed retire removes it",
        ),
        copy_bytes=amount.size_bytes,
        downtime_s=move_seconds(amount.size_bytes),
        amount=amount.told,
        stops=(name,),
        evidence=("docker", "mountinfo"),
        limit_s=3 * 3600,
    )
    return Rendered((step,), compose.after(edits, prefix))


STEP = StepKind("name_volume", ("container", "volume", "to", "writers"), ("container", "volume"), render)
