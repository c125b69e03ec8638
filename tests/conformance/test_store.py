"""What every store promises, whatever it is made of."""

import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from waveboard.app.ports import Store
from waveboard.model.change import Approval, Event
from waveboard.model.errors import RefusedError, UsageError
from waveboard.model.evidence import Bundle, Identity, digest_of
from waveboard.model.history import CapRun, DispatchRecord, PackRun, Snapshot
from waveboard.model.opening import Opening
from waveboard.model.register import Change
from waveboard.world.store.sql import open_store

AT = datetime(2026, 2, 26, 3, 38, 31, 250_000, tzinfo=UTC)
PLAN, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def line(seq: int, kind: str, step: str = "", fence: int = 0, **detail: object) -> Event:
    return Event(seq, PLAN, kind, step, 1 if step else 0, AT, fence, detail)


def approval(nonce: str = "n1", principal: str = "ronny") -> Approval:
    return Approval(principal, PLAN, b'{"plan":"\x00"}', "-----BEGIN", nonce, AT, later(60))


def test_objects_are_addressed_by_their_bytes(store: Store) -> None:
    raw = bytes(range(256)) * 3
    digest = store.put_object(raw)
    assert digest == digest_of(raw) == store.put_object(raw)
    assert store.get_object(digest) == raw
    assert store.get_object(store.put_object(b"")) == b""
    with pytest.raises(UsageError, match="no such object"):
        store.get_object(digest_of(b"else"))


def test_the_board_opens_closes_and_refuses(store: Store) -> None:
    still = Opening("W8A", "none", (), ("vm-a",), ("W8E",), "ronny", AT, "", {"contract": PLAN, "files": {"a.yaml": "x"}})
    store.begin_wave(still)
    assert store.board() == (still,)
    moving = Opening("W8B", "controlled-runtime", ("vm-a",), (), (), "sam", AT, OTHER)
    for clash in (still, moving, replace(still, wave="W8E")):
        with pytest.raises(RefusedError, match="W8A is open since 2026-02-26T03:38:31Z"):
            store.begin_wave(clash)
    with pytest.raises(RefusedError, match="W8A is open"):
        store.open_wave(replace(line(1, "opened"), plan=OTHER), ["n"], moving)
    assert store.events(OTHER) == () and store.consume_nonce("n", PLAN, AT)
    store.end_wave("W8A", later(1), "ronny", "done")
    with pytest.raises(RefusedError, match="it is not open"):
        store.end_wave("W8A", later(2), "ronny", "done")
    store.open_wave(replace(line(1, "opened"), plan=OTHER), ["n2"], moving)
    assert store.board() == (moving,)
    store.record(OTHER, "halted", "", 0, later(3), 0, {})
    assert store.board() == (moving,)  # a halted wave still holds its place
    store.end_wave("W8B", later(4), "ronny", "halted")
    store.begin_wave(still)


def test_giving_leavings_back_ends_with_its_plan(store: Store) -> None:
    wave = Opening("W8B", "controlled-runtime", ("vm-a",), (), (), "sam", AT, PLAN)
    store.open_wave(line(1, "opened"), ["n1"], wave)
    store.record(PLAN, "done", "", 0, later(1), 0, {})
    leavings = replace(wave, plan=OTHER, leavings=True)
    store.open_wave(replace(line(1, "opened"), plan=OTHER), ["n2"], leavings)
    assert store.board() == (wave, leavings)
    store.record(OTHER, "done", "", 0, later(2), 0, {})
    assert store.board() == (wave,)  # the wave itself stays as it was


