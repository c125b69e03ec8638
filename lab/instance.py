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
from lab import tier as tiers
from lab.command import say
from lab.control import ask
from lab.errors import LabError
from lab.estate import ESTATE, Machine, machine
from lab.golden.bake import goldens
from lab.host import Host, host
from lab.identity import programs
from lab.leftovers import everything
from lab.settings import Settings, from_environment
from lab.sweep import sweep
from lab.tier import Tier


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


def up(
    hosts: Sequence[str] | None = None, *, wait: bool = True, tier: str | None = None, settings: Settings | None = None
) -> Lab:
    """Bring the named hosts up (all by default) from golden images; with `wait`, until their containers are healthy.

    Hosts that already run are left alone. A start that fails takes down what it began. `tier` is nspawn unless said.
    """
    settings = settings or from_environment()
    wanted = tuple(machine(name) for name in hosts) if hosts else ESTATE
    _require_linux_root()
    with _turn(settings):
        alive = _alive(settings)
        before = tiers.present(settings) if alive else None
        chosen = tiers.named(tier or (before.name if before else "nspawn"))
        if before and before is not chosen:
            raise LabError(f"cannot use the tier {chosen.name}: because the lab runs on {before.name}; take it down first")
        packages.ensure(chosen.packages, _log(settings, "apt.log"))
        images = goldens(settings, wanted)
        if not alive:
            sweep(settings)  # what a killed lab may have left
        try:
            return _start(settings, chosen, wanted, images, wait)
        except BaseException:
            say("the start failed: taking down what it began")
            if alive:
                _each([one for one in wanted if not alive.get(one.name)], lambda one: _drop(settings, one))
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
        tier = _tier(settings)
        wanted = [machine(name) for name in hosts] if hosts else [machine(name) for name in tier.running(settings)]
        images = goldens(settings, wanted)
        keys.ensure(settings)
        _each(wanted, lambda one: _create(settings, one, images[one.name]))
        return _ready(settings, wanted, wait)


def reboot(name: str, *, settings: Settings | None = None) -> None:
    """An orderly reboot from inside; returns when ssh answers from the new boot."""
    settings = settings or from_environment()
    one = host(settings, machine(name), _tier(settings).patience)
    before = one.boot_id()
    one.root_run("systemctl reboot", seconds=20)
    patience = 120 * one.patience
    until = time.monotonic() + patience
    while time.monotonic() < until:
        time.sleep(0.2)
        try:
            one.wait_ssh(30)
            if one.boot_id() != before:
                return
        except LabError:
            continue
    raise LabError(f"cannot reboot {name}: because no new boot answered in {patience:g} s")


def power_cut(name: str, *, boot: bool = True, settings: Settings | None = None) -> None:
    """Kill the host at once, keep its disks, and (with `boot`) start it again.

    In the nspawn tier the machine's page cache outlives the host: nothing the guest had written is lost, as it may be on
    real power loss. In the QEMU tier what the guest had not flushed is gone.
    """
    settings = settings or from_environment()
    one, tier = machine(name), _tier(settings)
    tier.stop(settings, one)
    if boot:
        tier.resume(settings, one)
        _wait_ssh(settings, one)


def install(*, settings: Settings | None = None) -> None:
    """Put the repository's present hand and reader on the running hosts, without a reset."""
    settings = settings or from_environment()
    for name, runs in _tier(settings).running(settings).items():
        for path, (mode, text) in programs().items() if runs else ():
            there = f"install -D -m {mode} /dev/stdin {path}"
            host(settings, machine(name)).root_run(there, stdin=text, check=True)


def status(*, settings: Settings | None = None) -> dict[str, object]:
    """`up`, hosts with whether they run, and what the instance has on this machine."""
    settings = settings or from_environment()
    hosts = _alive(settings)
    return {"name": settings.name, "up": any(hosts.values()), "hosts": hosts, "on_this_machine": everything(settings)}


def _start(settings: Settings, tier: Tier, wanted: Sequence[Machine], images: dict[str, Path], wait: bool) -> Lab:
    for directory in (settings.run, settings.disks, settings.logs):
        directory.mkdir(parents=True, exist_ok=True)
    settings.state.chmod(0o700)
    keys.ensure(settings)
    tiers.remember(settings, tier)
    tier.prepare(settings)
    alive = tier.running(settings)
    _each([one for one in wanted if not alive.get(one.name)], lambda one: _create(settings, one, images[one.name]))
    return _ready(settings, wanted, wait)


def _alive(settings: Settings) -> dict[str, bool]:
    """The started hosts, and whether each runs; empty when the lab is down."""
    tier = tiers.present(settings)
    return tier.running(settings) if tier else {}


def _tier(settings: Settings) -> Tier:
    tier = tiers.present(settings)
    if tier is None:
        raise LabError(f"cannot do that to the lab {settings.name}: because it is not up; run: waveboard lab up")
    return tier


def _drop(settings: Settings, one: Machine) -> None:
    """Stop the machine, when it runs, and remove its disks."""
    _tier(settings).stop(settings, one)
    for old in settings.disks.glob(f"{one.name}-*"):
        old.unlink()


def _create(settings: Settings, one: Machine, image: Path) -> None:
    _drop(settings, one)
    _tier(settings).create(settings, one, image)


def _ready(settings: Settings, wanted: Sequence[Machine], wait: bool) -> Lab:
    began, tier = time.monotonic(), _tier(settings)
    _each(wanted, lambda one: _wait_ssh(settings, one))
    say(f"ssh answers on {', '.join(one.name for one in wanted)} ({time.monotonic() - began:.1f} s)")
    if wait:
        _each(wanted, lambda one: host(settings, one, tier.patience).wait_containers())
        say(f"containers are healthy ({time.monotonic() - began:.1f} s)")
    alive = tier.running(settings)
    lab = Lab(settings, tuple(host(settings, one, tier.patience) for one in ESTATE if alive.get(one.name)))
    _describe(lab, tier)
    return lab


def _wait_ssh(settings: Settings, one: Machine) -> None:
    """Like Host.wait_ssh, but a machine that has ended is an error at once, with its last words."""
    tier = _tier(settings)

    def alive() -> None:
        if not tier.running(settings).get(one.name):
            said = tier.last_words(settings, one)
            raise LabError(f"cannot boot {one.name}: because its machine ended: {said}")

    host(settings, one, tier.patience).wait_ssh(check=alive)


def _describe(lab: Lab, tier: Tier) -> None:
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
        "tier": tier.name,
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
