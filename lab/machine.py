"""Runs one nspawn host until it powers off: `python -m lab.machine CONFIG`, as PID 1 of its own mount and PID namespaces.

Everything it makes (mounts, loop devices, network) belongs to those namespaces and vanishes with them, however it ends.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab import kernel
from lab.cgroups import enter_group
from lab.command import run
from lab.disks import Disk, binds, present
from lab.uevents import Relay

REBOOT = 133  # what nspawn exits with under --keep-unit when the guest asked for a reboot
ENVIRONMENT = {
    "SYSTEMD_SECCOMP": "0",
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1",
    "SYSTEMD_NSPAWN_TMPFS_TMP": "0",
}


@dataclass(frozen=True, slots=True)
class Config:
    """What a machine needs to know. `inject` maps guest paths to [octal mode, text]; `bridge` is an open descriptor."""

    name: str
    disks: list[list[str]]  # [image, serial] in the order sda, sdb
    place: str  # an empty directory for its mounts
    log: str
    group: str = ""
    bridge: int = -1
    vmid: int = 0
    address: str = ""
    inject: dict[str, list[str]] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))


def wrapped(config: Path) -> list[str]:
    """The command that runs this module in fresh namespaces which die with it."""
    unshare = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
    return [*unshare, sys.executable, "-m", "lab.machine", str(config)]


def main(config: Config) -> int:
    if config.group:
        enter_group(Path(config.group))
    place = Path(config.place)
    view, root = place / "view", place / "root"
    kernel.mount("tmpfs", place, "tmpfs", options="mode=755")
    view.mkdir()
    root.mkdir()
    Path("/run/systemd").mkdir(exist_ok=True)
    kernel.mount("tmpfs", Path("/run/systemd"), "tmpfs", options="mode=755")  # nspawn's notes to itself
    disks, kept = [], []
    for index, (image, serial) in enumerate(config.disks):
        loop, opened = kernel.attach_loop(Path(image))
        kept.append(opened)  # an open descriptor keeps the loop device attached
        disks.append(Disk("sd" + "abcdef"[index], loop, serial, index))
    uevents = present(view, disks)
    kernel.mount("/dev/sda", root, "ext4")
    inject(root, config.inject)
    while True:
        code = boot(config, view, root, uevents)
        print(f"{config.name}: nspawn ended with {code}", flush=True)
        if code != REBOOT:
            break
    kernel.unmount(root)
    for opened in kept:
        os.close(opened)
    return code


def boot(config: Config, view: Path, root: Path, uevents: dict[str, Path]) -> int:
    """One boot in a network namespace of its own, so that nothing of docker's network outlives a reboot."""
    kernel.unshare(kernel.NEWNET)
    connect(config)
    for old in (view / "udev").iterdir():
        run(["rm", "-rf", old])
    (view / "udev" / "control").touch()  # PID 1 listens for uevents only when this exists before it does
    relay = Relay(uevents)
    argv = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "-M", config.name, "-D", str(root), "-b"]
    argv += ["--capability=all", "--network-namespace-path=/proc/self/ns/net", "--link-journal=no"]
    argv += ["--resolv-conf=off", "--timezone=off", "--console=pipe"]
    argv += [f"--bind=/dev/sd{letter}" for letter in "abcdef"[: len(config.disks)]] + binds(view)
    with Path(config.log).open("ab") as log:
        guest = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **ENVIRONMENT},
        )
        try:
            return attend(guest, relay)
        finally:
            relay.close()


def attend(guest: subprocess.Popen[bytes], relay: Relay) -> int:
    """Relay uevents until the guest's nspawn ends; its exit status."""
    ended = os.pidfd_open(guest.pid)
    with selectors.DefaultSelector() as selector:
        selector.register(ended, selectors.EVENT_READ, "ended")
        selector.register(relay.watcher, selectors.EVENT_READ, "written")
        while True:
            for key, _ in selector.select():
                if key.data == "ended":
                    os.close(ended)
                    return guest.wait()
                for line in relay.turn():
                    print(line, flush=True)


def connect(config: Config) -> None:
    """Loopback, and an eth0 whose other end is a port of the lab's bridge. No route leads out."""
    run(["ip", "link", "set", "lo", "up"])
    if config.bridge < 0:
        return
    port = f"p{config.vmid}"
    bridge = f"/proc/{os.getpid()}/fd/{config.bridge}"
    there = ["nsenter", f"--net={bridge}", "ip", "link"]
    run([*there, "del", port], check=False)  # the last boot's, when the kernel has not yet dropped it
    run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", port])
    run(["ip", "link", "set", port, "netns", bridge])
    run([*there, "set", port, "master", "br0", "up"])
    run(["ip", "address", "add", f"{config.address}/24", "dev", "eth0"])
    run(["ip", "link", "set", "eth0", "up"])


def inject(root: Path, files: dict[str, list[str]]) -> None:
    """Write files into the guest's tree before it boots, owned by root."""
    for name, (mode, text) in files.items():
        target = root / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(int(mode, 8))


if __name__ == "__main__":
    sys.exit(main(Config(**json.loads(Path(sys.argv[1]).read_text()))))