def test_records_come_back_newest_first(store: Store) -> None:
    for n in range(3):
        store.save_bundle(Bundle("vm-a", later(n), "sha256:c", Identity(), {}, "hung" if n else ""), f"sha256:{n}")
        store.save_snapshot(Snapshot(f"CAP-{n}", later(n), "sha256:c", {"vm-a": f"sha256:{n}"}))
        store.save_cap_run(CapRun(f"CAP-{n}", "audit", later(n), 0))
        store.save_pack_run(PackRun(f"CAP-{n}", "mint", later(n), "sha256:c", bool(n), "", {"pass": n}))
        store.save_plan(b"%d" % n, "W8B", "wave", later(n))
    assert [(b.digest, b.failure) for b in store.bundles("vm-a", 2)] == [("sha256:2", "hung"), ("sha256:1", "hung")]
    assert store.bundles("vm-b", 9) == ()
    assert store.snapshots(1) == (Snapshot("CAP-2", later(2), "sha256:c", {"vm-a": "sha256:2"}),)
    assert [run.run_key for run in store.cap_runs(2)] == ["CAP-2", "CAP-1"]
    assert store.pack_runs("mint", 1) == (PackRun("CAP-2", "mint", later(2), "sha256:c", True, "", {"pass": 2}),)
    assert store.pack_runs("other", 9) == ()
    assert [store.get_object(plan.digest) for plan in store.plans("W8B")] == [b"2", b"1", b"0"]
    assert store.plans("W8C") == () and len(store.plans()) == 3
    store.save_plan(b"2", "W8X", "retire", later(9))
    assert store.plans()[0].wave == "W8B", "the same plan again changes nothing"


def test_a_bundle_is_known_by_its_digest_and_bytes_alone_are_none(store: Store) -> None:
    store.save_bundle(Bundle("vm-a", AT, "sha256:c", Identity(), {}), PLAN)
    replay = store.put_object(b"somebody's copy")
    many = [f"sha256:{n:064x}" for n in range(40_000)]  # more than a database takes in one question
    assert store.collected((PLAN, OTHER, replay, *many)) == {PLAN}
    assert store.collected(()) == frozenset()


def test_instants_keep_their_meaning_and_naive_ones_have_none(store: Store) -> None:
    store.save_cap_run(CapRun("CAP-1", "audit", AT.astimezone(), 0))
    assert store.cap_runs(1)[0].at == AT
    assert store.cap_runs(1)[0].at.utcoffset() == timedelta(0)


def test_a_journal_is_read_back_as_it_was_told(store: Store) -> None:
    told = [line(1, "opened", why="x"), line(2, "intent", "a", unit="\u0000\ud800 ünit", deep={"n": [1, None, True]})]
    for event in told:
        store.append_event(event)
    outcome = store.record(PLAN, "applied", "a", 1, later(1), 0, {"rows": ("1", "2")})
    assert outcome == Event(3, PLAN, "applied", "a", 1, later(1), 0, {"rows": ["1", "2"]})
    assert store.events(PLAN) == (*told, outcome)
    assert store.events(OTHER) == ()


@pytest.mark.parametrize(
    ("event", "because"),
    [
        (line(1, "intent", "a"), "line 1 is not the next one: the journal stands at 1"),
        (line(3, "intent", "a"), "line 3 is not the next one: the journal stands at 1"),
        (line(2, "opened"), "opened before"),
        (replace(line(1, "intent", "a"), plan=OTHER), "never opened"),
    ],
)
def test_what_was_decided_on_another_journal_is_refused(store: Store, event: Event, because: str) -> None:
    store.append_event(line(1, "opened"))
    with pytest.raises(RefusedError, match=because):
        store.append_event(event)
    assert store.events(PLAN) == (line(1, "opened"),)


@pytest.mark.parametrize(("end", "follows"), [("done", "undo-asked"), ("rolled-back", ""), ("halted", "settled")])
def test_an_end_is_final_in_the_store_itself(store: Store, end: str, follows: str) -> None:
    store.append_event(line(1, "opened"))
    assert store.open_plans() == (PLAN,)
    with pytest.raises(RefusedError, match="not halted"):
        store.record(PLAN, "settled", "", 0, AT, 0, {})
    store.append_event(line(2, end))
    assert store.open_plans() == ((PLAN,) if end == "halted" else ()), "a halted plan holds on until a person settled it"
    for kind in {"intent", "undo-asked", "settled", "done"} - {follows}:
        with pytest.raises(RefusedError, match="that is final"):
            store.record(PLAN, kind, "", 0, AT, 0, {})
    if follows:
        store.record(PLAN, follows, "", 0, AT, 0, {})
        assert store.open_plans() == (PLAN,)


