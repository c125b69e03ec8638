"""Local QEMU as a Hypervisor: VMs in a directory, without a cluster or a daemon. It ends and removes only what it made itself.

DIRECTORY/images/NAME             a disk image, or a directory with `disk`, vmlinuz, initrd and cmdline
DIRECTORY/POOL/vm-ID-*.qcow2      disks; a pool is a directory that is there
DIRECTORY/vms/ID/vm.json          what the VM is; beside it its seed, console, sockets
DIRECTORY/backups/JOB/vm-ID/ANY/  one whole backup: a copy of each disk under its own name; whoever makes backups writes it there
DIRECTORY/backups/JOB/disabled    makes the job one that no longer runs
"""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from shlex import quote
from typing import cast
from uuid import uuid4

from waveboard.model.errors import HostError, RefusedError, StepError, UsageError
from waveboard.model.vm import BackupState, DataDisk, HypervisorState, Pool, Shape, VmDisk, VmState
from waveboard.world.files import write_whole
from waveboard.world.hypervisors import iso, qemu_command, qmp
from waveboard.world.hypervisors.verbs import Now

OWN = ("images", "vms", "backups")
IMG_S, START_S, QUIT_S = 3600, 60.0, 20.0
_DISK = re.compile(r"vm-([0-9]+)-.+\.qcow2")
Json = dict[str, object]


