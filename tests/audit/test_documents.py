"""The docker section: read by shapes, beside the standard library's reading of one line after the other."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from waveboard.audit.probes import _documents
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Evidence
from waveboard.model.facts import Unavailable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=10,
)
NAMES = st.sampled_from(["a", "b"])
LINES = st.lists(
    st.fixed_dictionaries({"doc": NAMES, "ok": st.booleans(), "body": VALUES}, optional={"error": st.text()}), max_size=5
)
EDITS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3), st.binary(max_size=3)), max_size=2)
END = {"doc": "end", "ok": True, "body": None}


class Anything(Struct):
    pass


def read(raw: bytes) -> _documents.Documents | Unavailable:
    return _documents.documents(Evidence("docker", (), 0, raw))


def plainly(raw: bytes) -> list[dict[str, object]] | None:
    """Every line by json.loads; None when one is no document, or the last is not `end`."""
    try:
        told = [json.loads(line) for line in raw.splitlines()]
    except (ValueError, RecursionError):
        return None
    whole = all(isinstance(one, dict) and isinstance(one.get("doc"), str) for one in told)
    return told if told and whole and told[-1]["doc"] == "end" else None


def written(value: object) -> object:
    """As it can be written down: half a surrogate pair as \\udXXX."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [written(one) for one in value]
    return {written(key): written(one) for key, one in value.items()} if isinstance(value, dict) else value


@given(LINES, EDITS, st.booleans())
@example([{"doc": "a", "ok": True, "body": {"\U00010000": None}}], [(35, 6, b"")], True)  # what is left is half a surrogate pair
def test_documents_are_their_lines(lines: list[dict[str, object]], edits: list[tuple[int, int, bytes]], ascii_only: bool) -> None:
    raw = b"".join(json.dumps(line, ensure_ascii=ascii_only).encode("utf-8", "replace") + b"\n" for line in [*lines, END])
    for at, gone, put in edits:
        raw = raw[:at] + put + raw[at + gone :]
    told = plainly(raw)
    try:
        found = read(raw)
    except EvidenceError:
        assert told is None or "NaN" in repr(told) or "Infinity" in str(raw)
        return
    assert isinstance(found, _documents.Documents)
    assert told is not None
    for name in ("a", "b"):
        bodies = [written(one.get("body")) for one in told if one["doc"] == name and one.get("ok") is True]
        assert found.each(name, object) == bodies
        assert (name in found) == bool(bodies)


@pytest.mark.parametrize("name", ['"x\\ud800y"', '"\\ude00\\ud83d"'])
def test_names_that_are_not_utf8_can_be_written_down(name: str) -> None:
    found = read(b'{"doc":"a","ok":true,"body":' + name.encode() + b'}\n{"doc":"end"}\n')
    assert isinstance(found, _documents.Documents)
    assert found.one("a", str) == json.loads(name).encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"[]\n", b'{"doc":1}\n', b'{"doc":\n"end"}\n', b'{"doc":"end"}{"doc":"end"}\n', b'{"doc":"end","x":"\xff"}\n'],
)
def test_what_is_no_document_on_each_line_is_refused(raw: bytes) -> None:
    with pytest.raises(EvidenceError):
        read(raw)


def test_a_body_that_does_not_fit_costs_only_who_asked_for_it() -> None:
    found = read(b'{"doc":"a","ok":true,"body":5}\n{"doc":"b","ok":true,"body":["x"]}\n{"doc":"end"}\n')
    assert isinstance(found, _documents.Documents)
    with pytest.raises(EvidenceError, match="a does not fit"):
        found.one("a", Anything)
    assert found.text("a") is None
    assert found.listed("b", str) == ["x"]
    assert isinstance(found.one("c", str), Unavailable)


def test_no_more_sections_are_kept_than_a_few() -> None:
    for number in range(20):
        read(b'{"doc":"a","ok":true,"body":"%d"}\n{"doc":"end"}\n' % number)
    assert len(_documents._known) <= _documents._KEPT


def test_two_hosts_that_differ_in_one_body_do_not_share_it() -> None:
    said = b'{"doc":"a","ok":true,"body":"h1"}\n{"doc":"end"}\n'
    assert [read(one).text("a") for one in (said, said.replace(b"h1", b"h2"), said)] == ["h1", "h2", "h1"]  # type: ignore[union-attr]