def test_once_a_person_asked_to_undo_nothing_goes_forward(store: Store) -> None:
    store.append_event(line(1, "opened"))
    store.append_event(line(2, "intent", "a"))
    store.record(PLAN, "undo-asked", "", 0, AT, 0, {"by": "ronny"})
    for event in (line(4, "intent", "b"), line(4, "done")):
        with pytest.raises(RefusedError, match="a person asked to take the wave back"):
            store.append_event(event)
    store.record(PLAN, "applied", "a", 1, AT, 0, {})  # what had begun still has an outcome
    store.record(PLAN, "undo-intent", "a", 1, AT, 0, {})


def test_one_wave_at_a_time(store: Store) -> None:
    other = replace(line(1, "opened"), plan=OTHER)
    store.open_wave(line(1, "opened"), ["n1"])
    with pytest.raises(RefusedError, match=f"cannot open {OTHER}: {PLAN} is under way"):
        store.open_wave(other, ["n2"])
    store.record(PLAN, "done", "", 0, AT, 0, {})
    store.open_wave(other, ["n2"])


def test_a_replaced_worker_cannot_journal(store: Store) -> None:
    first = store.acquire_lease(PLAN, ["vm-a"], "one", AT, 60)
    store.append_event(line(1, "opened", fence=first.fence))
    second = store.acquire_lease(PLAN, ["vm-a"], "two", later(61), 60)
    assert second.fence > first.fence
    for attempt in (
        lambda: store.append_event(line(2, "intent", "a", fence=first.fence)),
        lambda: store.record(PLAN, "applied", "a", 1, AT, first.fence, {}),
    ):
        with pytest.raises(RefusedError, match=f"fence {first.fence} was replaced by {second.fence}"):
            attempt()
    store.append_event(line(2, "intent", "a", fence=second.fence))
    store.record(PLAN, "undo-asked", "", 0, AT, 0, {"by": "ronny"})
    assert [event.fence for event in store.events(PLAN)] == [first.fence, second.fence, 0]


def test_an_approval_is_kept_byte_for_byte_and_its_nonce_names_it_for_ever(store: Store) -> None:
    store.save_approval(approval())
    store.save_approval(approval())
    store.save_approval(approval("n2", "anna"))
    assert store.approvals(PLAN) == (approval(), approval("n2", "anna"))
    assert store.approvals(OTHER) == ()
    with pytest.raises(RefusedError, match="its nonce n1 is that of ronny's"):
        store.save_approval(approval("n1", "mallory"))


def test_a_nonce_is_consumed_once_for_ever(store: Store) -> None:
    assert store.consume_nonce("n1", PLAN, AT) is True
    assert store.consume_nonce("n1", PLAN, AT) is False
    assert store.consume_nonce("n1", OTHER, later(9)) is False


def test_opening_a_wave_uses_all_its_approvals_or_none(store: Store) -> None:
    store.consume_nonce("used", OTHER, AT)
    with pytest.raises(RefusedError, match=f"nonce used was used by {OTHER} at 2026-02-26T03:38:31Z"):
        store.open_wave(line(1, "opened"), ["fresh", "used"])
    assert store.events(PLAN) == ()
    store.open_wave(line(1, "opened"), ["fresh"])
    store.record(PLAN, "done", "", 0, AT, 0, {})
    with pytest.raises(RefusedError, match="nonce fresh was used"):
        store.open_wave(replace(line(1, "opened"), plan=OTHER), ["fresh"])
    with pytest.raises(RefusedError, match=r"opened before|not the next one"):
        store.open_wave(line(1, "opened"), ["unused"])
    assert store.consume_nonce("unused", OTHER, AT), "a refused opening uses nothing"


def test_a_host_has_one_live_holder_and_the_refusal_says_who(store: Store) -> None:
    lease = store.acquire_lease(PLAN, ["vm-b", "vm-a"], "ronny@ctl", AT, 60)
    assert lease.expires_at == later(60)
    with pytest.raises(RefusedError) as refused:
        store.acquire_lease(OTHER, ["vm-c", "vm-b"], "anna@ctl", later(59), 60)
    assert str(refused.value) == f"cannot lease vm-b: ronny@ctl holds it for {PLAN} since 2026-02-26T03:38:31Z"
    assert "2026-02-26T03:39:31Z" in refused.value.fix
    assert [(hold.host, hold.fence) for hold in store.holds(later(59))] == [("vm-a", lease.fence), ("vm-b", lease.fence)]
    free = store.acquire_lease(OTHER, ["vm-c"], "anna@ctl", later(59), 60)
    assert free.fence > lease.fence, "a refused lease held nothing: vm-c was free"
    taken = store.acquire_lease(OTHER, ["vm-b"], "anna@ctl", later(60), 60)
    assert taken.fence > free.fence
    with pytest.raises(RefusedError, match="anna@ctl holds vm-b now"):
        store.renew_lease(lease, later(61), 60)
    with pytest.raises(UsageError):
        store.acquire_lease(PLAN, [], "ronny@ctl", AT, 60)


