"""Turns a guest's writes to its made-up uevent files into real uevents in the guest's network namespace.

The file begins with a pad line; udev overwrites that with "add" or "change", and the relay puts the pad back and sends
the event by netlink (Linux 4.18 and later pass such events on). It never invents an event of its own.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from lab import kernel

PAD = 128
_KOBJECT_UEVENT = 15


def padded(body: bytes) -> bytes:
    return b"PAD=" + b"_" * (PAD - 5) + b"\n" + body


class Relay:
    """Watches the uevent files of one boot; made inside the network namespace it is to speak in."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._bodies = {path: file.read_bytes()[PAD:] for path, file in files.items()}
        self._files = files
        self.watcher = kernel.inotify()
        self._watched = {kernel.watch(self.watcher, file, kernel.IN_CLOSE_WRITE): path for path, file in files.items()}
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _KOBJECT_UEVENT)
        self._netlink.bind((0, 0))

    def close(self) -> None:
        os.close(self.watcher)
        self._netlink.close()

    def turn(self) -> list[str]:
        """Handle what inotify has to say; returns a line for the log per event sent."""
        try:
            buffer = os.read(self.watcher, 4096)
        except BlockingIOError:
            return []
        told, at = [], 0
        while at < len(buffer):
            number, _mask, _cookie, length = struct.unpack_from("iIII", buffer, at)
            at += 16 + length
            path = self._watched.get(number)
            written = self._restore(path) if path else None
            if path and written:
                self._send(path, written)
                told.append(f"uevent {path} {written}")
        return told

    def _restore(self, path: str) -> str | None:
        """What the guest wrote, or None when the pad is intact (our own write). Opening read-only keeps us out of a loop."""
        file = self._files[path]
        with file.open("rb") as reading:
            head = reading.read(PAD).split(b"\n")[0].split(b"_")[0].decode(errors="replace")
        if head.startswith("PAD="):
            return None
        content = padded(self._bodies[path])
        with file.open("r+b") as writing:
            writing.write(content)
            writing.truncate(len(content))
        return head

    def _send(self, path: str, written: str) -> None:
        words = written.split() or ["change"]
        synthetic = words[1] if len(words) > 1 and "=" not in words[1] else "0"
        fields = [f"{words[0]}@{path}", f"ACTION={words[0]}", f"DEVPATH={path}", "SUBSYSTEM=block"]
        fields += [f"SYNTH_UUID={synthetic}", *(f"SYNTH_ARG_{word}" for word in words[2:])]
        fields += self._bodies[path].decode().splitlines()
        payload = b"".join(field.encode() + b"\0" for field in fields)
        self._netlink.send(struct.pack("=IHHII", 16 + len(payload), 0x10, 1, 1, 0) + payload)
