"""What every engine promises: turns to an end, errors as they were, and going on from the journal."""

import base64
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from waveboard.app.ports import Engine
from waveboard.model.change import Action, ActionKind
from waveboard.model.errors import HaltedError, HostError, RefusedError, UsageError, WaveboardError
from waveboard.world.engine import DbosEngine
from waveboard.world.engine_direct import DirectEngine
from waveboard.world.run_lock import AdvisoryLock, FileLock

APPLY, FINISH = Action(ActionKind.APPLY, "a"), Action(ActionKind.FINISH)
LOCAL = "sqlite:///.waveboard/state.db"


class Script:
    """A Work whose turns are told beforehand. It keeps its place, as a journal would."""

    def __init__(self, *turns: Action | Exception | Callable[[], None]) -> None:
        self.turns, self.done = list(turns), 0

    def next_action(self) -> Action:
        turn = self.turns[min(self.done, len(self.turns) - 1)]
        return turn if isinstance(turn, Action) else APPLY

    def perform(self, action: Action) -> None:
        turn = self.turns[min(self.done, len(self.turns) - 1)]
        self.done += 1
        if isinstance(turn, Exception):
            raise turn
        if not isinstance(turn, Action):
            turn()


@pytest.fixture(params=["direct", "sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made: Engine
    if request.param == "direct":
        made = DirectEngine()
    else:
        url = LOCAL if request.param == "sqlite" else request.getfixturevalue("new_database")
        made = DbosEngine(url, tmp_path)
    yield made
    made.close()


def states(engine: Engine, run: str) -> list[str]:
    return [record.state for record in engine.history(run)]


def test_it_takes_turns_to_the_end_and_remembers(engine: Engine) -> None:
    assert engine.history("w") == ()
    work = Script(APPLY, APPLY, Action(ActionKind.HALT, "b", 3, "undo of b failed"))
    end = engine.wait(engine.start("w", {"wave": "W8B"}, work, 9), 30)
    assert (end.state, end.action, end.turns, work.done) == ("ended", Action(ActionKind.HALT, "b", 3, "undo of b failed"), 3, 3)
    assert states(engine, "w") == ["ended"]
    assert engine.history("w")[0].turns == 3
    assert engine.history("other") == ()


def test_what_suspends_a_run_comes_out_as_it_was_and_resume_goes_on(engine: Engine) -> None:
    cut = HostError("ask vm-a", "the connection was cut", "wait")
    work = Script(APPLY, cut, APPLY, FINISH)
    with pytest.raises(HostError) as told:
        engine.wait(engine.start("w", {}, work, 9), 30)
    assert (told.value.cannot, told.value.because, told.value.fix) == ("ask vm-a", "the connection was cut", "wait")
    assert engine.wait(engine.resume("w", work, 9), 30).action == FINISH
    assert (states(engine, "w"), work.done) == (["suspended", "ended"], 4)
    assert engine.wait(engine.resume("w", work, 9), 30).action == FINISH, "an ended run is asked again and ends again"


def test_a_defect_is_not_hidden_and_does_not_stick(engine: Engine) -> None:
    work = Script(ZeroDivisionError("defect"), FINISH)
    with pytest.raises(ZeroDivisionError, match="defect"):
        engine.wait(engine.start("w", {}, work, 9), 30)
    assert engine.wait(engine.resume("w", work, 9), 30).action == FINISH
    assert states(engine, "w") == ["error", "ended"]


def test_a_run_that_never_ends_is_ended(engine: Engine) -> None:
    work = Script(APPLY)
    with pytest.raises(HaltedError, match="5 turns did not bring it to an end"):
        engine.wait(engine.start("w", {}, work, 5), 30)
    assert work.done == 5


def test_what_was_never_started_is_not_resumed(engine: Engine) -> None:
    with pytest.raises(UsageError, match="never started"):
        engine.resume("w", Script(FINISH), 9)
    assert engine.cancel("w") is False
    assert engine.wait(engine.start("w", {}, Script(FINISH), 9), 30).action == FINISH, "the refusal holds no lock"


def test_a_running_run_is_waited_for_cancelled_between_turns_and_resumed(engine: Engine) -> None:
    work = Script(lambda: time.sleep(0.02))
    handle = engine.start("w", {}, work, 10_000)
    with pytest.raises(TimeoutError):
        engine.wait(handle, 0.3)
    with pytest.raises(RefusedError):
        engine.start("w", {}, work, 9)
    assert engine.cancel("w") is True
    assert engine.wait(handle, 30).state == "cancelled"
    done = work.done
    assert (engine.cancel("w"), work.done) == (False, done), "nothing runs any more"
    work.turns.append(FINISH)
    work.done = 1
    assert engine.wait(engine.resume("w", work, 9), 30).action == FINISH
    assert states(engine, "w") == ["cancelled", "ended"]


def test_one_engine_drives_one_run_after_another(engine: Engine) -> None:
    for run in ("w8b", "retire", "w8b2"):
        assert engine.wait(engine.start(run, {}, Script(APPLY, FINISH), 9), 30).turns == 2
    assert states(engine, "w8b") == states(engine, "retire") == ["ended"]


def test_two_engines_do_not_drive_one_run(address: str, tmp_path: Path) -> None:
    first, second, go = DbosEngine(address, tmp_path), DbosEngine(address, tmp_path), threading.Event()
    first.claim("w")
    with pytest.raises(RefusedError, match="drives it now"):
        second.claim("w")
    handle = first.start("w", {}, Script(lambda: bool(go.wait(30)) or None, FINISH), 9)
    for attempt in (lambda: second.start("w", {}, Script(FINISH), 9), lambda: second.resume("w", Script(FINISH), 9)):
        with pytest.raises(RefusedError, match="cannot drive w"):
            attempt()
    go.set()
    assert first.wait(handle, 30).action == FINISH
    second.close()
    assert states(first, "w") == ["ended"]
    first.close()


HOLD = """
import sys, time
from pathlib import Path
from waveboard.world.run_lock import FileLock
FileLock(Path(sys.argv[1])).take("w")
print("held", flush=True)
time.sleep(60)
"""


def test_a_file_lock_ends_with_its_process_and_says_who_has_it(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RefusedError, match=rf"@\S+ pid {holder.pid} since \d{{4}}-.*Z drives it now"):
            FileLock(tmp_path).take("w")
        FileLock(tmp_path).take("other")
    finally:
        holder.kill()
        holder.wait(10)
    lock = FileLock(tmp_path)
    lock.take("w")
    lock.let_go()


def test_a_server_lock_says_who_has_it_and_is_let_go(new_database: str) -> None:
    made = sa.create_engine(new_database)
    first, second = AdvisoryLock(made), AdvisoryLock(made)
    first.take("w")
    with pytest.raises(RefusedError, match=r"\S+@\S+ pid \d+ since .* drives it now"):
        second.take("w")
    second.take("other")
    first.let_go()
    second.let_go()
    second.take("w")
    second.let_go()
    made.dispose()


class Planted:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


PLACES = [
    "UPDATE workflow_output SET output = :planted",
    "UPDATE workflow_input SET inputs = :planted",
    "UPDATE operation_outputs SET serialization = 'py_pickle', output = :planted",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_planted_pickle_is_not_loaded(tmp_path: Path, place: str) -> None:
    """Rows of the engine's database choose their own serializer; the one that runs code is refused."""
    engine, trap = DbosEngine(LOCAL, tmp_path), tmp_path / "trap"
    engine.wait(engine.start("w", {}, Script(FINISH), 9), 30)
    planted = base64.b64encode(pickle.dumps(Planted(trap))).decode()
    with engine._engine.begin() as connection:
        connection.execute(sa.text("UPDATE workflow_status SET serialization = 'py_pickle'"))
        assert connection.execute(sa.text(place), {"planted": planted}).rowcount == 1
    with suppress(WaveboardError):
        states(engine, "w")
    with suppress(WaveboardError):
        engine.wait("w.0001", 30)
    with suppress(WaveboardError):
        assert engine.wait(engine.resume("w", Script(FINISH), 9), 30).action == FINISH
    engine.close()
    assert not trap.exists()
    pickle.loads(base64.b64decode(planted))
    assert trap.exists(), "the trap itself works"


def test_a_cloud_environment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBOS__CLOUD", "true")
    engine = DbosEngine(LOCAL, tmp_path)
    with pytest.raises(RefusedError, match="DBOS__CLOUD is set"):
        engine.start("w", {}, Script(FINISH), 9)
    engine.close()


def test_an_unfinished_drive_of_another_version_is_replaced(tmp_path: Path) -> None:
    engine = DbosEngine(LOCAL, tmp_path)
    engine.wait(engine.start("w", {}, Script(FINISH), 9), 30)
    with engine._engine.begin() as connection:
        connection.execute(sa.text("UPDATE workflow_status SET status = 'PENDING', output = NULL, application_version = 'older'"))
    with pytest.raises(RefusedError, match="an earlier drive of it has not ended"):
        engine.start("w", {}, Script(FINISH), 9)
    assert engine.wait(engine.resume("w", Script(FINISH), 9), 30).action == FINISH
    assert states(engine, "w") == ["cancelled", "ended"]
    engine.close()
