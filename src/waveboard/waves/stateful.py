"""The service a step is about, as contracts and facts together name it: engine, container, mount, disk. Edits nothing."""

from waveboard.model.contract import Service
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.facts import BlockDevices, Container, ContainerMount, DeviceLinks, Docker, Mounts
from waveboard.waves.estimate import Amount, measured_or
from waveboard.waves.kind import Outlook


def declared(outlook: Outlook, container: str) -> Service:
    """The contract's word on it. Raises: ContractError when services.yaml does not say its engine and data path."""
    found = next((s for s in outlook.policy.services if s.container == container), None)
    if found is None or not found.data_paths:
        raise ContractError(
            f"plan {outlook.wave}",
            f"services.yaml does not say which engine and data path {container} on {outlook.facts.host} has",
            "add the service with its engine and data_paths",
        )
    return found


def running(outlook: Outlook, name: str) -> Container:
    """The container, running now. Raises: RefusedError."""
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


def mount_at(container: Container, data_path: str) -> ContainerMount:
    """What is mounted at the data path. Raises: RefusedError when nothing is."""
    found = next((m for m in container.mounts if m.destination == data_path), None)
    if found is None:
        raise RefusedError(
            f"plan the move of {container.name}",
            f"{data_path} has no mount: the data lies in the container's writable layer",
            "govern that path first; a recreate would lose it",
        )
    return found


def amount_in(outlook: Outlook, mount: ContainerMount) -> Amount:
    """What is mounted: a volume as docker measured it; nobody measures a directory."""
    found = next((v for v in outlook.facts[Docker].volumes if mount.type == "volume" and v.name == mount.name), None)
    return measured_or(found.size_bytes if found else None, outlook.facts, mount.source)


def data_disk(outlook: Outlook, path: str) -> dict[str, str]:
    """The mount below `path` as the hand wants it: {"target", "uuid"}; one this plan makes, or one that is there. Raises: RefusedError."""
    if outlook.data_uuid and outlook.data_target and path.startswith(outlook.data_target + "/"):
        return {"target": outlook.data_target, "uuid": outlook.data_uuid}
    covering = [m for m in outlook.facts[Mounts].table if m.target != "/" and path.startswith(m.target.rstrip("/") + "/")]
    mount = max(covering, key=lambda m: len(m.target), default=None)
    names = {d.name for d in outlook.facts[BlockDevices].devices.values() if mount is not None and d.devno == mount.devno}
    links = outlook.facts[DeviceLinks].links
    uuids = [link.rpartition("/")[2] for link, name in links.items() if "/by-uuid/" in link and name in names]
    if mount is None or len(uuids) != 1:
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}",
            f"{path} is not below a mounted data disk with a UUID of its own",
            "mount the data disk first (mount_data_disk)",
        )
    return {"target": mount.target, "uuid": uuids[0].lower()}
