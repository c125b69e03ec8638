"""An in-memory fleet with the hand's semantics (docs/hand.md): journal, fence, units that outlive a cut, half-done work.

It is a Hand (call) whose hosts can be dumped and loaded again. Effects are one cell a step: none, half, full. Time passes by
ticks, one a call, so that a unit needs several looks to end. `guarded=False` takes away the host's own protection against
doing twice: then only the controller's decisions stand between a step and its repetition.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from waveboard.model.contract import HostTarget
from waveboard.model.errors import HostError

TICKS = 2  # none -> half -> full


@dataclass
class SimHost:
    """One host. will / undo_will: how a step's unit ends (ok unless told); damage: effects begun on what was not untouched."""

    name: str
    guarded: bool = True
    fence: int = 0
    opened: dict[str, str] = field(default_factory=dict)  # plan -> text
    closed: list[str] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)  # "step/phase" -> last
    outcomes: dict[str, str] = field(default_factory=dict)  # "step/phase/attempt" -> done | failed
    units: list[list[object]] = field(default_factory=list)  # [step, phase, attempt, ticks done]
    disk: dict[str, str] = field(default_factory=dict)
    will: dict[str, str] = field(default_factory=dict)
    undo_will: dict[str, str] = field(default_factory=dict)
    executed: dict[str, int] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)
    calls: int = 0
    asides: list[dict[str, object]] = field(default_factory=list)  # what its hand says it set aside

    def answer(self, request: Mapping[str, object]) -> dict[str, object]:
        """One request, one answer; the host's time goes on by a tick."""
        self.calls += 1
        self.tick()
        op, step, attempt = request["op"], str(request.get("step", "")), int(str(request.get("attempt", 0)))
        if op in ("open", "fence", "settle", "do", "undo", "close"):
            fence = int(str(request["fence"]))
            if fence < self.fence:
                return self._refuse("fence-lower")
            self.fence = fence
        match op:
            case "open":
                self.opened[str(request["plan"])] = str(request["text"])
                return {"ok": True}
            case "fence":
                return {"ok": True} if request["plan"] in self.opened else self._refuse("unknown-plan")
            case "settle":
                self.closed = [plan for plan in self.closed if plan != request["plan"]]
                return {"ok": True, "principal": "somebody", "saw": {}}
            case "aside":
                return {"ok": True, "aside": self.asides}
            case "do" | "undo":
                return self._begin(str(request["plan"]), step, str(op), attempt)
            case "status":
                return {"ok": True, "state": self._status(step, str(request["phase"]), attempt)}
            case "holds":
                found = {"none": "NOT_DONE", "half": "PARTIAL", "full": "DONE"}[self.disk.get(step, "none")]
                return {"ok": True, "holds": found}
            case "close":
                self.closed.append(str(request["plan"]))
                return {"ok": True}
        return self._refuse("bad-request")

    def _begin(self, plan: str, step: str, phase: str, attempt: int) -> dict[str, object]:
        if plan not in self.opened or (phase == "do" and plan in self.closed):
            return self._refuse("not-open")
        key = f"{step}/{phase}"
        if self.guarded:
            if self.units:
                return self._refuse("still-running")
            if attempt <= self.attempts.get(key, 0):
                return self._refuse("already-started")
            if phase == "do" and self.outcomes.get(f"{key}/{self.attempts.get(key, 0)}") == "done":
                return self._refuse("already-applied")
            if phase == "undo" and f"{step}/do" not in self.attempts:
                return self._refuse("nothing-to-undo")
        self.attempts[key] = attempt
        self.units.append([step, phase, attempt, 0])
        return {"ok": True, "state": "started"}

    def _refuse(self, code: str) -> dict[str, object]:
        return {"ok": False, "error": {"code": code, "cannot": "do that", "because": code, "fix": ""}}

    def _status(self, step: str, phase: str, attempt: int) -> str:
        if any(unit[:3] == [step, phase, attempt] for unit in self.units):
            return "running"
        if attempt > self.attempts.get(f"{step}/{phase}", 0):
            return "absent"
        return self.outcomes.get(f"{step}/{phase}/{attempt}", "unknown")

    def tick(self) -> None:
        """Running units get on: the first tick begins the effect, the last ends it."""
        for unit in list(self.units):
            step, phase, attempt, ticks = str(unit[0]), str(unit[1]), unit[2], int(str(unit[3]))
            before = self.disk.get(step, "none")
            if ticks == 0 and phase == "do":
                self.executed[step] = self.executed.get(step, 0) + 1
                if before != "none":
                    self.damage.append(f"{step} was {before}")
            unit[3] = ticks + 1
            self.disk[step] = "half"
            if ticks + 1 == TICKS:
                self.units.remove(unit)
                good = (self.will if phase == "do" else self.undo_will).get(step, "ok") == "ok"
                if good:
                    self.disk[step] = "full" if phase == "do" else "none"
                self.outcomes[f"{step}/{phase}/{attempt}"] = "done" if good else "failed"

    def reboot(self) -> None:
        """Units die where they stand; the journal and the disk stay."""
        self.units.clear()


class Fleet:
    """Hosts by name. faults: what befalls the next calls, in order: lose-request, lose-answer, or fine."""

    def __init__(self, *hosts: SimHost, keep: Path | None = None) -> None:
        self.hosts = {host.name: host for host in hosts}
        self.faults: list[str] = []
        self.witness: Callable[[Mapping[str, object]], None] = lambda request: None  # sees every request that reaches a host
        self._keep = keep

    def call(self, target: HostTarget, request: Mapping[str, object], timeout_s: float) -> Mapping[str, object]:
        """The Hand port."""
        fault = self.faults.pop(0) if self.faults else "fine"
        if fault == "lose-request":
            raise HostError(f"ask {target.id}", "the connection was cut")
        self.witness(request)
        answer = self.hosts[target.id].answer(request)
        self.dump()
        if fault == "lose-answer":
            raise HostError(f"ask {target.id}", "the connection was cut")
        return answer

    def dump(self) -> None:
        """Write all hosts to the file, whole or not at all."""
        if self._keep:
            fresh = self._keep.with_suffix(".new")
            fresh.write_text(json.dumps([asdict(host) for host in self.hosts.values()]))
            fresh.replace(self._keep)

    @classmethod
    def load(cls, path: Path) -> "Fleet":
        return cls(*(SimHost(**fields) for fields in json.loads(path.read_text())), keep=path)
