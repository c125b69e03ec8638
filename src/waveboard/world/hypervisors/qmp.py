"""QMP over a VM's own socket, and its guest agent over the other: one command, one answer, then away. Reads no events.

Root in the guest owns the agent's end: what comes from there is bounded in bytes, lines and time, and what has no shape is silence.
QEMU's manual, "QMP reference" and "QEMU Guest Agent Protocol Reference".
"""

import json
import secrets
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from waveboard.model.errors import HostError

LIMIT_S = 10.0  # for all of it: connecting, asking and every line of the answer
LINE_BYTES, LINES = 2**20, 1000
_FAULTS = (OSError, ValueError, RecursionError)


def ask(path: Path, command: str, **arguments: object) -> Mapping[str, object]:
    """What the command returned. Raises: HostError when no QEMU answers there."""
    cannot = f"ask the VM at {path.parent.name} to {command}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            talk = _Talk(link, path)
            talk.hear()
            _told(talk, "qmp_capabilities", {})
            return _told(talk, command, arguments)
    except _FAULTS as why:
        raise HostError(cannot, f"it does not answer ({why})", "look whether its process lives") from None


def ask_agent(path: Path, command: str) -> object:
    """What the guest's agent returned, of any shape. Raises: HostError when no agent answers within the bounds."""
    number = secrets.randbelow(1 << 30)  # answers to those who asked before us may still come: everything up to ours is theirs
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            talk = _Talk(link, path)
            talk.say("guest-sync", {"id": number})
            talk.say(command, {})
            while talk.hear().get("return") != number:
                pass
            return talk.hear().get("return")
    except _FAULTS as why:
        because = f"its agent does not answer ({why or type(why).__name__})"
        raise HostError(f"ask the guest of VM {path.parent.name}", because, "is qemu-guest-agent installed there?") from None


class _Talk:
    """Lines of JSON objects either way. Raises, everywhere: OSError, ValueError or RecursionError, for what is no answer."""

    def __init__(self, link: socket.socket, path: Path) -> None:
        self._link, self._until, self._held, self._lines = link, time.monotonic() + LIMIT_S, b"", 0
        self._wait()
        link.connect(str(path))

    def say(self, execute: str, arguments: Mapping[str, object]) -> None:
        self._wait()
        self._link.sendall(json.dumps({"execute": execute, "arguments": dict(arguments)}).encode() + b"\n")

    def hear(self) -> Mapping[str, object]:
        answer = json.loads(self._line())
        if not isinstance(answer, dict):
            raise ValueError("it told something that is no answer")
        return answer

    def _line(self) -> bytes:
        self._lines += 1
        if self._lines > LINES:
            raise ValueError(f"it told more than {LINES} lines")
        seen = 0
        while (end := self._held.find(b"\n", seen)) < 0 and len(self._held) <= LINE_BYTES:
            seen = len(self._held)
            self._wait()
            part = self._link.recv(65536)
            if not part:
                raise ValueError("the socket was closed")
            self._held += part
        if not 0 <= end <= LINE_BYTES:
            raise ValueError(f"it told a line of more than {LINE_BYTES} bytes")
        line, self._held = self._held[:end], self._held[end + 1 :]
        return line

    def _wait(self) -> None:
        """The next call on the socket ends with the deadline."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._link.settimeout(left)


def _told(talk: _Talk, command: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
    talk.say(command, arguments)
    while True:
        answer = talk.hear()
        if "error" in answer:
            raise ValueError(str(answer["error"]))
        if "return" in answer:
            told = answer["return"]
            return told if isinstance(told, dict) else {}
