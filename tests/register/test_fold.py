"""The register's fold: replays change nothing, and nothing is settled without evidence, whatever anybody says in whatever order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waveboard.model.register import Change, Gap, Loop, Registers
from waveboard.model.units import RUN_KEY, instant_text
from waveboard.register import fold
from waveboard.register.rules import NOT_PROVEN, refusal
from waveboard.register.view import SETTLED, View

AT = datetime(2026, 2, 26, 3, 0, tzinfo=UTC)
RUN, REPORT, MENDED = "CAP-20260226-030000__verify.pack.run__Rabc", "sha256:" + "a" * 64, "sha256:" + "b" * 64
FILES = Registers(
    gaps=(
        Gap("G-1", "open", parent_loop="L-1"),
        Gap("G-2", "open", producer="vm.make"),
        Gap("G-3", "fixed"),
        Gap("G-4", "odd", parent_loop="L-9"),
    ),
    loops=(
        Loop("L-1", "active"),
        Loop("L-2", "planned", parent_loop="L-1"),
        Loop("L-3", "closed", also="L-THREE"),
        Loop("L-4", ""),
    ),
)
LINKED = {"G-1"}


def change(
    seq: int, noun: str, subject: str, kind: str, reason: str = "", evidence: tuple[str, ...] = (), **detail: object
) -> Change:
    return Change(seq, noun, subject, kind, AT + timedelta(minutes=seq), "ronny", RUN, reason, evidence, detail)


def view(*changes: Change, at: datetime = AT + timedelta(days=1)) -> View:
    return fold.view(FILES, changes, LINKED, at)


EVIDENCE = st.lists(st.sampled_from([RUN, REPORT, MENDED, "CAP-bad", "sha256:short", "my word"]), max_size=3).map(tuple)
DETAILS = st.fixed_dictionaries(
    {},
    optional={
        "to": st.sampled_from(["", "L-1", "L-2", "L-3", "L-9", "L-NEW"]),
        "until": st.sampled_from([instant_text(AT + timedelta(hours=h)) for h in (-1, 5, 900)] + ["soon"]),
        "owner": st.sampled_from(["", "ronny"]),
        "fixed_in": st.sampled_from(["", "abc123"]),
        "producer_proof": st.sampled_from(["", MENDED, "trust me"]),
        "status": st.sampled_from(["closed", "fixed", "open", ""]),
        "producer": st.sampled_from(["", "vm.make"]),
        "parent_loop": st.sampled_from(["", "L-1", "L-9"]),
        "gaps": st.just(["G-1"]),
    },
)
KINDS = [
    "filed",
    "imported",
    "claimed",
    "released",
    "reparented",
    "fix-said",
    "accepted",
    "closed",
    "reopened",
    "seen",
    "vanished",
    "won",
]
CHANGES = st.lists(
    st.builds(
        lambda noun, subject, kind, reason, evidence, detail: (noun, subject, kind, reason, evidence, detail),
        st.sampled_from(["gap", "loop", "finding", "thing"]),
        st.sampled_from(["G-1", "G-2", "G-3", "G-4", "G-NEW", "L-1", "L-2", "L-3", "L-NEW", "f00"]),
        st.sampled_from(KINDS),
        st.sampled_from(["", "because"]),
        EVIDENCE,
        DETAILS,
    ),
    max_size=25,
).map(lambda rows: [change(n, noun, s, kind, why, ev, **det) for n, (noun, s, kind, why, ev, det) in enumerate(rows, 1)])


@settings(max_examples=300)
@given(CHANGES, st.randoms())
def test_replays_and_their_order_change_nothing(changes: list[Change], random: object) -> None:
    again = [*changes, *changes[::-1], *changes[: len(changes) // 2]]
    random.shuffle(again)  # type: ignore[attr-defined]
    assert view(*again) == view(*changes)


@settings(max_examples=500)
@given(CHANGES)
def test_no_changes_settle_a_gap_or_loop_without_evidence(changes: list[Change]) -> None:
    told = view(*changes)
    void = {seq for seq, _ in told.void}
    for state in told.gaps.values():
        counted = [c for c in changes if c.subject == state.gap.id and c.noun == "gap" and c.seq not in void]
        brought = next((c for c in counted if c.kind == "imported"), None)
        if state.status not in SETTLED or (not counted and state.gap in FILES.gaps):
            continue
        if not any(c.kind == "closed" for c in counted) and (state.gap.id == "G-3" or brought):
            assert brought is None or any(e.startswith("sha256:") and len(e) == 71 for e in brought.evidence)
            continue
        assert any(RUN_KEY.match(e) for e in state.evidence) and {REPORT, MENDED} & set(state.evidence)
        if state.gap.id in LINKED or state.gap.producer:
            assert MENDED in state.evidence
    for loop in told.loops.values():
        if loop.closed and loop.loop.id != "L-3" and not any(c.kind == "imported" and c.subject == loop.loop.id for c in changes):
            assert any(RUN_KEY.match(e) for e in loop.evidence)


@settings(max_examples=200)
@given(CHANGES)
def test_loops_never_own_each_other(changes: list[Change]) -> None:
    told = view(*changes)
    for name in told.loops:
        seen, here = set(), told.loop(name)
        while here is not None and here.parent_loop:
            assert here.loop.id not in seen
            seen.add(here.loop.id)
            here = told.loop(here.parent_loop)


def test_a_drift_stays_open_until_its_producer_is_mended() -> None:
    for name in ("G-1", "G-2"):
        bare = change(1, "gap", name, "closed", evidence=(RUN, REPORT))
        assert refusal(view(), bare) == NOT_PROVEN
        assert view(bare).gaps[name].status == "open" and view(bare).void[0][1].endswith(NOT_PROVEN)
        claimed = change(1, "gap", name, "closed", evidence=(RUN, REPORT), producer_proof=MENDED)
        assert refusal(view(), claimed) == NOT_PROVEN, "the proof must be among the evidence"
        mended = change(1, "gap", name, "closed", evidence=(RUN, REPORT, MENDED), producer_proof=MENDED)
        assert view(mended).gaps[name].status == "closed"


def test_an_acceptance_ends_by_itself() -> None:
    kept = change(1, "gap", "G-4", "accepted", "for now", until=instant_text(AT + timedelta(hours=5)), owner="ronny")
    assert view(kept, at=AT + timedelta(hours=4)).gaps["G-4"].status == "accepted"
    over = view(kept, at=AT + timedelta(hours=5)).gaps["G-4"]
    assert over.status == "open" and "ended" in over.why


@pytest.mark.parametrize(
    ("noun", "subject", "kind", "reason", "detail", "because"),
    [
        ("gap", "G-9", "closed", "", {}, "no such gap"),
        ("gap", "G-1", "filed", "", {}, "registered already"),
        ("gap", "G-1", "won", "", {}, "means nothing"),
        ("gap", "G-3", "fix-said", "", {"fixed_in": "x"}, "is fixed already"),
        ("gap", "G-1", "fix-said", "", {}, "what fixed it"),
        ("gap", "G-1", "accepted", "", {"owner": "x", "until": "2026-12-01T00:00:00Z"}, "reason and an owner"),
        ("gap", "G-1", "accepted", "so", {"owner": "x"}, "needs an end"),
        ("gap", "G-1", "accepted", "so", {"owner": "x", "until": "2020-12-01T00:00:00Z"}, "before it begins"),
        ("gap", "G-1", "closed", "", {}, "no evidence"),
        ("gap", "G-1", "reopened", "", {}, "it is open"),
        ("gap", "G-3", "reopened", "", {}, "saw it again"),
        ("gap", "G-1", "reparented", "", {"to": "L-9"}, "no loop L-9"),
        ("gap", "G-1", "reparented", "", {"to": "L-THREE"}, "is closed"),
        ("gap", "G-1", "reparented", "", {"to": ""}, "needs a reason"),
        ("gap", "G-N", "imported", "", {}, "the file it came from"),
        ("loop", "L-1", "reparented", "", {"to": "L-2"}, "own each other"),
        ("loop", "L-1", "reparented", "", {"to": "L-1"}, "own each other"),
        ("loop", "L-1", "closed", "", {}, "still owns open gaps: G-1"),
        ("loop", "L-2", "closed", "", {}, "no evidence"),
        ("loop", "L-3", "closed", "", {}, "closed already"),
        ("finding", "f00", "vanished", "", {}, "nobody has seen it"),
    ],
)
def test_what_may_not_happen_and_why(
    noun: str, subject: str, kind: str, reason: str, detail: dict[str, object], because: str
) -> None:
    one = change(1, noun, subject, kind, reason, **detail)
    assert because in refusal(view(), one)
    assert because in view(one).void[0][1]


def test_a_loop_is_done_when_what_it_owns_is() -> None:
    mended = change(1, "gap", "G-1", "closed", evidence=(RUN, REPORT, MENDED), producer_proof=MENDED)
    early = change(2, "loop", "L-1", "closed", evidence=(RUN, REPORT))
    below = change(3, "loop", "L-2", "closed", evidence=(RUN, REPORT))
    late = change(4, "loop", "L-1", "closed", evidence=(RUN, REPORT))
    assert not view(mended, early).loops["L-1"].closed and "L-2" in view(mended, early).void[0][1]
    assert view(mended, below, late).loops["L-1"].closed


def test_words_nobody_knows_are_not_taken_for_done() -> None:
    told = view()
    assert told.gaps["G-4"].open and not told.gaps["G-3"].open
    assert not told.loops["L-4"].open and not told.loops["L-4"].closed
