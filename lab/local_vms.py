"""The Mint example on a local QEMU: its two hosts are asked for, and `waveboard vm provision` makes them. It makes none itself.

What differs from the example: where VMs are made, what from, and how large; backups, which nobody makes here, are not asked for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from lab import keys, workspace
from lab.errors import LabError
from lab.estate import ESTATE
from lab.host import host
from lab.instance import Lab
from lab.provide import IMAGE, POOLS, provide
from lab.settings import SSH_PORT, Settings

PROBE = 230  # the id of VMs that prove something and go
PATIENCE = 10.0  # the processor may be emulated
CORES, MEMORY_MB, BOOT_GB, DATA_GB = 2, 2048, 6, 4


def make(settings: Settings, directory: Path) -> Lab:
    """The workspace in `directory`, its VMs' place below the lab's state. Hosts answer once they are provisioned. Raises: LabError."""
    for one in (settings.logs, settings.disks):
        one.mkdir(parents=True, exist_ok=True)
    provide(settings, settings.disks)
    return written(settings, directory)


def written(settings: Settings, directory: Path) -> Lab:
    """The workspace alone."""
    keys.ensure(settings, ())
    workspace.make(Lab(settings, tuple(host(settings, one, PATIENCE) for one in ESTATE)), directory)
    pinned = directory / "trust" / "known_hosts"
    hosts = tuple(host(settings, one, PATIENCE, pinned) for one in ESTATE)
    _hypervisor(settings, directory / "waveboard.yaml")
    _lifecycle(directory / "vm.lifecycle.yaml")
    _profiles(settings, directory / "infra.vm.profiles.yaml")
    _windows(directory / "windows.yaml")
    return Lab(settings, hosts)


def _windows(path: Path) -> None:
    told = json.loads(path.read_text())
    told["windows"][0] |= {"hosts": ["here", *told["windows"][0]["hosts"]], "overrun": "rollback"}
    path.write_text(json.dumps(told, indent=2) + "\n")


def _hypervisor(settings: Settings, path: Path) -> None:
    probe = {"vmid": PROBE, "address": settings.address(PROBE), "port": SSH_PORT}
    pools = {"boot": POOLS[0], "tank-vms": POOLS[1]}
    here = {"kind": "qemu", "node": "here", "directory": str(settings.disks), "pools": pools, "probe": probe}
    with path.open("a") as out:
        out.write("hypervisors: " + json.dumps({"here": here}) + "\n")


def _lifecycle(path: Path) -> None:
    text = path.read_text().replace("proxmox_host: pve\n", "proxmox_host: here\n")
    for name, value in (("cpu_cores", CORES), ("memory_mb", MEMORY_MB), ("boot_disk_gb", BOOT_GB)):
        text = re.sub(rf"{name}: \d+", f"{name}: {value}", text)
    path.write_text(text)


def _profiles(settings: Settings, path: Path) -> None:
    public = Path(f"{keys.of(settings).root}.pub").read_text().strip()
    own = f'image: {IMAGE}, bridge: user, storage: {POOLS[0]}, nameserver: 10.0.2.3, ssh_keys: ["{public}"], cpu_cores'
    head, mark, rest = path.read_text().partition("  mint-data-v1:\n")
    for old, new in (
        ('template_vmid: "9000", cpu_cores', own),
        ("packages: [qemu-guest-agent, docker.io, rsync]", "packages: []"),
        ("size_gb: 120", f"size_gb: {DATA_GB}"),
        ("      backup: {max_age_h: 26}\n", ""),
    ):
        if old not in rest:
            raise LabError(f"cannot write {path}: because the example's profiles hold no {old!r}")
        rest = rest.replace(old, new)
    path.write_text(head + mark + rest)
