"""kill -9 of a real controller process with the real engine and store; a new process goes on from the journal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.test_crash import check, check_end
from tests.crash.wave_process import LOCAL
from tests.sim.fleet import Fleet, SimHost
from tests.sim.runner import DIGEST, plan_of
from waveboard.world.store.sql import open_store

ROOT = Path(__file__).parents[2]
KILLED, LIMIT_S = 137, 240

SAMPLE = ["intent.after:b", "sim hand.after:b", "applied.before:b", "undone.before:c"]
ALL = [
    "opened.before",
    *(
        f"{kind}.{when}:{step}"
        for kind in ("intent", "applied", "undo-intent", "undone")
        for when in ("before", "after")
        for step in "ab"
    ),
    *(f"{kind}.{when}:c" for kind in ("intent", "failed", "undo-intent", "undone") for when in ("before", "after")),
    *(f"sim hand.{when}:{step}#{nth}" for when in ("before", "after") for step in "abc" for nth in (1, 2)),
    "rolled-back.before",
    "rolled-back.after",
    "undone.after:b#1",
]


def run(folder: Path, crash: str = "") -> subprocess.CompletedProcess[str]:
    hooks = {"WAVEBOARD_TEST_HOOKS": "1", "WAVEBOARD_CRASH_AT": crash} if crash else {}
    return subprocess.run(
        [sys.executable, "-m", "tests.crash.wave_process", str(folder)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", **hooks},
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip


def killed_and_resumed(folder: Path, crash: str, guarded: bool) -> None:
    Fleet(SimHost("vm-a", guarded, will={"c": "fail"}), keep=folder / "fleet.json").dump()
    first = run(folder, crash)
    assert first.returncode == KILLED, first.stderr
    second = run(folder)
    assert second.returncode == 0, second.stderr
    told = json.loads(second.stdout)
    assert told["network"] == []
    assert told["end"] == "rolled-back"
    assert told["drives"] == 1, "the engine took its unfinished drive up again instead of beginning another"
    plan, store, fleet = plan_of("a", "b", "c"), open_store(LOCAL, folder), Fleet.load(folder / "fleet.json")
    check(plan, store, fleet)
    assert check_end(plan, store, fleet) == "rolled-back"
    assert [e.kind for e in store.events(DIGEST)].count("opened") == 1
    store.close()


@pytest.mark.parametrize("crash", SAMPLE)
def test_killed_and_resumed(tmp_path: Path, crash: str) -> None:
    killed_and_resumed(tmp_path, crash, guarded=False)


@pytest.mark.long
@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("crash", ALL)
def test_killed_anywhere_and_resumed(tmp_path: Path, crash: str, guarded: bool) -> None:
    killed_and_resumed(tmp_path, crash, guarded)


def test_the_engine_may_forget_everything(tmp_path: Path) -> None:
    Fleet(SimHost("vm-a", False), keep=tmp_path / "fleet.json").dump()
    assert run(tmp_path, "sim hand.after:b").returncode == KILLED
    for file in (tmp_path / ".waveboard").glob("engine.db*"):
        file.unlink()
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["end"] == "finish"
    assert Fleet.load(tmp_path / "fleet.json").hosts["vm-a"].damage == []


def test_without_test_hooks_no_crash_point_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Fleet(SimHost("vm-a"), keep=tmp_path / "fleet.json").dump()
    monkeypatch.setenv("WAVEBOARD_CRASH_AT", "intent.after:a")
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"end": "finish", "drives": 1, "network": []}
