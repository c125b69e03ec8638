"""A markdown board becomes a draft workspace; what is no condition is told, and nothing is invented."""

from pathlib import Path

import pytest
import yaml

from waveboard.contracts.board import Draft, draft
from waveboard.contracts.board_rendered import condition
from waveboard.gates import shelf
from waveboard.model.errors import ContractError
from waveboard.wiring import load_contracts
from waveboard.world.files import write_tree

BOARD = """\
---
status: working
owner: "@someone"
scope: harbour-cranes
---

# Cranes, wave 3

## Now

- `CAP-20260101-010203__verify.pack.run__Rabc1` (all well)

## Map

| Wave | Goal | Primary STOR | Gap IDs | Loop IDs | Mutation Policy |
|---|---|---|---|---|---|
| W3A | look | STOR-007, STOR-008 | GAP-OP-944,945 | LOOP-CRANES-20260101 | no runtime mutation |
| W3B | move | STOR-001..003 | GAP-OP-932 | LOOP-CRANES-20260101; LOOP-DOCK-20260102 | controlled runtime mutation |
| W3C | promote | STOR-008 | GAP-OP-940 (+ others) | LOOP-CRANES-20260101 | governance mutation only |

## Gates

### W3B entry
- D235..D237 all pass in report mode.
- A maintenance window is approved.
- The rollback is written down.

### W3B exit
- VM9 root usage is below the threshold.
- No data of VM 9 is boot-backed any more.
- Everybody is happy.
- `verify.pack.run cranes` passes.

### W3C promote criteria
- 3 consecutive runs without a finding.
- Every STOR-001..003 is mapped to a gap.
- Operator approval is on record.

## Procedure

Dispatch one at a time (no overlap between W3B/W3C).

### Prompt: W3B (move)

```text
You move cranes.

Scope:
- VM 9 (crane-nine) first.
- VM 10 is read-only.

Rules:
- One at a time.
# not a heading

Required outputs:
1) Evidence
2) Receipts

Acceptance target:
- All moved.
```
"""


def made() -> Draft:
    return draft("board.md", BOARD.encode(), ("D235",))


def wave(name: str) -> dict[str, object]:
    found = yaml.safe_load(made().files[f"waves/{name}.yaml"])
    assert isinstance(found, dict)
    return found


def test_links_are_made_whole_and_policies_named() -> None:
    assert made().waves == ("W3A", "W3B", "W3C")
    assert [wave(w)["mutation_policy"] for w in made().waves] == ["none", "controlled-runtime", "governance"]
    assert wave("W3A")["links"] == {
        "stor": ["STOR-007", "STOR-008"],
        "gaps": ["GAP-OP-944", "GAP-OP-945"],
        "loops": ["LOOP-CRANES-20260101"],
    }
    assert wave("W3B")["links"] == {
        "stor": ["STOR-001", "STOR-002", "STOR-003"],
        "gaps": ["GAP-OP-932"],
        "loops": ["LOOP-CRANES-20260101", "LOOP-DOCK-20260102"],
    }  # fmt: skip
    assert wave("W3B")["excludes"] == ["W3C"] and "excludes" not in wave("W3A")


def test_sentences_become_conditions_or_are_told() -> None:
    found = wave("W3B")
    assert found["entry"] == [{"pack_complete": "cranes"}, {"window_open": True}, {"undo_ready": True}]
    assert found["exit"] == [
        "crane-nine.root.used_pct < guard.root_usage_warn_pct",
        {"not_boot_backed": "crane-nine"},
        {"pack_complete": "cranes"},
    ]
    stor = ["STOR-001", "STOR-002", "STOR-003"]
    assert wave("W3C")["exit"] == [
        {"report_stable": {"pack": "cranes", "runs": 3}},
        {"linkage_complete": stor},
        {"approval": "operator"},
    ]
    told = [f"{note.place.line} {note.message}" for note in made().notes]
    assert [t.partition(":")[0] for t in told] == [
        "11 CAP-20260101-010203__verify.pack.run__Rabc1 is quoted; no receipt of this workspace has it, so it proves nothing here",
        "17 the board names no exit gate of W3A that a machine can judge",
        "31 `Everybody is happy.` is no condition that a machine can judge; it is a comment of W3B",
    ]
    assert "# exit: Everybody is happy." in made().files["waves/W3B.yaml"]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("`not_boot_backed: db`", {"not_boot_backed": "db"}),
        ("`not_boot_backed: db`: did not hold (it is `there`)", {"not_boot_backed": "db"}),
        ('`gate_passes: {"gate":"D236","hosts":["db"]}`: held', {"gate_passes": {"gate": "D236", "hosts": ["db"]}}),
        ("`db.root.used_pct < 60`", "db.root.used_pct < 60"),
        ("`all_is_well: true`", None),
        ("`db.root.used_pct`", None),
        ("`not_boot_backed: db` and more", None),
    ],
)
def test_a_condition_in_code_marks_is_taken_as_it_stands(said: str, meant: object) -> None:
    assert condition(said) == meant


def test_a_vm_whose_name_begins_with_a_digit_stops_no_import() -> None:
    files = draft("board.md", BOARD.replace("crane-nine", "9-cranes").encode(), ("D235",)).files
    assert "9-cranes" in files["ssh.targets.yaml"]


def test_the_prompt_is_kept_word_for_word() -> None:
    found = wave("W3B")
    assert found["worker"] == {
        "opening": "You move cranes.",
        "scope": ["VM 9 (crane-nine) first.", "VM 10 is read-only."],
        "acceptance": ["All moved."],
    }
    assert (found["rules"], found["outputs"]) == (["One at a time."], ["Evidence", "Receipts"])
    assert found["scope"] == {"mutate": ["crane-nine"], "read_only": ["vm-10"]}


def test_the_draft_is_a_workspace_that_only_lacks_what_the_board_lacks(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    files = draft("board.md", BOARD.encode(), shelf.gates()).files
    write_tree(tmp_path / "w", {name: text.encode() for name, text in files.items()})
    (tmp_path / "w").chmod(0o755)
    loaded = load_contracts(tmp_path / "w")
    assert loaded.errors == () and loaded.contract is not None
    assert all(w.draft for w in loaded.contract.waves.values())


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("# nothing\n", "no table with a column `Wave`"),
        ("\x1b[31m| Wave |\n", "U\\+001B"),
        ("| Wave | Goal |\n|---|---|\n", "no table"),
    ],
)
def test_a_text_that_is_no_board_is_refused(text: str, because: str) -> None:
    with pytest.raises(ContractError, match=because):
        draft("board.md", text.encode(), ())