class Qemu:
    """Satisfies app.ports.Hypervisor for one directory. node: what the contracts call it."""

    def __init__(self, directory: Path, node: str, clock: Now) -> None:
        self._root, self._node, self._clock = directory.resolve(), node, clock
        if not (self._root / "images").is_dir():
            raise UsageError(f"use {directory}", "it has no `images` directory", "make it, and put a disk image into it")

    # -- looking -------------------------------------------------------------------------------------------------------

    def look(self) -> HypervisorState:
        vms = {vm.vmid: vm for vm in map(self._state, self._ids())}
        used = {disk.volume for vm in vms.values() for disk in vm.disks}
        pools = {p.name: self._pool(p) for p in sorted(self._root.iterdir()) if p.is_dir() and p.name not in OWN}
        there = ((f"{pool}:{p.name}", _DISK.fullmatch(p.name)) for pool in pools for p in (self._root / pool).iterdir())
        loose = {volume: int(match[1]) for volume, match in there if match and volume not in used}
        images = {p.name: self._size(_disk_of(p)) for p in sorted((self._root / "images").iterdir()) if _disk_of(p).is_file()}
        return HypervisorState(self._node, pools, vms, {}, self._identity(), True, images, loose)

    def _identity(self) -> str:
        path = self._root / "identity"
        if not path.exists():
            write_whole(path, uuid4().hex.encode())
        return path.read_text().strip()

    def _ids(self) -> list[int]:
        return sorted(int(p.parent.name) for p in (self._root / "vms").glob("*/vm.json") if p.parent.name.isdigit())

    def _state(self, vmid: int) -> VmState:
        kept = self._kept(vmid)
        disks = tuple(
            VmDisk(d["slot"], d["pool"], f"{d['pool']}:{d['file']}", int(d["size"]), d["serial"], d["backup"] == "1")
            for d in _disks(kept)
        )
        shape = Shape(**cast(dict[str, object], kept["shape"])) if kept["shape"] else None  # type: ignore[arg-type]
        return VmState(
            vmid=vmid, name=str(kept["name"]), node=self._node, status="running" if self._pid(vmid) else "stopped", template=False,
            locked="create" if self._busy(vmid) else "", disks=disks, tag=str(kept["tag"]), boot="boot", shape=shape, seed=str(kept["seed"]),
        )  # fmt: skip

    def _pool(self, path: Path) -> Pool:
        told = os.statvfs(path)
        return Pool(path.name, told.f_blocks * told.f_frsize, told.f_bavail * told.f_frsize, True)

    def _size(self, image: Path) -> int:
        return int(json.loads(_img("info", "--output=json", "-U", str(image)))["virtual-size"])

    def blank(self, vmid: int, serial: str) -> bool | None:
        file = self._file(vmid, serial)
        if self._pid(vmid):
            return None  # what the guest still holds in memory is not seen from here
        return not any(part["data"] and not part["zero"] for part in json.loads(_img("map", "--output=json", str(file))))

    def backups(self, vmid: int) -> BackupState:
        """What is in `backups/`; nothing here makes any. A copy that lacks a disk, or whose copy of one is empty, is no backup."""
        disks = _disks(self._kept(vmid))
        wanted, left = {d["file"] for d in disks if d["backup"] == "1"}, tuple(d["slot"] for d in disks if d["backup"] != "1")
        try:
            there = self._root / "backups"
            homes = [p / f"vm-{vmid}" for p in sorted(there.iterdir()) if (p / f"vm-{vmid}").is_dir()] if there.is_dir() else []
            copies = [copy for home in homes for copy in home.iterdir() if copy.is_dir()]
            made = [copy.stat().st_mtime for copy in copies if wanted <= {p.name for p in copy.iterdir() if p.stat().st_size}]
        except OSError as why:
            return BackupState(False, (), left, None, str(why), str(why))
        jobs = tuple(home.parent.name for home in homes if not (home.parent / "disabled").exists())
        return BackupState(bool(jobs), jobs, left, datetime.fromtimestamp(max(made), UTC) if made else None)

    def guest(self, vmid: int) -> tuple[bool, tuple[str, ...]]:
        """Whether the guest's agent answers, and the addresses it tells. An answer of another shape than QEMU's is none."""
        try:
            told = qmp.ask_agent(self._home(vmid) / "agent.sock", "guest-network-get-interfaces")
            found = [one for card in _rows(told) for one in map(_address, _rows(card.get("ip-addresses") or []))]
        except (HostError, ValueError):
            return False, ()
        return True, tuple(a for a in found if not a.startswith(("127.", "::1", "fe80")))

    # -- making --------------------------------------------------------------------------------------------------------

    def create(self, vmid: int, name: str, template: str, pool: str, tag: str) -> None:
        image, home = self._root / "images" / template, self._home(vmid)
        if not image.exists() or "/" in template:
            raise RefusedError(f"create VM {vmid}", f"there is no image {template}", f"put one into {self._root / 'images'}")
        target = self._root / pool / f"vm-{vmid}-boot.qcow2"
        if (home / "vm.json").exists() or target.exists():
            raise RefusedError(f"create VM {vmid}", "its id is taken, or a disk of that name is there", "choose another id")
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._working(vmid):
            kept: Json = {"name": name, "tag": tag, "template": template, "shape": None, "seed": "", "disks": []}
            self._keep(vmid, kept)
            part = target.with_suffix(".part")
            _img("convert", "-O", "qcow2", str(_disk_of(image)), str(part))
            part.rename(target)
            boot = {"slot": "boot", "pool": pool, "file": target.name, "serial": f"boot-{vmid}", "bus": "scsi", "backup": "1"}
            self._keep(vmid, {**kept, "disks": [{**boot, "size": str(self._size(target))}]})

    def configure(self, vmid: int, shape: Shape) -> None:
        self._keep(vmid, {**self._kept(vmid), "shape": asdict(shape)})

    def grow(self, vmid: int, size_bytes: int) -> None:
        kept = self._kept(vmid)
        boot, *others = _disks(kept)
        if size_bytes < int(boot["size"]):
            raise RefusedError(f"grow VM {vmid}", "a disk is never made smaller", "ask for more")
        if self._pid(vmid):
            raise RefusedError(f"grow VM {vmid}", "it is running", "stop it first")
        _img("resize", "-q", str(self._root / boot["pool"] / boot["file"]), str(size_bytes))
        self._keep(vmid, {**kept, "disks": [{**boot, "size": str(size_bytes)}, *others]})

    def attach(self, vmid: int, disk: DataDisk) -> None:
        holder = next((n for n in self._ids() for d in _disks(self._kept(n)) if d["serial"] == disk.serial), None)
        if holder is not None:
            because = f"VM {holder} has a disk with that serial"
            raise RefusedError(f"attach {disk.serial} to VM {vmid}", because, "a serial names one disk")
        kept, target = self._kept(vmid), self._root / disk.pool / f"vm-{vmid}-{disk.serial}.qcow2"
        if self._pid(vmid):
            raise RefusedError(f"attach {disk.serial} to VM {vmid}", "it is running", "stop it first")
        if target.exists():
            raise RefusedError(
                f"attach {disk.serial}", f"{target} is there and may hold data", "look at it; keep or remove it by hand"
            )
        _img("create", "-q", "-f", "qcow2", str(target), str(disk.size_bytes))
        made = {
            "slot": f"{disk.bus}1",
            "pool": disk.pool,
            "file": target.name,
            "size": str(disk.size_bytes),
            "serial": disk.serial,
        }
        self._keep(vmid, {**kept, "disks": [*_disks(kept), {**made, "bus": disk.bus, "backup": str(int(disk.backup))}]})

    def seed(self, vmid: int, pool: str, files: Mapping[str, bytes]) -> None:
        kept = self._kept(vmid)
        write_whole(self._home(vmid) / "seed.iso", iso.image(files))
        self._keep(vmid, {**kept, "seed": "seed.iso"})

    def start(self, vmid: int) -> None:
        if self._pid(vmid):
            return
        home, kept = self._home(vmid), self._kept(vmid)
        if not kept["shape"]:
            raise RefusedError(f"start VM {vmid}", "nothing says its cores and memory", "configure it first")
        shape = Shape(**cast(dict[str, object], kept["shape"]))  # type: ignore[arg-type]
        disks = [(self._root / d["pool"] / d["file"], d["bus"], d["serial"]) for d in _disks(kept)]
        direct = self._root / "images" / str(kept["template"])
        argv = qemu_command.argv(
            home,
            str(kept["name"]),
            shape,
            disks,
            home / "seed.iso" if kept["seed"] else None,
            direct if direct.is_dir() else None,
        )
        with (home / "machine.log").open("wb") as out:
            try:
                guest = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", start_new_session=True)
            except FileNotFoundError:
                raise UsageError(f"start VM {vmid}", f"{argv[0]} is not installed", "install qemu-system-x86") from None
        write_whole(home / "pid", str(guest.pid).encode())
        begun = self._clock.now()
        while (self._clock.now() - begun).total_seconds() < START_S:
            if guest.poll() is not None:
                said = (home / "machine.log").read_text(errors="replace").strip()[-500:]
                raise StepError(f"start VM {vmid}", f"QEMU ended with {guest.returncode}: {said}", "correct what it names")
            try:
                if qmp.ask(home / "qmp.sock", "query-status").get("status") == "running":
                    return
            except HostError:
                pass
            self._clock.sleep(0.2)
        raise HostError(f"start VM {vmid}", f"it did not run within {START_S:.0f} s", f"see {home / 'machine.log'}")

    # -- ending --------------------------------------------------------------------------------------------------------

    def stop(self, vmid: int, grace_s: int) -> None:
        socket = self._home(vmid) / "qmp.sock"
        for command, patience in (("system_powerdown", float(grace_s)), ("quit", QUIT_S)):
            if not self._pid(vmid):
                return
            try:
                qmp.ask(socket, command)
            except HostError:
                continue
            self._gone(vmid, patience)
        if pid := self._pid(vmid):
            os.kill(pid, signal.SIGKILL)
            self._gone(vmid, QUIT_S)
        if self._pid(vmid):
            raise StepError(f"stop VM {vmid}", "its process does not end", "look at it")

    def _gone(self, vmid: int, patience_s: float) -> None:
        begun = self._clock.now()
        while self._pid(vmid) and (self._clock.now() - begun).total_seconds() < patience_s:
            self._clock.sleep(0.2)

    def destroy(self, vmid: int, name: str, tag: str) -> None:
        home = self._home(vmid)
        if not (home / "vm.json").exists():
            return
        kept = self._kept(vmid)
        if (kept["name"], kept["tag"]) != (name, tag) or not tag:
            raise RefusedError(f"destroy VM {vmid}", "it is not the VM that was meant", "nothing was touched")
        if self._pid(vmid):
            raise RefusedError(f"destroy VM {vmid}", "it is running", "stop it first")
        for disk in _disks(kept):
            (self._root / disk["pool"] / disk["file"]).unlink(missing_ok=True)
        for pool in (p for p in self._root.iterdir() if p.is_dir()):
            (pool / f"vm-{vmid}-boot.part").unlink(missing_ok=True)  # a copy that was cut off
            if not _disks(kept):
                (pool / f"vm-{vmid}-boot.qcow2").unlink(missing_ok=True)  # finished, and not yet written down
        shutil.rmtree(home)

    def by_hand(self, vmid: int) -> str:
        home = self._home(vmid)
        ends = f"pkill -KILL -f {quote(re.escape(str(home / 'qmp.sock')) + ',')}"
        files = [self._root / d["pool"] / d["file"] for d in _disks(self._kept(vmid))] if (home / "vm.json").exists() else []
        return f"{ends}; rm -r {' '.join(quote(str(path)) for path in (*files, home))}"

    # -- what is kept --------------------------------------------------------------------------------------------------

    def _home(self, vmid: int) -> Path:
        return self._root / "vms" / str(vmid)

    def _kept(self, vmid: int) -> Json:
        path = self._home(vmid) / "vm.json"
        if not path.exists():
            raise RefusedError(f"use VM {vmid}", "there is no such VM", "create it first")
        return cast(Json, json.loads(path.read_text()))

    def _keep(self, vmid: int, kept: Json) -> None:
        write_whole(self._home(vmid) / "vm.json", json.dumps(kept, sort_keys=True, indent=1).encode())

    def _file(self, vmid: int, serial: str) -> Path:
        for disk in _disks(self._kept(vmid)):
            if disk["serial"] == serial:
                return self._root / disk["pool"] / disk["file"]
        raise RefusedError(f"look at {serial}", f"VM {vmid} has no such disk", "name one it has")

    def _pid(self, vmid: int) -> int | None:
        """Its process, when it lives and is ours: its command line names this VM's own directory."""
        home = self._home(vmid)
        try:
            pid = int((home / "pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if f"{home / 'qmp.sock'},".encode() in words else None

    @contextmanager
    def _working(self, vmid: int) -> Iterator[None]:
        """A lock that ends with its process, so that a cut-off copy is not taken for a running one."""
        handle = os.open(self._home(vmid) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _busy(self, vmid: int) -> bool:
        path = self._home(vmid) / "lock"
        if not path.exists():
            return False
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False


def _disks(kept: Json) -> list[dict[str, str]]:
    return cast(list[dict[str, str]], kept["disks"])


def _rows(told: object) -> list[Json]:
    """Raises: ValueError when it is no list of objects."""
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise ValueError("no list of objects")
    return told


def _address(told: Json) -> str:
    """Raises: ValueError when it holds no address."""
    address = str(told.get("ip-address"))
    ip_address(address)
    return address


def _disk_of(image: Path) -> Path:
    return image / "disk" if image.is_dir() else image


def _img(*words: str) -> bytes:
    try:
        done = subprocess.run(["qemu-img", *words], capture_output=True, timeout=IMG_S, check=False)
    except FileNotFoundError:
        raise UsageError("make a disk", "qemu-img is not installed", "install qemu-utils") from None
    except subprocess.TimeoutExpired:
        raise HostError(f"qemu-img {words[0]}", f"it took longer than {IMG_S} s", "is the disk slow or full?") from None
    if done.returncode != 0:
        raise StepError(
            f"qemu-img {words[0]}", done.stderr.decode(errors="replace").strip()[-500:], "free space, or correct the image"
        )
    return done.stdout
