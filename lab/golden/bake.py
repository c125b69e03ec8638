"""Golden boot disks: a furnished Debian tree, booted once to plant the host's drift, cached under the recipe's digest."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import kernel
from lab.cgroups import own_group, remove_group
from lab.command import run, say
from lab.errors import LabError
from lab.estate import MIB, Machine
from lab.golden import containers, recipe, tree
from lab.golden.cache import BAKE_GROUP, forget_old, to_itself, workshop
from lab.launch import Config, wrapped
from lab.settings import REPOSITORY, Settings

PLANT = Path(__file__).resolve().parent.parent / "plant"
UNIT = """[Unit]
Description=Plants the lab's drift, then powers off
After=docker.service
Wants=docker.service
OnFailure=poweroff.target
[Service]
Type=oneshot
TimeoutStartSec=600
ExecStart=/bin/sh -c 'mkdir -p /mnt/plant && mount /dev/sdb /mnt/plant && sh /mnt/plant/run.sh > /mnt/plant/output 2>&1'
"""


def goldens(settings: Settings, machines: Sequence[Machine]) -> dict[str, Path]:
    """The golden image of every machine, baking those the cache lacks. At once when cached, minutes when not."""
    shelf = settings.cache / "golden"
    wanted = {one.name: shelf / f"{one.name}-{recipe.golden_key(one)}.img" for one in machines}
    with to_itself(settings.cache):
        lacking = [one for one in machines if not wanted[one.name].exists()]
        if lacking:
            began = time.monotonic()
            with workshop(settings.cache) as work:
                _bake_all(settings, lacking, wanted, work)
            for one in lacking:
                forget_old(shelf, f"{one.name}-*.img")
            forget_old(settings.cache / "packages", "guest-*.tar")
            forget_old(settings.cache / "packages", "images-*.tar")
            say(f"golden images ready in {time.monotonic() - began:.0f} s")
        for image in wanted.values():
            image.touch()
    return wanted


def boot_files(settings: Settings) -> Path:
    """Where the guests' kernel and initrd are, for the QEMU tier."""
    return settings.cache / "boot" / recipe.tree_key()


def _bake_all(settings: Settings, machines: Sequence[Machine], wanted: dict[str, Path], work: Path) -> None:
    cache, log = settings.cache, settings.cache / "build.log"
    for name in ("golden", "packages", "images", "boot"):
        (cache / name).mkdir(exist_ok=True)
    packages = cache / "packages" / f"guest-{recipe.tree_key()}.tar"
    tree.fetch(tree.SUITE, tree.PACKAGES, packages, work, log)
    images = container_images(cache, work, log)
    say("furnishing the guest")
    root = work / "tree"
    tree.unpack(packages, root)
    tree.furnish(root)
    boot = boot_files(settings)
    boot.mkdir(exist_ok=True)
    tree.kernel_and_initrd(root, boot)
    for machine in machines:
        tree.filesystem(root, work / f"{machine.name}.img", machine.boot_bytes)
    run(["rm", "-rf", root], seconds=120)
    say(f"planting {' and '.join(machine.name for machine in machines)} (log: {log})")
    with ThreadPoolExecutor(len(machines)) as pool:
        bakes = [pool.submit(_bake, machine, images, work, log, wanted[machine.name]) for machine in machines]
        for bake in bakes:
            bake.result()


def container_images(cache: Path, work: Path, log: Path) -> Path:
    """The directory of container images as tars, built when the cache lacks them."""
    images = cache / "images" / recipe.images_key()
    if not images.exists():
        stage_tar = cache / "packages" / f"images-{recipe.images_key()}.tar"
        tree.fetch(tree.IMAGE_SUITE, tree.IMAGE_PACKAGES, stage_tar, work, log, extract_only=True)
        say("building container images")
        stage, part = work / "stage", work / "images"
        tree.unpack(stage_tar, stage)
        part.mkdir()
        containers.build(stage, work, part)
        part.rename(images)
    return images


def _bake(machine: Machine, images: Path, work: Path, log: Path, golden: Path) -> None:
    """Boot the image once with the plant's files on its second disk; the unit plants and powers off."""
    seeds = work / f"{machine.name}.plant"
    shutil.copytree(PLANT / machine.name, seeds)
    shutil.copy(PLANT / "run.sh", seeds)
    (seeds / "root-use").write_text(f"{machine.root_use}\n")
    for wanted in (seeds / "images").read_text().split():
        shutil.copy(images / f"{wanted}.tar", seeds)
    medium = work / f"{machine.name}.plant.img"
    tree.filesystem(seeds, medium, 1024 * MIB, label="plant")
    place = work / f"{machine.name}.place"
    place.mkdir()
    image = work / f"{machine.name}.img"
    config = Config(
        name=machine.name,
        disks=[[str(image), machine.serial("boot")], [str(medium), "plant"]],
        place=str(place),
        log=str(work / f"{machine.name}.console.log"),
        group=str(own_group() / f"{BAKE_GROUP}.{os.getpid()}.{machine.name}"),
        inject={
            "/etc/hostname": ["644", f"{machine.name}\n"],
            "/etc/hosts": ["644", f"127.0.0.1 localhost\n127.0.1.1 {machine.name}\n"],
            "/etc/systemd/system/lab-plant.service": ["644", UNIT],
            "/etc/systemd/system/multi-user.target.d/plant.conf": ["644", "[Unit]\nWants=lab-plant.service\n"],
        },
    )
    config.write(work / f"{machine.name}.json")
    try:
        _boot_once(machine, config, work / f"{machine.name}.json")
    finally:
        output = run(["debugfs", "-R", "cat /output", medium], check=False).stdout
        with log.open("a") as out:
            out.write(f"--- planting {machine.name}\n{output}\n")
    if "PLANTED" not in output:
        raise LabError(f"cannot plant {machine.name}: because its script stopped early; see {log}")
    run(["fallocate", "--dig-holes", image], seconds=300)
    image.rename(golden)


def _boot_once(machine: Machine, config: Config, file: Path) -> None:
    argv = wrapped(file)
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            preexec_fn=kernel.die_with_parent,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"cannot plant {machine.name}: because it took more than 15 minutes") from None
    finally:
        remove_group(Path(config.group))
    if done.returncode != 0:
        raise LabError(f"cannot plant {machine.name}: because its guest ended with {done.returncode}: {done.stderr[-500:]}")
