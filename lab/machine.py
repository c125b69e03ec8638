"""Runs one nspawn host until it powers off: `python -m lab.machine CONFIG`, as PID 1 of its own mount and PID namespaces.

Everything it makes (mounts, loop devices, network) belongs to those namespaces and vanishes with them, however it ends.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from pathlib import Path

from lab import kernel
from lab.cgroups import enter_group
from lab.command import run
from lab.disks import Disk, announce, binds, present
from lab.launch import Config
from lab.uevents import Relay

REBOOT = 133  # what nspawn exits with under --keep-unit when the guest asked for a reboot
ENVIRONMENT = {
    "SYSTEMD_SECCOMP": "0",
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1",
    "SYSTEMD_NSPAWN_TMPFS_TMP": "0",
}


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
        disks.append(Disk("sd" + "abcdef"[index], loop, serial))
    uevents = present(view, disks)
    hide_release(view)
    kernel.mount("/dev/sda", root, "ext4")
    inject(root, config.inject)
    while True:
        code = boot(config, view, root, disks, uevents)
        print(f"{config.name}: nspawn ended with {code}", flush=True)
        if code != REBOOT:
            break
    kernel.unmount(root)
    for opened in kept:
        os.close(opened)
    return code


def hide_release(view: Path) -> None:
    """nspawn shows the machine's os-release to the guest; from a tmpfs, so that no disk of the machine shows with it."""
    for name in ("/etc/os-release", "/usr/lib/os-release"):
        source = Path(name).resolve()
        if source.exists():
            copy = view / source.name
            copy.write_bytes(source.read_bytes())
            kernel.bind(copy, source)


def boot(config: Config, view: Path, root: Path, disks: list[Disk], uevents: dict[str, Path]) -> int:
    """One boot in a network namespace of its own, so that nothing of docker's network outlives a reboot."""
    kernel.unshare(kernel.NEWNET)
    connect(config)
    announce(view, disks)
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
    own = f"02:77:00:00:{config.vmid >> 8:02x}:{config.vmid & 255:02x}"  # fixed: neighbours remember it over a boot
    run(["ip", "link", "add", "eth0", "address", own, "type", "veth", "peer", "name", port])
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
