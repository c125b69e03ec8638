"""Two ways to read a statement, one by a pattern and one by its parts: they agree on every text, right or wrong."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.receipts import estate
from waveboard.model import canonical, units
from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import Actor, ActorKind, Receipt, Subject
from waveboard.receipts import statement

DRAFT = replace(
    estate.draft("verify", {"pack": "mint", "rows": [1, {"a": None}], "said": "2, 3"}, (Subject("a/b", "a" * 64), Subject("c", "b" * 64))),
    seq=7,
    prev="c" * 64,
)  # fmt: skip
RAW = statement.to_bytes(statement.build(DRAFT))


def answer(work, raw: bytes) -> Receipt | str:
    try:
        return work(raw)
    except ReceiptError as error:
        return str(error)


def agreed(raw: bytes) -> Receipt | str:
    soon, by_parts = answer(statement.read, raw), answer(lambda raw: statement.receipt_of(statement.from_bytes(raw)), raw)
    assert soon == by_parts, raw
    return soon


TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
BODY = st.dictionaries(
    st.text(st.characters(exclude_categories=("Cs",), max_codepoint=0xD7FF), max_size=6),
    st.recursive(
        st.none() | st.booleans() | st.integers(-canonical.LARGEST, canonical.LARGEST) | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab}",{:', max_size=3), inner, max_size=3),
    ),
    max_size=4,
)
PLAIN = st.text("aZ09 ._-/:,[]{}~!", min_size=1, max_size=9)
RECEIPTS = st.builds(
    replace,
    st.just(DRAFT),
    actor=st.builds(Actor, PLAIN | TEXT, st.sampled_from(ActorKind)),
    instance=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=9),
    four_eyes=st.booleans(),
    body=BODY,
    subjects=st.lists(
        st.builds(Subject, PLAIN | TEXT, st.just("d" * 64)), min_size=1, max_size=3, unique_by=lambda s: s.name
    ).map(tuple),
    seq=st.integers(1, canonical.LARGEST),
)


@given(RECEIPTS)
def test_what_was_written_is_read_back_either_way(receipt: Receipt) -> None:
    assert agreed(statement.to_bytes(statement.build(receipt))) == receipt


def test_the_pattern_reads_what_receipts_are_made_of() -> None:
    assert statement._plain(RAW) == DRAFT


@pytest.mark.parametrize("byte", [b"", b" ", b"x", b"0", b'"', b"}", b",", b"\xff", b"\n"])
def test_any_byte_replaced_or_put_in_is_answered_alike(byte: bytes) -> None:
    for at in range(len(RAW)):
        agreed(RAW[:at] + byte + RAW[at + 1 :])
        agreed(RAW[:at] + byte + RAW[at:])


@given(st.integers(0, len(RAW) - 1), st.integers(0, 255), st.integers(0, len(RAW) - 1), st.integers(0, 255))
def test_any_two_bytes_are_answered_alike(one: int, first: int, other: int, second: int) -> None:
    changed = bytearray(RAW)
    changed[one], changed[other] = first, second
    agreed(bytes(changed))


DEEP = canonical.DEPTH - 2  # objects and arrays that a body may be, itself among them


@pytest.mark.parametrize(
    ("old", "new", "holds"),
    [
        (b"", b"", True),
        (b"waveboard.receipt/1", b"waveboardxreceipt/1", False),
        (b"in-toto.io", b"in-totoxio", False),
        (b"waveboard.dev", b"waveboardxdev", False),
        (b"receipt/verify/v1", b"receipt/verifyx/v1", False),
        (b"},{\"digest", b"}{\"digest", False),
        (b"}]}", b"},]}", False),
        (b'"name":"c"', b'"name":"a/b"', False),
        (b'"seq":7', b'"seq":9007199254740991', True),
        (b'"seq":7', b'"seq":9007199254740992', False),
        (b'"seq":7', b'"seq":07', False),
        (b"T03:38:31Z", b"T03:61:31Z", False),
        (b'"said":"2, 3"', '"said":"\u00fc"'.encode(), True),
        (b'"said":"2, 3"', b'"said":"\xff"', False),
        (b'"said":"2, 3"', b'"said":"\\u0041"', False),
        (b'"said":"2, 3"', b'"said":"1","said":"2"', False),
        (b'"said":"2, 3"', b'"said":1.0', False),
        (b'"said":"2, 3"', b'"said": "2"', False),
        (b'"said":"2, 3"', b'"saie":' + b"[" * (DEEP - 1) + b"]" * (DEEP - 1), True),
        (b'"said":"2, 3"', b'"saie":' + b"[" * DEEP + b"]" * DEEP, False),
        (b'"said":"2, 3"', b'"saie":"' + b"[" * 90 + b'"', True),
        (b'"mint"', b'{"a":{},"four_eyes":true}', True),
    ],
)  # fmt: skip
def test_other_spellings_are_refused_either_way(old: bytes, new: bytes, holds: bool) -> None:
    assert old in RAW
    assert isinstance(agreed(RAW.replace(old, new, 1)), Receipt) is holds


def test_what_is_too_long_is_refused_either_way_even_with_a_body_that_is_not() -> None:
    long = RAW.replace(b'"mint"', b'"' + b"x" * (canonical.LIMIT - 200) + b'"')
    assert "more than" in str(agreed(long))


@pytest.mark.parametrize(
    "text",
    [
        "", "Z", "2026-02-26T03:38:31", "2026-02-26T03:38:31+00:00", "2026-02-26T03:38:31+00:00Z", "2026-02-26T03:38:31.0Z", "2026-02-26Z",
        "2026-02-26T03:38Z", "2026-02-26 03:38:31Z", "20260226T033831Z", "2026-02-26T03:38:31ZZ", "2026-02-26T24:00:00Z",
        "2026-W09-4T03:38:31Z", "2026-02-26T03:38:31z", "2026-02-30T03:38:31Z", "２026-02-26T03:38:31Z", 20260226, None,
    ],
)  # fmt: skip
def test_an_instant_has_one_spelling(text: object) -> None:
    assert units.exact_instant("2026-02-26T03:38:31Z") == estate.AT
    with pytest.raises(ValueError):
        units.exact_instant(text)
