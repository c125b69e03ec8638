"""A real sshd on loopback with its own keys. Each user key may be forced to a command: that is how a host is made hostile."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waveboard.model.contract import HostTarget

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
NEEDED = "needs root, sshd and ssh-keygen"


def usable() -> bool:
    return os.geteuid() == 0 and SSHD is not None and shutil.which("ssh-keygen") is not None


def keygen(path: Path) -> str:
    """A fresh ed25519 key pair; its public line."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)
    return path.with_name(path.name + ".pub").read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Sshd:
    """Targets by what their host does. known: the pinned key's file."""

    place: Path
    port: int
    fingerprint: str
    process: "subprocess.Popen[bytes]" = field(repr=False)

    def target(self, kind: str, **changes: object) -> HostTarget:
        told = {"id": kind, "address": "127.0.0.1", "user": "root", "port": self.port}
        keys = {"known_hosts": str(self.place / "known_hosts"), "key_file": str(self.place / kind)}
        return HostTarget(**{**told, **keys, **changes})  # type: ignore[arg-type]

    def sessions(self) -> list[str]:
        """Processes that connections have left behind."""
        listed = subprocess.run(
            ["ps", "--ppid", str(self.process.pid), "-o", "pid="], capture_output=True, text=True, check=False
        )
        return listed.stdout.split()


@contextlib.contextmanager
def running(place: Path, kinds: Mapping[str, str], extra: str = "") -> Iterator[Sshd]:
    """kinds: key name -> forced command, "" for none. Stops what it started."""
    Path("/run/sshd").mkdir(exist_ok=True)
    port, host_key = free_port(), keygen(place / "host_key")
    lines = []
    for kind, command in kinds.items():
        forced = f'command="{command}",' if command else ""
        lines.append(f"{forced}restrict {keygen(place / kind)}")
    (place / "authorized_keys").write_text("".join(lines))
    (place / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    (place / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host_key\nPidFile none\nUsePAM no\nStrictModes no\nUseDNS no\n"
        f"AuthorizedKeysFile {place}/authorized_keys\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        f"MaxStartups 500\nPrintMotd no\n{extra}\n"
    )
    told = subprocess.run(["ssh-keygen", "-lf", place / "host_key.pub"], capture_output=True, text=True, check=True).stdout
    assert SSHD is not None
    with (place / "log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", place / "sshd_config"], stderr=log, stdin=subprocess.DEVNULL)
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert process.poll() is None, (place / "log").read_text()
                time.sleep(0.05)
            yield Sshd(place, port, told.split()[1], process)
        finally:
            process.terminate()
            process.wait(10)
