"""The store in memory, under the same rules: for tests and recorded fleets. Nothing in it outlives the process."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from threading import RLock
from typing import Any

from waveboard.model.change import Approval, Event, Lease
from waveboard.model.errors import RefusedError, UsageError
from waveboard.model.evidence import Bundle, digest_of
from waveboard.model.history import BundleRecord, CapRun, DispatchRecord, Hold, PackRun, PlanRecord, Snapshot
from waveboard.model.opening import Line, Opening, standing
from waveboard.model.register import Change, Claim
from waveboard.world.store.kept import check_same_approval, checked
from waveboard.world.store.rules import (
    ENDS,
    check_append,
    check_begin,
    check_end,
    check_receipt,
    claimed,
    dispatched,
    held,
    no_dispatch,
    nonce_used,
    overlap,
    taken_over,
)
from waveboard.world.store.tables import to_json


class MemoryStore:
    """The Store port over dictionaries and one lock."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._objects: dict[str, bytes] = {}
        self._bundles: dict[str, BundleRecord] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._cap_runs: dict[str, CapRun] = {}
        self._pack_runs: dict[tuple[str, str], PackRun] = {}
        self._plans: dict[str, PlanRecord] = {}
        self._events: dict[str, list[Event]] = {}
        self._approvals: dict[str, Approval] = {}
        self._nonces: dict[str, tuple[str, datetime]] = {}
        self._leases: list[tuple[Lease, tuple[str, ...]]] = []  # fence n at index n-1
        self._holds: dict[str, Hold] = {}
        self._board: list[Line] = []
        self._dispatches: dict[str, DispatchRecord] = {}
        self._receipts: list[tuple[int, str, bytes]] = []
        self._receipted: set[str] = set()
        self._register: list[Change] = []
        self._claims: dict[str, Claim] = {}

    def put_object(self, raw: bytes) -> str:
        self._objects.setdefault(digest_of(raw), bytes(raw))
        return digest_of(raw)

    def get_object(self, digest: str) -> bytes:
        return checked(digest, self._objects.get(digest))

    def save_bundle(self, bundle: Bundle, digest: str) -> None:
        self._bundles.setdefault(digest, BundleRecord(digest, bundle.host, bundle.collected_at, bundle.failure))

    def bundles(self, host: str, limit: int) -> tuple[BundleRecord, ...]:
        found = sorted((b for b in self._bundles.values() if b.host == host), key=lambda b: b.digest)
        return tuple(sorted(found, key=lambda b: b.collected_at, reverse=True)[:limit])

    def collected(self, digests: Iterable[str]) -> frozenset[str]:
        return frozenset(digest for digest in digests if digest in self._bundles)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        self._snapshots.setdefault(snapshot.run_key, replace(snapshot, bundles=_plain(snapshot.bundles)))

    def snapshots(self, limit: int) -> tuple[Snapshot, ...]:
        return tuple(sorted(self._snapshots.values(), key=lambda s: (s.at, s.run_key), reverse=True)[:limit])

    def save_cap_run(self, run: CapRun) -> None:
        self._cap_runs.setdefault(run.run_key, run)

    def cap_runs(self, limit: int) -> tuple[CapRun, ...]:
        return tuple(sorted(self._cap_runs.values(), key=lambda r: (r.at, r.run_key), reverse=True)[:limit])

    def save_pack_run(self, run: PackRun) -> None:
        self._pack_runs.setdefault((run.run_key, run.pack), replace(run, counts=_plain(run.counts)))

    def pack_runs(self, pack: str, limit: int) -> tuple[PackRun, ...]:
        found = (r for r in self._pack_runs.values() if r.pack == pack)
        return tuple(sorted(found, key=lambda r: (r.at, r.run_key), reverse=True)[:limit])

    def save_plan(self, raw: bytes, wave: str, kind: str, at: datetime) -> str:
        digest = self.put_object(raw)
        self._plans.setdefault(digest, PlanRecord(digest, wave, kind, at))
        return digest

    def plans(self, wave: str = "") -> tuple[PlanRecord, ...]:
        found = sorted((p for p in self._plans.values() if wave in ("", p.wave)), key=lambda p: p.digest)
        return tuple(sorted(found, key=lambda p: p.saved_at, reverse=True))

    def open_wave(self, event: Event, nonces: Sequence[str], opening: Opening | None = None) -> None:
        with self._lock:
            for other in self.open_plans():
                if other != event.plan:
                    raise overlap(event.plan, other)
            for index, nonce in enumerate(nonces):
                if nonce in self._nonces or nonce in nonces[:index]:
                    raise nonce_used(nonce, *self._nonces.get(nonce, (event.plan, event.at)))
            if opening:
                check_begin(opening, self.board())
            self.append_event(event)
            self._board += [Line("opened", opening)] if opening else []
            self._nonces.update(dict.fromkeys(nonces, (event.plan, event.at)))

    def append_event(self, event: Event) -> None:
        with self._lock:
            lines = self._events.get(event.plan, [])
            last = (lines[-1].seq, lines[-1].kind) if lines else (0, "")
            issued = max((lease.fence for lease, _ in self._leases if lease.plan == event.plan), default=0)
            check_append(event, last, issued, any(line.kind == "undo-asked" for line in lines))
            self._events[event.plan] = [*lines, replace(event, detail=_plain(event.detail))]

    def record(
        self, plan: str, kind: str, step: str, attempt: int, at: datetime, fence: int, detail: Mapping[str, object]
    ) -> Event:
        with self._lock:
            seq = len(self._events.get(plan, [])) + 1
            self.append_event(Event(seq, plan, kind, step, attempt, at, fence, detail))
            return self._events[plan][-1]

    def events(self, plan: str) -> tuple[Event, ...]:
        return tuple(self._events.get(plan, ()))

    def open_plans(self) -> tuple[str, ...]:
        newest = {plan: [e.kind for e in lines if not e.step][-1] for plan, lines in self._events.items()}
        return tuple(sorted(plan for plan, kind in newest.items() if kind not in ENDS))

    def begin_wave(self, opening: Opening) -> None:
        with self._lock:
            check_begin(opening, self.board())
            self._board.append(Line("opened", replace(opening, pins=_plain(opening.pins))))

    def end_wave(self, wave: str, at: datetime, by: str, outcome: str) -> None:
        with self._lock:
            check_end(wave, self.board())
            self._board.append(Line("closed", Opening(wave, "", (), (), (), by, at), outcome))

    def board(self) -> tuple[Opening, ...]:
        newest = {plan: [e.kind for e in lines if not e.step][-1] for plan, lines in self._events.items()}
        return standing(self._board, lambda plan: newest.get(plan, ""))

    def save_approval(self, approval: Approval) -> None:
        with self._lock:
            found = self._approvals.setdefault(approval.nonce, approval)
            check_same_approval(approval, found.plan, found.principal, found.message)

    def approvals(self, plan: str) -> tuple[Approval, ...]:
        found = (a for a in self._approvals.values() if a.plan == plan)
        return tuple(sorted(found, key=lambda a: (a.not_before, a.nonce)))

    def consume_nonce(self, nonce: str, plan: str, at: datetime) -> bool:
        with self._lock:
            return self._nonces.setdefault(nonce, mine := (plan, at)) is mine

    def acquire_lease(self, plan: str, hosts: Sequence[str], owner: str, at: datetime, ttl_s: int) -> Lease:
        if not hosts:
            raise UsageError(f"lease hosts for {plan}", "it names none", "a plan without hosts changes nothing")
        with self._lock:
            for host in sorted(set(hosts)):
                other = self._holds.get(host)
                if other and other.expires_at > at and (other.plan, other.owner) != (plan, owner):
                    raise held(host, other.plan, other.owner, other.since, other.expires_at)
            lease = Lease(plan, owner, len(self._leases) + 1, at + timedelta(seconds=ttl_s))
            self._leases.append((lease, tuple(sorted(set(hosts)))))
            for host in hosts:
                self._holds[host] = Hold(host, plan, owner, lease.fence, at, lease.expires_at)
            return lease

    def renew_lease(self, lease: Lease, at: datetime, ttl_s: int) -> Lease:
        with self._lock:
            until = at + timedelta(seconds=ttl_s)
            hosts = self._leases[lease.fence - 1][1]
            for host in hosts:
                other = self._holds.get(host)
                if other is None or other.fence != lease.fence:
                    raise taken_over(lease.fence, host, other.owner if other else "")
            for host in hosts:
                self._holds[host] = replace(self._holds[host], expires_at=until)
            return replace(lease, expires_at=until)

    def release_lease(self, lease: Lease) -> None:
        with self._lock:
            self._holds = {host: hold for host, hold in self._holds.items() if hold.fence != lease.fence}

    def holds(self, at: datetime) -> tuple[Hold, ...]:
        return tuple(sorted((h for h in self._holds.values() if h.expires_at > at), key=lambda h: h.host))

    def save_dispatch(self, made: DispatchRecord, excludes: Sequence[str]) -> None:
        with self._lock:
            for other in self.dispatches():
                if other.wave in (made.wave, *excludes) and other.live(made.issued_at):
                    raise dispatched(made.wave, other)
            self._dispatches[made.task] = made

    def end_dispatch(self, task: str, at: datetime) -> None:
        with self._lock:
            if task not in self._dispatches:
                raise no_dispatch(task)
            found = self._dispatches[task]
            self._dispatches[task] = replace(found, ended_at=found.ended_at or at)

    def dispatches(self, wave: str = "") -> tuple[DispatchRecord, ...]:
        found = sorted((d for d in self._dispatches.values() if wave in ("", d.wave)), key=lambda d: d.task)
        return tuple(sorted(found, key=lambda d: d.issued_at, reverse=True))

    def append_receipt(self, envelope: bytes, digest: str, kind: str, run_key: str, at: datetime, seq: int | None = None) -> int:
        with self._lock:
            check_receipt(len(self._receipts), seq)
            if any(digest == other for _, other, _ in self._receipts):
                raise RefusedError("keep the receipt", f"{digest} is in the chain already", "")
            self._receipts.append((len(self._receipts) + 1, digest, bytes(envelope)))
            self._receipted.add(run_key)
            return len(self._receipts)

    def receipt_head(self) -> tuple[int, str]:
        return self._receipts[-1][:2] if self._receipts else (0, "")

    def receipts(self) -> tuple[tuple[int, str, bytes], ...]:
        return tuple(self._receipts)

    def receipted(self, run_key: str) -> bool:
        return run_key in self._receipted

    def append_changes(self, changes: Sequence[Change], head: int) -> bool:
        with self._lock:
            if len(self._register) != head:
                return False
            for seq, change in enumerate(changes, head + 1):
                self._register.append(replace(change, seq=seq, detail=_plain(change.detail)))
            return True

    def changes(self) -> tuple[Change, ...]:
        return tuple(self._register)

    def claim(self, subject: str, owner: str, at: datetime, ttl_s: int) -> Claim:
        with self._lock:
            held_now = self._claims.get(subject)
            alive = held_now is not None and held_now.expires_at > at
            if held_now and alive and held_now.owner != owner:
                raise claimed(held_now)
            since = held_now.since if held_now and alive else at
            self._claims[subject] = Claim(subject, owner, since, at + timedelta(seconds=ttl_s))
            return self._claims[subject]

    def release_claim(self, subject: str, owner: str) -> bool:
        with self._lock:
            mine = subject in self._claims and self._claims[subject].owner == owner
            return mine and self._claims.pop(subject) is not None

    def claims(self, at: datetime) -> tuple[Claim, ...]:
        return tuple(sorted((c for c in self._claims.values() if c.expires_at > at), key=lambda c: c.subject))

    def close(self) -> None:
        """Nothing to let go of."""


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """What a database would give back: JSON's types only, no object shared with the caller."""
    plain: dict[str, Any] = json.loads(to_json(value))
    return plain
