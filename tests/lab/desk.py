"""A person's terminal for tests of whole waves on real hosts: types commands, signs, and can be killed at a named place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

import lab

ROOT = Path(__file__).resolve().parents[2]
KILLED = 137
PLACES = ("intent.before", "intent.after", "do.after", "do-outcome.before", "do-outcome.after")
UNDO_PLACES = ("undo-intent.before", "undo-intent.after", "undo.after", "undo-outcome.before", "undo-outcome.after")


def every_boundary(steps: Sequence[str]) -> tuple[ParameterSet, ...]:
    """One long case a step, so that the lab is had in pieces: the places where the controller is killed, going there and back."""
    return tuple(
        pytest.param(
            tuple(f"{place}:{step}" for place in PLACES),
            tuple(f"{place}:{step}" for place in UNDO_PLACES),
            id=f"every boundary of {step}",
            marks=pytest.mark.long,
        )
        for step in steps
    )


@dataclass
class Desk:
    """A person's terminal in a fresh workspace for the running lab."""

    running: lab.Lab
    directory: Path
    seconds: float = 900  # the longest a command may take
    also: Mapping[str, str] = field(default_factory=dict)  # of its environment

    def waveboard(self, *words: str, crash_at: str = "") -> subprocess.CompletedProcess[str]:
        return self.run([sys.executable, "-m", "waveboard", *words], crash_at)

    def run(self, argv: list[str], crash_at: str = "", stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WAVEBOARD_ACTOR": "control@mint",
            "WAVEBOARD_WORKSPACE": str(self.directory),
            **self.also,
        }
        if crash_at:
            env |= {"WAVEBOARD_TEST_HOOKS": "1", "WAVEBOARD_CRASH_AT": crash_at}
        return subprocess.run(
            argv, env=env, cwd=self.directory, input=stdin, capture_output=True, text=True, timeout=self.seconds, check=False
        )

    def ok(self, *words: str, code: int = 0) -> str:
        done = self.waveboard(*words)
        assert done.returncode == code, f"{words} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def patiently(self, *words: str, code: int = 0, crash_at: str = "", tries: int = 10) -> str:
        """An emulated host may answer too late for the controller's patience: that is exit 5, and the same command again the way out."""
        said = ""
        for _ in range(tries):
            done = self.waveboard(*words, crash_at=crash_at)
            said += done.stdout + done.stderr
            if done.returncode != 5:
                break
        assert done.returncode == code, f"{words} ended with {done.returncode}\n{said[-5000:]}"
        return said

    def ops(self, *words: str, code: int = 0) -> str:
        """The operator's own spelling, as its shell would run it."""
        done = self.run([str(ROOT / "bin" / "ops"), *words])
        assert done.returncode == code, f"{words} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def sign(self, plan: str, key: Path, who: str) -> None:
        self.ok("approve", plan, "--key", str(key), "--as", who)

    def planned(self) -> None:
        self.ok("plan", "W8B", "-o", "w8b.plan", code=2)
        self.sign("w8b.plan", self.running.keys.approval, "ronny@mint")