def test_a_lease_is_renewed_released_and_taken_over_by_its_own_owner(store: Store) -> None:
    lease = store.acquire_lease(PLAN, ["vm-a"], "ronny@ctl", AT, 60)
    lease = store.renew_lease(lease, later(90), 60)  # late, but nobody took it
    assert lease.expires_at == later(150) == store.holds(later(100))[0].expires_at
    again = store.acquire_lease(PLAN, ["vm-a"], "ronny@ctl", later(100), 60)
    assert again.fence > lease.fence
    store.release_lease(lease)
    assert [hold.fence for hold in store.holds(later(100))] == [again.fence], "an old lease releases nothing of the new one"
    with pytest.raises(RefusedError):
        store.acquire_lease(OTHER, ["vm-a"], "ronny@ctl", later(100), 60)
    store.release_lease(again)
    store.release_lease(again)
    assert store.holds(later(100)) == ()
    with pytest.raises(RefusedError, match="nobody holds vm-a now"):
        store.renew_lease(again, later(101), 60)


def test_receipts_have_no_gap_and_keep_their_bytes(store: Store) -> None:
    assert store.receipt_head() == (0, "")
    assert store.append_receipt(b"\x00one", "d1", "plan", "CAP-1", AT, 1) == 1
    assert store.append_receipt(b"two", "d2", "apply", "CAP-2", AT) == 2
    for seq in (2, 4):
        with pytest.raises(RefusedError, match="the chain stands at 2"):
            store.append_receipt(b"x", "d3", "apply", "CAP-3", AT, seq)
    with pytest.raises(RefusedError, match="in the chain already"):
        store.append_receipt(b"two", "d2", "apply", "CAP-2", AT)
    assert store.receipt_head() == (2, "d2")
    assert store.receipts() == ((1, "d1", b"\x00one"), (2, "d2", b"two"))


