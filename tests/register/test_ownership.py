"""Which loop owns a gap: the same answer from the gap's side and from the loop's."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from waveboard.app import register_rows as rows
from waveboard.model.register import Gap, Loop, Registers
from waveboard.register import fold
from waveboard.register.ownership import below, owned, owners
from waveboard.register.view import View

AT = datetime(2026, 2, 26, 3, 0, tzinfo=UTC)
GAPS = (Gap("G-1", "open", parent_loop="L-1"), Gap("G-2", "open"), Gap("G-3", "open", parent_loop="L-9"), Gap("G-4", "open"))
LOOPS = (
    Loop("L-2", "active", also="L-1", gaps=("G-1", "G-2", "G-7")),  # its file bears the other's name
    Loop("L-1", "closed"),
    Loop("L-3", "planned", gaps=("G-2", "G-3"), parent_loop="L-1"),
)


def view(gaps: tuple[Gap, ...] = GAPS, loops: tuple[Loop, ...] = LOOPS) -> View:
    return fold.view(Registers(gaps, loops), (), (), AT)


def test_a_gap_belongs_to_the_loop_it_names_else_to_those_that_list_it() -> None:
    found = {gap: [loop.loop.id for loop in loops] for gap, loops in owners(view()).items()}
    assert found == {"G-1": ["L-1"], "G-2": ["L-2", "L-3"], "G-3": [], "G-4": []}
    assert {loop: [g.gap.id for g in gaps] for loop, gaps in owned(view()).items()} == {
        "L-2": ["G-2"],
        "L-1": ["G-1"],
        "L-3": ["G-2"],
    }


def test_a_row_says_the_same() -> None:
    now = view()
    told = {row["id"]: row["belongs"] for row in rows.gap_rows(now, now.gaps.values(), {})}
    assert told == {
        "G-1": "ORPHANED: L-1 is closed", "G-2": "L-2 (active), L-3 (planned)", "G-3": "missing scope file: L-9", "G-4": "standalone",
    }  # fmt: skip
    assert rows.orphans(now) == 2
    assert [row["open_gaps"] for row in rows.loop_rows(now, now.loops.values(), {})] == [["G-2"], ["G-1"], ["G-2"]]


def test_a_loop_stands_below_the_one_its_parent_names() -> None:
    now = view()
    assert [one.loop.id for one in below(now, now.loops["L-1"])] == ["L-3"]
    assert below(now, now.loops["L-2"]) == ()


NAMES = st.sampled_from(["L-1", "L-2", "L-3", "F-1", "L-9", ""])


@given(st.lists(NAMES, min_size=4, max_size=4), st.lists(NAMES, min_size=3, max_size=3))
def test_a_name_means_one_loop_whoever_asks(parents: list[str], files: list[str]) -> None:
    gaps = tuple(replace(gap, parent_loop=name) for gap, name in zip(GAPS, parents, strict=True))
    now = view(gaps, tuple(replace(loop, also=name) for loop, name in zip(LOOPS, files, strict=True)))
    for gap in gaps:
        loop = now.loop(gap.parent_loop) if gap.parent_loop else None
        assert not gap.parent_loop or owners(now)[gap.id] == ((loop,) if loop else ())
