"""The part of wiring that makes VMs: which hypervisor answers for an id, and what a new VM is given. Decides nothing else."""

from functools import cache
from pathlib import Path

from waveboard.app.ports_vms import Hypervisor
from waveboard.app.provision import Makers
from waveboard.app.site import Site
from waveboard.model.contract import Contract, HostTarget
from waveboard.model.errors import ContractError, UsageError
from waveboard.vms.kit import Kit
from waveboard.world.clock import SystemClock
from waveboard.world.files import read_named, state_dir
from waveboard.world.hosts import programs
from waveboard.world.hypervisors.ground import Ground


def makers(site: Site, directory: Path) -> Makers:
    """For app.provision."""
    at = ground(site.contract, directory)
    return Makers(cache(lambda name: hypervisor(site.contract, directory, name)), lambda target: kit(site, directory, at, target))


def hypervisor(contract: Contract, directory: Path, name: str) -> Hypervisor:
    """Raises: ContractError when waveboard.yaml says too little of it; HostError, RefusedError when it is not as pinned."""
    declared = contract.hypervisors[name]
    if declared.kind == "qemu":
        from waveboard.world.hypervisors.qemu import Qemu

        if not declared.directory:
            raise ContractError(f"reach {name}", f"hypervisors.{name} names no directory", "complete it in waveboard.yaml")
        return Qemu(directory / Path(declared.directory).expanduser(), declared.node, SystemClock())
    from waveboard.world.hypervisors.proxmox import Proxmox
    from waveboard.world.hypervisors.pve_api import PveApi

    if not declared.url or not declared.token_file:
        because = f"hypervisors.{name} names no {'token' if declared.url else 'url'}"
        raise ContractError(f"reach {name}", because, "complete it in waveboard.yaml")
    token = directory / Path(declared.token_file).expanduser()
    api = PveApi(declared.url, token, declared.fingerprint, SystemClock())
    return Proxmox(api, declared.node, declared.pools.values(), declared.pools.get("seed", ""))


def ground(contract: Contract, directory: Path) -> Ground:
    """Host keys of VMs in `.waveboard/`, and the known_hosts file of each target."""
    pinned = {t.id: directory / t.known_hosts for t in contract.targets if t.known_hosts}
    return Ground(state_dir(directory) / "host-keys", pinned)


def kit(site: Site, directory: Path, at: Ground | None, target: HostTarget) -> Kit:
    """What the VM is given. at: None for a host that has a host key of its own. Raises: UsageError, ContractError naming what is missing."""
    lacks = [name for name in ("user", "key_file", "mutate_user", "mutate_key_file", "known_hosts") if not getattr(target, name)]
    if lacks or site.contract.approvals is None:
        because = f"the workspace does not say its {', '.join(lacks) or 'approvals'}"
        raise ContractError(f"equip {target.id}", because, "complete `access:` and `approvals:` in waveboard.yaml")
    policy = site.contract.policies.get(target.id)
    asked = policy.services if policy and "redis" in policy.container_probes else ()
    signers = read_named(str(directory / site.contract.approvals.allowed_signers), "allowed signers").decode()
    return Kit(
        instance=site.instance,
        audit_user=str(target.user),
        audit_key=_public(directory, str(target.key_file)),
        mutate_user=str(target.mutate_user),
        mutate_key=_public(directory, str(target.mutate_key_file)),
        allowed_signers=signers,
        approvals=site.contract.approvals,
        host_key=at.host_key(target.id) if at else "",
        hand=programs.hand(),
        reader=programs.reader(),
        redis=tuple(sorted(one.container for one in asked if one.engine == "redis")),
    )


def _public(directory: Path, private: str) -> str:
    path = directory / f"{private}.pub"
    text = read_named(str(path), "public key").decode().strip()
    if len(text.split()) < 2:
        raise UsageError(f"read the public key {path}", "it is not one line of type and key", "ssh-keygen -y -f KEY > KEY.pub")
    return text
