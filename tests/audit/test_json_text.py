"""JSON text is read exactly as the standard library reads it, whichever parser gets to it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.audit import json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=20,
)
EDITS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=3)
ODD = [
    b"-0", b"-0.0", b"1E5", b"1.", b".5", b"01", b"+1", b"1_000", b"0x1", b"1e", b"1e400", b"5e-324", b"9" * 100, b"9" * 5000,
    b"18446744073709551616", b"-9223372036854775809", b"NaN", b"-Infinity", b"inf", b"nan", b"tru", b"'a'", b"1 2", b"{}x", b"[1,]",
    b'{"a":1,}', b'{"a":}', b"{1:2}", b'{"a":1,"b":2,"a":3}', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\\ude00\\ud83d"', b'"\xed\xa0\x80"',
    b'"\xff"', b'"\x00"', b'"\x7f"', b'"\\x"', b'"\\u12"', b"\x0b1", b"\xc2\xa01", b"\xef\xbb\xbf1", b"", b" ", b"//c\n1",
    '{"a":1}'.encode("utf-16"), b"[" * 250 + b"]" * 250, b"[" * 100_000,
]  # fmt: skip


def same(raw: bytes) -> None:
    """Compared as they are printed: NaN is not itself, and 1 is not 1.0."""
    try:
        expected = repr(json.loads(raw))
    except (ValueError, RecursionError) as error:
        with pytest.raises((ValueError, RecursionError)) as seen:
            json_text.read(raw)
        assert isinstance(seen.value, ValueError) == isinstance(error, ValueError)
    else:
        assert repr(json_text.read(raw)) == expected


@given(VALUES, st.booleans())
def test_every_value_comes_back_as_the_standard_library_reads_it(value: object, ascii_only: bool) -> None:
    same(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


@given(VALUES, EDITS)
def test_broken_text_is_refused_or_read_alike(value: object, edits: list[tuple[int, int, bytes]]) -> None:
    raw = json.dumps(value).encode()
    for at, gone, put in edits:
        raw = raw[:at] + put + raw[at + gone :]
    same(raw)


@given(st.text(alphabet="0123456789-+.eE", max_size=30))
def test_numbers_are_read_alike(text: str) -> None:
    same(text.encode())


@pytest.mark.parametrize("raw", ODD, ids=lambda raw: repr(raw[:24]))
def test_what_parsers_differ_about(raw: bytes) -> None:
    same(raw)
