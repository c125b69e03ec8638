"""Docker as its Engine tells it: containers in every state, volumes, images, sizes in bytes. Source: Engine API, GET only.

The running containers' own mount tables and symlinks come from the reader, which alone may look into them; without it they are
None and a placement inside a container rests on what was declared. Sizes nobody could get in time are None.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from waveboard.audit.probe import Probe, Sections
from waveboard.audit.probes import _documents, _mountinfo
from waveboard.audit.probes._documents import Documents, Shape, whole
from waveboard.model.errors import EvidenceError
from waveboard.model.facts import CacheRecord, Container, ContainerMount, Docker, Image, Mount, Unavailable, Volume
from waveboard.model.logs import LogSettings, settings
from waveboard.model.mounts import rows_at

# -- what is read of the answers; Go prints null for an empty list or map ----------------------------------------------


class _Info(Shape):
    docker_root_dir: str
    driver: str
    server_version: str
    driver_status: list[list[str] | None] | None = None
    security_options: list[str] | None = None
    live_restore_enabled: Any = None


class _State(Shape):
    status: str
    pid: Any = None


class _Config(Shape):
    image: str
    labels: dict[str, str] | None = None
    command: list[str] | None = None


class _Restart(Shape):
    name: Any = None


class _Log(Shape):
    type: str
    config: dict[str, Any] | None = None


class _HostConfig(Shape):
    restart_policy: _Restart | None = None
    tmpfs: dict[str, str] | None = None
    log_config: _Log | None = None


class _Driver(Shape):
    data: dict[str, Any] | None = None


class _Mount(Shape):
    type: str
    destination: str
    source: str | None = None
    name: str | None = None
    driver: str | None = None
    rw: Any = field(default=None, name="RW")


class _Container(Shape):
    id: str
    name: str
    image: str
    state: _State
    config: _Config
    host_config: _HostConfig | None = None
    graph_driver: _Driver | None = None
    mounts: list[_Mount] | None = None


class _Volume(Shape):
    name: str
    driver: str
    mountpoint: str | None = None
    options: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class _Volumes(Shape):
    volumes: list[_Volume] | None = None


class _Image(Shape):
    id: str
    size: Any = None
    repo_tags: list[str] | None = None
    repo_digests: list[str] | UnsetType | None = UNSET
    containers: Any = None
    created: Any = None


class _Sized(Shape):
    id: str
    size_rw: Any = None


class _Used(Shape):
    id: str
    containers: Any = None


class _Room(Shape):
    size: Any = None


class _UsedVolume(Shape):
    name: str
    usage_data: _Room | None = None


class _Record(Shape):
    id: str = field(name="ID")
    size: Any = None
    in_use: Any = None
    shared: Any = None
    parents: list[str] | UnsetType | None = UNSET
    spaced: list[str] | UnsetType | None = field(default=UNSET, name=" Parents")  # the engine has printed both
    last_used_at: Any = None
    created_at: Any = None


class _Df(Shape):
    layers_size: Any = None
    images: list[_Used] | None = None
    volumes: list[_UsedVolume] | None = None
    build_cache: list[_Record] | None = None


class _Table(Struct):
    id: str
    text: str


class _Links(Struct):
    id: str
    links: dict[str, str] | None = None
    complete: Any = None


# -- what that says ----------------------------------------------------------------------------------------------------


def parse(sections: Sections) -> Docker | Unavailable:
    """Raises: EvidenceError for an answer that does not have the API's shape."""
    documents = _documents.documents(sections["docker"])
    if isinstance(documents, Unavailable):
        return documents
    info, volumes = documents.one("docker.info", _Info), documents.one("docker.volumes", _Volumes)
    if isinstance(info, Unavailable):
        return info
    if isinstance(volumes, Unavailable):
        return volumes
    if "docker.container" in documents.failures:
        return Unavailable(f"docker.container: {documents.failures['docker.container']}")
    told = documents.one("docker.df", _Df)
    df = None if isinstance(told, Unavailable) else told
    records = (df.build_cache or ()) if df else ()
    cached = [whole(record.size) for record in records]
    return Docker(
        root_dir=info.docker_root_dir,
        driver=info.driver,
        driver_status=dict(pair for pair in info.driver_status or () if pair and len(pair) == 2),
        security_options=tuple(info.security_options or ()),
        version=info.server_version,
        live_restore=info.live_restore_enabled is True,
        containers=_containers(documents),
        volumes=_volumes(volumes, df),
        images=_images(documents, df),
        layers_bytes=whole(df.layers_size) if df else None,
        build_cache_bytes=sum(filter(None, cached)) if df and None not in cached else None,
        build_cache=tuple([_cache(record) for record in records]),
        daemon_json=documents.text("host.daemon_json"),
        containerd_root=documents.text("containerd.root"),
    )


