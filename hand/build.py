"""Builds the hand: `python3 hand/build.py [FILE]` writes the one file that a host is given, to FILE or to standard output.

The same sources give the same bytes with every Python and on every machine: texts in the order of their names, no times.
Standard library only, so that whoever has the sources can compare what is on a host with them.
"""

from __future__ import annotations

import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
MARK = "# hand/build.py puts the modules here\n"


def hand_file(sources: Path = SOURCES) -> bytes:
    """The bytes of wb-hand. Raises: ValueError for a source that does not survive being a string of another."""
    front = (sources / "front.py").read_bytes().decode()
    before, mark, after = front.partition(MARK)
    if not mark:
        raise ValueError("cannot build the hand: because front.py has no place for the modules")
    return "".join([before, *map(_shelved, modules(sources).items()), after]).encode()


def modules(sources: Path = SOURCES) -> dict[str, str]:
    """Dotted name -> source of every module of the hand."""
    found = {}
    for path in (sources / "wb_hand").rglob("*.py"):
        words = path.relative_to(sources).with_suffix("").parts
        found[".".join(words[:-1] if words[-1] == "__init__" else words)] = path.read_bytes().decode()
    return dict(sorted(found.items()))


def _shelved(module: tuple[str, str]) -> str:
    name, text = module
    if "'''" in text or "\r" in text or "\0" in text or not text.endswith("\n"):
        because = "it holds three single quotes, a carriage return or a NUL, or does not end with a newline"
        raise ValueError(f"cannot build the hand: because {name} cannot stand in a string: {because}")
    return f"MODULES[{name!r}] = r'''{text}'''\n"


if __name__ == "__main__":
    made = hand_file()
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_bytes(made)
        Path(sys.argv[1]).chmod(0o755)
    else:
        sys.stdout.buffer.write(made)
