"""The process that is a running lab: `python -m lab.keeper`. It holds the network, the forwards and the machines.

It listens on loopback before it leaves the machine's network namespace for the lab's own, which has no route out.
Killing it ends everything: machines die with their parent, and what they made lived in their namespaces.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from lab import kernel
from lab.cgroups import enter_group, own_group
from lab.command import run
from lab.errors import LabError
from lab.estate import ESTATE, Machine
from lab.forward import listen, serve
from lab.launch import wrapped
from lab.leftovers import loops_of
from lab.settings import Settings, from_environment

Answer = dict[str, Any]


class Keeper:
    """Starts and ends machines on request; each request is one JSON line on the control socket, so is each answer."""

    def __init__(self, settings: Settings, bridge: int) -> None:
        self._settings = settings
        self._bridge = bridge
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self.ended = asyncio.Event()

    async def start(self, name: str) -> Answer:
        """Run the machine whose configuration file is already written."""
        if self._alive(name):
            raise LabError(f"cannot start {name}: because it is running")
        log = (self._settings.logs / f"{name}.machine.log").open("ab")
        with log:
            self._running[name] = await asyncio.create_subprocess_exec(
                *wrapped(self._settings.run / f"{name}.json"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[self._bridge],
                preexec_fn=kernel.die_with_parent,
            )
        return {"pid": self._running[name].pid}

    async def stop(self, name: str) -> Answer:
        """Cut the machine's power and wait until its disks are free."""
        process = self._running.pop(name, None)
        if process is None:
            return {}
        if process.returncode is None:
            process.kill()
        await asyncio.wait_for(process.wait(), 10)
        for _ in range(1000):
            if not loops_of(self._settings, name):
                return {}
            await asyncio.sleep(0.01)
        raise LabError(f"cannot stop {name}: because its loop devices stay busy")

    async def status(self, name: str) -> Answer:
        del name
        return {"bridge": self._bridge, "hosts": {host: self._alive(host) for host in self._running}}

    async def quit(self, name: str) -> Answer:
        del name
        await asyncio.gather(*(self.stop(host) for host in list(self._running)))
        self.ended.set()
        return {}

    def _alive(self, name: str) -> bool:
        process = self._running.get(name)
        return process is not None and process.returncode is None

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verbs: dict[str, Callable[[str], Awaitable[Answer]]] = {
            "start": self.start,
            "stop": self.stop,
            "status": self.status,
            "quit": self.quit,
        }
        with contextlib.suppress(ConnectionError):
            try:
                asked = json.loads(await reader.readline())
                said = {"ok": True, **await verbs[asked["do"]](asked.get("host", ""))}
            except (LabError, OSError, KeyError, ValueError, TimeoutError) as problem:
                said = {"ok": False, "error": str(problem) or type(problem).__name__}
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
            writer.close()


def build_network() -> int:
    """Leave for a new network namespace with one bridge; returns a descriptor of it that machines inherit."""
    kernel.unshare(kernel.NEWNET)
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "link", "add", "br0", "address", "02:77:00:00:00:01", "type", "bridge"])  # fixed: ports come and go
    run(["ip", "address", "add", "10.77.0.1/24", "dev", "br0"])
    run(["ip", "link", "set", "br0", "up"])
    return os.open("/proc/self/ns/net", os.O_RDONLY)


async def keep(settings: Settings, listeners: list[tuple[Machine, socket.socket]]) -> None:
    bridge = build_network()
    os.set_inheritable(bridge, True)
    keeper = Keeper(settings, bridge)
    for machine, listening in listeners:
        await serve(listening, machine.inner_address)
    path = settings.run / "control.sock"
    control = await asyncio.start_unix_server(keeper.answer, path)
    path.chmod(0o600)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, keeper.ended.set)
    async with control:
        await keeper.ended.wait()


def main() -> int:
    settings = from_environment()
    group = own_group() / f"waveboard-lab.{settings.name}"
    (settings.run / "group").write_text(str(group))
    enter_group(group / "keeper")
    listeners = [(machine, listen(settings.address(machine.vmid))) for machine in ESTATE]
    asyncio.run(keep(settings, listeners))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as problem:
        sys.exit(str(problem))
