"""The board for programs has every noun of the board, and keeps apart what is not known and what is not there."""

from dataclasses import fields
from datetime import UTC, datetime

from waveboard.model.board import Board, Cause, Closing, Producer, Told, WaveRow
from waveboard.model.contract import Pack, Promotion, StepSpec, WaveSpec
from waveboard.model.finding import Mode
from waveboard.register.board_json import board_row

AT = datetime(2026, 2, 26, 3, 38, 31, tzinfo=UTC)
SPEC = WaveSpec("W8B", "move", "controlled-runtime", ("a",), ("b",), ("STOR-1",), ("G-1",), ("L-1",), ("W8C",), ("in",), ("out",),
                (StepSpec("mount", "a", {"at": "/mnt"}),))  # fmt: skip
BOARD = Board(
    name="mint",
    owner="@ronny",
    at=AT,
    contract="sha256:c",
    chain=(3, "sha256:h"),
    packs=(Pack("p", ("D1", "D2"), ("a",), Mode.REPORT, {"D2": Mode.ENFORCE}, promotion=Promotion(3, 60), later=("D9",)),),
    verified=(Told("CAP-1", AT, "2 findings"),),
    said=(),
    open_loops=("L-1",),
    open_gaps=("G-1",),
    causes=(Cause("C", "why", ("STOR-1",), ("G-1",), "L-1", None, ("STOR-1: dark",)), Cause("D", "why", (), (), "", ())),
    producers=(Producer("infra.vm", ("G-1",), ("G-1",), "makes it again"),),
    waves=(WaveRow(SPEC, "open", "", None, "do"), WaveRow(SPEC, "closed", "x", Closing("CAP-2", AT, "done", ("out: no",)), "do")),
    items=("Attestation",),
)


def test_every_noun_of_the_board_is_there() -> None:
    assert set(board_row(BOARD)) == {"receipts" if one.name == "chain" else one.name for one in fields(Board)}
    for noun, key, but in (
        (Told, "verified", set()),
        (Cause, "causes", set()),
        (Producer, "producers", set()),
        (WaveRow, "waves", {"spec"}),
    ):
        (row, *_) = board_row(BOARD)[key]  # type: ignore[misc]
        assert {one.name for one in fields(noun)} - but <= set(row), key


def test_a_gate_has_the_mode_it_is_asked_in_and_what_is_unknown_is_null() -> None:
    told = board_row(BOARD)
    (pack,) = told["packs"]  # type: ignore[misc]
    assert pack["modes"] == {"D1": "report", "D2": "enforce"} and pack["promotion"] == {"runs": 3, "min_interval_s": 60}
    assert [cause["observed"] for cause in told["causes"]] == [None, []]  # type: ignore[attr-defined]
    assert [wave["closing"] for wave in told["waves"]] == [  # type: ignore[attr-defined]
        None,
        {"run_key": "CAP-2", "at": "2026-02-26T03:38:31Z", "outcome": "done", "failing": ["out: no"]},
    ]
    assert told["at"] == "2026-02-26T03:38:31Z" and told["receipts"] == {"count": 3, "head": "sha256:h"}
