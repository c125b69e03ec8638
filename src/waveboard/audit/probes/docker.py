"""Docker as its Engine tells it: containers in every state, volumes, images, sizes in bytes. Source: Engine API, GET only.

The running containers' own mount tables and symlinks come from the reader, which alone may look into them; without it they are
None and a placement inside a container rests on what was declared. Sizes nobody could get in time are None.
"""

from waveboard.audit.probe import Probe, Sections
from waveboard.audit.probes import _documents, _mountinfo
from waveboard.audit.probes._documents import Doc, Documents, items, mapping, member, members, string, strings, whole
from waveboard.model.errors import EvidenceError
from waveboard.model.facts import CacheRecord, Container, ContainerMount, Docker, Image, Mount, Unavailable, Volume
from waveboard.model.logs import LogSettings, settings


def parse(sections: Sections) -> Docker | Unavailable:
    """Raises: EvidenceError for an answer that does not have the API's shape."""
    documents = _documents.documents(sections["docker"])
    if isinstance(documents, Unavailable):
        return documents
    info = documents.one("docker.info")
    volumes = documents.one("docker.volumes")
    if isinstance(info, Unavailable) or isinstance(volumes, Unavailable):
        return info if isinstance(info, Unavailable) else volumes  # type: ignore[return-value]
    if "docker.container" in documents.failures:
        return Unavailable(f"docker.container: {documents.failures['docker.container']}")
    df = documents.one("docker.df")
    cache = _cache(df)
    return Docker(
        root_dir=string(member(info, "DockerRootDir"), "DockerRootDir"),
        driver=string(member(info, "Driver"), "Driver"),
        driver_status=_status(member(info, "DriverStatus")),
        security_options=strings(member(info, "SecurityOptions"), "SecurityOptions"),
        version=string(member(info, "ServerVersion"), "ServerVersion"),
        live_restore=member(info, "LiveRestoreEnabled") is True,
        containers=_containers(documents),
        volumes=_volumes(volumes, df),
        images=_images(documents.one("docker.images"), df),
        layers_bytes=whole(member(df, "LayersSize")),
        build_cache_bytes=None if isinstance(df, Unavailable) else sum(record.size_bytes for record in cache),
        build_cache=cache,
        daemon_json=_text_of(documents, "host.daemon_json"),
        containerd_root=_text_of(documents, "containerd.root"),
    )


def _status(value: object) -> dict[str, str]:
    pairs = [strings(item, "DriverStatus") for item in items(value, "DriverStatus")]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _containers(documents: Documents) -> tuple[Container, ...]:
    tables = {member(body, "id"): _table(body) for body in documents.each("container.mountinfo")}
    links = {member(body, "id"): _links(body) for body in documents.each("container.links")}
    sizes = {
        member(item, "Id"): whole(member(item, "SizeRw")) or 0
        for body in documents.each("docker.sizes")
        for item in items(body, "docker.sizes")
    }
    found = (_container(members(body), tables, links, sizes) for body in documents.each("docker.container"))
    return tuple(sorted(found, key=lambda one: (one.name, one.id)))


def _container(
    body: Doc, tables: dict[object, tuple[Mount, ...]], links: dict[object, dict[str, str] | None], sizes: dict[object, int]
) -> Container:
    config, host, state = (members(body.get(key)) for key in ("Config", "HostConfig", "State"))
    identifier = string(body.get("Id"), "a container's Id")
    name = string(body.get("Name"), "a container's Name").removeprefix("/")
    table = tables.get(identifier)
    upper = member(member(body.get("GraphDriver"), "Data"), "UpperDir")
    mount = f"a mount of {name}"
    return Container(
        id=identifier,
        name=name,
        image=string(config.get("Image"), f"the image of {name}"),
        image_id=string(body.get("Image"), f"the image id of {name}"),
        state=string(state.get("Status"), f"the state of {name}"),
        pid=whole(state.get("Pid")) or 0,
        labels=mapping(config.get("Labels"), f"the labels of {name}"),
        mounts=tuple([_mount(members(item), mount) for item in items(body.get("Mounts"), f"the mounts of {name}")]),
        restart=str(member(host.get("RestartPolicy"), "Name") or ""),
        writable_bytes=sizes.get(identifier),
        tmpfs=tuple(mapping(host.get("Tmpfs"), f"the tmpfs of {name}")),
        table=table,
        upper_dir=upper if isinstance(upper, str) else _upper(table),
        links=links.get(identifier),
        log=_log(host.get("LogConfig"), name),
        command=_command(config.get("Command"), name),
    )


