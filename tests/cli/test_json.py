"""`--json`: every command that tells facts has it, and prints one versioned document that says what the text says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.cli.test_door import FLEET
from tests.cli.test_door import mint as mint
from tests.cli.test_registers import at_home as at_home
from tests.cli.test_registers import said
from waveboard.app.capabilities import CAPABILITIES
from waveboard.cli import run, waveboard

WITHOUT = {
    "contracts schemas": "writes files, which are JSON themselves",
    "gaps export": "writes the operator's own format; gaps status --all --json has the facts",
    "loops export": "writes the operator's own format; loops status --all --json has the facts",
    "board render": "writes a document for people; board show --json has the facts",
    "board import": "writes a draft workspace; contracts check --json judges it",
    "vm kit": "prints a script, which a person reads and runs",
    "receipts export": "writes a bundle; receipts verify --json judges it",
    "cap run": "runs another command, whose own options are given after --",
}


def commands(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command, and every group that answers without a verb."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    if command.invoke_without_command:
        yield words, command
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from commands(child, (*words, name))


HAVE = {words: any("--json" in option.opts for option in command.params) for words, command in commands(waveboard)}


def test_every_command_that_tells_facts_has_it_and_the_others_say_why_not() -> None:
    changing = {c.command for c in CAPABILITIES if c.safety != "read-only"}
    assert {" ".join(words) for words, has in HAVE.items() if not has and words not in changing} == set(WITHOUT)


def test_the_registry_says_which_have_it() -> None:
    told = {c.command: any(arg.name == "--json" for arg in c.args) for c in CAPABILITIES}
    assert {words: HAVE[words] for words in told} == told


READ = (
    "contracts check", "gates", "gates D235", "findings list", "findings", "session start", "gaps", "gaps status", "gaps show GAP-OP-941", "loops",
    "loops status", "loops show LOOP-STORAGE-BOOT-DRIVE-AUDIT-20260226", "waivers", "waivers status", "wave list", "wave show W8B", "status", "parity",
    "board show", "receipts show", "receipts show 1", "receipts verify", "cap list", "cap explain gates.list",
)  # fmt: skip


def test_each_is_one_document_that_names_its_form(capsys: pytest.CaptureFixture[str]) -> None:
    said(f"cap run verify.pack.run mint-storage -- --evidence {FLEET}", capsys, 2)
    for words in READ:
        told = json.loads(said(f"{words} --json", capsys))
        assert re.fullmatch(r"waveboard\.[a-z-]+/\d+", told["schema"]), words


def test_gates_are_told_with_their_codes_and_in_which_mode_each_pack_asks_them(
    mint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads(said("gates --json", capsys))
    listed = [line.split()[0] for line in said("gates", capsys).splitlines()[1:]]
    assert [gate["id"] for gate in told["gates"]] == listed and told["workspace"] == "mint"
    asked = {pack["id"]: pack["modes"] for pack in json.loads(said("board show --json", capsys))["packs"]}
    for gate in told["gates"]:
        assert gate["modes"] == {pack: modes[gate["id"]] for pack, modes in asked.items() if gate["id"] in modes}
    (one,) = json.loads(said("gates D235 --json", capsys))["gates"]
    assert one == next(gate for gate in told["gates"] if gate["id"] == "D235") and one["modes"]["mint-storage"] == "report"
    text = said("gates D235", capsys)
    assert f"D235 {one['title']} ({one['severity']})" in text and one["doc"] in text and "Docker" in one["needs"]
    assert one["codes"] and all(f"  {code}: {words}\n" in text for code, words in one["codes"].items())
    monkeypatch.chdir(tmp_path)
    (alone,) = json.loads(said("gates D235 --json", capsys))["gates"]
    assert alone == {**one, "modes": None}, "that no pack is known is not that no pack asks"
    (mint / "packs.yaml").write_text("packs:\n  mint:\n    gates: [D235\n")
    assert run(["--workspace", str(mint), "gates", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["workspace"] is None and "its contracts have errors" in err


def test_the_board_for_programs_is_the_board_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(said("board show --json", capsys))["receipts"] == {"count": 0, "head": None}
    said(f"verify mint-storage --evidence {FLEET}", capsys, 2)
    text, told = said("board show", capsys), json.loads(said("board show --json", capsys))
    assert told["receipts"]["count"] == 1 and told["receipts"]["head"][:23] in text
    assert f"open loops {len(told['open_loops'])}  open gaps {len(told['open_gaps'])}\n" in text and len(told["open_gaps"]) == 22
    assert all(re.search(rf"^{wave['id']} .* {re.escape(wave['state'])}$", text, re.MULTILINE) for wave in told["waves"])
    assert [run["run_key"] in text for run in told["verified"]] == [True]
    wave = json.loads(said("wave show W8B --json", capsys))
    row = next(one for one in told["waves"] if one["id"] == "W8B")
    assert {**row, **wave} == {**row, "schema": "waveboard.wave/1"} and row["closing"] is None and row["prompt"]
    assert run(["board", "show", "--json", "--watch", "1"]) == 1
    assert "leave one of them out" in capsys.readouterr().err


def test_receipts_are_listed_by_their_whole_digest_and_one_comes_with_its_statement(capsys: pytest.CaptureFixture[str]) -> None:
    said("gaps claim GAP-OP-941", capsys)
    said("cap run loops.status", capsys)
    rows = json.loads(said("receipts show --json", capsys))["receipts"]
    lines = said("receipts show", capsys).splitlines()[1:]
    assert [[str(r["seq"]), r["kind"], r["run_key"], r["by"], r["digest"][:19]] for r in rows] == [
        re.split(r"  +", one) for one in lines
    ]
    one = json.loads(said("receipts show 1 --json", capsys))
    assert one == {"schema": "waveboard.receipts-show/1", **rows[0], "statement": json.loads(said("receipts show 1", capsys))}
    assert one["digest"] == f"sha256:{one['digest'][7:]}" and len(one["digest"]) == 71


@pytest.mark.parametrize(
    "words", ["gaps --json status", "loops --json status", "waivers --json status", "findings --pack mint reconcile"]
)
def test_an_option_before_the_verb_is_refused_and_not_lost(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words.split()) == 1
    out, err = capsys.readouterr()
    assert not out and err.count("error: ") == 1 and "before the verb" in err and "way out: waveboard" in err
