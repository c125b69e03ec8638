"""The hand's own journal, and the pure fold that says from it what happened to each plan."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .documents import dumped, parse_json
from .files import sha_of, sync_directory
from .place import STATE, at
from .refused import Json, Refused
from .windows import now_text

MAX_LINE = 1 << 20


class Journal:
    """Append-only, hash-chained JSON lines. A line is on disk when `append` returns."""

    def __init__(self) -> None:
        self.path = f"{STATE}/journal.jsonl"

    def append(self, kind: str, **fields: Any) -> Json:
        handle = os.open(at(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last, torn = self._tail(file)
            if torn:
                last = self._put(file, last, "repaired", {"detail": {"cut_bytes": torn}})
            return parse_json(self._put(file, last, kind, fields), "journal line")

    def _put(self, file: Any, last: bytes, kind: str, fields: Json) -> bytes:
        seq = parse_json(last, "journal line")["seq"] + 1 if last else 1
        entry = {"seq": seq, "at": now_text(), "kind": kind, "prev": sha_of(last) if last else None, **fields}
        line = dumped(entry).encode()
        if len(line) > MAX_LINE:
            raise Refused("internal", "journal a line", f"it has {len(line)} bytes")
        file.seek(0, os.SEEK_END)
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
        if not last:
            sync_directory(STATE)
        return line

    def _tail(self, file: Any) -> tuple[bytes, int]:
        """The last whole line, and how many bytes of a torn one were cut off after it."""
        end = file.seek(0, os.SEEK_END)
        start = max(0, end - 2 * MAX_LINE - 2)
        file.seek(start)
        raw: bytes = file.read()
        whole = raw.rfind(b"\n") + 1
        torn = len(raw) - whole
        if torn:
            file.truncate(start + whole)
        lines = raw[:whole].rstrip(b"\n").rsplit(b"\n", 1)
        return lines[-1], torn

    def lines(self) -> list[bytes]:
        """Every whole line, chain checked. Raises: Refused(state-damaged)."""
        try:
            with open(at(self.path), "rb") as file:
                raw = file.read()
        except FileNotFoundError:
            return []
        lines = raw.split(b"\n")[:-1]
        before: bytes | None = None
        for number, line in enumerate(lines, 1):
            try:
                entry = parse_json(line, "journal line")
                good = entry["seq"] == number and entry["prev"] == (sha_of(before) if before is not None else None)
            except (Refused, KeyError):
                good = False
            if not good:
                raise Refused(
                    "state-damaged", "trust the journal", f"line {number} of {self.path} does not follow the one before"
                )
            before = line
        return lines

    def entries(self) -> list[Json]:
        return [parse_json(line, "journal line") for line in self.lines()]


@dataclass
class StepRecord:
    """What the journal says of one step of one plan. state: none applying applied failed undoing undone undo-failed."""

    state: str = "none"
    attempts: dict[str, int] = field(default_factory=lambda: {"do": 0, "undo": 0})
    forgiven: int = 0  # undo attempts before a person settled the step
    worded: bool = False  # its state is a person's word, not what this hand did
    outcomes: dict[tuple[str, int], Json] = field(default_factory=dict)


@dataclass
class PlanRecord:
    steps: dict[str, StepRecord] = field(default_factory=dict)
    opened: bool = False
    closed: str = ""
    undone: bool = False  # an undo has begun: this plan never goes forward again
    settled: list[str] = field(default_factory=list)  # nonces of the words that led it out of a halt

    def step(self, name: str) -> StepRecord:
        return self.steps.setdefault(name, StepRecord())


def history(entries: Sequence[Json]) -> dict[str, PlanRecord]:
    """The pure fold of the journal: plan digest -> what happened."""
    plans: dict[str, PlanRecord] = {}
    for entry in entries:
        plan = plans.setdefault(entry.get("plan", ""), PlanRecord())
        if entry["kind"] == "opened":
            plan.opened = True
        elif entry["kind"] == "closed":
            plan.closed = entry["detail"]["result"]
        elif entry["kind"] == "settled":
            plan.closed, plan.undone = "", True
            plan.settled.append(entry["detail"]["nonce"])
            for name, word_ in entry["detail"]["steps"].items():
                step = plan.step(name)
                step.state, step.forgiven = ("applied" if word_ == "done" else "undone"), step.attempts["undo"]
                step.worded = True
        elif entry["kind"] in ("intent", "outcome"):
            step, phase, attempt = plan.step(entry["step"]), entry["phase"], entry["attempt"]
            if entry["kind"] == "intent":
                step.attempts[phase] = attempt
                step.state, step.worded = ("applying" if phase == "do" else "undoing"), False
                plan.undone = plan.undone or phase == "undo"
            else:
                done = entry["detail"]["result"] == "done"
                step.outcomes[(phase, attempt)] = entry["detail"]
                step.state = ("applied" if done else "failed") if phase == "do" else ("undone" if done else "undo-failed")
    plans.pop("", None)
    return plans
