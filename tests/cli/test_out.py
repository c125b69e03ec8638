"""`-o`, whichever command has it: what somebody else wrote stays, and no host is read for nothing."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from waveboard.cli import run, waveboard
from waveboard.cli.out import EVIDENCE, PLAN
from waveboard.model.errors import UsageError
from waveboard.world.files import write_named

ROOT = Path(__file__).resolve().parents[2]


def writers(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command, click.Option]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from writers(child, (*words, name))
    for option in command.params:
        if isinstance(option, click.Option) and "-o" in option.opts:
            yield words, command, option


WRITERS = {" ".join(words): (command, option) for words, command, option in writers(waveboard)}
FILES = [name for name, (_, option) in WRITERS.items() if isinstance(option.type, click.Path) and not option.type.dir_okay]


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_there_is_refused_before_anything_is_done(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, _ = WRITERS[name]
    mine = tmp_path / "mine.txt"
    mine.write_text("mine\n")
    given = ["x" for one in command.params if isinstance(one, click.Argument) and one.required]
    given += [w for p in command.params if isinstance(p, click.Option) and p.required for w in (p.opts[0], "x")]
    assert run(["--workspace", str(tmp_path), *name.split(), *given, "-o", str(mine)]) == 1  # which is no workspace
    assert "it exists already" in capsys.readouterr().err
    assert mine.read_text() == "mine\n" and list(tmp_path.iterdir()) == [mine]


def test_those_that_write_into_a_directory_are_these() -> None:
    assert set(WRITERS) - set(FILES) == {"adopt", "audit", "board import", "contracts schemas", "loops export", "vm prove"}


def test_schemas_replace_schemas_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(["contracts", "schemas", "-o", str(out)]) == 0
    there = sorted(out.iterdir())
    whole = there[0].read_bytes()
    there[0].write_bytes(whole.replace(b"One", b"An older"))
    assert run(["contracts", "schemas", "-o", str(out)]) == 0
    assert there[0].read_bytes() == whole
    for one in there[1:-1]:
        one.unlink()
    there[-1].write_text("mine")
    assert run(["contracts", "schemas", "-o", str(out)]) == 1
    assert there[-1].read_text() == "mine" and sorted(out.iterdir()) == [there[0], there[-1]]  # nothing of it was written
    assert f"cannot write {there[-1]}" in capsys.readouterr().err


def test_an_audit_replaces_evidence_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tree").mkdir()
    audit = ["audit", "--sysroot", str(tmp_path / "tree"), "-o", str(tmp_path)]
    assert run(audit) == run(audit) and EVIDENCE in (tmp_path / "tree.json").read_bytes()
    assert capsys.readouterr().err == ""
    (tmp_path / "tree.json").write_text("mine")
    assert run(audit) == 1
    (tmp_path / "waveboard.yaml").write_text("schema: waveboard/1\nname: w\ncontracts: {hosts: h.yaml}\n")
    (tmp_path / "h.yaml").write_text("ssh: {targets: [{id: tree, host: 10.255.255.1}]}\n")
    for path in (tmp_path, tmp_path / "waveboard.yaml"):
        path.chmod(path.stat().st_mode & ~0o022)
    assert run(["--workspace", str(tmp_path), "audit", "-o", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("it exists already") == 2
    assert (tmp_path / "tree.json").read_text() == "mine"


def test_an_earlier_one_of_its_kind_is_replaced_whole(tmp_path: Path) -> None:
    place = tmp_path / "w.plan"
    write_named(place, b'{"schema":"waveboard.plan/1","was":"first"}', PLAN)
    write_named(place, b'{"schema":"waveboard.plan/1"}', PLAN)
    assert place.read_bytes() == b'{"schema":"waveboard.plan/1"}'
    for over in (EVIDENCE, b""):
        with pytest.raises(UsageError, match="it exists already"):
            write_named(place, b"x", over)


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "away")
    with pytest.raises(UsageError, match="it exists already"):
        write_named(tmp_path / "link", b"x")
    assert not (tmp_path / "away").exists()


def test_what_somebody_else_wrote_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, held = tmp_path / "new.txt", Path.mkdir

    def meanwhile(path: Path, *args: object, **kwargs: object) -> None:
        held(path, *args, **kwargs)  # type: ignore[arg-type]
        place.write_text("theirs")

    monkeypatch.setattr(Path, "mkdir", meanwhile)
    with pytest.raises(UsageError, match="it exists already"):
        write_named(place, b"mine")
    assert place.read_text() == "theirs"
