"""The board of the Mint workspace as a document: the specification's seven sections, from live state, and back again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.test_dispatch import Desk, desk  # noqa: F401  a fixture
from waveboard.app import dispatch
from waveboard.app.board import board
from waveboard.app.check import check
from waveboard.app.read import audit
from waveboard.cli import run
from waveboard.contracts.board import draft
from waveboard.gates import shelf
from waveboard.model.board import Closing
from waveboard.model.contract import Cluster
from waveboard.model.opening import Opening
from waveboard.model.units import instant_text
from waveboard.register.board_markdown import render
from waveboard.wiring import load_contracts
from waveboard.world.files import write_tree
from waveboard.world.hosts.replay import ReplayReader

MINT = Path(__file__).resolve().parents[2] / "examples" / "mint"
SECTIONS = [
    "## 1) Current Truth (Receipt-backed)",
    "## 2) Drift Root Cause (Why this keeps recurring)",
    "## 3) Wave Map (authoritative linkage)",
    "## 4) Wave Entry/Exit Gates",
    "## 5) Control Terminal Procedure",
    "## 6) Worker Prompts",
    "## 7) Closeout Receipt Contract",
]


def test_it_has_the_sections_of_the_specification_in_order(desk: Desk) -> None:  # noqa: F811
    text = render(board(desk.site))
    assert [line for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    assert "nothing was judged yet" in text and "not looked at yet" in text
    for wave in desk.site.contract.waves.values():
        assert f"### Prompt: {wave.id} (" in text and f"| {wave.id} | {wave.goal} |" in text


def test_its_claims_carry_the_keys_of_receipts(desk: Desk) -> None:  # noqa: F811
    checked = check(desk.site, "mint-storage", audit(desk.site, ("mint-data", "mint-apps")))
    dispatch.dispatch(desk.site, "W8B", "agent:fixer", 1)
    text = render(board(desk.site))
    assert f"`{checked.run_key}` (5 gates:" in text
    assert "still observed (STOR-002, STOR-004)" in text
    assert "not planned, with agent:fixer |" in text


def test_a_wave_that_is_open_says_since_when(desk: Desk) -> None:  # noqa: F811
    now = desk.site.clock.now()
    desk.site.store.begin_wave(Opening("W8A", "none", (), ("mint-data", "mint-apps"), (), "dana@desk", now))
    text = render(board(desk.site))
    assert f"| no runtime mutation |  | mint-data, mint-apps | open since {instant_text(now)} |" in text
    assert text.startswith("---\nstatus: working")


def test_importing_the_rendered_board_gives_the_same_waves(desk: Desk) -> None:  # noqa: F811
    import yaml

    made = draft("board.md", render(board(desk.site)).encode(), shelf.gates())
    waves = desk.site.contract.waves
    assert set(made.waves) == set(waves)
    for name, wave in waves.items():
        again = yaml.safe_load(made.files[f"waves/{name}.yaml"])
        assert (again["goal"], again["mutation_policy"]) == (wave.goal, wave.policy)
        assert (again["links"]["stor"], again["links"]["gaps"], again["links"]["loops"]) == tuple(
            map(list, (wave.stor, wave.gaps, wave.loops))
        )
        assert tuple(again["rules"]) == wave.rules and tuple(again["outputs"]) == wave.outputs
        assert again["worker"] == {"opening": wave.opening, "scope": list(wave.scope_notes), "acceptance": list(wave.acceptance)}


@pytest.mark.parametrize("closed", [False, True])
def test_a_rendered_board_is_read_back_as_what_it_was_made_of(desk: Desk, tmp_path: Path, closed: bool) -> None:  # noqa: F811
    found = board(desk.site)
    if closed:
        failing = ("mint-data.root.used_pct < guard.root_usage_warn_pct: 81 is not `below` (60)",)
        end = Closing("CAP-20260226-030000__wave.close__R1", found.at, "failed", failing)
        found = replace(found, waves=tuple(replace(row, closing=end) for row in found.waves))
    odd = replace(found.waves[0], spec=replace(found.waves[0].spec, goal="a < b | c"))
    made = draft("board.md", render(replace(found, waves=(odd, *found.waves[1:]))).encode(), shelf.gates())
    assert [note.message for note in made.notes if "is quoted" not in note.message] == []
    write_tree(tmp_path / "draft", {name: text.encode() for name, text in made.files.items()})
    (tmp_path / "draft").chmod(0o755)
    loaded = load_contracts(tmp_path / "draft")
    assert loaded.contract and loaded.errors == ()
    assert [c.code for c in loaded.warnings] == ["unknown-fact"], "guard thresholds are the only thing that a board does not hold"
    again, was = loaded.contract, desk.site.contract
    kept = ("policy", "mutate_hosts", "read_only_hosts", "stor", "gaps", "loops", "excludes", "entry", "exit", "rules", "outputs")
    for name, wave in was.waves.items():
        assert [getattr(again.waves[name], key) for key in kept] == [getattr(wave, key) for key in kept], name
    assert again.waves["W8A"].goal == "a < b | c" and again.name == was.name
    assert {t.id for t in again.targets} == {"mint-data", "mint-apps"}
    assert {name: (p.hosts, p.mode, p.promotion) for name, p in again.packs.items()} == {
        name: (p.hosts, p.mode, p.promotion) for name, p in was.packs.items()
    }
    assert {g for p in again.packs.values() for g in (*p.gates, *p.later)} == {g for p in was.packs.values() for g in p.gates}


def test_words_from_outside_cannot_break_the_document(desk: Desk) -> None:  # noqa: F811
    found = board(desk.site)
    row = found.waves[0]
    evil = replace(
        row, spec=replace(row.spec, goal="a | b\n## 9) Mine <script> [x](http://y)\x1b[31m"), prompt="```\n## out\n````"
    )
    text = render(replace(found, waves=(evil,)))
    assert [line for line in text.splitlines() if line.startswith("## ") and line not in SECTIONS] == ["## out"]
    assert text.count("`````text") == 1 and "\x1b" not in text and "<script>" not in text and "](" not in text


def test_the_door_shows_renders_and_imports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "mint"
    shutil.copytree(MINT, place, ignore=shutil.ignore_patterns("fleet", ".waveboard"))
    for path in (tmp_path, place, place / "waveboard.yaml"):
        path.chmod(path.stat().st_mode & ~0o022)
    at = ["--workspace", str(place)]
    assert run([*at, "board", "show"]) == 0
    assert "open loops 10  open gaps 22" in capsys.readouterr().out
    assert run([*at, "board", "render", "-o", str(tmp_path / "board.md")]) == 0
    assert run(["board", "import", str(tmp_path / "board.md"), "-o", str(tmp_path / "draft")]) in (0, 2)
    assert (tmp_path / "draft" / "waves" / "W8B.yaml").is_file()
    assert run(["board", "import", str(tmp_path / "board.md"), "-o", str(tmp_path / "draft")]) == 1
    assert "it is there already" in capsys.readouterr().err
    (tmp_path / "draft").chmod(0o755)
    assert run(["--workspace", str(tmp_path / "draft"), "contracts", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["errors"] == []


def test_a_cause_that_no_run_could_see_is_not_called_gone(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "half").mkdir()
    shutil.copy(MINT / "fleet" / "mint-data.json", tmp_path / "half")
    site = replace(desk.site, reader=ReplayReader(tmp_path / "half"))
    clusters = (Cluster("apps", "Images", ("STOR-005",), (), None), Cluster("born", "Birth", ("STOR-007",), (), None))
    mapped = replace(site.contract.findings, clusters=clusters)
    site = replace(site, contract=replace(site.contract, findings=mapped))
    check(site, "mint-storage", audit(site, ("mint-data", "mint-apps")))
    text = render(board(site))
    assert "- Images (STOR-005): not known (STOR-005: D237 could not see everything: mint-apps" in text
    assert "- Birth (STOR-007): not known (STOR-007: no gate observes it)" in text
