"""`services.yaml`: what the operator's files do not say about a host. Which containers hold state, and where."""

from typing import Literal

from pydantic import Field

from waveboard.contracts.formats.shape import AbsPath, Container, EnvName, HostId, Own, Port, Text


class S3(Own):
    """The container's own S3 port, and the names of the environment variables that hold its keys (never the keys)."""

    port: Port
    access_env: EnvName
    secret_env: EnvName


class Stateful(Own):
    """One container with data. data_paths: inside the container. data_dir: on the host, where a move puts it.

    s3: lets a move prove every object through the service itself; without it the files are the proof.
    """

    container: Container
    engine: Literal["postgres", "redis", "s3", "other"]
    data_paths: list[AbsPath] = Field(min_length=1)
    data_dir: AbsPath | None = None
    s3: S3 | None = None


class Host(Own):
    """boundary `filesystem` accepts a second partition of the boot disk; left out, it is a violation."""

    boundary: Literal["disk", "filesystem"] | None = None
    allow_network_block: bool | None = None
    data_disk_serial: Text | None = None
    container_probes: list[Literal["redis"]] = Field(default_factory=list)
    services: list[Stateful] = Field(default_factory=list)


class Services(Own):
    """The whole file."""

    schema_: Literal["waveboard.services/1"] | None = Field(None, alias="schema")
    hosts: dict[HostId, Host]
