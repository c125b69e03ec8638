"""The way to a host's hand over SSH: its own user, its own key, pinned host keys, one constant command. It cannot read facts.

A connection that breaks before the last line says nothing about the host: HostError here always means unknown.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from waveboard.model.contract import HostTarget
from waveboard.model.errors import HostError

if TYPE_CHECKING:
    import asyncssh

COMMAND = "wb-hand"  # the account's forced command decides what really runs
MAX_ANSWER = 8 << 20
MAX_REQUEST = 4 << 20
CONNECT_S = 10.0


class SshHand:
    """Satisfies app.ports.Hand. known_hosts: the file used for targets that name none; key_file likewise."""

    def __init__(self, known_hosts: str | None = None, key_file: str | None = None) -> None:
        self._known_hosts, self._key_file = known_hosts, key_file

    def call(self, target: HostTarget, request: Mapping[str, object], timeout_s: float) -> Mapping[str, object]:
        """The hand's answer, which may itself be a refusal (`ok` false). Raises: HostError when no answer came."""
        import asyncssh

        cannot = f"ask the hand of {target.id} to {request.get('op')}"
        sent = json.dumps(request).encode()
        if len(sent) > MAX_REQUEST:
            raise HostError(cannot, f"the request has {len(sent)} bytes, the hand takes {MAX_REQUEST}")
        try:
            raw = asyncio.run(asyncio.wait_for(self._exchange(target, sent, cannot), timeout_s))
        except TimeoutError:
            raise HostError(cannot, f"no answer within {timeout_s:.0f} s", "ask its status: the outcome is unknown") from None
        except (OSError, asyncssh.Error) as why:
            raise HostError(cannot, f"the connection failed ({why})", "ask its status: the outcome is unknown") from None
        return last_answer(raw, cannot)

    async def _exchange(self, target: HostTarget, sent: bytes, cannot: str) -> bytes:
        import asyncssh

        known_hosts = target.known_hosts or self._known_hosts
        key_file = target.mutate_key_file or self._key_file
        if known_hosts is None or key_file is None or target.mutate_user is None:
            raise HostError(
                cannot, "its target names no mutate user, mutate key or pinned host keys", "complete ssh.targets.yaml"
            )
        async with asyncssh.connect(
            target.address,
            port=target.port or 22,
            username=target.mutate_user,
            client_keys=[key_file],
            known_hosts=known_hosts,
            config=None,
            agent_path=None,
            agent_forwarding=False,
            preferred_auth=("publickey",),
            connect_timeout=CONNECT_S,
            login_timeout=CONNECT_S,
            keepalive_interval=5,
            keepalive_count_max=3,
        ) as connection:
            process = await connection.create_process(COMMAND, encoding=None)
            complaint = asyncio.create_task(_read(process.stderr, 65536))
            complaint.add_done_callback(lambda task: task.cancelled() or task.exception())  # a lost connection is told once
            process.stdin.write(sent)
            process.stdin.write_eof()
            raw = await _read(process.stdout, MAX_ANSWER)
            if len(raw) > MAX_ANSWER:
                raise HostError(cannot, f"it answered more than {MAX_ANSWER} bytes")
            if not raw.strip():
                raise HostError(cannot, f"it answered nothing: {(await complaint).decode(errors='replace').strip()[:400]!r}")
            complaint.cancel()
            return raw


async def _read(stream: "asyncssh.SSHReader[bytes]", limit: int) -> bytes:
    """Until EOF, or one byte more than the limit."""
    kept = bytearray()
    while len(kept) <= limit:
        chunk = await stream.read(65536)
        if not chunk:
            break
        kept += chunk
    return bytes(kept)


def last_answer(raw: bytes, cannot: str) -> Mapping[str, object]:
    """The JSON object on the last line. Raises: HostError."""
    line = raw.rstrip(b"\n").rpartition(b"\n")[2]
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        raise HostError(cannot, "its answer broke off or is not the hand's", "ask its status: the outcome is unknown")
    return answer
