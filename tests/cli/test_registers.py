"""The control terminal's own lines about the registers, on the Mint workspace as the specification found it."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.test_door import FLEET
from tests.cli.test_door import mint as mint
from waveboard.cli import run

WAVE_MAP = {f"GAP-OP-{n}" for n in (932, 933, 940, 942, 944, 945, 946, 947, 948, 949)}
LOOPS = {"LOOP-STORAGE-BOOT-DRIVE-AUDIT-20260226", "LOOP-MINT-FRESH-SLATE-INFRA-HARDENING-20260225"}


@pytest.fixture(autouse=True)
def at_home(mint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mint)


def said(words: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert run(words.split()) == code
    return capsys.readouterr().out


def test_the_registers_stand_where_the_board_found_them(capsys: pytest.CaptureFixture[str]) -> None:
    loops = said("cap run loops.status", capsys)
    assert loops.startswith("=== LOOP SUMMARY ===") and "  Open: 10\n" in loops and "By Owner (open):\n  @ronny: 10" in loops
    gaps = said("cap run gaps.status", capsys)
    assert "Open: 22" in gaps and all(re.search(rf"^{gap} +\w+ +open ", gaps, re.MULTILINE) for gap in WAVE_MAP)
    told = json.loads(said("gaps status --json", capsys))
    assert told["schema"] == "waveboard.gaps/1" and told["totals"]["open"] == len(told["gaps"]) == 22 and not told["void"]
    assert {gap["belongs"].split(" ")[0] for gap in told["gaps"] if gap["id"] in WAVE_MAP} == LOOPS
    assert sum(gap["belongs"] == "standalone" for gap in told["gaps"]) == 1


def test_a_claim_names_its_holder_and_a_close_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVEBOARD_ACTOR", "ronny@mint")
    said("gaps claim GAP-OP-941", capsys)
    monkeypatch.setenv("WAVEBOARD_ACTOR", "agent:two")
    assert run(["gaps", "claim", "GAP-OP-941"]) == 3
    assert "ronny@mint holds it since" in capsys.readouterr().err
    assert run(["gaps", "close", "GAP-OP-911"]) == 3
    assert "names no criterion" in capsys.readouterr().err
    assert run(["gaps", "accept", "GAP-OP-911", "--reason", "x", "--owner", "x", "--until", "2099-01-01"]) == 4
    assert run(["gaps", "claim", "GAP-OP-1"]) == 1
    assert "has no gap GAP-OP-1" in capsys.readouterr().err


def test_what_is_filed_is_shown_and_receipted(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["gaps", "file", "--description", "a thing", "--severity", "low", "--type", "runtime-bug"]
    assert run(words) == 0
    assert "GAP-OP-950: filed" in capsys.readouterr().out
    assert "Open: 23" in said("gaps", capsys)
    assert "filed" in said("gaps show GAP-OP-950", capsys)
    said("receipts verify", capsys)


def test_session_start_says_in_ten_lines_where_things_stand(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said("cap run session.start", capsys).splitlines()
    assert len(lines) == 10 and lines[-1].startswith("next:      waveboard verify mint  (nothing was judged")
    assert "none yet" in lines[2] and "open loops: 10" in lines[5] and "open gaps: 22" in lines[6]
    said(f"verify mint-storage --evidence {FLEET}", capsys, 2)
    told = json.loads(said("session start --json", capsys))
    assert told["schema"] == "waveboard.session/1" and told["next"] == "waveboard findings reconcile"
    said("findings reconcile", capsys)
    again = json.loads(said("session start --json", capsys))
    assert again["next"].startswith("waveboard plan W8B") and "GAP-OP-932" in again["why"]
    assert len(said("session start", capsys).splitlines()) == 10


WAIVER = """\
waivers:
  - id: WVR-1
    reason: moved with W8C
    owner: "@ronny"
    gate: D236
    host: mint-data
    code: redis-*
    until: {until}
    while: {during}
