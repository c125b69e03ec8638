"""Runs pure work in a child process, each piece under its limit of time. What outlives its limit is killed; the rest goes on.

A child that is forked shares what its parent has read, so nothing is copied to it; only results come back. The kernel's own alarm
ends it should its parent die. It knows nothing of what the work is.
"""

import os
import pickle
import select
import signal
import struct
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from waveboard.model.bounded import Cut, Job, Lost

_LENGTH = struct.Struct(">Q")
_RESULT_MOST = 256 * 2**20
_GRACE_S = 2


def run(jobs: Sequence[Job]) -> Mapping[str, object]:
    """Every job's result, Cut or Lost, in turn. Jobs without a limit run right here."""
    found: dict[str, object] = {job.name: job.work() for job in jobs if job.limit_s is None}
    left = [job for job in jobs if job.limit_s is not None]
    while left:
        done = _child(left)
        found |= done
        left = left[len(done) :]
    return {job.name: found[job.name] for job in jobs}


def _child(jobs: Sequence[Job]) -> dict[str, object]:
    """Results of the first jobs up to the first that was cut or lost, itself included."""
    answers, says = os.pipe()
    with warnings.catch_warnings():
        # the child runs pure code only and leaves by _exit, so locks that other threads hold at this moment do not concern it
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(answers)
        _work(jobs, says)
    os.close(says)
    found: dict[str, object] = {}
    try:
        for job in jobs:
            assert job.limit_s is not None
            found[job.name] = result = _result(answers, job.limit_s)
            if isinstance(result, Cut | Lost):
                break
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(answers)
    return found


def _result(answers: int, limit_s: float) -> object:
    deadline = time.monotonic() + limit_s
    head = _exactly(answers, _LENGTH.size, deadline)
    if not isinstance(head, bytes):
        return Cut(limit_s) if head is None else Lost("its process ended without an answer")
    body = _exactly(answers, min(_LENGTH.unpack(head)[0], _RESULT_MOST), deadline)
    if not isinstance(body, bytes):
        return Cut(limit_s) if body is None else Lost("its process ended in the middle of its answer")
    return pickle.loads(body)  # noqa: S301 written by our own child, over a pipe nobody else holds


def _exactly(answers: int, size: int, deadline: float) -> bytes | bool | None:
    """So many bytes; None when the time is over, False when the other end is gone."""
    found = bytearray()
    while len(found) < size:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([answers], [], [], left)[0]:
            return None
        chunk = os.read(answers, min(size - len(found), 2**20))
        if not chunk:
            return False
        found += chunk
    return bytes(found)


def _work(jobs: Sequence[Job], says: int) -> NoReturn:
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for job in jobs:
            signal.alarm(int(job.limit_s or 0) + _GRACE_S)
            try:
                raw = pickle.dumps(job.work())
            except Exception as problem:
                raw = pickle.dumps(Lost(f"{type(problem).__name__}: {problem}"))
            view = memoryview(_LENGTH.pack(len(raw)) + raw)
            while view:
                view = view[os.write(says, view) :]
    finally:
        os._exit(0)
