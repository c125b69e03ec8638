"""What a verb is and what it is given: notes, backups, the journal, and ways to set things aside. It performs nothing itself."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from typing import Any

from .aside import Aside
from .documents import dumped
from .files import read_or_none, sync_directory, write_atomic
from .grammar import Check
from .journal import Journal
from .place import RUNTIME, at
from .plan import Opened
from .refused import Json, Refused
from .sizes import tree_size
from .units import unit_name
from .windows import now_text


class Ctx:
    """What a verb gets: its step, its arguments, durable notes, backups, the journal and a place to say how far it is."""

    def __init__(self, plan: Opened, step: Json, phase: str, attempt: int, fence: int) -> None:
        self.plan, self.step, self.phase_of, self.attempt, self.fence = plan, step, phase, attempt, fence
        self.args: Json = step["args"]
        self.wave: str = plan.body["wave"]
        self.short = plan.short
        self.phases: list[str] = []
        self.copied = 0
        self.down_since: float | None = None
        self.downtime = 0.0
        self._said = 0.0
        self._progress: Json = {"phase": "start", "bytes_done": 0, "bytes_total": 0, "rate": 0, "eta_s": None, "message": ""}
        self._notes_file = f"{plan.directory}/steps/{step['id']}.json"
        raw = read_or_none(self._notes_file)
        self.notes: Json = json.loads(raw) if raw else {}

    def note(self, **facts: Any) -> None:
        """Remember facts of this step durably, before the effect they describe."""
        self.notes.update(facts)
        write_atomic(self._notes_file, dumped(self.notes).encode())

    def keep(self, name: str, raw: bytes) -> str:
        """Back a file's bytes up once; later calls never overwrite the first copy."""
        path = f"{self.plan.directory}/backup/{self.step['id']}-{name}"
        if read_or_none(path) is None:
            write_atomic(path, raw)
        return path

    def kept(self, name: str) -> bytes | None:
        return read_or_none(f"{self.plan.directory}/backup/{self.step['id']}-{name}")

    def phase(self, name: str, **detail: Any) -> None:
        """Journal that a phase begins. Every phase may be begun again."""
        self.phases.append(name)
        self.record("phase", {"phase": name, **detail})
        self.progress(phase=name, bytes_done=0, bytes_total=0, rate=0, eta_s=None, message="")

    def record(self, kind: str, detail: Json) -> None:
        where = {"plan": self.plan.digest, "step": self.step["id"], "phase": self.phase_of, "attempt": self.attempt}
        Journal().append(kind, **where, fence=self.fence, detail=detail)

    def progress(self, **fields: Any) -> None:
        """Written at most twice a second, except when the phase changes."""
        self._progress.update(fields, at=now_text())
        if "phase" in fields or time.monotonic() - self._said > 0.5:
            self._said = time.monotonic()
            name = unit_name(self.plan, self.step["id"], self.phase_of, self.attempt)
            with contextlib.suppress(OSError):
                write_atomic(f"{RUNTIME}/progress/{name}.json", dumped(self._progress).encode())

    def down(self) -> None:
        self.down_since = self.down_since or time.monotonic()

    def up(self) -> None:
        if self.down_since is not None:
            self.downtime += time.monotonic() - self.down_since
            self.down_since = None

    def aside_name(self, path: str) -> str:
        return f"{path}.wb-{self.wave}-{self.short}"

    def set_aside(self, old: str, new: str, why: str) -> None:
        """Rename a directory and register it; the entry comes first, since one without a path is harmless after a crash."""
        if os.path.lexists(at(new)):
            raise Refused("precondition", f"set {old} aside", f"{new} exists already")
        status = os.lstat(at(old))
        measured = tree_size(old)
        entry = {
            "kind": "path",
            "path": new,
            "volume": "",
            "origin": old,
            "bytes": measured.allocated,
            "why": why,
            "wave": self.wave,
        }
        entry.update(plan=self.plan.digest, step=self.step["id"], dev=status.st_dev, ino=status.st_ino)
        Aside.add(entry)
        os.rename(at(old), at(new))
        sync_directory(os.path.dirname(new))
        self.record("aside", {"path": new, "origin": old, "bytes": measured.allocated, "why": why})

    def keep_aside(self, path: str, origin: str, why: str) -> None:
        """Register a copy this step made of what it is about to replace or remove; `retire` may give it back later."""
        status = os.lstat(at(path))
        measured = tree_size(path).allocated
        entry = {"kind": "path", "path": path, "volume": "", "origin": origin, "bytes": measured, "why": why, "wave": self.wave}
        entry.update(plan=self.plan.digest, step=self.step["id"], dev=status.st_dev, ino=status.st_ino)
        Aside.add(entry)
        self.record("aside", {"path": path, "origin": origin, "bytes": measured, "why": why})

    def set_volume_aside(self, volume: str, path: str, why: str = "old-copy") -> None:
        status = os.lstat(at(path))
        measured = tree_size(path)
        entry = {"kind": "volume", "path": "", "volume": volume, "origin": path, "bytes": measured.allocated, "why": why}
        entry.update(wave=self.wave, plan=self.plan.digest, step=self.step["id"], dev=status.st_dev, ino=status.st_ino)
        Aside.add(entry)
        self.record("aside", {"volume": volume, "origin": path, "bytes": measured.allocated, "why": why})

    def take_back(self, *, path: str | None = None, volume: str | None = None, origin: str = "") -> None:
        """Put a directory that was set aside back to its place (or a volume back into use)."""
        entry = Aside.find(path=path, volume=volume)
        if path:
            os.rename(at(path), at(origin))
            sync_directory(os.path.dirname(origin))
        if entry:
            Aside.mark(entry["id"], "restored")
            self.record("restored", {"path": path, "volume": volume, "origin": origin})

    def retire_undone(self, path: str) -> str | None:
        """Set the copy that an undo leaves behind aside as PATH.wb-undone-SHORT (never deleted); None when there is none."""
        if not os.path.lexists(at(path)):
            return None
        if not mine(self, path):
            return None
        new = f"{path}.wb-undone-{self.short}"
        self.set_aside(path, new, "undone-copy")
        return new


