"""Bytes of documents and command answers -> what gates see, and the evidence file that keeps them. Reads nothing itself.

A document that cannot be parsed whole and unambiguously is unavailable with its first mistake: half a document judges nothing.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from waveboard.contracts.nodes import plain
from waveboard.contracts.text import REGISTER, read
from waveboard.model.contract import Unreadable
from waveboard.model.declared import Need
from waveboard.model.document import CommandAnswer, FileAsk, Loc, Prose, Recorded, Sight, Tree
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import digest_of
from waveboard.model.facts import Unavailable
from waveboard.model.units import instant_text, parse_instant

SCHEMA = "waveboard.papers/1"
_WORDS_MOST = 300  # characters of a command's last words


def document(need: Need, address: str, raw: bytes | Unreadable) -> Sight:
    """A file as its gate sees it."""
    if isinstance(raw, Unreadable):
        return Sight(address, Unavailable(raw.reason), absent=raw.reason == "no such file")
    return Sight(address, _parsed(need.form, address, raw))


def printed(need: Need, answer: CommandAnswer) -> Sight:
    """What a command said. Its output counts only after an exit code that the gate accepts; its exit code always does."""
    address, said = f"command:{need.alias}", last_words(answer)
    if answer.failure:
        return Sight(address, Unavailable(f"{answer.failure}{f'; it said: {said}' if said else ''}"), said=said)
    if answer.exit not in need.ok_exits:
        why = f"it ended with exit {answer.exit}{f'; it said: {said}' if said else ''}"
        return Sight(address, Unavailable(why), exit=answer.exit, said=said)
    return Sight(address, _parsed(need.form, address, answer.stdout), exit=answer.exit, said=said)


def last_words(answer: CommandAnswer) -> str:
    """The last lines of what it said, on one line and harmless for any reader."""
    text = (answer.stderr.strip() or answer.stdout.strip()).decode("utf-8", "replace")
    lines = " | ".join(line.strip() for line in text.splitlines()[-3:])
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in lines)[-_WORDS_MOST:]


def _parsed(form: str, address: str, raw: bytes) -> Tree | Prose | Unavailable:
    if form == "yaml":
        found, complaints = read(address, raw, REGISTER)
        if found is None or complaints:
            first = complaints[0]
            return Unavailable(f"{first.place}: it cannot be used: {first.message}")
        return Tree(plain(found.root), lambda loc: str(found.place(loc)))
    try:
        text = raw.decode("utf-8").removeprefix("\ufeff")
        return Prose(text) if form != "json" else Tree(_json(text), _places(address, raw))
    except UnicodeDecodeError as problem:
        return Unavailable(f"byte {problem.start} is not UTF-8")
    except (ValueError, RecursionError) as problem:
        return Unavailable(f"it is no usable JSON: {problem}")


def _json(text: str) -> object:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = sorted({key for key, _ in pairs if sum(1 for other, _ in pairs if other == key) > 1})
            raise ValueError(f"the key `{twice[0]}` stands twice")
        return found

    def refuse(word: str) -> object:
        raise ValueError(f"{word} is no number")

    return json.loads(text, object_pairs_hook=once, parse_constant=refuse)


def _places(address: str, raw: bytes) -> Any:
    """Places in a JSON text: nearly all JSON is YAML too; where it is not, the file is named without a line."""

    @cache
    def found() -> Any:
        return read(address, raw, REGISTER)[0]

    def place(loc: Loc) -> str:
        known = found()
        return str(known.place(loc)) if known is not None else address

    return place


def to_bytes(kept: Recorded) -> bytes:
    """The evidence file: canonical enough to be the same bytes for the same evidence."""
    files = [
        {"root": ask.root, "pattern": ask.pattern, "limit_bytes": ask.limit_bytes, "found": [_file(*one) for one in found]}
        for ask, found in sorted(kept.files.items(), key=lambda item: (item[0].root, item[0].pattern, item[0].limit_bytes))
    ]
    answers = [
        {
            "argv": list(one.argv),
            "exit": one.exit,
            "stdout": _text(one.stdout),
            "stderr": _text(one.stderr),
            "sha256": digest_of(one.stdout),
            "at": instant_text(one.at),
            "failure": one.failure,
        }
        for one in sorted(kept.answers, key=lambda one: one.argv)
    ]
    return (json.dumps({"schema": SCHEMA, "files": files, "commands": answers}, indent=1, sort_keys=True) + "\n").encode()


def _file(path: str, raw: bytes | Unreadable) -> dict[str, object]:
    if isinstance(raw, Unreadable):
        return {"path": path, "unreadable": raw.reason}
    return {"path": path, "sha256": digest_of(raw), "content": _text(raw)}


def _text(raw: bytes) -> dict[str, str]:
    try:
        return {"text": raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode("ascii")}


def from_bytes(raw: bytes) -> Recorded:
    """The evidence in a file. Raises: EvidenceError when it is none, or when a content is not the one of its sum."""
    try:
        told = json.loads(raw)
        if told["schema"] != SCHEMA:
            raise ValueError(f"its schema is {told['schema']!r}, not {SCHEMA}")
        files = {FileAsk(one["root"], one["pattern"], one["limit_bytes"]): tuple(_found(one["found"])) for one in told["files"]}
        return Recorded(files, tuple(_answer(one) for one in told["commands"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise EvidenceError("read recorded documents", f"{type(problem).__name__}: {problem}") from problem


def _found(listed: list[Mapping[str, Any]]) -> Iterator[tuple[str, bytes | Unreadable]]:
    for one in listed:
        raw = Unreadable(one["unreadable"]) if "unreadable" in one else _bytes(one["content"], one["sha256"], one["path"])
        yield one["path"], raw


def _answer(one: Mapping[str, Any]) -> CommandAnswer:
    at: datetime = parse_instant(one["at"])
    stdout = _bytes(one["stdout"], one["sha256"], " ".join(one["argv"]))
    return CommandAnswer(tuple(one["argv"]), one["exit"], stdout, _bytes(one["stderr"]), at, one["failure"])


def _bytes(content: Mapping[str, str], digest: str = "", name: str = "") -> bytes:
    raw = content["text"].encode() if "text" in content else base64.b64decode(content["base64"], validate=True)
    if digest and digest_of(raw) != digest:
        raise ValueError(f"the content of {name} is not the one of its sum")
    return raw
