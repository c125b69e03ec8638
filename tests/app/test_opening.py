"""Waves that are open: what they forbid, what they pin, how they end."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app.stage import Desk
from tests.app.test_offline import CONTRACT, MINT
from tests.receipts.estate import ALLOWED
from tests.waves import estate as E
from waveboard.app import closing
from waveboard.app.apply import apply
from waveboard.app.check import check
from waveboard.app.opening import begin
from waveboard.app.read import audit
from waveboard.model.change import Event
from waveboard.model.contract import WaveSpec
from waveboard.model.errors import HostError, RefusedError, UsageError
from waveboard.model.opening import Line, Opening, receipt_name, standing
from waveboard.receipts import envelope, statement
from waveboard.world.hosts.replay import ReplayReader


def opening(
    wave: str, policy: str = "controlled-runtime", mutate: str = "", read_only: str = "", excludes: str = "", plan: str = ""
) -> Opening:
    return Opening(wave, policy, tuple(mutate.split()), tuple(read_only.split()), tuple(excludes.split()), "ronny", E.AT, plan)


BESIDE = [
    # one that is open, one that would open, the rule that says no ("" when it may)
    (opening("W8A", "none", read_only="a b"), opening("W8B", mutate="a", plan="p"), "no runtime mutation of a is possible"),
    (opening("W8B", mutate="a", plan="p"), opening("W8A", "none", read_only="a"), "no runtime mutation of a is possible"),
    (opening("W8A", "none", read_only="b"), opening("W8B", mutate="a", plan="p"), ""),
    (opening("W8A", "governance"), opening("W8B", mutate="a", plan="p"), "the mutation policy of W8A is `governance`"),
    (opening("W8A", "none"), opening("W8E", "governance"), ""),
    (
        opening("W8B", mutate="a", plan="p", excludes="W8C"),
        opening("W8C", mutate="b", plan="q"),
        "W8B excludes W8C: they never overlap",
    ),
    (
        opening("W8B", mutate="a", plan="p"),
        opening("W8C", mutate="b", plan="q", excludes="W8B"),
        "W8C excludes W8B: they never overlap",
    ),
    (opening("W8B", mutate="a", plan="p"), opening("X", mutate="b", plan="q"), ""),
    (opening("W8A", "none"), opening("W8A", "none"), "a wave is open once"),
    (opening("W8B", mutate="a", plan="p"), opening("W8B", mutate="a", plan="retire"), ""),
]


@pytest.mark.parametrize(("there", "new", "rule"), BESIDE)
def test_which_waves_may_be_open_together(there: Opening, new: Opening, rule: str) -> None:
    because = new.against(there)
    assert (rule in because) if rule else because == ""
    if rule:
        assert f"{there.wave} is open since 2026-02-26T03:00:00Z (by ronny)" in because


NAMES = st.sampled_from(["W8A", "W8B", "W8C", "W8D"])
OPENINGS = st.builds(opening, NAMES, st.sampled_from(["none", "governance", "controlled-runtime"]), st.sampled_from(["", "a", "a b"]),
                     st.sampled_from(["", "b"]), st.sampled_from(["", "W8B", "W8B W8C"]), st.sampled_from(["", "p"]))  # fmt: skip


@given(OPENINGS, OPENINGS)
def test_a_refusal_does_not_depend_on_who_came_first(one: Opening, other: Opening) -> None:
    assert bool(one.against(other)) == bool(other.against(one))


@given(st.lists(st.tuples(st.sampled_from(["opened", "closed"]), NAMES), max_size=12))
def test_what_is_open_was_opened_and_not_closed_since(lines: list[tuple[str, str]]) -> None:
    told = [Line(kind, opening(wave)) for kind, wave in lines]
    found = {one.wave for one in standing(told, lambda plan: "")}
    last = {wave: kind for kind, wave in lines}
    assert found == {wave for wave, kind in last.items() if kind == "opened"}


def test_a_wave_whose_plan_was_taken_back_is_not_open() -> None:
    told = [Line("opened", opening("W8B", plan="p"))]
    assert [len(standing(told, lambda plan, kind=kind: kind)) for kind in ("opened", "done", "rolled-back", "halted")] == [
        1,
        1,
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("wave", "name"), [("W8B", "WAVE8B_ORCHESTRATION_RECEIPT"), ("storage-1", "WAVE_storage-1_ORCHESTRATION_RECEIPT")]
)
def test_receipts_are_called_as_the_specification_calls_them(wave: str, name: str) -> None:
    assert receipt_name(wave) == name


# -- the whole way, in memory

SPEC = WaveSpec("G1", "look", "none", (), ("shop-1",), (), (), (), (), (), ("pack_complete: mint-storage",), (), place=None)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    waves = {
        "W8A": replace(CONTRACT.waves["W8A"], exit=('linkage_complete: ["STOR-007"]',), entry=(), preflight=("docker", "block"))
    }
    packs = {"mint-storage": CONTRACT.packs["mint-storage"]}
    contract = replace(CONTRACT, packs=packs, waves=waves, approvals=made.site.contract.approvals)
    made.site = replace(made.site, contract=contract, reader=ReplayReader(MINT / "fleet"))
    return made


def test_a_governance_wave_is_opened_pinned_and_closed_with_its_receipt(desk: Desk) -> None:
    begun = begin(desk.site, "W8A")
    assert begun.pins["runbook"] == desk.site.contract.files["waves/W8A.yaml"]
    told = begun.pins["preflight"]
    assert isinstance(told, dict) and set(told) == {"mint-data", "mint-apps"} and set(told["mint-data"]) == {"docker", "block"}
    with pytest.raises(RefusedError, match="a wave is open once"):
        begin(desk.site, "W8A")
    done = closing.close_wave(desk.site, "W8A")
    assert done.holds and "green by host" in done.text and "WAVE8A_ORCHESTRATION_RECEIPT" in done.text
    kept = (desk.site.archive.directory.parent / "orchestration" / "WAVE8A_ORCHESTRATION_RECEIPT.json").read_bytes()  # type: ignore[attr-defined]
    assert kept == desk.site.store.receipts()[-1][2]
    body = statement.receipt_of(statement.from_bytes(envelope.from_bytes(kept).payload)).body
    assert isinstance(body["items"], dict) and len(body["items"]) == 7
    assert desk.site.store.board() == ()
    with pytest.raises(RefusedError, match="it is not open"):
        closing.close_wave(desk.site, "W8A")


def test_moved_goalposts_are_said(desk: Desk) -> None:
    begin(desk.site, "W8A")
    moved = {**desk.site.contract.files, "packs.yaml": "sha256:" + "1" * 64}
    desk.site = replace(desk.site, contract=replace(desk.site.contract, files=moved))
    done = closing.close_wave(desk.site, "W8A")
    assert done.document["goalposts"] == "green by policy: changed since the entry: packs.yaml"
    assert "packs.yaml" in str(done.document["items"])


def test_a_wave_whose_exit_does_not_hold_stays_open(desk: Desk) -> None:
    wave = replace(desk.site.contract.waves["W8A"], exit=("mint-data.root.used_pct < 1",))
    desk.site = replace(desk.site, contract=replace(desk.site.contract, waves={"W8A": wave}))
    begin(desk.site, "W8A")
    done = closing.close_wave(desk.site, "W8A")
    assert not done.holds and "stays open" in done.text and [o.wave for o in desk.site.store.board()] == ["W8A"]


def test_missing_preflight_evidence_and_unmet_entry_refuse(desk: Desk) -> None:
    wave = replace(desk.site.contract.waves["W8A"], preflight=("no-such-section",), entry=("mint-data.root.used_pct < 1",))
    desk.site = replace(desk.site, contract=replace(desk.site.contract, waves={"W8A": wave}))
    with pytest.raises(RefusedError, match=r"`no-such-section` of mint-data is not there.*root\.used_pct"):
        begin(desk.site, "W8A")
    assert desk.site.store.board() == ()


def test_an_entry_that_could_not_be_judged_is_unknown_and_no_refusal(desk: Desk) -> None:
    wave = replace(desk.site.contract.waves["W8A"], entry=("mint-data.no_such.used_pct < 1",))
    desk.site = replace(desk.site, contract=replace(desk.site.contract, waves={"W8A": wave}))
    with pytest.raises(HostError, match="no_such"):
        begin(desk.site, "W8A")
    assert desk.site.store.board() == ()


def test_a_wave_that_changes_hosts_is_opened_by_its_plan_only(desk: Desk) -> None:
    desk.site = replace(desk.site, contract=replace(desk.site.contract, waves=CONTRACT.waves))
    with pytest.raises(RefusedError, match="an approved plan opens it"):
        begin(desk.site, "W8B")
    with pytest.raises(UsageError):
        begin(desk.site, "W9")


def test_while_a_governance_wave_is_open_no_plan_is_admitted_in_its_scope(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    spec = E.wave(E.MOUNT, E.ROOT, E.DB)
    desk.site = replace(desk.site, contract=replace(desk.site.contract, waves={"M1": spec, "G1": SPEC}))
    known = desk.approved()
    desk.site.store.begin_wave(replace(opening("G1", "none", read_only="shop-1"), by="sam"))
    with pytest.raises(RefusedError, match=r"G1 is open since .* \(by sam\).*no runtime mutation of shop-1"):
        apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known) == [] and not desk.calls
    desk.site.store.end_wave("G1", E.AT, "sam", "done")
    apply(desk.site, known, ALLOWED, desk.reading())
    assert [o.wave for o in desk.site.store.board()] == ["M1"]  # open until it is closed


def test_the_race_between_opening_and_applying_is_decided_by_the_store(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.site.store.begin_wave(opening("G1", "none", read_only="shop-1"))
    line = Event(1, "sha256:" + "a" * 64, "opened", "", 0, E.AT, 1, {})
    with pytest.raises(RefusedError, match="no runtime mutation"):
        desk.site.store.open_wave(line, ["n"], opening("M1", mutate="shop-1", plan="sha256:" + "a" * 64))
    assert desk.site.store.events("sha256:" + "a" * 64) == () and desk.site.store.consume_nonce("n", "p", E.AT)


RACER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from waveboard.model.opening import Opening
from waveboard.model.errors import RefusedError
from waveboard.world.store.sql import open_store
store = open_store("sqlite:///.waveboard/state.db", Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
others = tuple(w for w in ("W8B", "W8C", "W8D") if w != sys.argv[2])
try:
    store.begin_wave(Opening(sys.argv[2], "controlled-runtime", ("vm",), (), others, sys.argv[2] + "-terminal", datetime.now(UTC), "sha256:" + sys.argv[2]))
    print("opened", flush=True)
except RefusedError as no:
    print(no, flush=True)
"""


def test_two_terminals_open_one_wave(tmp_path: Path) -> None:
    """Two real processes at once: one wave is open, the other process is told which, by whom and since when."""
    waves = ("W8B", "W8C")
    argv = [[sys.executable, "-c", RACER, str(tmp_path), wave] for wave in waves]
    both = [subprocess.Popen(a, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for a in argv]
    for one in both:
        assert one.stdout and one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=60)[0] for one in both]
    winner = [text == "opened\n" for text in said]
    assert sorted(winner) == [False, True], said
    won, lost = (waves[winner.index(True)], said[winner.index(False)])
    assert f"{won} is open since" in lost and f"by {won}-terminal" in lost and "they never overlap" in lost


def test_verify_runs_do_not_move_goalposts(desk: Desk) -> None:
    """A report is written between entry and exit; that alone is no change of policy."""
    begin(desk.site, "W8A")
    check(desk.site, "mint-storage", audit(desk.site, ("mint-data", "mint-apps")))
    desk.site.clock.at += timedelta(minutes=1)  # type: ignore[attr-defined]
    assert "green by host" in closing.close_wave(desk.site, "W8A").text
