"""Move one compose service's data to the data disk: quiesce, copy, prove equal, switch one mount, prove the service's own data.

The old data stays where it was or is renamed aside; nothing is deleted. Only the mount of the named data path changes.
Source: notes on safe moves 5c; the compose file reference (short volume syntax).
"""

from collections.abc import Mapping
from dataclasses import asdict, replace

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import Service, StepSpec
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.facts import Container, ContainerMount, Docker
from waveboard.waves.compose_edit import applied, bind
from waveboard.waves.estimate import move_seconds
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param, writers

_CHECKS = {
    "postgres": "rows of every table, system identifier",
    "redis": "every key's value (SAVE first, so that a stop loses nothing)",
    "s3": "every object, by its content",
    "other": "the file manifest",
}


def _service(outlook: Outlook, container: str) -> Service:
    found = next((s for s in outlook.policy.services if s.container == container), None)
    if found is None or not found.data_paths:
        raise ContractError(
            f"plan {outlook.wave}",
            f"services.yaml does not say which engine and data path {container} on {outlook.facts.host} has",
            "add the service with its engine and data_paths",
        )
    return found


def _container(outlook: Outlook, name: str) -> Container:
    found = next((c for c in outlook.facts[Docker].containers if c.name == name), None)
    if found is None:
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}", f"there is no container {name}", "start its stack first"
        )
    if found.state != "running":
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}",
            f"{name} is {found.state}; its data cannot be proven equal by the service itself",
            "start it, audit, and plan again",
        )
    return found


def _mount(container: Container, data_path: str) -> ContainerMount:
    found = next((m for m in container.mounts if m.destination == data_path), None)
    if found is None:
        raise RefusedError(
            f"plan the move of {container.name}",
            f"{data_path} has no mount: the data lies in the container's writable layer",
            "govern that path first; a recreate would lose it",
        )
    return found


def _compose(container: Container) -> tuple[str, str, str]:
    labels: Mapping[str, str] = container.labels
    project, service = labels.get("com.docker.compose.project", ""), labels.get("com.docker.compose.service", "")
    files = [f for f in labels.get("com.docker.compose.project.config_files", "").split(",") if f]
    if not project or not service or len(files) != 1:
        raise RefusedError(
            f"plan the move of {container.name}",
            "it is not a service of exactly one compose file",
            "bring it under one compose file; recipes of plain `docker run` are not rebuilt by guesswork",
        )
    return project, service, files[0]


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    name, to = text_param(spec, "container"), text_param(spec, "to")
    service = _service(outlook, name)
    container = _container(outlook, name)
    data_path = service.data_paths[0]
    mount = _mount(container, data_path)
    if mount.type == "bind" and mount.source == to:
        return Rendered((), outlook, f"{name} already keeps {data_path} at {to}")
    project, compose_service, file = _compose(container)
    if outlook.data_uuid is None or outlook.data_target is None or not to.startswith(outlook.data_target + "/"):
        raise RefusedError(
            f"plan {outlook.wave}", f"{to} is not below a data disk this wave mounts", "mount_data_disk comes first"
        )
    known, known_by = outlook.edits or {}, outlook.edited_by or {}
    lines = known.get(file) or outlook.file(file).lines
    edits = bind(file, lines, compose_service, data_path, to)
    volume = next((v for v in outlook.facts[Docker].volumes if v.name == mount.name), None) if mount.type == "volume" else None
    size = (volume.size_bytes or 0) if volume else 0
    is_bind = mount.type == "bind"
    short = mount.name[:12] if len(mount.name) == 64 else mount.name
    src = mount.source if is_bind else f"volume {mount.name}"
    aside = f"{src}.wb-{outlook.wave}-<plan>"
    shown = src if is_bind else f"$(docker volume inspect -f '{{{{.Mountpoint}}}}' {short})"
    changed = "\n".join(
        f"#   -{e['old']}\n" + "\n".join(f"#   +{n}" for n in e["new"]) for e in edits if isinstance(e["new"], list)
    )
    compose = f"docker compose -p {project} -f {file} up -d --no-deps --no-build --pull never {compose_service}"
    step = Step(
        id=prefix,
        verb="service_relocate",
        host=outlook.facts.host,
        title=f"move {name} ({service.engine}) from {src if is_bind or len(mount.name) < 64 else 'the anonymous volume ' + short} to {to}",
        args={
            "container": name,
            "engine": service.engine,
            "project": project,
            "service": compose_service,
            "compose_file": file,
            "compose_before_sha256": outlook.file(file).digest,
            "compose_edited_by": known_by.get(file),
            "compose_edits": [dict(e) for e in edits],
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
            f"rsync -aHAXS --numeric-ids {shown}/ {to}/   # then compare: modes, owners, xattrs, links, sha256; stop unless equal",
            f"# {file}, compare-and-swap:\n{changed}",
            compose,
            f"# compare {_CHECKS[service.engine]} with the record; roll back unless equal",
            *((f"mv {src} {aside}        # kept: nothing is deleted",) if is_bind else (f"# the old volume {short} stays",)),
        ),
        undo_commands=(
            f"docker stop -t 120 {name}",
            "# writes since the switch are carried back; without any, the old data is used exactly as it was",
            *((f"mv {aside} {src}",) if is_bind else ()),
            f"# {file} restored byte for byte",
            f"# {name} started again on {'volume ' + short if mount.name else src}",
        ),
        copy_bytes=size,
        downtime_s=move_seconds(size),
        stops=(name,),
        evidence=("docker", "mountinfo"),
        limit_s=3 * 3600,
    )
    after = replace(outlook, edits={**known, file: applied(lines, edits)}, edited_by={**known_by, file: prefix})
    return Rendered((step,), after)


STEP = StepKind("relocate_service", ("container", "to", "writers"), ("container", "to"), render)