def _log(value: object, name: str) -> LogSettings | None:
    if value is None:
        return None
    options = {key: member(member(value, "Config"), key) for key in ("max-size", "max-file")}
    return settings(string(member(value, "Type"), f"the log driver of {name}"), options)


def _command(value: object, name: str) -> tuple[str, ...] | None:
    return None if value is None else strings(value, f"the command of {name}")


def _mount(item: Doc, what: str) -> ContainerMount:
    return ContainerMount(
        type=string(item.get("Type"), what),
        destination=string(item.get("Destination"), what),
        source=string(item.get("Source") or "", what),
        name=string(item.get("Name") or "", what),
        driver=string(item.get("Driver") or "", what),
        rw=item.get("RW") is not False,
    )


def _table(body: object) -> tuple[Mount, ...]:
    return _mountinfo.table(string(member(body, "text"), "a container's mount table"), "a container's mount table")


def _links(body: object) -> dict[str, str] | None:
    return mapping(member(body, "links"), "a container's links") if member(body, "complete") is True else None


def _upper(table: tuple[Mount, ...] | None) -> str | None:
    """The writable layer as the running container's own root mount names it (the containerd store tells no GraphDriver)."""
    root = next((mount for mount in table or () if mount.target == "/" and mount.fstype == "overlay"), None)
    return next((option[9:] for option in root.super_options if option.startswith("upperdir=")), None) if root else None


def _volumes(body: object, df: object) -> tuple[Volume, ...]:
    sizes = {
        member(item, "Name"): whole(member(member(item, "UsageData"), "Size"))
        for item in items(None if isinstance(df, Unavailable) else member(df, "Volumes"), "the volumes of system/df")
    }
    return tuple(
        Volume(
            name=(name := string(member(item, "Name"), "a volume's name")),
            driver=string(member(item, "Driver"), f"the driver of {name}"),
            mountpoint=string(member(item, "Mountpoint") or "", f"the mountpoint of {name}"),
            options=mapping(member(item, "Options"), f"the options of {name}"),
            labels=mapping(member(item, "Labels"), f"the labels of {name}"),
            size_bytes=sizes.get(name),
        )
        for item in items(member(body, "Volumes"), "the volumes")
    )


def _images(body: object, df: object) -> tuple[Image, ...] | None:
    used = {
        member(item, "Id"): member(item, "Containers")
        for item in items(None if isinstance(df, Unavailable) else member(df, "Images"), "the images of system/df")
    }
    if isinstance(body, Unavailable):
        return None
    found: list[Image] = []
    for image in map(members, items(body, "the images")):
        identifier, size = string(image.get("Id"), "an image's Id"), whole(image.get("Size"))
        if size is None:
            raise EvidenceError("read the images", "docker: an image has no size")
        count = used.get(identifier, image.get("Containers"))
        tags = strings(image.get("RepoTags"), "an image's tags")
        digests = strings(image["RepoDigests"], "an image's digests") if "RepoDigests" in image else None
        used_by = count if type(count) is int else -1
        found.append(Image(identifier, tags, size, used_by, whole(image.get("Created")) or 0, digests))
    return tuple(found)


def _cache(df: object) -> tuple[CacheRecord, ...]:
    if isinstance(df, Unavailable):
        return ()
    return tuple([_record(members(item)) for item in items(member(df, "BuildCache"), "the build cache")])


def _record(record: Doc) -> CacheRecord:
    name = string(record.get("ID"), "a cache record")
    told = "Parents" in record or " Parents" in record  # the engine has printed both
    used = record.get("LastUsedAt") or record.get("CreatedAt")
    return CacheRecord(
        id=name,
        size_bytes=whole(record.get("Size")) or 0,
        in_use=record.get("InUse") is True,
        shared=record.get("Shared") is True,
        parents=strings(record.get("Parents") or record.get(" Parents"), "the parents of a cache record") if told else None,
        used_at=used if isinstance(used, str) else "",
    )


def _text_of(documents: Documents, name: str) -> str | None:
    body = documents.one(name)
    return body if isinstance(body, str) else None


PROBE = Probe(Docker, ("docker",), parse)
