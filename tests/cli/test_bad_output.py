"""The door when what it says cannot be written, the terminal speaks another encoding, or the program itself has a fault."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from waveboard.cli import run, show
from waveboard.cli.table import COMMANDS

FULL = Path("/dev/full")
WAVEBOARD = [sys.executable, "-c", "from waveboard.cli import main; main()"]


def say(*words: str, out: object = subprocess.PIPE, encoding: str = "utf-8") -> "subprocess.CompletedProcess[bytes]":
    given = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run([*WAVEBOARD, *words], stdout=out, stderr=subprocess.PIPE, env=given, timeout=60)  # type: ignore[call-overload, no-any-return]


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", [("gates", "D235"), ("cap", "list", "--json"), ("--help",), ("--version",)])
def test_an_output_that_is_full_is_one_clear_error(words: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        done = say(*words, out=full)
    told = done.stderr.decode()
    assert done.returncode == 1
    assert told.startswith("error: cannot ") and "No space left" in told and "way out: " in told
    assert "Traceback" not in told and "Exception ignored" not in told


@pytest.mark.parametrize(
    "words", [("gates",), ("cap", "list", "--json"), ("cap", "run", "cap.list"), ("--help",), ("--version",)]
)
def test_an_output_nobody_reads_any_more_ends_the_command_quietly(words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = say(*words, out=closed)
    assert (done.returncode, done.stderr) == (141, b"")  # what a shell says of a program that SIGPIPE ended


def test_a_connection_that_broke_is_no_reader_that_went_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(click.Group, "invoke", broken)
    assert run(["gates"]) == 1
    assert "error: cannot finish: Broken pipe" in capsys.readouterr().err


def test_what_a_terminal_cannot_show_is_spelled_out() -> None:
    done = say("gates", "caf\u00e9\u2514", encoding="latin-1")
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    assert b"caf\xe9\\u2514" in done.stderr


def test_an_argument_that_is_no_text_is_said_as_it_is() -> None:
    done = subprocess.run([*[os.fsencode(word) for word in WAVEBOARD], b"gates", b"\xff"], capture_output=True, timeout=60)
    assert done.returncode == 1 and b"Traceback" not in done.stderr and b"\\udcff: " in done.stderr


def test_json_stays_json_where_the_terminal_has_no_such_letters(tmp_path: Path) -> None:
    script = "import sys; from waveboard.cli import main, show; show.document({'a': '\\u00e9\\u2514\\U0001f600'})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, timeout=60
    )
    assert json.loads(done.stdout) == {"a": "\u00e9\u2514\U0001f600"}


def test_what_an_error_quotes_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gates", "D\x1b[2J\u202e"]) == 1
    assert "D\\u001b[2J\\u202e" in capsys.readouterr().err


def test_progress_nobody_reads_stops_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        encoding = "utf-8"

        def write(self, _: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        flush = isatty = fileno = lambda self, *_: self.write("")

    monkeypatch.setattr(sys, "stderr", Gone())
    show.progress("still at work")


@pytest.mark.parametrize(
    "fault", [OSError(28, "No space left on device", "/x"), ValueError("what\x1b[31m"), RecursionError("deep")]
)
def test_a_fault_is_one_clear_error(
    fault: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise fault

    monkeypatch.setattr(click.Group, "invoke", broken)
    assert run(["gates"]) == 1
    told = capsys.readouterr().err
    assert told.count("error: cannot ") == 1 and "way out: " in told and "\x1b" not in told


@pytest.mark.parametrize("words", [("verify",), ("verify", "--nope"), ("nope",), ("cap",), ("cap", "run"), ("plan", "a", "b")])
def test_a_command_line_that_does_not_fit_is_one_clear_error(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert words[0] == "nope" or words[0] in COMMANDS
    assert run(list(words)) == 1
    told = capsys.readouterr().err
    if words != ("cap",):  # a group alone shows what it holds
        assert told.startswith("error: cannot read the command line: ") and "way out: waveboard " in told


@pytest.mark.parametrize("ignored", [False, True])
def test_an_interrupt_before_the_door_stands_leaves_no_traceback(tmp_path: Path, ignored: bool) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('went on')\nos._exit(0)\n")
    how = "--ignore-signal=INT" if ignored else "--default-signal=INT"  # a shell's background job, which tests may be, ignores it
    command = ["env", how, sys.executable, "-m", "waveboard", "--help"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == ((0, "went on\n", "") if ignored else (-signal.SIGINT, "", ""))