def race(count: int, task: Callable[[int], None], processes: bool) -> None:
    runners = [(_fork.Process if processes else threading.Thread)(target=task, args=(n,)) for n in range(count)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(60)
        assert not runner.is_alive()


_fork = multiprocessing.get_context("fork")
RACERS = 8


def test_eight_threads_race_and_one_wins(store: Store) -> None:
    won: list[str] = []

    def run(n: int) -> None:
        if store.consume_nonce("n", PLAN, AT):
            won.append("nonce")
        try:
            store.acquire_lease(PLAN, ["vm-a"], f"worker-{n}", AT, 60)
        except RefusedError:
            return
        won.append("lease")

    race(RACERS, run, processes=False)
    assert sorted(won) == ["lease", "nonce"]


def test_eight_processes_race_and_one_wins(address: str, tmp_path: Path) -> None:
    """They race from the first byte: the empty database is brought up by all of them at once, too."""
    won = _fork.SimpleQueue()

    def run(n: int) -> None:
        own = open_store(address, tmp_path)
        for number in range(5):
            if own.consume_nonce(f"n{number}", PLAN, AT):
                won.put(f"nonce {number}")
            try:
                own.acquire_lease(PLAN, [f"vm-{number}"], f"worker-{n}", AT, 60)
                won.put(f"lease {number}")
                own.append_event(replace(line(1, "opened"), plan=f"plan {number}"))
            except RefusedError:
                pass
            own.append_receipt(b"r", f"{n}/{number}", "k", "r", AT)

    race(RACERS, run, processes=True)
    own = open_store(address, tmp_path)
    assert [seq for seq, _, _ in own.receipts()] == list(range(1, RACERS * 5 + 1))
    assert len(own.open_plans()) == 5
    fences = [hold.fence for hold in own.holds(AT)]
    assert len(set(fences)) == 5
    own.close()
    results = []
    while not won.empty():
        results.append(won.get())
    assert sorted(results) == sorted(f"{what} {number}" for what in ("nonce", "lease") for number in range(5))


def given(task: str, wave: str, at: datetime = AT, seconds: float = 60) -> DispatchRecord:
    return DispatchRecord(task, wave, "agent:x", at, at + timedelta(seconds=seconds), "sha256:" + "c" * 64)


def test_a_wave_is_in_one_workers_hands_and_its_exclusions_wait(store: Store) -> None:
    store.save_dispatch(given("W8B-1", "W8B"), ["W8C"])
    for other, excludes in (("W8B", []), ("W8C", ["W8B"])):
        with pytest.raises(RefusedError, match="agent:x has W8B as W8B-1 since 2026-02-26T03:38:31Z") as refused:
            store.save_dispatch(given("x-1", other, later(59)), excludes)
        assert "waveboard wave recall W8B" in refused.value.fix
    store.save_dispatch(given("W8E-1", "W8E", later(1)), ["W8C"])
    store.save_dispatch(given("W8B-2", "W8B", later(60)), [])
    assert [d.task for d in store.dispatches()] == ["W8B-2", "W8E-1", "W8B-1"]
    assert store.dispatches("W8E") == (given("W8E-1", "W8E", later(1)),)
    store.end_dispatch("W8B-2", later(61))
    store.end_dispatch("W8B-2", later(62))
    assert store.dispatches("W8B")[0].ended_at == later(61) and not store.dispatches("W8B")[0].live(later(61))
    store.save_dispatch(given("W8C-1", "W8C", later(62)), ["W8B"])
    with pytest.raises(UsageError, match="no such task"):
        store.end_dispatch("W8X-1", AT)


def change(subject: str = "GAP-OP-1", kind: str = "filed", **detail: object) -> Change:
    return Change(0, "gap", subject, kind, AT, "ronny", "CAP-1", "why", ("sha256:e", "CAP-0"), detail)


def test_the_register_is_read_back_as_it_was_told(store: Store) -> None:
    assert store.changes() == ()
    assert store.append_changes([change(a=("1", None)), change("GAP-OP-2")], 0)
    assert store.append_changes([change(kind="closed")], 2)
    assert [(c.seq, c.subject, c.kind) for c in store.changes()] == [
        (1, "GAP-OP-1", "filed"),
        (2, "GAP-OP-2", "filed"),
        (3, "GAP-OP-1", "closed"),
    ]
    assert store.changes()[0] == replace(change(a=["1", None]), seq=1)


def test_what_was_decided_on_an_older_register_is_not_appended(store: Store) -> None:
    assert store.append_changes([change()], 0)
    assert not store.append_changes([change("GAP-OP-2"), change("GAP-OP-3")], 0)
    assert not store.append_changes([change("GAP-OP-2")], 2)
    assert len(store.changes()) == 1


def test_a_claim_has_one_owner_until_it_ends(store: Store) -> None:
    mine = store.claim("GAP-OP-1", "ronny", AT, 60)
    assert (mine.since, mine.expires_at) == (AT, later(60))
    with pytest.raises(RefusedError, match="ronny holds it since") as refused:
        store.claim("GAP-OP-1", "sam", later(59), 60)
    assert "2026-02-26T03:39:31Z" in refused.value.because
    assert store.claim("GAP-OP-1", "ronny", later(30), 60).since == AT
    assert store.claim("GAP-OP-1", "sam", later(90), 60).since == later(90)
    assert [c.owner for c in store.claims(later(100))] == ["sam"]
    assert store.claims(later(150)) == ()


def test_only_the_owner_releases_a_claim(store: Store) -> None:
    store.claim("GAP-OP-1", "ronny", AT, 60)
    assert not store.release_claim("GAP-OP-1", "sam") and not store.release_claim("GAP-OP-2", "ronny")
    assert store.claims(AT)
    assert store.release_claim("GAP-OP-1", "ronny") and not store.claims(AT)


def test_a_run_is_receipted_once_its_receipt_is_in_the_chain(store: Store) -> None:
    assert not store.receipted("CAP-1")
    store.append_receipt(b"x", "sha256:x", "register", "CAP-1", AT)
    assert store.receipted("CAP-1") and not store.receipted("CAP-2")
