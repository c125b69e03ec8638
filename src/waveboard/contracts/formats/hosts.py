"""`ssh.targets.yaml` as the operator writes it: who answers where. Options that switch host key checking off are not obeyed."""

from typing import Annotated, Any

from pydantic import Field

from waveboard.contracts.formats.shape import Address, Doc, HostId, LoosePort, Operator, OperatorFile, Unread, UserName

_OWN_OPTIONS = Annotated[Any, Unread("waveboard's ssh options are fixed")]


class Defaults(Operator):
    """What a target inherits."""

    user: UserName | None = None
    port: LoosePort | None = None
    connect_timeout_sec: _OWN_OPTIONS = None
    batch_mode: Doc = None
    strict_host_key_checking: Doc = None
    user_known_hosts_file: Doc = None


class Target(Operator):
    """One host or device."""

    id: HostId
    host: Address
    user: UserName | None = None
    port: LoosePort | None = None
    description: Doc = None
    tags: list[str] | None = None
    access_method: Doc = None
    access_policy: Doc = None
    tailscale_ip: Doc = None
    probe_via: HostId | None = None
    mac: Doc = None
    connect_timeout_sec: _OWN_OPTIONS = None
    optional: bool | None = None
    ssh_extra_opts: Any = None


class Ssh(Operator):
    """The `ssh:` mapping."""

    defaults: Defaults | None = None
    targets: list[Target] = Field(min_length=1)


class SshTargets(OperatorFile):
    """The whole file."""

    ssh: Ssh
