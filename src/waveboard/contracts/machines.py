"""VMs as the contracts together ask for them: lifecycle entry, profile, placement policy, services and hypervisor into one VmSpec.

A VM whose profile has no `storage:` is left out: nothing here was told what it should store where. Where two files differ, neither
is believed: the difference is a complaint, and there is no VmSpec.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from waveboard.contracts.check import error, warning
from waveboard.contracts.estate import Estate
from waveboard.contracts.formats.placement import VmStorage
from waveboard.contracts.formats.profiles import Defaults, NfsMount, Profile, Profiles, Provisioning, Storage
from waveboard.contracts.formats.profiles import LogRotation as Limits
from waveboard.contracts.formats.vms import Lifecycle, Vm
from waveboard.contracts.formats.workspace import Probe as ProbeFile
from waveboard.contracts.nodes import show
from waveboard.contracts.typed import Read
from waveboard.model.contract import Complaint
from waveboard.model.units import MB
from waveboard.model.vm import DataDisk, Hypervisor, LogRotation, Network, Probe, VmSpec

LONGEST_SERIAL = 20  # QEMU cuts what is longer, and the guest then knows the disk by another name
LONGEST_LABEL = 16  # ext4(5)


@dataclass(frozen=True, slots=True)
class Machine:
    """One living VM whose profile says what it stores. spec: None as soon as there is an error."""

    spec: VmSpec | None
    complaints: tuple[Complaint, ...]


def hypervisors(estate: Estate) -> dict[str, Hypervisor]:
    """waveboard.yaml's `hypervisors:` as nouns."""
    workspace = estate.workspace
    return {
        name: Hypervisor(
            name,
            one.kind,
            one.node,
            dict(one.pools),
            one.url,
            one.token,
            one.fingerprint,
            one.machine_id,
            one.directory,
            workspace.key("hypervisors", name),
            _probe(one.probe) if one.probe else None,
        )
        for name, one in (workspace.value.hypervisors or {}).items()
    }


def _probe(given: ProbeFile) -> Probe:
    memory = None if given.memory_mb is None else round(given.memory_mb * (1 << 20))
    return Probe(given.vmid, given.address, given.port, given.bridge, given.image, given.cpu_cores, memory)


def machines(estate: Estate) -> Iterator[Machine]:
    """Every VM that can be made or judged from its profile, in the lifecycle's order."""
    if not estate.profiles:
        return
    for lives, at, vm in estate.living():
        if vm.profile is None:
            continue
        found = next(
            ((read, read.value.profiles[vm.profile]) for read in estate.profiles if vm.profile in read.value.profiles), None
        )
        if found is None:
            place, path = lives.at("vms", at, "profile"), f"vms[{at}].profile"
            fix = "add the profile to the profiles contract, or correct the name"
            told = warning(
                place, path, "dangling-reference", f"`{vm.hostname}` has the profile `{vm.profile}`, which is nowhere", fix
            )
            yield Machine(None, () if "profiles" in estate.broken else (told,))
        elif found[1].storage is not None:
            yield _Drawing(estate, lives, at, vm, found[0], found[1], found[1].storage).machine()


def rotation_of(estate: Estate, host: str) -> LogRotation | None:
    """The log limits of that host's profile, None where no living VM goes by the id or its profile gives none."""
    storage = _storage_of(estate, host)
    return _limits(storage.log_rotation) if storage and storage.log_rotation else None


def shares_of(estate: Estate, host: str) -> tuple[tuple[str, str], ...]:
    """The network shares of that host's profile: (path, source)."""
    storage = _storage_of(estate, host)
    return tuple((one.path, one.source) for one in (storage and storage.nfs_mounts) or ())


def _storage_of(estate: Estate, host: str) -> Storage | None:
    for _, _, vm in estate.living():
        for read in estate.profiles if host == (vm.ssh_target or vm.hostname) else ():
            if found := read.value.profiles.get(vm.profile or ""):
                return found.storage
    return None


def _limits(given: Limits) -> LogRotation:
    return LogRotation(round(given.max_size_mb * MB), given.files)


def _address(text: str, *, prefix: bool) -> bool:
    try:
        (ip_interface if prefix else ip_address)(text)
    except ValueError:
        return False
    return prefix == ("/" in text)


