"""A whole lab: up, down, reset and what lies between. Building images is golden/'s work, running machines is the keeper's."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab import keys, packages
from lab.command import run, say, tail
from lab.control import ask, is_up, start_keeper
from lab.errors import LabError
from lab.estate import ESTATE, Machine, machine
from lab.golden.bake import goldens
from lab.host import Host, host
from lab.identity import files, programs
from lab.launch import Config
from lab.leftovers import everything
from lab.settings import Settings, from_environment
from lab.sweep import sweep


@dataclass(frozen=True, slots=True)
class Lab:
    """A running lab."""

    settings: Settings
    hosts: tuple[Host, ...]

    def host(self, name: str) -> Host:
        for one in self.hosts:
            if one.name == name:
                return one
        raise LabError(f"cannot find {name}: because this lab runs {', '.join(one.name for one in self.hosts)}")

    @property
    def keys(self) -> keys.Keys:
        return keys.of(self.settings)


def up(hosts: Sequence[str] | None = None, *, wait: bool = True, settings: Settings | None = None) -> Lab:
    """Bring the named hosts up (all by default) from golden images; with `wait`, until their containers are healthy.

    Hosts that already run are left alone. A start that fails takes down what it began.
    """
    settings = settings or from_environment()
    wanted = tuple(machine(name) for name in hosts) if hosts else ESTATE
    _require_linux_root()
    with _turn(settings):
        packages.ensure(packages.NSPAWN, _log(settings, "apt.log"))
        images = goldens(settings, wanted)
        running = _running(settings) if is_up(settings) else []
        if not running:
            sweep(settings)  # what a killed lab may have left
        try:
            return _start(settings, wanted, images, wait)
        except BaseException:
            say("the start failed: taking down what it began")
            if running:
                _each([one for one in wanted if one.name not in running], lambda one: _drop(settings, one))
            else:
                sweep(settings)
            raise


def down(*, settings: Settings | None = None) -> None:
    """End the lab in whatever state it is, and remove its disks. Keys and logs stay; the image cache stays."""
    settings = settings or from_environment()
    _require_linux_root()
    with _turn(settings):
        with suppress(LabError):  # no keeper, or a sick one: the sweep needs none
            ask(settings, "quit")
        sweep(settings)


def reset(hosts: Sequence[str] | None = None, *, wait: bool = True, settings: Settings | None = None) -> Lab:
    """Cut the power and boot fresh clones of the golden images: the drifted state again, whatever was done since."""
    settings = settings or from_environment()
    with _turn(settings):
        running = _running(settings)
        wanted = [machine(name) for name in hosts] if hosts else [machine(name) for name in running]
        images = goldens(settings, wanted)
        keys.ensure(settings)
        _each(wanted, lambda one: _clone_and_start(settings, one, images[one.name]))
        return _ready(settings, wanted, wait)


def reboot(name: str, *, settings: Settings | None = None) -> None:
    """An orderly reboot from inside; returns when ssh answers from the new boot."""
    settings = settings or from_environment()
    one = host(settings, machine(name))
    before = one.boot_id()
    one.root_run("systemctl reboot", seconds=20)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        time.sleep(0.2)
        try:
            one.wait_ssh(30)
            if one.boot_id() != before:
                return
        except LabError:
            continue
    raise LabError(f"cannot reboot {name}: because no new boot answered in 120 s")


def power_cut(name: str, *, boot: bool = True, settings: Settings | None = None) -> None:
    """Kill the host at once, keep its disks, and (with `boot`) start it again.

    The machine's page cache outlives the host: what the guest had written is not lost, as it could be on real power loss.
    """
    settings = settings or from_environment()
    one = machine(name)
    ask(settings, "stop", one.name)
    if boot:
        _write_config(settings, one, ask(settings, "status")["bridge"], {})
        ask(settings, "start", one.name)
        _wait_ssh(settings, one)


def install(*, settings: Settings | None = None) -> None:
    """Put the repository's present hand and reader on the running hosts, without a reset."""
    settings = settings or from_environment()
    for name in _running(settings):
        for path, (mode, text) in programs().items():
            there = f"install -D -m {mode} /dev/stdin {path}"
            host(settings, machine(name)).root_run(there, stdin=text, check=True)


def status(*, settings: Settings | None = None) -> dict[str, object]:
    """`up`, hosts with whether they run, and what the instance has on this machine."""
    settings = settings or from_environment()
    answering = is_up(settings)
    hosts = ask(settings, "status")["hosts"] if answering else {}
    return {"name": settings.name, "up": answering, "hosts": hosts, "on_this_machine": everything(settings)}


def _start(settings: Settings, wanted: Sequence[Machine], images: dict[str, Path], wait: bool) -> Lab:
    for directory in (settings.run, settings.disks, settings.logs):
        directory.mkdir(parents=True, exist_ok=True)
    settings.state.chmod(0o700)
    keys.ensure(settings)
    if not is_up(settings):
        start_keeper(settings)
    alive = ask(settings, "status")["hosts"]
    new = [one for one in wanted if not alive.get(one.name)]
    _each(new, lambda one: _clone_and_start(settings, one, images[one.name]))
    return _ready(settings, wanted, wait)


