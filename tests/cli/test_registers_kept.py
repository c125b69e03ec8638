"""What an operator wrote comes back as it was: through the door, on a real workspace."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from waveboard.cli import run
from waveboard.wiring import load_contracts

ROOT = Path(__file__).resolve().parents[2]
FLEET = ROOT / "examples" / "mint" / "fleet"
SPEC = """# b

| Wave | Goal | Policy |
|---|---|---|
| {} | g | governance only |
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of one host and two gaps."""
    (tmp_path / "waveboard.yaml").write_text("schema: waveboard/1\nname: w\ncontracts: {hosts: h.yaml, gaps: g.yaml}\n")
    (tmp_path / "h.yaml").write_text("ssh: {targets: [{id: a, host: 10.255.255.1}]}\n")
    gaps = "{id: GAP-OP-%s, status: %s, severity: low, description: d, type: x%s}"
    listed = (
        ("1", "fixed", ", fixed_in: 0123456"),
        ("2", "fixed", ", fixed_in: 505e20"),
        ("3", "fixed", ", fixed_in: 12e34567"),
        ("4", "open", ""),
    )
    (tmp_path / "g.yaml").write_text("version: 1\ngaps:\n" + "".join(f"- {gaps % one}\n" for one in listed))
    for path in (tmp_path, tmp_path / "waveboard.yaml"):
        path.chmod(path.stat().st_mode & ~0o022)
    monkeypatch.setenv("WAVEBOARD_ACTOR", "@ronny")
    return tmp_path


def does(place: Path, *words: str) -> int:
    return run(["--workspace", str(place), *words], {})


def exported(place: Path) -> list[dict[str, object]]:
    (place / "out.yaml").unlink(missing_ok=True)
    assert does(place, "gaps", "export", "-o", str(place / "out.yaml")) == 0
    told: list[dict[str, object]] = yaml.safe_load((place / "out.yaml").read_text())["gaps"]
    return told


def test_a_commit_that_looks_like_a_number_stays_a_commit(place: Path) -> None:
    assert does(place, "gaps", "fix", "GAP-OP-4", "--in", "0707") == 0
    exported(place)
    (place / "out.yaml").rename(place / "g.yaml")
    shutil.rmtree(place / ".waveboard")
    register = load_contracts(place).contract
    assert register and [gap.fixed_in for gap in register.registers.gaps] == ["0123456", "505e20", "12e34567", "0707"]


def test_an_acceptance_keeps_its_end_its_reason_and_who_answers(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert does(place, "gaps", "accept", "GAP-OP-4", "--reason", "later", "--owner", "@ronny", "--until", "2099-01-15") == 0
    told = exported(place)
    assert {key: told[3][key] for key in told[3] if key.startswith("accepted")} == {
        "accepted_until": "2099-01-16T00:00:00Z", "accepted_reason": "later", "accepted_by": "@ronny",
    }  # fmt: skip
    (place / "out.yaml").rename(place / "g.yaml")
    shutil.rmtree(place / ".waveboard")
    assert exported(place) == told
    capsys.readouterr()
    assert does(place, "gaps", "show", "GAP-OP-4", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["status"], shown["until"], shown["why"]) == ("accepted", "2099-01-16T00:00:00Z", "later")


@pytest.mark.parametrize(("name", "said"), [("weird id", "no id of a gap"), ("../x", "no id of a gap")])
def test_a_gap_is_filed_under_an_id_its_file_may_hold(
    place: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    assert does(place, "gaps", "file", "--id", name, "--description", "d", "--severity", "low", "--type", "x") == 1
    assert said in capsys.readouterr().err
    assert does(place, "gaps", "file", "--id", "GAP-OP-9", "--description", " ", "--severity", "low", "--type", "x") == 1


def test_a_wave_of_a_board_writes_nowhere_else(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "deep").mkdir()
    (place / "deep/ESC.yaml").write_text("precious")
    (place / "b.md").write_text(SPEC.format("../../../ESC"))
    assert does(place, "board", "import", str(place / "b.md"), "-o", str(place / "deep/draft")) == 1
    assert "b.md:5: '../../../ESC' is no id of a wave" in capsys.readouterr().err
    assert (place / "deep/ESC.yaml").read_text() == "precious" and not (place / "deep/draft").exists()
    (place / "b.md").write_text(SPEC.format("**W8C**"))
    assert does(place, "board", "import", str(place / "b.md"), "-o", str(place / "deep/draft")) in (0, 2)
    assert (place / "deep/draft/waves/W8C.yaml").is_file()


@pytest.mark.parametrize(
    ("lost", "said"), [("instance", "bear the id that stood there"), ("keys/receipts.key", "there are receipts signed with it")]
)
def test_what_receipts_rest_on_is_never_made_anew(place: Path, capsys: pytest.CaptureFixture[str], lost: str, said: str) -> None:
    assert does(place, "cap", "run", "gaps.status") == 0
    (place / ".waveboard" / lost).unlink()
    assert does(place, "cap", "run", "gaps.status") != 0
    assert said in capsys.readouterr().err and not (place / ".waveboard" / lost).exists()


def test_two_bundles_of_one_host_are_refused_and_a_broken_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "mint"
    shutil.copytree(ROOT / "examples" / "mint", place, ignore=shutil.ignore_patterns("fleet", ".waveboard"))
    for path in (tmp_path, place, place / "waveboard.yaml"):
        path.chmod(path.stat().st_mode & ~0o022)
    other = json.loads((FLEET / "mint-data.json").read_text()) | {"host": "mint-apps"}
    (tmp_path / "other.json").write_text(json.dumps(other))
    both = ["--evidence", str(tmp_path / "other.json"), "--evidence", str(FLEET / "mint-apps.json")]
    assert does(place, "verify", "mint-storage", *both) == 1
    assert "there are two bundles of mint-apps" in capsys.readouterr().err
    (tmp_path / "empty.json").write_text("")
    assert does(place, "verify", "mint-storage", "--evidence", str(tmp_path / "empty.json")) == 5
    assert f"cannot read the evidence bundle {tmp_path / 'empty.json'}" in capsys.readouterr().err


HEAD = """\
# The register of w. Ask @ronny before you edit.
version: 1
updated: "2026-02-01"
policy: {triage: weekly}  # since January
gaps:
  # what the drill found
  - id: GAP-OP-1
    status: open  # hopefully not for long
    severity: low
    parent_loop: ""
    deferred_until: 2026-05-01
  - {id: GAP-OP-2, status: accepted, accepted_until: 2099-03-31, accepted_by: "@ronny", accepted_reason: old}
  - id: GAP-OP-3
    status: accepted
    accepted_until: 2026-01-31  # it has ended
    accepted_reason: a while
