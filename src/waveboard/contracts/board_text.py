"""The shapes of a markdown board: front matter, headings, one table, bullets, fenced prompts. Every piece knows its line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t#]*$")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_BULLET = re.compile(r"[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+(.*\S)[ \t]*$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text. number: 1-based in the file."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """What stands under one heading, up to the next. title "" and level 0: before the first."""

    level: int
    title: str
    line: int
    lines: tuple[Line, ...]


def front_matter(text: str) -> tuple[dict[str, str], int]:
    """Plain `key: value` pairs between the first two `---` lines, and how many lines that took; ({}, 0) without any."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return {}, 0
    found: dict[str, str] = {}
    for number, line in enumerate(lines[1:], 2):
        if line.strip() == "---":
            return found, number
        key, colon, value = line.partition(":")
        if colon:
            found[key.strip()] = value.strip().strip("\"'")
    return {}, 0


def parts(text: str, skip: int) -> Iterator[Part]:
    """The document in order. skip: lines of front matter. A `#` inside a fence is no heading."""
    level, title, line, fence = 0, "", skip + 1, ""
    held: list[Line] = []
    for number, raw in enumerate(text.splitlines(), 1):
        if number <= skip:
            continue
        mark = _FENCE.match(raw)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        heading = None if fence else _HEADING.match(raw)
        if heading:
            yield Part(level, title, line, tuple(held))
            level, title, line, held = len(heading[1]), heading[2], number, []
        else:
            held.append(Line(number, raw))
    yield Part(level, title, line, tuple(held))


def table(part: Part) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of the part's first pipe table: (line, heading in lower case -> cell)."""
    rows = [(line.number, _cells(line.text)) for line in part.lines if line.text.strip().startswith("|")]
    if len(rows) < 2:
        return
    head = [cell.lower() for cell in rows[0][1]]
    for number, cells in rows[1:]:
        if not all(set(cell) <= set("-: ") for cell in cells):
            yield number, dict(zip(head, cells, strict=False))


def _cells(text: str) -> list[str]:
    return [cell.strip().replace("\\|", "|").replace("&lt;", "<") for cell in re.split(r"(?<!\\)\|", text.strip().strip("|"))]


def bullets(lines: tuple[Line, ...]) -> Iterator[Line]:
    """Text of list entries, marks taken off."""
    for line in lines:
        if match := _BULLET.match(line.text):
            yield Line(line.number, match[1])


def fenced(part: Part) -> tuple[Line, ...]:
    """What stands inside the part's first fence."""
    marks = [at for at, line in enumerate(part.lines) if _FENCE.match(line.text)]
    return part.lines[marks[0] + 1 : marks[1]] if len(marks) > 1 else ()
