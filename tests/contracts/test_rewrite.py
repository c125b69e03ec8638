"""A list written back into its file: what changed is changed, and nothing else of what somebody wrote."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waveboard.contracts.nodes import Document, as_written
from waveboard.contracts.rewrite import rewritten
from waveboard.contracts.text import read

FILE = """\
# our register
version: 1        # of the format
updated: "2026-02-26"
policy: {triage: weekly, by: "@ronny"}
gaps:
  # the oldest
  - id: G-1
    status: open   # since march
    description: |
      Two lines,
        one of them further in.

    fixed_in:
    notes: [a, "b: c"]  # by hand

  - {id: G-2, status: fixed, fixed_in: 0123456}  # in short
  -   id: G-3
      status: "open"
      refs:
        - one  # first
        - two
# the end
contacts:
  - "@ronny"
"""


def parsed(text: str) -> Document:
    document, wrong = read("g.yaml", text.encode())
    assert document and not wrong, wrong
    return document


def entries(text: str) -> list[dict[str, Any]]:
    told = as_written(parsed(text).root)
    assert isinstance(told, dict)
    found: list[dict[str, Any]] = told["gaps"]
    return found


def written(text: str, gaps: list[dict[str, Any]]) -> str:
    return rewritten(parsed(text), "gaps", gaps, {"updated": "2026-03-01T00:00:00Z"})


@pytest.mark.parametrize("text", [FILE, FILE.replace("\n", "\r\n"), FILE.rstrip("\n")])
def test_what_did_not_change_is_the_file_itself(text: str) -> None:
    assert written(text, entries(text)) == text


@pytest.mark.parametrize(
    ("at", "changes", "line"),
    [
        (0, {"status": "closed"}, "    status: closed   # since march"),
        (0, {"fixed_in": "0505"}, '    fixed_in: "0505"'),
        (0, {"owner": "@ann"}, '    notes: [a, "b: c"]  # by hand\n    owner: "@ann"\n\n  - {id: G-2'),
        (1, {"status": "closed"}, '  - # in short\n    id: G-2\n    status: closed\n    fixed_in: "0123456"\n'),
        (0, {"notes": "a\nb\n"}, "    # by hand\n    notes: |\n      a\n      b\n\n  - {id: G-2"),
        (2, {"refs": ["one"]}, '      status: "open"\n      refs:\n        - one\n# the end'),
        (2, {"until": "2026-03-01T00:00:00Z"}, '        - two\n      until: "2026-03-01T00:00:00Z"\n# the end'),
        (2, {"why": "two\nlines\n"}, "        - two\n      why: |\n        two\n        lines\n# the end"),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_changed_is_changed_and_nothing_beside_it(at: int, changes: dict[str, Any], line: str, ends: str) -> None:
    gaps = entries(FILE)
    gaps[at] |= changes
    text = FILE.replace("\n", ends)
    made = written(text, gaps)
    assert entries(made) == gaps and made.count("\n") == made.count(ends)
    made = made.replace(ends, "\n").replace("'", '"')  # either quote will do
    assert line in made and 'updated: "2026-03-01T00:00:00Z"\n' in made
    kept = [one for one in FILE.splitlines() if "updated" not in one and one.strip() and one in made.splitlines()]
    assert len(kept) >= len([one for one in FILE.splitlines() if one.strip()]) - 4


@pytest.mark.parametrize(
    "text",
    [
        FILE,
        FILE.rstrip("\n"),
        "gaps: []\nowner: x\n",
        "owner: x\ngaps: [{id: G-1}]\n",
        "gaps:\n- id: G-1\n",
        "gaps:\n-\n  id: G-1\nowner: x",
        "gaps:\n- id: G-1\n  notes: |+\n    kept\n\n\nowner: x\n",
    ],
)
def test_new_ones_stand_behind_the_old_ones(text: str) -> None:
    gaps = [*entries(text), {"id": "G-8", "description": "two\nlines\n"}, {"id": "G-9", "notes": None}]
    made = written(text, gaps)
    assert entries(made) == gaps
    before, after = as_written(parsed(text).root), as_written(parsed(made).root)
    assert isinstance(before, dict) and isinstance(after, dict)
    assert {k: v for k, v in before.items() if k not in ("gaps", "updated")} == {
        k: v for k, v in after.items() if k not in ("gaps", "updated")
    }
    if text.startswith("# our"):
        assert "# the oldest" in made and "# the end" in made and made.index("G-9") < made.index("# the end")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cf", "Co", "Zl", "Zp"]), max_size=12)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | TEXTS
    | st.sampled_from(["a\nb\n", "- x", "#", "a # b", "0x1f", "|", "x: y", " \n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=200)
@given(st.integers(0, 2), st.dictionaries(st.sampled_from(["status", "notes", "fixed_in", "new", "refs"]), VALUES, max_size=3))
def test_whatever_changes_comes_back_as_it_was_meant(at: int, changes: dict[str, Any]) -> None:
    gaps = entries(FILE)
    gaps[at] |= changes
    made = written(FILE, gaps)
    assert entries(made) == gaps and "# our register" in made and "contacts:\n" in made