def _drop(settings: Settings, one: Machine) -> None:
    """Stop the machine, when it runs, and remove its disks."""
    ask(settings, "stop", one.name)
    for old in settings.disks.glob(f"{one.name}-*"):
        old.unlink()


def _clone_and_start(settings: Settings, one: Machine, image: Path) -> None:
    _drop(settings, one)
    run(["cp", "--reflink=auto", "--sparse=always", image, settings.disks / f"{one.name}-boot.img"], seconds=300)
    with (settings.disks / f"{one.name}-data.img").open("wb") as blank:
        blank.truncate(one.data_bytes)
    identity = files(settings, one, keys.of(settings))
    _write_config(settings, one, ask(settings, "status")["bridge"], identity)
    ask(settings, "start", one.name)


def _write_config(settings: Settings, one: Machine, bridge: int, inject: dict[str, list[str]]) -> None:
    place = settings.run / one.name
    place.mkdir(exist_ok=True)
    group = Path((settings.run / "group").read_text()) / one.name
    disks = [[str(settings.disks / f"{one.name}-{role}.img"), one.serial(role)] for role in ("boot", "data")]
    config = Config(
        name=one.name,
        disks=disks,
        place=str(place),
        log=str(settings.logs / f"{one.name}.console.log"),
        group=str(group),
        bridge=bridge,
        vmid=one.vmid,
        address=one.inner_address,
        inject=inject,
    )
    config.write(settings.run / f"{one.name}.json")


def _ready(settings: Settings, wanted: Sequence[Machine], wait: bool) -> Lab:
    began = time.monotonic()
    _each(wanted, lambda one: _wait_ssh(settings, one))
    say(f"ssh answers on {', '.join(one.name for one in wanted)} ({time.monotonic() - began:.1f} s)")
    if wait:
        _each(wanted, lambda one: host(settings, one).wait_containers())
        say(f"containers are healthy ({time.monotonic() - began:.1f} s)")
    lab = Lab(settings, tuple(host(settings, machine(name)) for name in _running(settings)))
    _describe(lab)
    return lab


def _wait_ssh(settings: Settings, one: Machine) -> None:
    """Like Host.wait_ssh, but a machine that has ended is an error at once, with its last words."""

    def alive() -> None:
        if not ask(settings, "status")["hosts"].get(one.name):
            said = tail((settings.logs / f"{one.name}.machine.log").read_text(errors="replace"), 1)
            raise LabError(f"cannot boot {one.name}: because its machine ended: {said}")

    host(settings, one).wait_ssh(check=alive)


def _describe(lab: Lab) -> None:
    """lab.json: everything a workspace needs to reach these hosts."""
    settings, at = lab.settings, lab.keys
    hosts = [
        {
            "name": one.name,
            "vmid": one.vmid,
            "address": one.address,
            "port": one.port,
            "audit_user": "wbaudit",
            "hand_user": "wbhand",
            "containers": list(one.containers),
        }
        for one in lab.hosts
    ]
    whole = {
        "schema": "waveboard.lab/1",
        "name": settings.name,
        "tier": "nspawn",
        "hosts": hosts,
        "keys": {
            "audit": str(at.audit),
            "hand": str(at.hand),
            "root": str(at.root),
            "approval": str(at.approval),
            "second": str(at.second),
        },
        "known_hosts": str(settings.known_hosts),
        "allowed_signers": str(settings.state / "allowed_signers"),
        "principal": keys.PRINCIPAL,
        "second": keys.SECOND,
        "namespace": keys.NAMESPACE,
    }
    (settings.state / "lab.json").write_text(json.dumps(whole, indent=1) + "\n")


def _running(settings: Settings) -> list[str]:
    hosts = ask(settings, "status")["hosts"]
    return sorted(name for name, alive in hosts.items() if alive)


def _each(machines: Sequence[Machine], work: Callable[[Machine], None]) -> None:
    """Do the work for all machines at once; the first failure is raised after all have ended."""
    if machines:
        with ThreadPoolExecutor(len(machines)) as pool:
            for future in [pool.submit(work, one) for one in machines]:
                future.result()


def _log(settings: Settings, name: str) -> Path:
    settings.logs.mkdir(parents=True, exist_ok=True)
    return settings.logs / name


@contextmanager
def _turn(settings: Settings) -> Iterator[None]:
    """One lab command at a time an instance."""
    settings.state.mkdir(parents=True, exist_ok=True)
    with (settings.state / "turn").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another lab command is running; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _require_linux_root() -> None:
    if not sys.platform.startswith("linux"):
        raise LabError("cannot run the lab: because it needs Linux; use a Debian 12 or 13 virtual machine")
    if os.geteuid() != 0:
        raise LabError("cannot run the lab: because mounts and loop devices need root; run it as root")