contacts: ["@ronny"]
"""


def exported_text(place: Path) -> str:
    (place / "out.yaml").unlink(missing_ok=True)
    assert does(place, "gaps", "export", "-o", str(place / "out.yaml")) == 0
    return (place / "out.yaml").read_text()


def test_an_export_keeps_all_that_stands_in_the_register(place: Path) -> None:
    ended = HEAD.replace(
        "    status: accepted\n    accepted_until: 2026-01-31", "    status: open\n    accepted_until: 2026-01-31"
    )
    (place / "g.yaml").write_text(ended)
    assert exported_text(place) == ended, "nothing happened, so it is the file itself"
    (place / "g.yaml").write_text(HEAD)
    told = exported_text(place)
    assert re.sub("updated: .*", 'updated: "2026-02-01"', told) == ended, (
        "an acceptance that ended is told as open, and stays on record"
    )
    assert does(place, "gaps", "fix", "GAP-OP-1", "--in", "0123456") == 0
    assert does(place, "gaps", "file", "--id", "GAP-OP-9", "--description", "d", "--severity", "low", "--type", "x") == 0
    now = exported_text(place)
    assert '    deferred_until: 2026-05-01\n    fixed_in: "0123456"\n  - {id: GAP-OP-2, ' in now and "  - id: GAP-OP-9\n" in now
    assert set(told.splitlines()) - set(now.splitlines()) <= {line for line in told.splitlines() if line.startswith("updated: ")}
    assert now.rstrip().endswith('contacts: ["@ronny"]')


def test_an_export_of_two_files_keeps_the_head_of_both(place: Path) -> None:
    (place / "waveboard.yaml").write_text("schema: waveboard/1\nname: w\ncontracts: {hosts: h.yaml, gaps: [g.yaml, more.yaml]}\n")
    (place / "g.yaml").write_text(HEAD)
    (place / "more.yaml").write_text(
        "# more of them\npolicy: {triage: daily}\ngaps:\n  - id: GAP-OP-7\n    status: open\nkept: by hand\n"
    )
    told = exported_text(place)
    assert yaml.safe_load(told)["policy"] == {"triage": "weekly"} and "# policy: {triage: daily}\n" in told
    assert "# more.yaml says beside its gaps:\n# # more of them\n" in told and "# kept: by hand\n" in told
    assert [one["id"] for one in yaml.safe_load(told)["gaps"]] == ["GAP-OP-1", "GAP-OP-2", "GAP-OP-3", "GAP-OP-7"]
