"""What the hand of a hypervisor remembers on disk: an append-only chained journal, the highest fence, spent nonces, opened plans.

The same rules as on a host (docs/hand.md), kept in `.waveboard/` because the hand lives with the controller. It judges nothing.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import cast

from waveboard.model.errors import HaltedError, RefusedError
from waveboard.model.units import instant_text
from waveboard.world.files import write_whole
from waveboard.world.store.private import private_file

Entry = Mapping[str, object]


@dataclass(slots=True)
class Past:
    """What the journal says of one plan. begun: `step/phase` -> last attempt; outcomes: `step/phase/attempt` -> detail; states: step ->
    applying | applied | failed | undoing | undone | undo-failed; since: when the newest intent was written."""

    opened: bool = False
    closed: str = ""
    undone: bool = False
    begun: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, Entry] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    since: str = ""

    @property
    def done_once(self) -> bool:
        """Whether it ever ended well: from then on others may have written to what it made."""
        return self.closed == "done"


def told(entries: Sequence[Entry]) -> dict[str, Past]:
    """The fold: plan digest -> what happened to it."""
    plans: dict[str, Past] = {}
    for entry in entries:
        past = plans.setdefault(str(entry["plan"]), Past())
        detail = cast(Entry, entry["detail"])
        step, phase, attempt = str(entry.get("step", "")), str(entry.get("phase", "")), cast(int, entry.get("attempt", 0))
        match entry["kind"]:
            case "opened":
                past.opened = True
            case "closed":
                past.closed = str(detail["result"])
            case "settled":
                past.closed, past.undone = "", True
                past.settled.append(str(detail["nonce"]))
                for name, word in cast(Mapping[str, str], detail["steps"]).items():
                    past.states[name] = "applied" if word == "done" else "undone"
            case "intent":
                past.begun[f"{step}/{phase}"], past.since = attempt, str(entry["at"])
                past.states[step] = "applying" if phase == "do" else "undoing"
                past.undone = past.undone or phase == "undo"
            case "outcome":
                past.outcomes[f"{step}/{phase}/{attempt}"] = detail
                good = detail["result"] == "done"
                past.states[step] = ("applied" if good else "failed") if phase == "do" else ("undone" if good else "undo-failed")
    return plans


class Journal:
    """One directory of one hypervisor, this user's alone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = directory / "journal.jsonl"

    def entries(self) -> list[Entry]:
        """Every whole line. Raises: HaltedError when one does not follow the one before."""
        found: list[Entry] = []
        before = b""
        raw = self._path.read_bytes() if self._path.exists() else b""
        for number, line in enumerate(raw.split(b"\n")[:-1], 1):
            entry: object = None
            with suppress(ValueError):
                entry = json.loads(line)
            if not isinstance(entry, dict) or entry.get("seq") != number or entry.get("prev") != sha256(before).hexdigest():
                because = f"line {number} of {self._path} does not follow the one before"
                raise HaltedError(
                    "trust the hypervisor's journal", because, "look at what is there; restore the file from a backup"
                )
            found.append(entry)
            before = line
        return found

    def append(self, kind: str, plan: str, at: datetime, detail: Entry, **where: object) -> None:
        """On disk when it returns. A torn last line, of a crash while appending, is cut off first."""
        with self.locked("journal.lock"), os.fdopen(_opened(self._path), "r+b") as file:
            raw = file.read()
            whole = raw.rfind(b"\n") + 1
            file.truncate(whole)
            lines = raw[:whole].split(b"\n")[:-1]
            prev = sha256(lines[-1] if lines else b"").hexdigest()
            entry = {
                "seq": len(lines) + 1,
                "at": instant_text(at),
                "kind": kind,
                "plan": plan,
                "prev": prev,
                "detail": detail,
            }
            file.seek(whole)
            file.write(json.dumps({**entry, **where}, sort_keys=True, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    # -- fence, nonces, plans --------------------------------------------------------------------------------------------

    def raise_fence(self, fence: int, cannot: str) -> None:
        """Raises: RefusedError for a lower fence than any seen; a higher one is on disk before anything else happens."""
        path = self.directory / "fence"
        highest = int(path.read_text() or "0") if path.exists() else 0
        if fence < highest:
            because = f"fence {fence} is lower than {highest}, which was seen already"
            raise RefusedError(cannot, because, "another worker took over; take the lease again")
        if fence > highest:
            write_whole(path, str(fence).encode())

    def nonces(self) -> dict[str, str]:
        """Nonce -> the plan it was used for."""
        path = self.directory / "nonces.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def spend(self, nonces: Sequence[str], plan: str) -> None:
        """Remember them for good."""
        kept = self.nonces() | dict.fromkeys(nonces, plan)
        write_whole(self.directory / "nonces.json", json.dumps(kept, sort_keys=True).encode())

    def keep_plan(self, digest: str, text: str, approvals: object) -> None:
        """The exact bytes, and what was signed."""
        at = self.directory / "plans" / digest.removeprefix("sha256:")
        write_whole(at / "approvals.json", json.dumps(approvals, sort_keys=True).encode())
        write_whole(at / "plan.json", text.encode())

    def plan_text(self, digest: str) -> str | None:
        """None when it was never opened here."""
        path = self.directory / "plans" / digest.removeprefix("sha256:") / "plan.json"
        return path.read_text() if path.exists() else None

    def approvals(self, digest: str) -> list[Mapping[str, str]]:
        """What was signed for it."""
        path = self.directory / "plans" / digest.removeprefix("sha256:") / "approvals.json"
        return list(json.loads(path.read_text()))

    # -- locks -----------------------------------------------------------------------------------------------------------

    def take(self, name: str) -> int | None:
        """An exclusive lock that ends with its process; None while somebody else holds it. Let go by closing the descriptor."""
        handle = _opened(self.directory / name)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Held for a moment; waits for the other."""
        handle = _opened(self.directory / name)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _opened(path: Path) -> int:
    """This user's alone, and no link somebody put there."""
    return os.open(private_file(path), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
