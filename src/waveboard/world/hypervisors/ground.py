"""What the hypervisor's hand touches on the controller: VMs' host keys, pinned host keys, and whether a guest answers SSH.

A VM's private host key is made here before the VM is, and leaves only inside the seed; it never stands in a plan or a journal.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import asyncssh

from waveboard.model.errors import RefusedError, UsageError
from waveboard.world.files import write_whole

_LOOK_S = 10


class Ground:
    """keys: where the host keys lie; known_hosts: host id -> the file its key is pinned in."""

    def __init__(self, keys: Path, known_hosts: Mapping[str, Path]) -> None:
        self._keys, self._known_hosts = keys, known_hosts

    def host_key(self, host: str) -> str:
        """The public line of the host's key, made on the first call."""
        if not (self._keys / host).exists():
            made = asyncssh.generate_private_key("ssh-ed25519", comment=host)
            write_whole(self._keys / host, made.export_private_key("openssh"))
        return " ".join(asyncssh.read_private_key(self._keys / host).export_public_key("openssh").decode().split()[:2])

    def private_key(self, host: str, public: str) -> str:
        """The private half of exactly that public line. Raises: RefusedError when another key is here."""
        if self.host_key(host) != " ".join(public.split()[:2]):
            raise RefusedError(f"seed {host}", "the host key here is not the one the plan names", "plan again")
        return (self._keys / host).read_text()

    def pinned(self, host: str, line: str) -> bool:
        """Whether known_hosts has exactly this line for its host."""
        return line in self._lines(host)

    def pin(self, host: str, line: str) -> None:
        """Append it. Raises: RefusedError when another key of that kind is pinned for the address: it may be a real machine's."""
        lines, place, kind = self._lines(host), *line.split()[:2]
        if line in lines:
            return
        if any(one.split()[:2] == [place, kind] for one in lines):
            path = self._known_hosts[host]
            raise RefusedError(
                f"pin {place}", f"{path} pins another key for it", "remove that line if the machine is gone for good"
            )
        write_whole(self._known_hosts[host], "".join(f"{one}\n" for one in (*lines, line)).encode(), 0o644)

    def unpin(self, host: str, line: str) -> None:
        """Remove exactly that line."""
        lines = self._lines(host)
        if line in lines:
            kept = "".join(f"{one}\n" for one in lines if one != line)
            write_whole(self._known_hosts[host], kept.encode(), 0o644)

    def presented(self, address: str, port: int) -> str:
        """The host key that answers there; "" while nobody does."""
        try:
            key = asyncio.run(
                asyncio.wait_for(
                    asyncssh.get_server_host_key(address, port, config=None, server_host_key_algs=["ssh-ed25519"]), _LOOK_S
                )
            )
        except (TimeoutError, OSError, asyncssh.Error):
            return ""
        return " ".join(key.export_public_key("openssh").decode().split()[:2]) if key else ""

    def _lines(self, host: str) -> list[str]:
        if host not in self._known_hosts:
            raise UsageError(
                f"pin {host}", "its target names no known_hosts file", "add `known_hosts:` under access in waveboard.yaml"
            )
        path = self._known_hosts[host]
        return path.read_text().splitlines() if path.exists() else []