"""


def test_a_waived_finding_is_counted_and_an_expired_waiver_fails_the_check(
    mint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mint / "waivers.yaml").write_text(WAIVER.format(until="2099-01-01", during="root_pct > 60"))
    told = said(f"verify mint-storage --evidence {FLEET}", capsys, 2)
    assert "waived by WVR-1" in told and "2 waived" in told
    row = json.loads(said("waivers status --json", capsys))["waivers"][0]
    assert (row["state"], len(row["covered"])) == ("conditional", 2)
    (mint / "waivers.yaml").write_text(WAIVER.format(until="2099-01-01", during="root_pct > 99"))
    assert "waived" not in said(f"verify mint-storage --evidence {FLEET}", capsys, 2)
    (mint / "waivers.yaml").write_text(WAIVER.format(until="2026-02-27", during="root_pct > 60"))
    (late,) = json.loads(said("contracts check --json", capsys, 1))["errors"]
    assert (late["code"], late["file"], late["line"]) == ("expired-waiver", "waivers.yaml", 2)
    assert "1 expired" in said("waivers", capsys), "and nothing else stops"


def test_findings_say_which_a_waiver_covers_and_which_it_covers_no_more(
    mint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = WAIVER.replace("    code: redis-*\n", "").replace("gate: D236", "gate: D237")
    (mint / "waivers.yaml").write_text(WAIVER.format(until="2099-01-01", during="root_pct > 60"))
    said(f"verify mint-storage --evidence {FLEET}", capsys, 2)
    lines = said("findings", capsys, 2).splitlines()
    assert "WAIVER" in lines[0].split() and sum("  WVR-1  " in line for line in lines) == 2 and ", 2 waived of CAP-" in lines[-1]
    told = json.loads(said("findings list --json", capsys))
    marks = [f["waiver"] for gate in told["gates"] for f in gate["findings"]]
    assert marks.count("WVR-1") == 2 and told["ended_waivers"] == []
    assert said("findings reconcile", capsys).count("  waived by WVR-1\n") == 2
    (mint / "waivers.yaml").write_text(wide.format(until="2026-02-27", during="root_pct > 60"))
    lines = said("findings", capsys, 2).splitlines()
    assert sum("  WVR-1 (ended)  " in line for line in lines) == 2 and "waived" not in lines[-1]
    assert json.loads(said("findings list --json", capsys))["ended_waivers"] == ["WVR-1"]


def test_findings_that_are_all_waived_are_no_news(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = '- {{id: W-{0}, reason: r, owner: "@ronny", gate: {0}, host: "*", until: 2099-01-01}}\n'
    gates = ("D235", "D236", "D237", "D238", "D239")
    (mint / "waivers.yaml").write_text("waivers:\n" + "".join(one.format(gate) for gate in gates))
    assert run(["verify", "mint-storage", "--evidence", str(FLEET)]) in (0, 5)
    capsys.readouterr()
    assert "waived of CAP-" in said("findings", capsys)


def test_a_page_is_not_taken_in_as_a_loop(mint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("# A page\n")
    (tmp_path / "LOOP-NEW-20260301.scope.md").write_text("---\nloop_id: LOOP-NEW-20260301\nstatus: active\n---\n")
    before = said("loops status --all --json", capsys)
    for verb in ("gaps", "loops"):
        assert run([verb, "import", str(tmp_path / "LOOP-NEW-20260301.scope.md"), str(tmp_path / "README.md")]) == 1
        told = capsys.readouterr().err
        assert "README.md:1:1: this markdown file does not say that it is a loop" in told and "way out:" in told
    assert said("loops status --all --json", capsys) == before


def test_what_is_exported_is_imported_the_same(mint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said("gaps file --description x --severity low --type runtime-bug", capsys)
    said(f"gaps export -o {tmp_path}/out.yaml", capsys)
    said(f"loops export -o {tmp_path}/scopes", capsys)
    assert run(["gaps", "export", "-o", str(mint / "operational.gaps.yaml")]) == 1
    assert "exists already" in capsys.readouterr().err
    before = {row["id"]: row["status"] for row in json.loads(said("gaps status --all --json", capsys))["gaps"]}
    (mint / "operational.gaps.yaml").write_text("gaps: []\n")
    for file in (mint / "loop-scopes").iterdir():
        file.unlink()
    for wave in (mint / "waves").iterdir():
        wave.unlink()
    (mint / ".waveboard").rename(mint / ".old")
    told = json.loads(said(f"gaps import {tmp_path}/out.yaml {tmp_path}/scopes --json", capsys))
    assert (told["found"]["gaps"], told["found"]["loops"], told["dangling"]) == (27, 12, [])
    again = json.loads(said("gaps status --all --json", capsys))["gaps"]
    assert {row["id"]: row["status"] for row in again} == before
    assert "Open: 10" in said("loops status", capsys)
    twice = json.loads(said(f"gaps import {tmp_path}/out.yaml --json", capsys))
    assert twice["imported"] == [] and len(twice["known"]) == 27
    (tmp_path / "bad.yaml").write_text("gaps:\n- {id: G-1}\n- {id: G-1}\n")
    assert run(["gaps", "import", str(tmp_path / "bad.yaml")]) == 1
    assert "bad.yaml:3:8: the gap `G-1` stands here and at" in capsys.readouterr().err
    assert "| GAP-OP-950 | low | open |" in said("gaps export --format markdown", capsys)