class _Drawing:
    """One VM while it is put together; what is wrong is collected, each at its place."""

    def __init__(
        self, estate: Estate, lives: Read[Lifecycle], at: int, vm: Vm, read: Read[Profiles], profile: Profile, storage: Storage
    ) -> None:
        self.estate, self.lives, self.at, self.vm, self.read, self.storage = estate, lives, at, vm, read, storage
        self.host = vm.ssh_target or vm.hostname
        self.loc: tuple[str, ...] = ("profiles", vm.profile or "")
        self.given = profile.provisioning or Provisioning()
        self.defaults = read.value.defaults or Defaults()
        self.existing = self.given.existing is True
        self.packages = tuple((profile.bootstrap.packages if profile.bootstrap else None) or ())
        self.wrong: list[Complaint] = []

    def machine(self) -> Machine:
        spec = self._spec()
        return Machine(None if self.wrong else spec, tuple(self.wrong))

    def _bad(self, code: str, message: str, fix: str, *loc: str) -> None:
        where = (*self.loc, *loc)
        self.wrong.append(error(self.read.at(*where), show(where), code, f"`{self.vm.hostname}`: {message}", fix))

    def _value(self, name: str) -> object:
        own: object = getattr(self.given, name)
        return getattr(self.defaults, name) if own is None else own

    def _need(self, name: str) -> str:
        value = self._value(name)
        if value is None and not self.existing:
            fix = f"add `{name}:` to the profile's provisioning, or to `defaults:`"
            self._bad("vm-incomplete", f"nothing says its `{name}`", fix, "provisioning")
        return str(value or "")

    def _spec(self) -> VmSpec:
        resources, storage = self.vm.resources, self.storage
        cores = (resources and resources.cpu_cores) or self.given.cpu_cores or self.defaults.cpu_cores
        memory_mb = (resources and resources.memory_mb) or self.given.memory_mb or self.defaults.memory_mb
        boot_gb = (resources and resources.boot_disk_gb) or self.given.disk_gb or self.defaults.disk_gb
        for name, value in (("cpu_cores", cores), ("memory_mb", memory_mb), ("disk_gb", boot_gb)):
            if value is None and not self.existing:
                self._bad(
                    "vm-incomplete", f"nothing says its `{name}`", "add it to the profile or the VM's resources", "provisioning"
                )
        template = self.given.image or (str(self.given.template_vmid) if self.given.template_vmid else None)
        if template is None and not self.existing:
            fix = "give the profile `template_vmid:` or `image:`"
            self._bad("vm-incomplete", "nothing says what it is made from", fix, "provisioning")
        hypervisor, tier_pool, boot_pool = self._hypervisor()
        if self.vm.id is None and (hypervisor or not self.existing):
            self._bad("vm-incomplete", "nothing says its VM id", "add `id:` to its lifecycle entry", "provisioning")
        self._agrees()
        own = [h for read in self.estate.services if (h := read.value.hosts.get(self.host))]
        kept = {s.data_dir for h in own for s in h.services}
        mount = storage.data_disk.mount if storage.data_disk else None
        return VmSpec(
            host=self.host,
            vmid=self.vm.id or 0,
            hypervisor=hypervisor.id if hypervisor else "",
            node=hypervisor.node if hypervisor else self.vm.proxmox_host or "",
            template=template or "",
            profile=self.vm.profile or "",
            cores=int(cores or 0),
            memory_bytes=round((memory_mb or 0) * (1 << 20)),
            boot_pool=boot_pool,
            boot_bytes=round((boot_gb or 0) * (1 << 30)),
            network=self._network(),
            ci_user=self._need("ci_user"),
            ssh_keys=tuple(self.given.ssh_keys or self.defaults.ssh_keys or ()),
            tier=storage.tier,
            agent=self._value("qemu_agent") is not False,
            onboot=self._value("onboot") is not False,
            data=self._data(tier_pool),
            docker_root=self._below(storage.docker_data_root, "docker_data_root"),
            containerd_root=self._below(storage.containerd_root, "containerd_root"),
            log_rotation=_limits(r) if (r := storage.log_rotation) else None,
            nfs_mounts=tuple((one.path, one.source) for one in storage.nfs_mounts or self._shares()),
            directories=tuple(sorted(d for d in kept if d and mount and d.startswith(mount + "/"))),
            packages=self.packages,
            backup_target=self.vm.backup_target,
            backup_max_age_s=storage.backup.max_age_h * 3600 if storage.backup else None,
            place=self.lives.at("vms", self.at, "hostname"),
            existing=self.existing,
        )

    def _hypervisor(self) -> tuple[Hypervisor | None, str, str]:
        """The hypervisor, and its pools for the tier's disk and for the boot disk."""
        known = hypervisors(self.estate)
        if not known:
            return None, "", str(self._value("storage") or "")
        name = self.vm.proxmox_host or self.defaults.proxmox_host or ""
        if not name and self.existing:
            return None, "", ""
        found = known.get(name)
        if found is None:
            place = self.lives.at("vms", self.at, "proxmox_host")
            said = f"`{self.vm.hostname}` lives on `{name}`, which waveboard.yaml's `hypervisors:` does not name"
            fix = f"name it there; it holds: {', '.join(known)}"
            self.wrong.append(error(place, f"vms[{self.at}].proxmox_host", "dangling-reference", said, fix))
            return None, "", ""
        boot = self._value("storage") or found.pools.get("boot")
        tier = found.pools.get(self.storage.tier, "")
        for pool, asked in ((boot, "boot"), (tier, self.storage.tier if self.storage.data_disk else "")):
            if asked and not pool and not self.existing:
                fix = f"add `{asked}: POOL` under hypervisors.{name}.pools in waveboard.yaml"
                self._bad("no-pool", f"`{name}` has no pool for `{asked}`", fix, "storage", "tier")
        return found, tier, str(boot or "")

    def _network(self) -> Network:
        cidr = self._need("ci_network_cidr")
        if "{lan_ip}" in cidr and self.vm.lan_ip is None:
            self._bad("vm-incomplete", "its address is asked for, and it has no `lan_ip`", "give it one", "provisioning")
        cidr = cidr.replace("{lan_ip}", self.vm.lan_ip or "")
        texts = [str(v) if (v := self._value(name)) else None for name in ("gateway", "nameserver", "search_domain")]
        asked = {"ci_network_cidr": cidr} if cidr != "dhcp" else {}
        for name, text in (*asked.items(), *zip(("gateway", "nameserver"), texts, strict=False)):
            if text and not self.existing and not _address(text, prefix=name == "ci_network_cidr"):
                what = "an address with its prefix, as 192.0.2.7/24, or dhcp" if name in asked else "one address"
                self._bad("bad-address", f"its `{name}` is {text}", f"write {what}", "provisioning")
        return Network(self._need("bridge"), cidr, *texts)

    def _data(self, pool: str) -> DataDisk | None:
        disk = self.storage.data_disk
        if disk is None:
            return None
        resources = self.vm.resources
        size = disk.size_gb or (resources.data_disk_gb if resources else None)
        if size is None:
            fix = "give `size_gb:`, or `data_disk_gb:` in the VM's resources"
            self._bad("vm-incomplete", "nothing says how large its data disk is", fix, "storage", "data_disk")
        serial, label = (text.replace("{hostname}", self.vm.hostname) for text in (disk.serial, disk.label))
        for what, text, longest in (("serial", serial, LONGEST_SERIAL), ("label", label, LONGEST_LABEL)):
            if len(text) > longest and not (self.existing and what == "serial"):  # a disk that is there is known by what it says
                said = f"the {what} `{text}` has {len(text)} characters; {longest} are kept"
                self._bad("too-long", said, "shorten it", "storage", "data_disk", what)
        return DataDisk(
            pool=pool,
            size_bytes=round((size or 0) * (1 << 30)),
            bus=disk.bus,
            serial=serial,
            fstype=disk.fstype,
            label=label,
            mount=disk.mount,
            backup=disk.backup,
            discard=disk.discard,
            iothread=disk.iothread,
        )

    def _below(self, path: str | None, key: str) -> str | None:
        disk = self.storage.data_disk
        if path and (disk is None or not path.startswith(disk.mount + "/")):
            why = f"below {disk.mount}" if disk else "on a data disk, and it has none"
            self._bad("root-outside-mount", f"{path} is not {why}", "put it below the data disk's mount", "storage", key)
        return path

    def _shares(self) -> list[NfsMount]:
        """The placement policy's own, which a profile need not repeat."""
        entries = (read.value.vm_storage or {} for read in self.estate.placement)
        found = next((e[n] for e in entries for n in (self.host, self.vm.hostname) if n in e), VmStorage())
        return [NfsMount(path=one.path, source=one.source) for one in found.nfs_mounts or ()]

    def _agrees(self) -> None:
        """The profile against the placement policy and services.yaml: the same words where both speak."""
        disk, fix = self.storage.data_disk, "correct the one that is wrong, or give the VM another profile"
        for read in self.estate.placement:
            names = [n for n in (self.host, self.vm.hostname) if n in (read.value.vm_storage or {})]
            entry = (read.value.vm_storage or {})[names[0]] if names else VmStorage()
            shares = sorted((m.path, m.source) for m in entry.nfs_mounts or ())
            own = sorted((m.path, m.source) for m in self.storage.nfs_mounts or ())
            # the data is a share's, or a directory of the boot disk: no disk is asked for
            elsewhere = entry.data_mount in [path for path, _ in shares] or self.storage.tier == "local-ext4"
            pairs: list[tuple[str, tuple[str, ...], object, object]] = [
                ("target_storage_tier", ("tier",), self.storage.tier, entry.target_storage_tier),
                ("data_mount", ("data_disk", "mount"), disk.mount, entry.data_mount)
                if disk
                else ("data_mount", ("tier",), None, None if elsewhere else entry.data_mount),
                ("nfs_mounts", ("nfs_mounts",), own or None, (shares or None) if own else None),
            ]
            for key, loc, mine, theirs in pairs:
                if theirs is not None and mine != theirs:
                    said = f"{mine or 'nothing'} here, {theirs} at {read.at('vm_storage', names[0], key)}"
                    self._bad("profile-disagrees", f"{key}: {said}", fix, "storage", *loc)
        for services in self.estate.services:
            own_host = services.value.hosts.get(self.host)
            told = own_host.data_disk_serial if own_host else None
            serial = disk.serial.replace("{hostname}", self.vm.hostname) if disk else None
            if told and told != serial:
                where = services.at("hosts", self.host, "data_disk_serial")
                said = f"the data disk's serial is {serial or 'nothing'} here, {told} at {where}"
                self._bad("profile-disagrees", said, fix, "storage", *(("data_disk", "serial") if disk else ("tier",)))
