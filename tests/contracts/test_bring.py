"""The operator's own register files, with the oddities they have: read unmodified, every dangling reference told, written back the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waveboard.contracts.bring import bring, missing_loops
from waveboard.contracts.dump import dump
from waveboard.contracts.nodes import plain
from waveboard.contracts.text import read
from waveboard.model.contract import Known

KNOWN = Known({}, {})
FILES = {
    "gaps.yaml": b"""\
version: 1
updated: 2026-02-26T03:39:17Z
gaps:
  - {id: GAP-OP-001, discovered_by: x, discovered_at: 2026-02-01, type: missing-process, severity: high, status: fixed, fixed_in: 505cf92, doc: null}
  - id: GAP-OP-002
    description: |
      Two lines
      of it.
    status: accepted
    regression_lock_id: legacy
    parent_loop: LOOP-GONE-20260101
  - {id: GAP-OP-003, status: open, parent_loop: LOOP-ONE-20260101}
""",
    "LOOP-ONE-20260101.scope.md": b"---\nloop_id: LOOP-ONE-20260101\nstatus: active\nowner: '@r'\ngaps: [GAP-OP-003, GAP-OP-009]\n---\n\n# One\n\n---\n",
    "LOOP-BARE-20260102.scope.md": b"# Bare\n",
    "LOOP-TWO-20260103.scope.md": b"---\nloop_id: LOOP-OTHER-20260103\nstatus: authoritative\n---\n",
    "gate.registry.yaml": b"gate_count: {total: 9}\ngates:\n- {id: D1, ring: home, composite_of: 'D2, D3'}\n- {id: D2, retired: true, colour: red}\n",
    "topology.yaml": b"gate_assignments:\n- {gate_id: D1, primary_domain: mint}\n- {gate_id: D7, primary_domain: infra, secondary_domains: [mint]}\n",
    "capabilities.yaml": b"capabilities:\n  a.b: {safety: mutating, approval: operator, domain: infrastructure, requires: [c.d], post_action: a.b}\n",
}


def test_the_operators_files_are_read_as_they_are() -> None:
    told = bring(FILES, KNOWN)
    assert not told.errors
    found = told.registers
    first = found.gaps[0]
    assert (first.id, first.status, first.fixed_in) == ("GAP-OP-001", "fixed", "505cf92")
    assert [(loop.id, loop.status, loop.also) for loop in found.loops] == [
        ("LOOP-ONE-20260101", "active", ""),
        ("LOOP-BARE-20260102", "", ""),
        ("LOOP-OTHER-20260103", "authoritative", "LOOP-TWO-20260103"),
    ]
    assert (found.gates[1].retired, found.assignments[1].secondary, found.capabilities[0].approval) == (
        True,
        ("mint",),
        "operator",
    )
    dangling = {c.message.split("`")[1] for c in told.complaints if c.code == "dangling-reference"}
    assert dangling == {"GAP-OP-009", "LOOP-GONE-20260101", "D3", "D7", "c.d"}
    assert {c.code for c in told.complaints} == {"dangling-reference", "no-front-matter", "contradicting-value", "unknown-enum"}
    assert all(c.place.line for c in told.complaints)


def test_a_gap_without_its_loops_file_is_told_against_what_is_known_here() -> None:
    alone = bring({"gaps.yaml": FILES["gaps.yaml"]}, KNOWN)
    assert not [c for c in alone.complaints if c.code == "dangling-reference"]
    assert [gap for _, gap, _ in missing_loops(alone.registers, frozenset({"LOOP-ONE-20260101"}))] == ["GAP-OP-002"]


@pytest.mark.parametrize(
    ("file", "raw", "code", "place"),
    [
        ("gaps.yaml", b"gaps:\n- {id: G-1}\n- {id: G-1}\n", "duplicate-id", "gaps.yaml:3:8"),
        ("gaps.yaml", b"gaps: []\n---\ngaps: []\n", "multi-document", "gaps.yaml:2:1"),
        ("gaps.yaml", b"gapz: []\n", "unknown-register", "gaps.yaml:1:1"),
        (
            "LOOP-ONE-20260101.scope.md",
            b"---\nparent_loop: LOOP-ONE-20260101\n---\n",
            "loop-cycle",
            "LOOP-ONE-20260101.scope.md:2:14",
        ),
        ("LOOP-X.scope.md", b"---\nloop_id: LOOP-ONE-20260101\n---\n", "duplicate-id", "LOOP-X.scope.md:2:10"),
    ],
)
def test_what_cannot_be_taken_in_has_its_place(file: str, raw: bytes, code: str, place: str) -> None:
    told = bring({**FILES, file: raw}, KNOWN)
    assert (code, place) in {(c.code, str(c.place)) for c in told.errors}


@pytest.mark.parametrize(
    ("file", "raw"),
    [
        ("README.md", b"# A page\n\nText.\n"),
        ("docs/README.md", b"---\ntitle: A page\nowner: '@r'\nstatus: active\nid: page-1\n---\n\n# A page\n"),
        ("notes.md", b""),
        ("NOTES-ABOUT-LOOPS.md", b"# LOOP-ONE-20260101\n"),
        ("CHANGE-LOG-20260101.md", b"# Changes\n"),
        ("LOOP-.md", b"# Nothing\n"),
    ],
)
def test_markdown_that_calls_itself_no_loop_is_none(file: str, raw: bytes) -> None:
    told = bring({file: raw}, KNOWN)
    assert [(c.code, str(c.place)) for c in told.complaints] == [("not-a-loop", f"{file}:1:1")]
    assert told.errors[0].fix
    assert told.registers.loops == ()


@pytest.mark.parametrize(
    ("file", "raw", "name"),
    [
        ("notes.md", b"---\nloop_id: STORE-ROOM\n---\n", "STORE-ROOM"),
        ("notes.md", b"---\nid: LOOP-ONE-20260101\nstatus: closed\n---\n", "LOOP-ONE-20260101"),
        ("old/LOOP-MIXED-Case-V2.md", b"# Bare, without a day\n", "LOOP-MIXED-Case-V2"),
        ("storage-lift.scope.md", b"# Bare\n", "storage-lift"),
    ],
)
def test_markdown_is_a_loop_by_its_front_matter_or_by_its_name(file: str, raw: bytes, name: str) -> None:
    told = bring({file: raw}, KNOWN)
    assert not told.errors
    assert [loop.id for loop in told.registers.loops] == [name]


@settings(max_examples=60)
@given(st.sampled_from(sorted(FILES)), st.binary(max_size=80))
def test_no_bytes_raise(file: str, raw: bytes) -> None:
    bring({**FILES, file: raw}, KNOWN)


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"], include_characters="\n"),
    max_size=40,
)
VALUES = st.recursive(
    TEXTS
    | st.sampled_from(["null", "1e3", "0o17", "2026-02-26", "yes", "~", "- a", "a: b", "#", "'", ".inf", "1" * 80])
    | st.integers(-9, 9)
    | st.none()
    | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(VALUES)
def test_what_is_written_reads_back_the_same(value: object) -> None:
    document, wrong = read("x.yaml", dump({"k": value, "again": value}).encode())
    assert document is not None and not wrong
    assert plain(document.root) == {"k": value, "again": value}
