"""For each VM the probe that stands for it: the same profile under a name, id, disk serial and address of its own. Makes none.

A probe is held to every storage rule of its VM but one: nobody's backup job knows it, and none is asked to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from waveboard.model.contract import HostPolicy, HostTarget, Window
from waveboard.model.vm import Hypervisor, Network, Probe, VmSpec

ENDING = "-probe"


@dataclass(frozen=True, slots=True)
class Probes:
    """By the probe's own name, `HOST-probe`. A VM whose tier or target the probing hypervisor cannot serve has none."""

    vms: Mapping[str, VmSpec]
    policies: Mapping[str, HostPolicy]
    targets: tuple[HostTarget, ...]

    def among(self, windows: Iterable[Window]) -> tuple[Window, ...]:
        """The windows, each that names the hypervisor naming its probes too: nobody is served by a probe."""
        own = {
            spec.hypervisor: tuple(s.host for s in self.vms.values() if s.hypervisor == spec.hypervisor)
            for spec in self.vms.values()
        }
        return tuple(replace(w, hosts=(*w.hosts, *(p for h in w.hosts for p in own.get(h, ())))) for w in windows)


def probes(
    hypervisors: Mapping[str, Hypervisor],
    vms: Mapping[str, VmSpec],
    policies: Mapping[str, HostPolicy],
    targets: Iterable[HostTarget],
) -> Probes:
    """One for every VM that the hypervisor with a `probe:` can hold."""
    lends = next((h for h in hypervisors.values() if h.probe), None)
    if lends is None or lends.probe is None:
        return Probes({}, {}, ())
    known = {t.id: t for t in targets}
    found: dict[str, VmSpec] = {}
    kept: dict[str, HostPolicy] = {}
    reached: list[HostTarget] = []
    for host, spec in vms.items():
        one = _spec(spec, lends, lends.probe)
        if one is None or host not in known or host not in policies or one.host in known:
            continue
        found[one.host] = one
        serial = one.data.serial if one.data else None
        kept[one.host] = replace(policies[host], host=one.host, vmid=one.vmid, data_disk_serial=serial)
        place = replace(known[host], address=lends.probe.address, port=lends.probe.port, jump=None)
        reached.append(replace(place, id=one.host, tags=(), optional=True, probe_of=host))
    return Probes(found, kept, tuple(reached))


def _spec(spec: VmSpec, lends: Hypervisor, probe: Probe) -> VmSpec | None:
    boot, tier = lends.pools.get("boot"), lends.pools.get(spec.tier)
    template, cores, memory = probe.image or spec.template, probe.cores or spec.cores, probe.memory_bytes or spec.memory_bytes
    if boot is None or (spec.data is not None and tier is None):
        return None
    if not (template and cores and memory and spec.boot_bytes):
        return None  # a VM that was there before its contract: nothing says what one like it is made from
    name = f"probe-{probe.vmid}"
    return replace(
        spec,
        host=spec.host + ENDING,
        vmid=probe.vmid,
        hypervisor=lends.id,
        node=lends.node,
        template=template,
        cores=cores,
        memory_bytes=memory,
        existing=False,
        boot_pool=boot,
        network=Network(probe.bridge, "dhcp"),
        onboot=False,
        data=replace(spec.data, pool=tier, serial=name, label=name) if spec.data and tier else None,
        packages=() if probe.image else spec.packages,
        backup_target=None,
        backup_max_age_s=None,
    )
