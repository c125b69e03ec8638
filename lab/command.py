"""Running other programs with a limit and a readable failure; nothing is ever run through a shell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError

Text = subprocess.CompletedProcess[str]


def say(line: str) -> None:
    """Progress for the person; stdout stays free for answers."""
    print(line, file=sys.stderr, flush=True)


def run(argv: Sequence[str | Path], *, seconds: float = 60, stdin: str | None = None, check: bool = True) -> Text:
    """Run to the end with both streams captured. LabError on a missing program, a timeout or (with check) failure."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise LabError(f"cannot run {words[0]}: because it is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"cannot finish {words[0]}: because it took more than {seconds:g} s") from None
    if check and done.returncode != 0:
        raise LabError(f"cannot {' '.join(words)[:200]}: because it ended with {done.returncode}: {tail(done.stderr)}")
    return done


def logged(argv: Sequence[str | Path], log: Path, *, seconds: float, env: Mapping[str, str] | None = None) -> None:
    """Run a long build with its output in `log`; the last lines of the log become the error."""
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in argv]
    with log.open("ab") as out:
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=seconds, check=False, env=env)
        except subprocess.TimeoutExpired:
            raise LabError(f"cannot finish {words[0]}: because it took more than {seconds:g} s; see {log}") from None
    if done.returncode != 0:
        last = tail(log.read_text(errors="replace"))
        raise LabError(f"cannot run {words[0]}: because it ended with {done.returncode}: {last}; see {log}")


def tail(text: str, lines: int = 4) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-lines:])[-800:]
