"""One running lab host as tests and people reach it: root commands, waiting until it is ready; it changes no host by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.command import Text, run
from lab.errors import LabError
from lab.estate import Machine
from lab.settings import SSH_PORT, Settings


@dataclass(frozen=True, slots=True)
class Host:
    """A host of the lab. `root_run` is for tests; the product logs in as wbaudit and wbhand."""

    name: str
    vmid: int
    address: str
    port: int
    containers: tuple[str, ...]
    root_key: Path
    known_hosts: Path
    patience: float = 1.0  # an emulated host needs more of everything

    def ssh(self, user: str = "root", key: Path | None = None) -> list[str]:
        """The ssh command line up to the destination, with the pinned host key and no other configuration."""
        options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"ConnectTimeout={5 * self.patience:.0f}", "IdentitiesOnly=yes"]
        options += [f"UserKnownHostsFile={self.known_hosts}", "GlobalKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        words = ["ssh", "-F", "/dev/null", "-p", str(self.port), "-i", str(key or self.root_key)]
        return [*words, *(word for option in options for word in ("-o", option)), f"{user}@{self.address}"]

    def root_run(self, script: str, *, seconds: float = 60, stdin: str | None = None, check: bool = False) -> Text:
        """Run shell text as root in the guest, for at most `seconds` of an unhurried host's time."""
        return run([*self.ssh(), "--", script], seconds=seconds * self.patience, stdin=stdin, check=check)

    def wait_ssh(self, seconds: float = 60, check: Callable[[], None] = lambda: None) -> None:
        """Until ssh answers; `check` may raise what makes waiting pointless."""
        until = time.monotonic() + seconds * self.patience
        while True:
            try:
                done = self.root_run("true", seconds=20)
                if done.returncode == 0:
                    return
                said = done.stderr.strip()
            except LabError as problem:
                said = str(problem)
            check()
            if time.monotonic() > until:
                raise LabError(f"cannot reach {self.name}: because ssh did not answer in {seconds * self.patience:g} s: {said}")
            time.sleep(0.1 * self.patience)

    def wait_containers(self, seconds: float = 120) -> None:
        """Until every planted container runs and, where it has a health check, is healthy."""
        until = time.monotonic() + seconds * self.patience
        while True:
            asked = time.monotonic()
            states = self.container_states()
            took = time.monotonic() - asked
            waiting = [name for name in self.containers if states.get(name) not in ("running", "healthy")]
            if not waiting:
                return
            if time.monotonic() > until:
                told = ", ".join(f"{name} is {states.get(name, 'missing')}" for name in waiting)
                raise LabError(f"cannot call {self.name} ready: because after {seconds * self.patience:g} s {told}")
            # a slow host needs its time for the containers, not for our questions; a docker that was only starting answers soon
            time.sleep(min(max(0.2, 2 * took), 2 * self.patience))

    def container_states(self) -> dict[str, str]:
        """Container name -> its health, or its state where it has no health check; empty while docker is not up."""
        form = "{{json .Name}} {{json .State}}"
        try:
            done = self.root_run(f"docker ps -aq | xargs -r docker inspect -f '{form}'", seconds=60)
        except LabError:  # a docker that is still starting may answer nothing for long
            return {}
        states = {}
        for line in done.stdout.splitlines() if done.returncode == 0 else []:
            name, _, state = line.partition(" ")
            told = json.loads(state)
            running = told["Status"] == "running"
            health = told.get("Health", {}).get("Status")
            states[json.loads(name).lstrip("/")] = health if running and health else told["Status"]
        return states

    def boot_id(self) -> str:
        return self.root_run("cat /proc/sys/kernel/random/boot_id", check=True).stdout.strip()


def host(settings: Settings, machine: Machine, patience: float = 1.0, pinned: Path | None = None) -> Host:
    """pinned: the known_hosts file where its key stands, the lab's own when absent."""
    address, root_key, known = settings.address(machine.vmid), settings.keys / "root", pinned or settings.known_hosts
    return Host(machine.name, machine.vmid, address, SSH_PORT, machine.containers, root_key, known, patience)
