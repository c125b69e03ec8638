"""The engine without a database: turns in the caller's own thread. For tests and for a wave that lives as long as its process."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from waveboard.model.change import Action
from waveboard.model.errors import WaveboardError
from waveboard.model.history import RunEnd, RunRecord
from waveboard.world.turns import ENDING, Driven, never_started, too_many, turn, unfinished


@dataclass(slots=True)
class _Drive:
    record: RunRecord
    work: Driven
    limit: int
    cancelled: threading.Event = field(default_factory=threading.Event)


class DirectEngine:
    """The Engine port as a loop; a drive runs inside wait."""

    def __init__(self) -> None:
        self._drives: dict[str, list[_Drive]] = {}
        self._lock = threading.Lock()

    def claim(self, run: str) -> None:
        """Drives live in this process only."""

    def start(self, run: str, spec: Mapping[str, object], work: Driven, limit: int) -> str:
        if any(drive.record.state == "pending" for drive in self._drives.get(run, ())):
            raise unfinished(run)
        return self._new(run, work, limit)

    def resume(self, run: str, work: Driven, limit: int) -> str:
        drives = self._drives.get(run)
        if not drives:
            raise never_started(run)
        if drives[-1].record.state != "pending":
            return self._new(run, work, limit)
        drives[-1].work, drives[-1].limit = work, limit
        return drives[-1].record.handle

    def _new(self, run: str, work: Driven, limit: int) -> str:
        with self._lock:
            drives = self._drives.setdefault(run, [])
            handle = f"{run}.{len(drives) + 1:04d}"
            drives.append(_Drive(RunRecord(handle, "pending", datetime.now(UTC), 0), work, limit))
            return handle

    def wait(self, handle: str, timeout_s: float | None = None) -> RunEnd:
        run = handle.rpartition(".")[0]
        drive = next(drive for drive in self._drives[run] if drive.record.handle == handle)
        action: Action | None = None
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while drive.record.turns < drive.limit:
            if drive.cancelled.is_set():
                self._close(drive, "cancelled")
                return RunEnd(run, "cancelled", action, drive.record.turns)
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"{run} still runs after {timeout_s} s")
            try:
                action = turn(drive.work)
            except WaveboardError:
                self._close(drive, "suspended")
                raise
            except Exception:
                self._close(drive, "error")
                raise
            drive.record = replace(drive.record, turns=drive.record.turns + 1)
            if action.kind in ENDING:
                self._close(drive, "ended")
                return RunEnd(run, "ended", action, drive.record.turns)
        self._close(drive, "suspended")
        raise too_many(run, drive.limit)

    def _close(self, drive: _Drive, state: str) -> None:
        drive.record = replace(drive.record, state=state)

    def cancel(self, run: str) -> bool:
        pending = [drive for drive in self._drives.get(run, ()) if drive.record.state == "pending"]
        for drive in pending:
            drive.cancelled.set()
        return bool(pending)

    def history(self, run: str) -> tuple[RunRecord, ...]:
        return tuple(drive.record for drive in self._drives.get(run, ()))

    def close(self) -> None:
        """Nothing to let go of."""