def _containers(documents: Documents) -> tuple[Container, ...]:
    tables = {
        told.id: _mountinfo.table(told.text, "a container's mount table", alone=True)
        for told in documents.each("container.mountinfo", _Table)
    }
    links = {told.id: (told.links or {}) if told.complete is True else None for told in documents.each("container.links", _Links)}
    sizes = {one.id: _left_out(one.size_rw) for one in documents.listed("docker.sizes", _Sized)}
    found = [_container(told, tables, links, sizes) for told in documents.each("docker.container", _Container)]
    return tuple(sorted(found, key=lambda one: (one.name, one.id)))


def _left_out(size: object) -> int | None:
    """Go leaves a size of nothing out, and prints -1 where it could not find one out."""
    return 0 if size is None else whole(size)


def _container(
    told: _Container,
    tables: Mapping[str, Sequence[Mount]],
    links: Mapping[str, Mapping[str, str] | None],
    sizes: Mapping[str, int | None],
) -> Container:
    host, table = told.host_config or _HostConfig(), tables.get(told.id)
    upper = ((told.graph_driver and told.graph_driver.data) or {}).get("UpperDir")
    command = told.config.command
    return Container(
        id=told.id,
        name=told.name.removeprefix("/"),
        image=told.config.image,
        image_id=told.image,
        state=told.state.status,
        pid=whole(told.state.pid) or 0,
        labels=told.config.labels or {},
        mounts=tuple([_mount(one) for one in told.mounts or ()]),
        restart=str((host.restart_policy and host.restart_policy.name) or ""),
        writable_bytes=sizes.get(told.id),
        tmpfs=tuple(host.tmpfs or ()),
        table=table,
        upper_dir=upper if isinstance(upper, str) else _upper(table),
        links=links.get(told.id),
        log=_log(host.log_config),
        command=None if command is None else tuple(command),
    )


def _log(told: _Log | None) -> LogSettings | None:
    return None if told is None else settings(told.type, told.config or {})


def _mount(told: _Mount) -> ContainerMount:
    return ContainerMount(
        told.type, told.destination, told.source or "", told.name or "", told.driver or "", told.rw is not False
    )


def _upper(table: Sequence[Mount] | None) -> str | None:
    """The writable layer as the running container's own root mount names it (the containerd store tells no GraphDriver)."""
    root = next((mount for mount in rows_at(table or (), "/") if mount.fstype == "overlay"), None)
    return next((option[9:] for option in root.super_options if option.startswith("upperdir=")), None) if root else None


def _volumes(told: _Volumes, df: _Df | None) -> tuple[Volume, ...]:
    sizes = {one.name: whole(one.usage_data and one.usage_data.size) for one in (df and df.volumes) or ()}
    return tuple(
        [
            Volume(one.name, one.driver, one.mountpoint or "", one.options or {}, one.labels or {}, sizes.get(one.name))
            for one in told.volumes or ()
        ]
    )


def _images(documents: Documents, df: _Df | None) -> tuple[Image, ...] | None:
    if "docker.images" not in documents:
        return None
    used = {one.id: one.containers for one in (df and df.images) or ()}
    return tuple([_image(one, used.get(one.id, one.containers)) for one in documents.listed("docker.images", _Image)])


def _image(told: _Image, containers: object) -> Image:
    size, digests = whole(told.size), told.repo_digests
    if size is None:
        raise EvidenceError("read the images", "docker: an image has no size")
    return Image(
        told.id,
        tuple(told.repo_tags or ()),
        size,
        containers if type(containers) is int else -1,
        whole(told.created) or 0,
        None if digests is UNSET else tuple(digests or ()),
    )


def _cache(told: _Record) -> CacheRecord:
    used = told.last_used_at or told.created_at
    untold = told.parents is UNSET and told.spaced is UNSET
    return CacheRecord(
        told.id,
        whole(told.size) or 0,
        told.in_use is True,
        told.shared is True,
        None if untold else tuple(told.parents or told.spaced or ()),
        used if isinstance(used, str) else "",
    )


PROBE = Probe(Docker, ("docker",), parse)
