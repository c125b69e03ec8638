"""`waveboard.yaml`: which files make the contracts, who may approve, how hosts are reached. Every key is optional but `hosts`."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from waveboard.contracts.formats.profiles import Count
from waveboard.contracts.formats.shape import (
    Address,
    EnvName,
    HostId,
    Id,
    Megabytes,
    Once,
    Own,
    Paths,
    Port,
    Text,
    UserName,
    VmId,
    WorkspacePath,
)

CommandPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]*/[A-Za-z0-9_.-]+$", max_length=4000)]

Principal = Annotated[str, StringConstraints(pattern=r"^@?[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$")]
ActorName = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f]{1,128}$")]


class Contracts(Own):
    """Each a path, a glob, or a list of them, relative to the workspace."""

    hosts: Paths
    vms: Paths | None = None
    placement: Paths | None = None
    guard: Paths | None = None
    findings: Paths | None = None
    derived: Paths | None = None
    profiles: Paths | None = None
    backups: Paths | None = None
    gaps: Paths | None = None
    loops: Paths | None = None
    waivers: Paths | None = None
    gates: Paths | None = None
    topology: Paths | None = None
    capabilities: Paths | None = None


class Approvals(Own):
    """Who may approve. A person decides each; people: principal -> the other names this person goes by, needed by four_eyes."""

    allowed_signers: WorkspacePath
    quorum: int = Field(ge=1, le=16)
    four_eyes: bool
    people: dict[Principal, list[ActorName]] = Field(default_factory=dict)


class Reach(Own):
    """How one host is reached where the host file does not say it, or says something else."""

    address: Address | None = None
    port: Port | None = None
    audit_user: UserName | None = None
    audit_key: Text | None = None
    mutate_user: UserName | None = None
    mutate_key: Text | None = None
    known_hosts: WorkspacePath | None = None


class Access(Reach):
    """The same for all hosts, and what differs for single ones."""

    hosts: dict[HostId, Reach] = Field(default_factory=dict)


class Commands(Own):
    """Commands that declared gates may run: each by the exact path its argv begins with, relative to the workspace or absolute.

    pass_env: variables of the caller's that they are lent; else they see only PATH, HOME and LANG.
    """

    allow: Annotated[list[CommandPath], Once] = Field(min_length=1)
    pass_env: Annotated[list[EnvName], Once] = Field(default_factory=list)


class Probe(Own):
    """The VM that proves what makes VMs, and is then destroyed: its own id and the address and port it answers on. image: what it is
    made from, with the profile's packages already in it; else as the profile says. bridge: `user` for a network of QEMU's own.
    """

    vmid: VmId
    address: Address
    port: Port
    image: Text | None = None
    bridge: Text = "user"
    cpu_cores: Count | None = None
    memory_mb: Megabytes | None = None


class Hypervisor(Own):
    """One place VMs run on. pools: `boot` and each tier -> the pool that holds such disks; token: a file, never the token itself.

    url, token, fingerprint: of a proxmox; directory: where a qemu keeps its VMs. machine_id, fingerprint: what pins it.
    """

    kind: Literal["proxmox", "qemu"]
    node: Text
    pools: dict[Text, Text]
    url: Text | None = None
    token: Text | None = None
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{2}(?::[0-9A-F]{2}){31}$")] | None = None
    machine_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None
    directory: Text | None = None
    probe: Probe | None = None


class Workspace(Own):
    """The whole file. siblings: name of a checkout beside the workspace -> its directory, from which declared gates may read."""

    schema_: Literal["waveboard/1"] | None = Field(None, alias="schema")
    name: Text | None = None
    owner: Text | None = None
    contracts: Contracts
    services: Paths | None = None
    packs: Paths | None = None
    waves: Paths | None = None
    windows: Paths | None = None
    declared_gates: Paths | None = None
    siblings: dict[Id, Text] = Field(default_factory=dict)
    commands: Commands | None = None
    store: Text | None = None
    approvals: Approvals | None = None
    access: Access | None = None
    hypervisors: dict[HostId, Hypervisor] | None = None
