"""Runs the commands that a workspace allows its gates: no shell, no terminal, no inherited secrets, cut at their limits.

A command that outlives its time or says more than its limit is killed with everything it started, and its answer cannot be used.
"""

import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from waveboard.model.document import CommandAnswer, CommandAsk

_CHUNK = 65_536


class LocalCommands:
    """allow: the exact first words that may be run. pass_env: variables of ours that are lent. now: the clock."""

    def __init__(self, directory: Path, allow: Sequence[str], pass_env: Sequence[str], now: Callable[[], datetime]) -> None:
        self._directory, self._allow, self._now = directory, tuple(allow), now
        self._env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(Path.home())}
        self._env |= {name: os.environ[name] for name in pass_env if name in os.environ}

    def run(self, ask: CommandAsk) -> CommandAnswer:
        """What it said, or why it said nothing usable. Never raises for anything a command does."""
        at = self._now()
        refused = self._refused(ask.argv[0])
        if refused:
            return CommandAnswer(ask.argv, None, b"", b"", at, refused)
        try:
            process = subprocess.Popen(
                [str(self._directory / ask.argv[0]), *ask.argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._directory,
                env=self._env,
                start_new_session=True,
            )
        except (OSError, ValueError) as problem:
            return CommandAnswer(ask.argv, None, b"", b"", at, f"it could not be started: {problem}")
        with process:
            try:
                stdout, stderr, failure = _listen(process, ask)
            finally:
                with suppress(ProcessLookupError):  # whatever it started goes with it, also after a good end
                    os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
        if not failure and code < 0:
            failure = f"it was ended by signal {-code}"
        return CommandAnswer(ask.argv, None if failure else code, stdout, stderr, at, failure)

    def _refused(self, name: str) -> str:
        """Why this may not be run: not allowed, not there, or others could have written it."""
        if name not in self._allow:
            return f"not run: the workspace does not allow `{name}`"
        path = self._directory / name
        try:
            found = path.resolve(strict=True).stat()
        except (OSError, RuntimeError) as problem:
            return f"not run: {problem}"
        if not Path(name).is_absolute() and not path.resolve().is_relative_to(self._directory.resolve()):
            return f"not run: `{name}` leads out of the workspace"
        if not stat.S_ISREG(found.st_mode):
            return f"not run: `{name}` is not a plain file"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_uid not in (0, os.getuid()):
            return f"not run: `{name}` can be written by others"
        return ""


def _listen(process: subprocess.Popen[bytes], ask: CommandAsk) -> tuple[bytes, bytes, str]:
    """Both streams until they end or a limit is reached; the reason when one was."""
    deadline = time.monotonic() + ask.timeout_s
    cut = f"cut: it did not end within {ask.timeout_s:g} s"
    heard = {"out": bytearray(), "err": bytearray()}
    with selectors.DefaultSelector() as streams:
        for name, stream in (("out", process.stdout), ("err", process.stderr)):
            assert stream is not None
            streams.register(stream, selectors.EVENT_READ, name)
        while streams.get_map():
            left = deadline - time.monotonic()
            ready = streams.select(left) if left > 0 else []
            if not ready:
                return bytes(heard["out"]), bytes(heard["err"]), cut
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                heard[key.data] += chunk
                if not chunk:
                    streams.unregister(key.fileobj)
            if sum(map(len, heard.values())) > ask.limit_bytes:
                return bytes(heard["out"]), bytes(heard["err"]), f"cut: it said more than {ask.limit_bytes} bytes"
    try:
        process.wait(max(deadline - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired:
        return bytes(heard["out"]), bytes(heard["err"]), cut
    return bytes(heard["out"]), bytes(heard["err"]), ""


class ScriptedCommands:
    """The same port in memory: answers that a caller wrote down, and what stands for a command that is not allowed."""

    def __init__(self, answers: dict[tuple[str, ...], CommandAnswer], allow: Sequence[str], now: Callable[[], datetime]) -> None:
        self._answers, self._allow, self._now = answers, tuple(allow), now
        self.ran: list[tuple[str, ...]] = []

    def run(self, ask: CommandAsk) -> CommandAnswer:
        """The answer written down for it, under the limit of bytes."""
        if ask.argv[0] not in self._allow or ask.argv not in self._answers:
            return CommandAnswer(ask.argv, None, b"", b"", self._now(), f"not run: the workspace does not allow `{ask.argv[0]}`")
        self.ran.append(ask.argv)
        one = self._answers[ask.argv]
        if len(one.stdout) + len(one.stderr) > ask.limit_bytes:
            failure = f"cut: it said more than {ask.limit_bytes} bytes"
            return CommandAnswer(ask.argv, None, one.stdout[: ask.limit_bytes], one.stderr, one.at, failure)
        return one
