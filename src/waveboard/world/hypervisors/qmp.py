"""QMP over a VM's own socket, and its guest agent over the other: one command, one answer, then away. Reads no events.

QEMU's manual, "QMP reference" and "QEMU Guest Agent Protocol Reference".
"""

import json
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from waveboard.model.errors import HostError

LIMIT_S = 10.0


def ask(path: Path, command: str, **arguments: object) -> Mapping[str, object]:
    """What the command returned. Raises: HostError when no QEMU answers there."""
    cannot = f"ask the VM at {path.parent.name} to {command}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(LIMIT_S)
            link.connect(str(path))
            with link.makefile("rwb") as line:
                line.readline()
                _told(line, "qmp_capabilities", {})
                return _told(line, command, arguments)
    except (OSError, ValueError) as why:
        raise HostError(cannot, f"it does not answer ({why})", "look whether its process lives") from None


def ask_agent(path: Path, command: str) -> object:
    """What the guest's agent returned. Raises: HostError when no agent answers."""
    number = secrets.randbelow(1 << 30)  # answers to those who asked before us may still come: everything up to ours is theirs
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(LIMIT_S)
            link.connect(str(path))
            with link.makefile("rwb") as line:
                for execute, arguments in (("guest-sync", {"id": number}), (command, {})):
                    line.write(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")
                line.flush()
                while json.loads(line.readline() or b"[]").get("return") != number:
                    pass
                return json.loads(line.readline()).get("return")
    except (OSError, ValueError, AttributeError) as why:
        because = f"its agent does not answer ({why or type(why).__name__})"
        raise HostError(f"ask the guest of VM {path.parent.name}", because, "is qemu-guest-agent installed there?") from None


def _told(line, command: str, arguments: Mapping[str, object]) -> Mapping[str, object]:  # type: ignore[no-untyped-def]
    line.write(json.dumps({"execute": command, "arguments": dict(arguments)}).encode() + b"\n")
    line.flush()
    while True:
        answer = json.loads(line.readline() or b"null")
        if not isinstance(answer, dict):
            raise ValueError("the socket was closed")
        if "error" in answer:
            raise ValueError(str(answer["error"]))
        if "return" in answer:
            told = answer["return"]
            return told if isinstance(told, dict) else {}
