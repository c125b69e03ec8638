"""One value, one spelling: our encoder beside an independent RFC 8785 implementation, and what the reader refuses."""

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from waveboard.model import canonical

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
KEYS = st.text(st.characters(exclude_categories=("Cs",), max_codepoint=0xD7FF), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-canonical.LARGEST, canonical.LARGEST) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_spells_as_rfc8785_does_and_reads_it_back(value: object) -> None:
    raw = canonical.encode(value)
    assert raw == rfc8785.dumps(value)
    assert canonical.decode(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}', b'{"b":1,"a":2}', b'{ "a":1}', b'{"a":1}\n', b'{"a":1.0}', b'{"a":1e3}', b'{"a":-0}', b'{"a":NaN}',
        b'{"a":Infinity}', b'"\\u0041"', b'"\\/"', b'"\\u000A"', b'"\\ud800"', b'"\xff"', b"\xef\xbb\xbf1", b"01", b"+1", b"",
        b"9007199254740992", b"[" * 40 + b"]" * 40, b"[" * 100_000, b'{"\xef\xbf\xbf":1}', b"9" * 5000,
    ],
)  # fmt: skip
def test_refuses_every_other_spelling(raw: bytes) -> None:
    with pytest.raises(ValueError):
        canonical.decode(raw)


@pytest.mark.parametrize(
    "value", [1.0, 2**53, {1: 2}, b"x", {"a": object()}, "\ud800", {"\uffff": 1}, {"a": {"b": float("nan")}}]
)
def test_has_no_form_for_what_others_would_spell_differently(value: object) -> None:
    with pytest.raises(ValueError):
        canonical.encode(value)


def test_a_limit_holds() -> None:
    with pytest.raises(ValueError, match="more than 4"):
        canonical.decode(b'"abc"', limit=4)