class Verb:
    """One typed verb. prepare: looks and returns the undo data for the journal; do, undo: idempotent; holds: looks."""

    keys: Mapping[str, Check] = {}

    def judge(self, step: Json) -> None:
        """What the grammar of single arguments cannot say. Raises: Refused."""
        if step["deletes"]:
            raise Refused("bad-request", f"accept step {step['id']!r}", "only retire may list deletes")

    def prepare(self, ctx: Ctx) -> Json:
        raise NotImplementedError

    def do(self, ctx: Ctx) -> Json:
        raise NotImplementedError

    def undo(self, ctx: Ctx) -> Json:
        raise NotImplementedError

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        raise NotImplementedError

    def seen(self, ctx: Ctx) -> Json:
        """Facts of an outcome that is learned by looking, because the process that would have told it was ended."""
        return {}


def verdict(facts: Mapping[str, bool], untouched: bool) -> tuple[str, list[str]]:
    """DONE when every fact is true, NOT_DONE when the host is untouched, else PARTIAL with what is missing."""
    missing = [name for name, good in facts.items() if not good]
    if not missing:
        return "DONE", list(facts)
    return ("NOT_DONE" if untouched else "PARTIAL"), [f"not: {name}" for name in missing]


def mine(ctx: Ctx, path: str) -> bool:
    """Whether this step made this very directory."""
    made = ctx.notes.get("made", {}).get(path)
    try:
        status = os.lstat(at(path))
    except FileNotFoundError:
        return False
    if made == "about-to":  # killed between the note and the note of the inode
        return not os.listdir(at(path))
    return bool(made == [status.st_dev, status.st_ino])
