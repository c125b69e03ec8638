"""Tools of the host, each run with a deadline and a cap on what it prints; never through a shell."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .place import environment
from .refused import Refused

MAX_OUTPUT = 32 << 20


class Ran(NamedTuple):
    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "replace")

    @property
    def said(self) -> str:
        """The end of what it complained, for a message."""
        return (self.err or self.out).decode("utf-8", "replace").strip()[-800:]


def tool(name: str) -> str:
    found = shutil.which(name, path=environment()["PATH"])
    if not found:
        raise Refused("tool-missing", f"run {name}", "it is not installed on this host", f"install the package that holds {name}")
    return found


def run(
    argv: Sequence[str],
    *,
    seconds: float = 60,
    stdin: bytes = b"",
    check: bool = True,
    env: Mapping[str, str] | None = None,
    watch: Callable[[bytes], None] | None = None,
) -> Ran:
    """Run one fixed tool with a deadline and a cap on its output; `watch` sees stdout as it comes instead of keeping it."""
    words = [tool(argv[0]), *argv[1:]]
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment(), **(env or {})},
        cwd="/",
    )
    kept: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
    feeder = threading.Thread(target=_feed, args=(process, stdin), daemon=True)
    feeder.start()
    deadline = time.monotonic() + seconds
    try:
        with selectors.DefaultSelector() as selector:
            for name, pipe in (("out", process.stdout), ("err", process.stderr)):
                assert pipe is not None
                selector.register(pipe, selectors.EVENT_READ, name)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Refused("timeout", f"run {argv[0]}", f"it took longer than {seconds:.0f} s")
                for key, _ in selector.select(min(left, 5)):
                    chunk = os.read(key.fd, 65536)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif key.data == "out" and watch is not None:
                        watch(chunk)
                    else:
                        kept[key.data] += chunk
                        if len(kept[key.data]) > MAX_OUTPUT:
                            raise Refused("tool-failed", f"run {argv[0]}", f"it printed more than {MAX_OUTPUT} bytes")
        code = process.wait(timeout=max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise Refused("timeout", f"run {argv[0]}", f"it took longer than {seconds:.0f} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        feeder.join(5)
    ran = Ran(code, bytes(kept["out"]), bytes(kept["err"]))
    if check and code != 0:
        raise Refused("tool-failed", f"run {' '.join(argv[:3])}", f"status {code}: {ran.said}")
    return ran


def _feed(process: subprocess.Popen[bytes], stdin: bytes) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.write(stdin)
        with contextlib.suppress(OSError):
            process.stdin.close()


def version_of(*argv: str) -> str | None:
    with contextlib.suppress(Refused):
        ran = run(argv, seconds=20, check=False)
        return (ran.text.splitlines() or [""])[0].strip()[:200] if ran.code == 0 else None
    return None
