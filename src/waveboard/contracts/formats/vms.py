"""`vm.lifecycle.yaml` as the operator writes it: every VM there is or was. Null is an answer in many of its fields."""

from typing import Annotated

from pydantic import Field

from waveboard.contracts.formats.shape import Doc, Gigabytes, HostId, Ignored, Megabytes, Operator, OperatorFile, VmId

STATUSES = ("planning", "provisioned", "registered", "active", "decommissioned", "abandoned")
Count = Annotated[int, Field(ge=1, le=1024)]
GONE = frozenset({"decommissioned", "abandoned"})


class Resources(Operator):
    """Sizes the VM was given."""

    cpu_cores: Count | None = None
    memory_mb: Megabytes | None = None
    boot_disk_gb: Gigabytes | None = None
    data_disk_gb: Gigabytes | None = None


class Vm(Operator):
    """One VM or container guest. id: left out for a machine that no hypervisor numbers; such a one is never made here."""

    id: VmId | None = None
    hostname: HostId
    status: str
    proxmox_host: str | None = None
    role: Doc = None
    owner: Doc = None
    created_at: Doc = None
    activated_at: Doc = None
    decommissioned_at: Doc = None
    profile: str | None = None
    lan_ip: str | None = None
    tailscale_ip: str | None = None
    ssh_target: HostId | None = None
    ssh_user: Doc = None
    os: Doc = None
    resources: Resources | None = None
    storage_tier: str | None = None
    stacks: Doc = None
    services: Doc = None
    planned_services: Doc = None
    backup_target: str | None = None
    health_probe_policy: Ignored = None
    decommission_policy: Ignored = None
    description: Doc = None
    vm_type: Doc = None
    notes: Doc = None

    @property
    def called(self) -> str:
        """How a complaint names it: ``VM 212 `mint-data` ``."""
        return f"VM {self.id} `{self.hostname}`" if self.id is not None else f"VM `{self.hostname}`"


class Lifecycle(OperatorFile):
    """The whole file."""

    defaults: Ignored = None
    vms: list[Vm]
