"""Reads hosts over SSH: one connection and one channel a host, many hosts at once, each bounded in seconds and bytes.

Host keys are pinned: only the workspace's known_hosts counts, a key that is not in it is refused and nothing is learned. No
agent, no ssh config, no password. The one command is a constant; the program arrives over stdin. It has no verb that changes a
host, keeps connections open until it is closed, and does not read what it brings back.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from waveboard.model.contract import HostTarget
from waveboard.model.errors import HostError
from waveboard.model.evidence import Answer, Ask

if TYPE_CHECKING:
    import asyncssh

COMMAND = "exec /bin/sh -s"
_SSH_PORT = 22  # the protocol's own, RFC 4253
_GRACE_S = 2.0  # after the program's exit, for output that is still under way


@dataclass(frozen=True, slots=True)
class Limits:
    """What one host may cost, and how many are asked at once."""

    in_flight: int = 64
    connect_s: float = 10.0
    total_s: float = 60.0
    output_bytes: int = 16 * 2**20


class SshReader:
    """A Reader. Targets name known_hosts and key files by absolute path. Close it, or use `with`."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._runner: asyncio.Runner | None = None
        self._open: dict[str, asyncssh.SSHClientConnection] = {}
        self._parsed: dict[str, Any] = {}

    def __enter__(self) -> "SshReader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every kept connection."""
        if self._runner is not None:
            self._runner.run(self._close())
            self._runner.close()
            self._runner = None

    def collect(self, asks: Sequence[Ask], targets: Mapping[str, HostTarget]) -> Mapping[str, Answer | HostError]:
        """An answer or a HostError for every ask. Connections of an earlier call are used again."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._collect(asks, targets))

    # -- one host ----------------------------------------------------------------------------------------------------

    async def _collect(self, asks: Sequence[Ask], targets: Mapping[str, HostTarget]) -> Mapping[str, Answer | HostError]:
        turn = asyncio.Semaphore(self._limits.in_flight)

        async def one(ask: Ask) -> Answer | HostError:
            async with turn:
                try:
                    async with asyncio.timeout(self._limits.total_s):
                        return await self._ask(ask, targets)
                except TimeoutError:
                    self._drop(ask.host)
                    return _error(ask.host, f"no complete answer within {self._limits.total_s:g} s")
                except HostError as error:
                    self._drop(ask.host)
                    return error

        answers = await asyncio.gather(*(one(ask) for ask in asks))
        return dict(zip((ask.host for ask in asks), answers, strict=True))

    async def _ask(self, ask: Ask, targets: Mapping[str, HostTarget]) -> Answer | HostError:
        kept = self._open.get(ask.host)
        if kept is not None and not kept.is_closed():
            try:
                return await self._run(kept, ask)
            except HostError:
                self._drop(ask.host)  # it may only have been idle for too long: one fresh connection decides
        return await self._run(await self._connect(ask.host, targets, ()), ask)

    async def _run(self, connection: "asyncssh.SSHClientConnection", ask: Ask) -> Answer:
        import asyncssh

        try:
            factory: Any = partial(_Session, self._limits.output_bytes)
            channel, made = await connection.create_session(factory, COMMAND, encoding=None)
            session = cast("_Session", made)
            channel.write(ask.text.encode("utf-8"))
            channel.write_eof()
            await session.finished
            channel.close()
        except (asyncssh.Error, OSError) as error:
            raise _error(ask.host, f"the connection was closed midway ({_said(error)})") from None
        if session.over:
            raise _error(
                ask.host, f"it sent more than {self._limits.output_bytes} bytes", "look at the host: no audit is that large"
            )
        if session.lost:
            raise _error(ask.host, "the connection was closed midway")
        key = connection.get_server_host_key()
        return Answer(b"".join(session.parts), key.get_fingerprint() if key else None)

    # -- connections -------------------------------------------------------------------------------------------------

    async def _connect(
        self, host: str, targets: Mapping[str, HostTarget], through: tuple[str, ...]
    ) -> "asyncssh.SSHClientConnection":
        import asyncssh

        target = targets.get(host)
        if target is None or target.user is None or target.known_hosts is None or target.key_file is None:
            lacks = (
                "target"
                if target is None
                else "user"
                if target.user is None
                else "known_hosts"
                if target.known_hosts is None
                else "key_file"
            )
            raise _error(host, f"the contracts give it no {lacks}", f"add {lacks} to the host's target")
        if host in through:
            raise _error(host, f"its jumps go in a circle: {' -> '.join((*through, host))}")
        tunnel = None
        if target.jump is not None:
            tunnel = self._open.get(target.jump) or await self._connect(target.jump, targets, (*through, host))
        try:
            known = self._read(target.known_hosts, asyncssh.read_known_hosts)
            key = self._read(target.key_file, asyncssh.read_private_key)
        except (OSError, asyncssh.Error, ValueError) as error:
            which = getattr(error, "filename", None) or f"{target.known_hosts} or {target.key_file}"
            raise _error(host, f"the workspace's keys cannot be read ({_said(error)}: {which})", "put the file there") from None
        port = target.port or _SSH_PORT
        try:
            connection = await asyncssh.connect(
                target.address, port, username=target.user, client_keys=[key], known_hosts=known, tunnel=tunnel or (), **_OPTIONS,
                connect_timeout=self._limits.connect_s, login_timeout=self._limits.connect_s,
            )  # fmt: skip
        except asyncssh.HostKeyNotVerifiable as error:
            pinned = any(known.match(target.address, "", port)[:3])
            because = (
                "host key changed: it is not the pinned one"
                if pinned
                else f"no host key is pinned for it in {target.known_hosts}"
            )
            raise _error(
                host, because, f"compare the key by another way, then correct {target.known_hosts} ({_said(error)})"
            ) from None
        except asyncssh.PermissionDenied:
            raise _error(host, f"it refused {target.user}'s key", f"install the public key of {target.key_file} there") from None
        except TimeoutError:
            raise _error(host, f"no connection within {self._limits.connect_s:g} s") from None
        except (asyncssh.Error, OSError, ValueError) as error:
            raise _error(host, _said(error)) from None
        self._open[host] = connection
        return connection

    def _read(self, name: str, how: Any) -> Any:
        """A key or known_hosts file, parsed once."""
        if name not in self._parsed:
            self._parsed[name] = how(name)
        return self._parsed[name]

    def _drop(self, host: str) -> None:
        connection = self._open.pop(host, None)
        if connection is not None:
            connection.abort()

    async def _close(self) -> None:
        for connection in self._open.values():
            connection.close()
        await asyncio.gather(*(asyncio.wait_for(c.wait_closed(), _GRACE_S) for c in self._open.values()), return_exceptions=True)
        self._open.clear()


_OPTIONS: Mapping[str, Any] = {
    "config": None,
    "agent_path": None,
    "agent_forwarding": False,
    "preferred_auth": "publickey",
    "kex_algs": "^curve25519-sha256",
    "encryption_algs": "^aes128-gcm@openssh.com",
    "compression_algs": None,
    "keepalive_interval": 15,
    "keepalive_count_max": 3,
}


class _Session:
    """What one channel said, until its output ends, the program exits or the limit is passed. By shape an SSHClientSession."""

    def __init__(self, limit: int) -> None:
        self.parts: list[bytes] = []
        self.left, self.over, self.lost = limit, False, False
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def _finish(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.left -= len(data)  # stderr counts too: it is not kept, but it is not free
        if self.left < 0:
            self.over = True
            self._finish()
        elif datatype is None:
            self.parts.append(data)

    def eof_received(self) -> bool:
        self._finish()
        return False

    def exit_status_received(self, status: int) -> None:
        asyncio.get_running_loop().call_later(_GRACE_S, self._finish)

    def exit_signal_received(self, signal: str, core_dumped: bool, message: str, language: str) -> None:
        self.exit_status_received(-1)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = not self.finished.done()
        self._finish()

    def connection_made(self, channel: object) -> None: ...
    def session_started(self) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


def _error(host: str, because: str, fix: str = "the host's answer is unknown; try again") -> HostError:
    return HostError(f"read {host}", because, fix)


def _said(error: Exception) -> str:
    """One printable line of a foreign error."""
    number = getattr(error, "errno", None)
    text = os.strerror(number) if number else str(getattr(error, "reason", "") or error) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in text[:200])
