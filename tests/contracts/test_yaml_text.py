"""YAML that could mean two things is refused at its place; YAML that only looks so is read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waveboard.contracts.nodes import plain
from waveboard.contracts.text import CONTRACT, Limits, read

REFUSED = [
    (b"a: 1\nb:\n  c: 1\n  c: 2\n", "duplicate-key", "4:3"),
    (b"1: x\n'1': y\n", "duplicate-key", "2:1"),
    (b"a: &x 1\n", "anchor", "1:4"),
    (b"a: [1]\nb: *a\n", "alias", "2:4"),
    (b"b: {}\n<<: {a: 1}\n", "merge-key", "2:1"),
    (b"a: !!python/name:os.system x\n", "tag", "1:4"),
    (b"a: !!str 1\n", "tag", "1:4"),
    (b"- !x [1]\n", "tag", "1:3"),
    (b"%TAG ! tag:x,1:\n---\na: 1\n", "tag", "1:1"),
    (b"a: 1\n---\nb: 2\n", "multi-document", "2:1"),
    (b"? [a]\n: 1\n", "complex-key", "1:3"),
    (b"", "empty", "1:1"),
    (b"# only a comment\n", "empty", "1:1"),
    (b"~\n", "empty", "1:1"),
    (b"a:\n\t- 1\n", "tab", "2:1"),
    (b"a: [1\nb: 2\n", "syntax", "2:2"),
    (b"a: 'x\n", "syntax", "2:1"),
    (b"a: b\nc: \xff\n", "not-utf8", "2:4"),
    (b"\xff\xfea\x00", "not-utf8", "1:1"),
    (b"a: b\x00\n", "hidden-character", "1:5"),
    ("a: x\u202ey\n".encode(), "hidden-character", "1:5"),
    ("a: x\u00ady\n".encode(), "hidden-character", "1:5"),
    ("a: x\u2060y\n".encode(), "hidden-character", "1:5"),
    ("a: x\U000e0041y\n".encode(), "hidden-character", "1:5"),
    ("a\u200d: x\n".encode(), "hidden-character", "1:1"),
    (b'a: "\\u202e"\n', "hidden-character", "1:4"),
    (b"a: .nan\n", "not-a-number", "1:4"),
    (b"b: 1\na: -.inf\n", "not-a-number", "2:4"),
    (b"a: " + b"9" * 5000 + b"\n", "not-a-number", "1:4"),
    (b"[" * 100_000, "too-deep", "1:21"),
    (b"a: " * 30, "syntax", "1:5"),
]


# what is wrong with these is told, and the rest of the file is still looked at, so that all errors come at once
STILL_READ = {"duplicate-key", "anchor", "hidden-character", "tag"}


@pytest.mark.parametrize(("raw", "code", "at"), REFUSED)
def test_refused_with_its_place(raw: bytes, code: str, at: str) -> None:
    document, complaints = read("f.yaml", raw)
    assert document is None or code in STILL_READ
    assert (code, f"f.yaml:{at}") in {(c.code, str(c.place)) for c in complaints}
    assert all(c.level == "error" and c.message and c.fix for c in complaints)


READ = [
    (b"a: 1\nb: {a: 2}\n", {"a": 1, "b": {"a": 2}}),
    (b"a: 'x & y * z'\nb: '<<'\n", {"a": "x & y * z", "b": "<<"}),
    (b"a: ! plain\n", {"a": "plain"}),
    (b"---\na: 1\n...\n", {"a": 1}),
    (b"%YAML 1.2\n---\na: 1\n", {"a": 1}),
    (b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
    (b"on: NO\nt: 1:30\nd: 2026-02-26\ny: yes\n", {"on": "NO", "t": "1:30", "d": "2026-02-26", "y": "yes"}),
    (b"a: 010\nb: 0x1f\nc: 0o17\nd: 1_000\n", {"a": 10, "b": 31, "c": 15, "d": "1_000"}),
    (b"010: a\nnull: b\ntrue: c\n1.50: d\n", {"010": "a", "null": "b", "true": "c", "1.50": "d"}),
    (b"a: ~\nb:\nc: null\nd: 'null'\n", {"a": None, "b": None, "c": None, "d": "null"}),
    (b"a: True\nb: 'true'\nc: 1.5\nd: -.5e1\n", {"a": True, "b": "true", "c": 1.5, "d": -5.0}),
    (b"a: '.nan'\nb: nan\nc: v1\n", {"a": ".nan", "b": "nan", "c": "v1"}),
    ("a: 😀\nb: ü\n".encode(), {"a": "😀", "b": "ü"}),
    (b"a: >\n  one\n  two\nb: |\n  x\n", {"a": "one two\n", "b": "x\n"}),
    (b"a: b\tc\n", {"a": "b\tc"}),
    (b"[" * 20 + b"]" * 20, None),
]


@pytest.mark.parametrize(("raw", "value"), READ)
def test_a_look_alike_is_read(raw: bytes, value: object) -> None:
    document, complaints = read("f.yaml", raw)
    assert complaints == ()
    assert document is not None
    assert value is None or plain(document.root) == value


@pytest.mark.parametrize("raw", [b"a: !!str 1\n", b"a: !x {b: 1}\n", b"<<: 1\n", b"a: 1\nb: *a\n", b"a: .inf\n", b"a: 1\n---\n"])
def test_what_changes_meaning_makes_the_whole_file_unusable(raw: bytes) -> None:
    assert read("f.yaml", raw)[0] is None


def test_every_duplicate_is_told_with_both_places() -> None:
    _, complaints = read("f.yaml", b"a: 1\na: 2\nb:\n  - x: 1\n    x: 2\na: 3\n")
    assert [str(c.place) for c in complaints] == ["f.yaml:2:1", "f.yaml:5:5", "f.yaml:6:1"]
    assert "f.yaml:1:1" in complaints[0].message and "f.yaml:4:5" in complaints[1].message


def test_caps_of_size_and_count() -> None:
    small = Limits(size_bytes=100, depth=3, nodes=5)
    assert [c.code for c in read("f", b"a" * 101, small)[1]] == ["too-large"]
    assert [c.code for c in read("f", b"[1, 2, 3, 4, 5]", small)[1]] == ["too-large"]
    assert [c.code for c in read("f", b"[[[[1]]]]", small)[1]] == ["too-deep"]
    assert read("f", b"[1, 2, 3, 4]", small)[1] == ()
    assert read("f", b"[[[1]]]", small)[1] == ()


def test_an_alias_bomb_costs_nothing() -> None:
    raw = b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (c, c, c - 1, c - 1) for c in range(98, 110))
    document, complaints = read("f.yaml", raw)
    assert document is None and {c.code for c in complaints} == {"anchor", "alias"}


@settings(max_examples=300)
@given(st.binary(max_size=400) | st.text(alphabet="ab:-?[]{}&*!|>'\"#%@`,\n\t \u2028\ufeff0.~<", max_size=200).map(str.encode))
def test_no_bytes_raise(raw: bytes) -> None:
    document, complaints = read("f.yaml", raw, CONTRACT)
    assert document is not None or complaints
    for complaint in complaints:
        assert complaint.place.line >= 1 and complaint.place.col >= 1
