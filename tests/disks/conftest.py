"""Builds the real layouts once a session, reads them with the real collector, and removes every trace."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from waveboard.audit import bundle as bundles
from waveboard.audit import facts as reading
from waveboard.audit import program
from waveboard.audit.probes import _mountinfo
from waveboard.model.facts import BlockDevices, Container, ContainerMount, Docker, HostFacts, Volume

TOOLS = ("unshare", "losetup", "sfdisk", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "findmnt", "nsenter", "pgrep")
PATHS_FILE = Path(__file__).with_name("paths.txt")
MOUNTS = {
    "/d/boot": "/srv/b",
    "/d/data": "/mnt/data/b",
    "/d/late": "/mnt/late",
    "/pg": "/mnt/data/parent",
    "/nest": "/mnt/data/nest",
    "/nest/wal": "/srv/wal",
}
ANONYMOUS = "ab" * 32


@dataclass(frozen=True)
class Built:
    """facts: with the loop disks shown as plain ones. disks: kernel name -> image. truth: layout -> images with its marker."""

    facts: HostFacts
    disks: dict[str, str]
    layouts: dict[str, str]
    inside: dict[str, str]
    truth: dict[str, set[str]]
    naive: dict[str, str]
    naive_root: str


def words(path: Path) -> dict[str, str]:
    """Lines of a name and the rest."""
    pairs = (line.partition(" ") for line in path.read_text().splitlines())
    return {name: rest for name, _, rest in pairs}


def markers(image: Path, mark: str) -> set[str]:
    """The layouts whose marker is in an image: its written parts only, each read once."""
    found: set[str] = set()
    with image.open("rb") as raw:
        end, at = image.stat().st_size, 0
        while at < end:
            try:
                at = os.lseek(raw.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but holes from here on
                break
            stop = os.lseek(raw.fileno(), at, os.SEEK_HOLE)
            raw.seek(at)
            found |= {name.decode() for name in re.findall(rb"WBMARK:([a-z0-9_]+):" + mark.encode(), raw.read(stop - at))}
            at = stop
    return found


def clean(at: Path) -> None:
    """Whatever a killed build may have left: loops over our images, the zram device, the directory."""
    listed = subprocess.run(["losetup", "-n", "-O", "NAME,BACK-FILE", "-a"], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        name, _, file = line.partition(" ")
        if str(at) in file:
            subprocess.run(["losetup", "-d", name], check=False)
    if (at / "zram").exists():
        number = (at / "zram").read_text().strip()
        (Path("/sys/block") / f"zram{number}" / "reset").write_text("1")
        Path("/sys/class/zram-control/hot_remove").write_text(number)
    shutil.rmtree(at, ignore_errors=True)


def as_disks(facts: HostFacts, names: set[str]) -> HostFacts:
    """The loop disks as a machine would show disks. Everything else, loops inside them too, stays as the kernel told it."""
    blocks = facts[BlockDevices]
    seen = {
        name: replace(
            device, sysfs=device.sysfs.replace("/virtual/block/", "/pci0000:00/virtio8/block/"), loop_file=None, loop_devno=None
        )
        if name in names or device.parent in names
        else device
        for name, device in blocks.devices.items()
    }
    return replace(facts, nouns={**facts.nouns, BlockDevices: replace(blocks, devices=seen)})


def container(at: Path) -> Docker:
    """What docker would have told of the pretended container; its mount table is the kernel's own."""
    mounts = [ContainerMount("bind", inside, source) for inside, source in MOUNTS.items()]
    mounts.append(ContainerMount("volume", "/d/named", "/mnt/data/named", "named", "local"))
    mounts.append(ContainerMount("volume", "/d/bindopt", "/mnt/data/docker/volumes/bindopt/_data", "bindopt", "local"))
    mounts.append(ContainerMount("volume", "/pg/data", "/mnt/data/anon", ANONYMOUS, "local"))
    volumes = (
        Volume("named", "local", "/mnt/data/named", {}, {}),
        Volume("bindopt", "local", "/mnt/data/docker/volumes/bindopt/_data", {"o": "bind", "device": "/srv/volboot"}, {}),
        Volume(ANONYMOUS, "local", "/mnt/data/anon", {}, {}),
    )
    table = _mountinfo.table((at / "container").read_text(), "the pretended container")
    one = Container(
        "c" * 64, "c1", "image", "sha256:0", "running", 1, {}, tuple(mounts),
        tmpfs=("/d/tmp",), table=table, links={"/d/data/pg_wal": "/scratch", "/lib": "usr/lib", "/lib64": "usr/lib64"},
    )  # fmt: skip
    return Docker("/mnt/data/docker", "overlay2", {}, (), "26", False, (one,), volumes)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    if os.geteuid() != 0:
        pytest.skip("loop disks and mount namespaces need root")
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (packages xfsprogs, btrfs-progs, fdisk, procps)")
    at = tmp_path_factory.mktemp("disks")
    nonce, mark = secrets.token_hex(16), secrets.token_hex(8)
    (at / "program").write_text(program.with_params(nonce, PATHS_FILE.read_text().split()))
    (at / "nonce").write_text(mark)
    script = Path(__file__).with_name("build.sh")
    try:
        done = subprocess.run(
            ["unshare", "-m", "--propagation", "private", "timeout", "-k", "5", "240", "bash", str(script), str(at)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        disks = {name: image for image, name in words(at / "disks").items()}
        bundle = bundles.gather("lab", (at / "answer").read_bytes(), nonce, program.digest(), datetime.now(UTC), None)
        assert not bundle.failure, bundle.failure
        own = {name: probe for name, probe in bundle.probes.items() if name != "mountinfo1"}  # this machine's init is elsewhere
        facts = as_disks(reading.read(replace(bundle, probes=own)), set(disks))
        facts = replace(facts, nouns={**facts.nouns, Docker: container(at)})
        layouts, inside = words(at / "layouts"), words(at / "inside")
        truth: dict[str, set[str]] = {layout: set() for layout in (*layouts, *inside)}
        for image in disks.values():
            for layout in markers(at / f"{image}.img", mark):
                truth[layout].add(image)
        yield Built(facts, disks, layouts, inside, truth, words(at / "naive"), (at / "naive-root").read_text().strip())
    finally:
        clean(at)
