"""Commands of gates: what every implementation of the port owes, and what only a real one can do wrong."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from waveboard.app.ports import Commands
from waveboard.model.document import CommandAnswer, CommandAsk
from waveboard.world.commands import LocalCommands, ScriptedCommands

AT = datetime(2026, 3, 1, tzinfo=UTC)
ALLOW = ("bin/tell", "bin/fail")
Make = Callable[[], Commands]


def script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def local(directory: Path, allow: tuple[str, ...] = ALLOW, pass_env: tuple[str, ...] = ()) -> LocalCommands:
    return LocalCommands(directory, allow, pass_env, lambda: AT)


@pytest.fixture(params=["local", "scripted"])
def commands(request: pytest.FixtureRequest, tmp_path: Path) -> Commands:
    if request.param == "local":
        script(tmp_path / "bin" / "tell", 'printf %s "$1"')
        script(tmp_path / "bin" / "fail", "echo why >&2; exit 3")
        script(tmp_path / "bin" / "other", "echo never")
        return local(tmp_path)
    told = {
        ("bin/tell", "x"): CommandAnswer(("bin/tell", "x"), 0, b"x", b"", AT),
        ("bin/tell", "x" * 99): CommandAnswer(("bin/tell", "x" * 99), 0, b"x" * 99, b"", AT),
        ("bin/fail",): CommandAnswer(("bin/fail",), 3, b"", b"why\n", AT),
    }
    return ScriptedCommands(told, ALLOW, lambda: AT)


def test_what_it_said_and_how_it_ended(commands: Commands) -> None:
    assert commands.run(CommandAsk(("bin/tell", "x"), 20, 100)) == CommandAnswer(("bin/tell", "x"), 0, b"x", b"", AT)
    assert commands.run(CommandAsk(("bin/fail",), 20, 100)) == CommandAnswer(("bin/fail",), 3, b"", b"why\n", AT)


def test_what_is_not_allowed_is_not_run(commands: Commands) -> None:
    answer = commands.run(CommandAsk(("bin/other",), 20, 100))
    assert (answer.exit, answer.stdout, answer.failure) == (None, b"", "not run: the workspace does not allow `bin/other`")


def test_what_says_too_much_is_cut(commands: Commands) -> None:
    answer = commands.run(CommandAsk(("bin/tell", "x" * 99), 20, 10))
    assert answer.exit is None and answer.failure == "cut: it said more than 10 bytes"


# -- a real one


def living(group: int) -> list[str]:
    """Processes of the group that still run; what is dead and not yet buried does not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, owner = path.read_text().rpartition(")")[2].split()[:3]
            if int(owner) == group and state != "Z":
                found.append(path.parent.name)
    return found


def outliving(group: int) -> list[str]:
    """Those of the group that a kill did not end. It is sent at once and obeyed when the kernel next gives each a turn."""
    until = time.monotonic() + 20
    while (found := living(group)) and time.monotonic() < until:
        time.sleep(0.02)
    return found


def one(directory: Path, text: str, timeout_s: float = 20, pass_env: tuple[str, ...] = ()) -> CommandAnswer:
    script(directory / "bin" / "tell", text)
    return local(directory, pass_env=pass_env).run(CommandAsk(("bin/tell", "a b", "$(id)"), timeout_s, 10_000))


def test_no_shell_reads_its_arguments_and_no_terminal_is_lent(tmp_path: Path) -> None:
    assert one(tmp_path, 'printf "%s|" "$@"; cat; pwd').stdout == f"a b|$(id)|{tmp_path}\n".encode()


def test_nothing_of_ours_is_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_SECRET", "hunter2")
    monkeypatch.setenv("LENT", "key")
    assert b"hunter2" not in one(tmp_path, "env").stdout
    assert b"LENT=key" in one(tmp_path, "env", pass_env=("LENT", "ABSENT")).stdout


@pytest.mark.parametrize("text", ["sleep 1000", "exec >&- 2>&-; sleep 1000", "sleep 1000 & echo done; wait"])
def test_what_does_not_end_is_killed_with_all_it_started(tmp_path: Path, text: str) -> None:
    answer = one(tmp_path, f"echo $$ > pid; {text}", timeout_s=0.5)
    assert answer.exit is None and answer.failure == "cut: it did not end within 0.5 s"
    assert not outliving(int((tmp_path / "pid").read_text()))


def test_what_a_signal_ends_has_no_exit_code(tmp_path: Path) -> None:
    answer = one(tmp_path, "kill -9 $$")
    assert (answer.exit, answer.failure) == (None, "it was ended by signal 9")


def test_what_others_could_have_written_is_not_run(tmp_path: Path) -> None:
    script(tmp_path / "bin" / "tell", "echo x")
    (tmp_path / "bin" / "tell").chmod(0o777)
    ask = CommandAsk(("bin/tell",), 20, 100)
    assert "can be written by others" in local(tmp_path).run(ask).failure
    (tmp_path / "bin" / "tell").unlink()
    assert "No such file" in local(tmp_path).run(ask).failure
    (tmp_path / "bin" / "tell").symlink_to("/bin/true")
    assert "leads out of the workspace" in local(tmp_path).run(ask).failure
    (tmp_path / "bin" / "tell").unlink()
    (tmp_path / "bin" / "tell").mkdir()
    assert "not a plain file" in local(tmp_path).run(ask).failure


def test_what_is_no_program_is_told(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tell").write_bytes(b"\x00")
    (tmp_path / "bin" / "tell").chmod(0o755)
    assert "could not be started" in local(tmp_path).run(CommandAsk(("bin/tell",), 20, 100)).failure
