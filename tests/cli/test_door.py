"""The door: one clear error each for bad input, the documented exit code, nothing half-written."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from waveboard.app.filing import say_fixed
from waveboard.app.receipting import new_key, newest_of
from waveboard.app.registers import change
from waveboard.cli import run
from waveboard.cli.site import cap_receipt, opened
from waveboard.model.errors import UsageError
from waveboard.wiring import load_contracts, usable, workspace_signers
from waveboard.world.store import connect

ROOT = Path(__file__).resolve().parents[2]
FLEET = ROOT / "examples" / "mint" / "fleet"


@pytest.fixture
def mint(tmp_path: Path) -> Path:
    place = tmp_path / "mint"
    shutil.copytree(ROOT / "examples" / "mint", place, ignore=shutil.ignore_patterns("fleet", ".waveboard"))
    for path in (tmp_path, place, place / "waveboard.yaml"):
        path.chmod(path.stat().st_mode & ~0o022)
    return place


BAD = [
    (("verify", "nope"), 1, "has no such pack"),
    (("plan", "W9"), 1, "has no such wave"),
    (("plan", "W8A"), 3, "no runtime mutation"),
    (("gates", "D999"), 1, "there is no such gate"),
    (("wave", "show", "W9"), 1, "has no such wave"),
    (("audit", "stranger"), 1, "the contracts name no such host"),
    (("apply", "sha256:0123456789ab"), 1, "neither a file nor a stored plan"),
    (("approve", "no.plan", "--key", "k", "--as", "x"), 1, "neither a file nor a stored plan"),
    (("where", "mint-data", "relative/path"), 1, "not an absolute path"),
    (("wave", "dispatch", "W9", "--to", "x"), 1, "has no such wave"),
    (("wave", "recall", "W8B"), 3, "nobody has it"),
    (("wave", "report", "W8B", "none.json"), 1, "none.json"),
    (("wave", "report", "W8B"), 1, "there is no report"),
    (("wave", "report", "W8B", "--template"), 1, "it was never dispatched"),
    (("findings",), 1, "no pack was judged yet"),
    (("cap", "run", "no.such.thing"), 1, "there is no such capability"),
    (("verify", "mint-storage", "--evidence", "waves"), 1, "holds no bundle"),
    (("receipts", "verify", "waves"), 8, "does not belong here"),
]


@pytest.mark.parametrize(("words", "code", "because"), BAD, ids=[" ".join(row[0]) for row in BAD])
def test_bad_input_gets_one_clear_error(
    mint: Path,
    words: tuple[str, ...],
    code: int,
    because: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(mint)
    assert run(["--workspace", str(mint), *words]) == code
    said = capsys.readouterr().err
    assert said.count("error: ") == 1 and because in said and "way out: " in said


def test_a_broken_contract_is_named_by_its_place(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mint / "packs.yaml").write_text("packs:\n  mint:\n    gates: [D235\n")
    assert run(["--workspace", str(mint), "verify", "mint"]) == 1
    assert "packs.yaml:" in capsys.readouterr().err
    assert run(["--workspace", str(mint), "contracts", "check", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "waveboard.contracts-check/1"
    assert set(told["errors"][0]) == {"file", "line", "col", "path", "code", "message", "fix"}


def test_a_file_name_that_is_no_text_is_told_and_one_that_moves_the_cursor_is_spelled_out(
    mint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loops = mint / "loop-scopes"
    shutil.copy(loops / "LOOP-ALERT-ROUTING-20260220.scope.md", loops / "LOOP-\udcff.scope.md")
    (loops / "LOOP-\x1b[2J\nforged.scope.md").write_text("no front matter\n")
    assert run(["--workspace", str(mint), "contracts", "check", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(e["code"], e["file"], e["path"]) for e in told["errors"]] == [
        ("unreadable-file", "waveboard.yaml", "contracts.loops")
    ]
    assert "`loop-scopes/LOOP-\\udcff.scope.md`: its name is not UTF-8" in told["errors"][0]["message"]
    assert run(["--workspace", str(mint), "contracts", "check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.startswith("loop-scopes/LOOP-\\u001b[2J\\u000aforged.scope.md:1:1: warning: [no-front-matter]") for line in lines
    )


def test_a_workspace_that_others_can_write_to_is_refused(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mint / "waveboard.yaml").chmod(0o666)
    assert run(["--workspace", str(mint), "wave", "list"]) == 1
    assert "can be written by others" in capsys.readouterr().err


def test_no_workspace_is_said_once_even_by_cap_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(tmp_path), "cap", "run", "verify.pack.run", "mint"]) == 1
    assert capsys.readouterr().err.count("error: ") == 1


def test_offline_judging_is_receipted_and_the_receipts_verify(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(mint), "verify", "mint-storage", "--evidence", str(FLEET)]) == 2
    assert run(["--workspace", str(mint), "cap", "run", "findings.list", "--", "--json"]) == 0
    capsys.readouterr()
    assert run(["--workspace", str(mint), "receipts", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["receipts"] == 2
    filed = sorted((mint / ".waveboard" / "receipts" / "receipts").iterdir())
    filed[0].write_bytes(filed[0].read_bytes().replace(b"a", b"b", 1))
    assert run(["--workspace", str(mint), "receipts", "verify"]) == 8
    assert filed[0].name in capsys.readouterr().err


def test_a_store_that_was_lost_is_told_before_anything_is_written(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(mint), "verify", "mint-storage", "--evidence", str(FLEET)]) == 2
    (mint / ".waveboard" / "state.db").unlink()
    for words in (("verify", "mint-storage", "--evidence", str(FLEET)), ("session", "start"), ("gaps", "status")):
        capsys.readouterr()
        assert run(["--workspace", str(mint), *words]) == 8
        said = capsys.readouterr().err
        assert said.count("error: ") == 1 and "not those that were filed" in said and "way out: " in said
    assert run(["--workspace", str(mint), "receipts", "verify"]) == 0


def test_a_store_that_another_process_holds_is_blocked_and_no_fault_of_the_store(
    mint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "BUSY_MS", 10)
    assert run(["--workspace", str(mint), "gaps", "claim", "GAP-OP-941"]) == 0
    with closing(sqlite3.connect(mint / ".waveboard" / "state.db", isolation_level=None)) as other:
        for how, verbs in (
            ("EXCLUSIVE", (("gaps", "status"), ("gaps", "claim", "GAP-OP-942"), ("cap", "run", "session.start"))),
            ("IMMEDIATE", (("gaps", "claim", "GAP-OP-942"), ("verify", "mint-storage", "--evidence", str(FLEET)))),
        ):
            other.execute(f"BEGIN {how}")
            for words in verbs:
                capsys.readouterr()
                assert run(["--workspace", str(mint), *words]) == 3, (how, words)
                said = capsys.readouterr().err
                assert said.count("error: ") == 1 and "store" in said and "another process holds the database locked" in said
                assert "way out: wait" in said and "nothing was started" in said
            other.execute("ROLLBACK")
    assert run(["--workspace", str(mint), "gaps", "claim", "GAP-OP-942"]) == 0
    (mint / ".waveboard" / "state.db").write_bytes(b"no database at all, and long enough to be looked at as one" * 99)
    assert run(["--workspace", str(mint), "gaps", "status"]) == 1, "what no waiting mends is no lock"


@pytest.mark.parametrize(
    "words", [("gaps", "import", "FILE"), ("board", "import", "FILE", "-o", "d"), ("wave", "report", "W8B", "FILE")]
)
def test_a_file_that_never_ends_is_one_clear_error(
    mint: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--workspace", str(mint), *["/dev/zero" if word == "FILE" else word for word in words]]) == 1
    said = capsys.readouterr().err
    assert said.count("error: ") == 1 and "is larger than" in said and "way out: " in said


@pytest.mark.parametrize("pattern", ["waves/*.yaml", "waves/**/*.yaml"])
def test_a_directory_that_cannot_be_listed_is_not_an_empty_one(
    mint: Path, pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(mint / "waves")
    (mint / "waves").symlink_to("waves")  # a loop of links cannot be listed by root either
    yaml = mint / "waveboard.yaml"
    yaml.write_text(yaml.read_text().replace("waves/*.yaml", pattern))
    assert run(["--workspace", str(mint), "contracts", "check"]) == 1
    assert f"cannot read `{pattern}`" in capsys.readouterr().out


def test_a_state_directory_that_cannot_be_one_is_one_clear_error(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mint / ".waveboard").write_text("")
    assert run(["--workspace", str(mint), "session", "start"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: cannot open the state directory: File exists") and "way out: " in said


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"two words", b"other"], ids=["empty", "no text", "two words", "another"])
def test_an_instance_that_is_not_the_workspaces_own_is_told_before_anything_is_written(
    mint: Path, text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--workspace", str(mint), "gaps", "claim", "GAP-OP-941"]) == 0
    (mint / ".waveboard" / "instance").write_bytes(text)
    for words in (("gaps", "claim", "GAP-OP-942"), ("session", "start")):
        capsys.readouterr()
        assert run(["--workspace", str(mint), *words]) in (1, 8)
        said = capsys.readouterr().err
        assert said.count("error: cannot ") == 1 and "way out: put " in said and "fault" not in said
    assert run(["--workspace", str(mint), "receipts", "verify"]) == 0


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_state_directory_that_others_could_write_to_is_refused_and_not_mended(
    mint: Path, mode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--workspace", str(mint), "gaps", "claim", "GAP-OP-941"]) == 0
    (mint / ".waveboard").chmod(mode)
    capsys.readouterr()
    assert run(["--workspace", str(mint), "gaps", "claim", "GAP-OP-942"]) == 1
    said = capsys.readouterr().err
    assert "others could write to it" in said and "chmod go-w" in said
    assert (mint / ".waveboard").stat().st_mode & 0o777 == mode
    (mint / ".waveboard").chmod(0o755)  # as a plain mkdir leaves it: closed without a word
    assert run(["--workspace", str(mint), "gaps", "claim", "GAP-OP-942"]) == 0
    assert (mint / ".waveboard").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sqlite3.sqlite_version_info >= connect.WAL_SAFE, reason="readers of a write-ahead log make its index")
def test_reading_touches_nothing_of_the_state_so_that_it_can_be_read_where_nothing_can_be_written(mint: Path) -> None:
    assert run(["--workspace", str(mint), "verify", "mint-storage", "--evidence", str(FLEET)]) == 2
    state = mint / ".waveboard"

    def touched() -> dict[Path, int]:
        return {path: path.stat().st_ctime_ns for path in (state, *state.rglob("*"))}

    before = touched()
    reads = (
        "gaps status",
        "loops status",
        "findings list --json",
        "status",
        "session start",
        "board show",
        "receipts show",
        "waivers",
        "wave list",
    )
    for words in (*reads, "receipts verify"):
        assert run(["--workspace", str(mint), *words.split()]) == 0, words
        assert touched() == before, words


@pytest.mark.parametrize("form", ["json", "junit", "sarif", "prometheus", "markdown"])
def test_every_output_format_is_written(mint: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(mint), "verify", "mint-storage", "--evidence", str(FLEET), "--format", form]) == 2
    assert "redis" in capsys.readouterr().out


def test_where_prints_the_agreed_document(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["where", "--evidence", str(FLEET / "mint-data.json"), "/var/lib/docker", "--json"]
    assert run(words) == 2
    told = json.loads(capsys.readouterr().out)
    assert {"path", "mount", "chain", "disks", "class", "boot", "confidence", "why"} <= set(told)
    assert (told["class"], told["boot"], told["disks"]) == ("BOOT", True, ["sda"])


def test_agents_cannot_approve(mint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.waves.test_plan import E, planned
    from waveboard.waves import plan_json

    monkeypatch.setenv("WAVEBOARD_ACTOR", "agent:worker-1")
    (mint / "trust" / "allowed_signers").write_text("")
    (mint / "w.plan").write_bytes(plan_json.to_bytes(planned(E.MOUNT)))
    code = run(["--workspace", str(mint), "approve", str(mint / "w.plan"), "--key", "/nonexistent", "--as", "ronny@mint"])
    assert code == 4 and "only people approve" in capsys.readouterr().err


def test_allowed_signers_that_are_no_text_are_named(mint: Path) -> None:
    (mint / "trust" / "allowed_signers").write_bytes(b"# caf\xe9\n")
    with pytest.raises(UsageError, match="allowed_signers: byte 5 is not UTF-8") as refused:
        workspace_signers(str(mint), usable(load_contracts(mint)))
    assert refused.value.fix


RUNS = {
    "verify.pack.run": (f"mint-storage --evidence {FLEET}", 2),
    "findings.reconcile": ("", 0),
    "gaps.file": ("--description leak --severity low --type runtime-bug", 0),
    "gaps.claim": ("GAP-OP-941", 0),
    "loops.status": ("", 0),
    "session.start": ("", 0),
    "gaps.close": ("GAP-OP-911", 3),
}


def test_a_run_has_one_key_on_the_terminal_in_the_receipts_and_on_the_board(
    mint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mint)
    told = {}
    for name, (words, code) in RUNS.items():
        assert run(["cap", "run", name, "--", *words.split()]) == code
        said = capsys.readouterr()
        told[name] = set(re.findall(rf"CAP-\d{{8}}-\d{{6}}__{re.escape(name)}__R\w+", said.out + said.err))
        assert len(told[name]) == 1, (name, said.out + said.err)
    assert run(["receipts", "show"]) == 0
    listed = capsys.readouterr().out
    for name, keys in told.items():
        assert set(re.findall(rf"CAP-\d{{8}}-\d{{6}}__{re.escape(name)}__R\w+", listed)) == keys, name
    assert run(["board", "render"]) == 0
    shown = capsys.readouterr().out
    assert all(key in shown for name in ("verify.pack.run", "session.start") for key in told[name])
    assert run(["receipts", "verify"]) == 0


def test_a_register_change_without_its_receipt_is_not_hidden_by_the_run_that_was_cut_off(mint: Path) -> None:
    context: dict[str, object] = {"workspace": str(mint), "capability": "gaps.fix"}
    site = opened(context)
    key = new_key(site, "gaps.fix")
    assert key == context["run_key"] == new_key(site, "gaps.fix") != new_key(site, "gaps.close")
    one = replace(change(site, key, "gap", "GAP-OP-941", "fixed", "r"), detail={"fixed_in": "x"})
    assert site.store.append_changes([one], len(site.store.changes()))  # and here the process was cut off
    cap_receipt(context, "gaps.fix", [], 1)
    say_fixed(opened({"workspace": str(mint)}), "GAP-OP-942", "y", "r")
    assert [told.run_key for _, told in newest_of(site, "register")][-1] == key
