"""Reads this machine, or a recorded tree on it, with the same program and the same limits as a host over SSH. No network."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from waveboard.model.contract import HostTarget
from waveboard.model.errors import HostError
from waveboard.model.evidence import Answer, Ask

_TOTAL_S = 60.0
_OUTPUT_BYTES = 16 * 2**20
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class LocalReader:
    """A Reader. Which tree is read stands in the program's parameter block, not here."""

    def __init__(self, total_s: float = _TOTAL_S, output_bytes: int = _OUTPUT_BYTES, shell: Sequence[str] = ("/bin/sh",)) -> None:
        self._total_s, self._output_bytes, self._shell = total_s, output_bytes, tuple(shell)

    def close(self) -> None:
        """Nothing is kept open."""

    def collect(self, asks: Sequence[Ask], targets: Mapping[str, HostTarget]) -> Mapping[str, Answer | HostError]:
        """One after the other: they would all ask the same machine."""
        found: dict[str, Answer | HostError] = {}
        for ask in asks:
            try:
                found[ask.host] = Answer(self._run(ask))
            except HostError as error:
                found[ask.host] = error
        return found

    def _run(self, ask: Ask) -> bytes:
        with subprocess.Popen(
            [*self._shell, "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT, cwd="/", start_new_session=True,
        ) as child:  # fmt: skip
            try:
                return self._talk(child, ask)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)  # its own session: the program and what it may have left

    def _talk(self, child: subprocess.Popen[bytes], ask: Ask) -> bytes:
        assert child.stdin and child.stdout
        rest, parts, size = memoryview(ask.text.encode("utf-8")), list[bytes](), 0
        deadline = time.monotonic() + self._total_s
        os.set_blocking(child.stdin.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdin, selectors.EVENT_WRITE)
            selector.register(child.stdout, selectors.EVENT_READ)
            while True:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready or time.monotonic() > deadline:
                    raise HostError(f"read {ask.host}", f"no complete answer within {self._total_s:g} s")
                for key, _ in ready:
                    if key.fileobj is child.stdin:
                        rest = _feed(child.stdin.fileno(), rest)
                        if not rest:
                            selector.unregister(child.stdin)
                            child.stdin.close()
                        continue
                    part = os.read(child.stdout.fileno(), 65536)
                    if not part:
                        return b"".join(parts)
                    parts.append(part)
                    size += len(part)
                    if size > self._output_bytes:
                        raise HostError(f"read {ask.host}", f"it sent more than {self._output_bytes} bytes")


def _feed(fd: int, rest: memoryview) -> memoryview:
    """What is still to be written; nothing more when the program does not want it."""
    try:
        return rest[os.write(fd, rest) :]
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        return rest[:0]
