"""The durable engine: DBOS drives one run a process, turn by turn. The journal is the truth; DBOS keeps only the progress.

One DBOS step is one turn: decide on the journal as it stands, perform, checkpoint. A turn that a crash cut off runs again, which
is harmless: it decides anew and looks before it repeats. DBOS is imported here and nowhere else, and only when a wave is driven.

What is done about its known edges:
- executor id = the run's name, one process a run (RunLock): at launch DBOS takes back this run's unfinished drive, no other's;
- the application version is pinned; an unfinished drive of another version is cancelled and the journal driven by a new one;
- values are plain JSON; rows that claim to be pickles are refused, not loaded;
- no conductor, no telemetry, no network; a cloud environment is refused.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from waveboard.model import errors
from waveboard.model.change import Action, ActionKind
from waveboard.model.errors import RefusedError, WaveboardError
from waveboard.model.history import RunEnd, RunRecord
from waveboard.world.run_lock import AdvisoryLock, FileLock, RunLock
from waveboard.world.store.connect import located, pragmas
from waveboard.world.store.private import private_file
from waveboard.world.turns import ENDING, Driven, never_started, too_many, turn, unfinished

VERSION = "waveboard-1"  # raise it when `_wave` no longer understands its own older checkpoints
RECOVERIES = 100  # how often one drive may be taken up again after a crash; then resume begins a new one
LOOK_S = 0.2
RUNNING = ("PENDING", "ENQUEUED", "DELAYED")
STATES = {"SUCCESS": "ended", "CANCELLED": "cancelled", **dict.fromkeys(RUNNING, "pending")}


@dataclass(slots=True)
class _Here:
    """What this process drives. DBOS is one a process, so is this."""

    run: str
    work: Driven
    turns: int = 0
    last: Action | None = None
    failure: Exception | None = None
    working: bool = False
    pause: threading.Event = field(default_factory=threading.Event)  # set when the workflow function has returned


_here: dict[str, _Here] = {}


class DbosEngine:
    """The Engine port. url, root: the store's; on SQLite the engine keeps `engine.db` beside the store's file."""

    def __init__(self, url: str, root: Path) -> None:
        address = located(url, root)
        self._claimed = ""
        self._here: _Here | None = None
        self._known: Any = None
        self._engine = _connect(address)
        self._lock: RunLock = (
            FileLock(Path(str(address.database)).parent / "locks")
            if address.get_backend_name() == "sqlite"
            else AdvisoryLock(self._engine)
        )

    def claim(self, run: str) -> None:
        busy = [other for other, here in _here.items() if here.working]
        if busy:
            raise RefusedError(f"drive {run}", f"this process drives {busy[0]}", "wait for it, or use another process")
        if self._claimed != run:
            self.close()
            self._lock.take(run)
            self._claimed = run

    def start(self, run: str, spec: Mapping[str, object], work: Driven, limit: int) -> str:
        self.claim(run)
        drives = self._drives(run)
        if drives and drives[-1].status in RUNNING:
            self.close()
            raise unfinished(run)
        self._launch(run, work)
        return self._drive(run, dict(spec), limit, len(drives) + 1)

    def resume(self, run: str, work: Driven, limit: int) -> str:
        self.claim(run)
        drives = self._drives(run)
        if not drives:
            self.close()
            raise never_started(run)
        last = drives[-1]
        if last.status in RUNNING and last.app_version != VERSION:
            self._client().cancel_workflow(last.workflow_id)
        self._launch(run, work)
        if last.status in RUNNING and last.app_version == VERSION:
            return str(last.workflow_id)
        spec = last.input["args"][1] if isinstance(last.input, dict) else {}
        return self._drive(run, spec, limit, len(drives) + 1)

    def wait(self, handle: str, timeout_s: float | None = None) -> RunEnd:
        run = handle.rpartition(".")[0]
        here = _here.get(run)
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            found = self._client().list_workflows(workflow_ids=[handle])
            if not found:
                raise never_started(run)
            if found[0].status not in RUNNING and not (here and here.working):
                return _end(run, found[0], here)
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"{run} still runs after {timeout_s} s")
            if here is None or here.pause.wait(LOOK_S):
                time.sleep(LOOK_S / 10 if here else LOOK_S)  # its last checkpoint is being written

    def cancel(self, run: str) -> bool:
        drives = self._drives(run)
        if not drives or drives[-1].status not in RUNNING:
            return False
        self._client().cancel_workflow(drives[-1].workflow_id)
        return True

    def history(self, run: str) -> tuple[RunRecord, ...]:
        return tuple(self._record(drive) for drive in self._drives(run))

    def close(self) -> None:
        if self._here is not None and _here.get(self._here.run) is self._here:
            _dbos().destroy()
            del _here[self._here.run]
        self._here = None
        self._claimed = ""
        self._lock.let_go()
        self._engine.dispose()

    def _launch(self, run: str, work: Driven) -> None:
        if _here:  # an earlier drive of this process has ended
            _dbos().destroy()
            _here.clear()
        self._here = _here[run] = _Here(run, work)
        dbos = _dbos()
        _wave()
        dbos(config=_config(self._engine, run))
        dbos.launch()

    def _drive(self, run: str, spec: dict[str, object], limit: int, number: int) -> str:
        from dbos import SetWorkflowID

        handle = f"{run}.{number:04d}"
        with SetWorkflowID(handle):
            _dbos().start_workflow(_wave(), run, spec, limit)
        return handle

    def _drives(self, run: str) -> list[Any]:
        """Oldest first. Empty before the engine was ever launched on this database."""
        schema = None if self._engine.dialect.name == "sqlite" else "dbos"
        if not sa.inspect(self._engine).has_table("workflow_status", schema=schema):
            return []
        found: list[Any] = self._client().list_workflows(workflow_id_prefix=f"{run}.")
        return sorted(found, key=lambda drive: str(drive.workflow_id))

    def _client(self) -> Any:
        if self._known is None:
            _dbos()
            from dbos import DBOSClient

            self._known = DBOSClient(system_database_engine=self._engine, serializer=_json())
        return self._known

    def _record(self, drive: Any) -> RunRecord:
        state = STATES.get(drive.status, "error")
        if state == "ended":
            told = drive.output if isinstance(drive.output, dict) else {}
            state = "suspended" if "stopped" in told else "ended" if "action" in told else "error"
        started = datetime.fromtimestamp(drive.created_at / 1000, UTC)
        return RunRecord(drive.workflow_id, state, started, len(self._client().list_workflow_steps(drive.workflow_id)))


def _connect(address: sa.URL) -> sa.Engine:
    """On SQLite a file beside the store's, with the same durability and DBOS's own way to begin (its pitfall 6)."""
    if address.get_backend_name() != "sqlite":
        return sa.create_engine(address, pool_pre_ping=True)
    path = Path(str(address.database)).with_name("engine.db")
    engine = sa.create_engine(address.set(database=str(private_file(path))))

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _entry: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in pragmas():
            connection.execute("PRAGMA " + pragma)

    return engine


def _config(engine: sa.Engine, run: str) -> Any:
    if os.environ.get("DBOS__CLOUD") == "true":
        raise RefusedError("start the engine", "DBOS__CLOUD is set", "unset it: waves are driven from this machine only")
    return {
        "name": "waveboard",
        "system_database_engine": engine,
        "application_version": VERSION,
        "executor_id": run,
        "serializer": _json(),
        "log_level": "CRITICAL",
        "enable_otlp": False,
    }


@cache
def _dbos() -> Any:
    """The DBOS class, after making sure that it never loads a pickle: rows choose their own serializer (3.4.0)."""
    from dbos import DBOS, _serialization

    def refuse(text: object) -> object:
        raise RefusedError(
            "read the engine's database", "a row claims to be a pickle", "somebody else wrote it; remove engine.db"
        )

    vars(_serialization.DBOSDefaultSerializer)["deserialize"] = refuse
    return DBOS


@cache
def _json() -> Any:
    from dbos import DBOSPortableJSONSerializer

    return DBOSPortableJSONSerializer()


@cache
def _wave() -> Any:
    """The one workflow, registered once a process."""
    dbos = _dbos()

    @dbos.step(name="turn")  # type: ignore[untyped-decorator]
    def one_turn(run: str, number: int) -> dict[str, object]:
        return _one_turn(_here[run])

    @dbos.workflow(name="wave", max_recovery_attempts=RECOVERIES)  # type: ignore[untyped-decorator]
    def wave(run: str, spec: dict[str, object], limit: int) -> dict[str, object]:
        here = _here[run]
        here.working = True
        try:
            for number in range(limit):
                told: dict[str, object] = one_turn(run, number)
                if told["end"]:
                    return {**told, "turns": number + 1}
            return {"stopped": _error(too_many(run, limit)), "turns": limit}
        finally:
            here.working = False
            here.pause.set()

    return wave


def _one_turn(here: _Here) -> dict[str, object]:
    """JSON for the checkpoint: the action, or why the run is suspended."""
    try:
        action = turn(here.work)
    except WaveboardError as error:
        here.failure = error
        return {"end": True, "stopped": _error(error)}
    except Exception as error:
        here.failure = error
        raise
    here.last, here.turns = action, here.turns + 1
    told = {"kind": action.kind.value, "step": action.step, "attempt": action.attempt, "why": action.why}
    return {"end": action.kind in ENDING, "action": told}


def _error(error: WaveboardError) -> dict[str, str]:
    return {"class": type(error).__name__, "cannot": error.cannot, "because": error.because, "fix": error.fix}


def _end(run: str, drive: Any, here: _Here | None) -> RunEnd:
    """Raises: what suspended the run."""
    if drive.status == "CANCELLED":
        return RunEnd(run, "cancelled", here.last if here else None, here.turns if here else 0)
    if here is not None and here.failure is not None:
        raise here.failure
    if drive.status != "SUCCESS" or not isinstance(drive.output, dict):
        raise WaveboardError(f"drive {run}", f"the engine says {drive.status}: {drive.error}", "resume it")
    told: Mapping[str, Any] = drive.output
    if "stopped" in told:
        stopped = told["stopped"]
        raise getattr(errors, stopped["class"], WaveboardError)(stopped["cannot"], stopped["because"], stopped["fix"])
    action = told["action"]
    ended = Action(ActionKind(action["kind"]), action["step"], action["attempt"], action["why"])
    return RunEnd(run, "ended", ended, int(told["turns"]))
