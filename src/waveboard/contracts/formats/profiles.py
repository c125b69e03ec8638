"""`infra.vm.profiles.yaml` as the operator writes it, and in each profile's `storage:` what only waveboard reads.

A profile without `storage:` is the operator's alone: no VM is made from it here, and none is judged by it.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from waveboard.contracts.formats.shape import (
    AbsPath,
    DataMount,
    Doc,
    Gigabytes,
    Ignored,
    Megabytes,
    Operator,
    OperatorFile,
    Own,
    Text,
    UserName,
    VmId,
)

# {hostname} and {lan_ip} stand for the VM's own; nothing else is replaced
Pattern = Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9._-]|\{hostname\})+$", max_length=64)]
Count = Annotated[int, Field(ge=1, le=1024)]
PublicKey = Annotated[
    str, StringConstraints(pattern=r"^(?:ssh|sk|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+(?: [^\n]*)?$", max_length=8000)
]


class DataDisk(Own):
    """The disk that data belongs on. size_gb: the VM's own `data_disk_gb` where it is left out."""

    size_gb: Gigabytes | None = None
    bus: Literal["scsi", "virtio"]
    serial: Pattern
    fstype: Literal["ext4"]
    label: Pattern
    mount: DataMount
    backup: bool
    discard: bool = True
    iothread: bool = True


class LogRotation(Own):
    """docker's json-file limits."""

    max_size_mb: Megabytes
    files: Count


class Backup(Own):
    """max_age_h: the oldest the newest backup may be."""

    max_age_h: Annotated[int, Field(ge=1, le=10_000)]


class NfsMount(Own):
    """One network mount, as the placement policy writes it."""

    path: AbsPath
    source: Text


class Storage(Own):
    """Where a VM of this profile keeps what. tier: the placement policy's word for the same."""

    tier: Literal["boot-only", "tank-docker", "tank-vms", "nfs-media", "local-ext4"]
    data_disk: DataDisk | None = None
    docker_data_root: AbsPath | None = None
    containerd_root: AbsPath | None = None
    log_rotation: LogRotation | None = None
    nfs_mounts: list[NfsMount] | None = None
    backup: Backup | None = None


class Provisioning(Operator):
    """What the VM is made from. image, ssh_keys, gateway and existing are waveboard's additions; storage is the boot disk's pool.

    existing: VMs of this profile are there already and are never made from it, so what only making needs may be left out.
    """

    template_vmid: VmId | None = None
    image: Text | None = None
    existing: bool | None = None
    cpu_cores: Count | None = None
    memory_mb: Megabytes | None = None
    disk_gb: Gigabytes | None = None
    bridge: Text | None = None
    storage: Text | None = None
    image_storage: Doc = None
    ci_network_cidr: Text | None = None
    gateway: Text | None = None
    ci_user: UserName | None = None
    nameserver: Text | None = None
    search_domain: Text | None = None
    sshkey_file: Doc = None
    ssh_keys: list[PublicKey] | None = None
    qemu_agent: bool | None = None
    onboot: bool | None = None


class Defaults(Provisioning):
    """What every profile's provisioning says unless it says something else."""

    proxmox_user: Doc = None
    proxmox_host: Text | None = None


class Bootstrap(Operator):
    """What is installed at first. Only the packages are read here."""

    package_manager: Doc = None
    packages: list[Text] | None = None
    services_enable: Ignored = None
    cron_hooks: Ignored = None
    tailscale_auth_secret_path: Ignored = None
    tailscale_auth_secret_key: Ignored = None


class Profile(Operator):
    """One kind of VM."""

    description: Doc = None
    provisioning: Provisioning | None = None
    bootstrap: Bootstrap | None = None
    readiness: Ignored = None
    storage: Storage | None = None


class Profiles(OperatorFile):
    """The whole file."""

    defaults: Defaults | None = None
    profiles: dict[Text, Profile]
