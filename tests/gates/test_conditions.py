"""The condition language: three values, proofs, and every way a text is not a condition."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.gates.conditions import MAX_CHARS, Answer, ConditionError, Operand, answer, names, parse
from waveboard.model.facts import Unavailable

KNOWN: dict[str, Any] = {
    "box-1.root.used_pct": 87.0,
    "guard.warn": 60,
    "t": True,
    "f": False,
    "u": Unavailable("host is down"),
    "word": "pass",
    "words": ("pass", "fail"),
}


def ask(text: str) -> Answer:
    return answer(parse(text), lambda name: Operand(KNOWN.get(name, Unavailable("there is no such fact")), f"proof of {name}"))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("box-1.root.used_pct < guard.warn", False),
        ('hosts["x"].y == 1', None),
        ("87 == 87.0 && 1 <= 1 && 2 > 1 && -1.5e1 < 0 && 3 >= 3", True),
        ("1 != 2 && 'a' < \"b\"", True),
        ("word in words && word in ['pass', 3] && !(word in [])", True),
        ("u in [1]", None),
        ("word in 'pass'", None),
        ("1 in [true]", False),
        ("true == 1", None),
        ("'1' < 2", None),
        ("t < f", None),
        ("null == null && word != null", True),
        ("u == null", None),
        ("!u", None),
        ("!(t && f)", True),
        ("u && f", False),
        ("f && u", False),
        ("u || t", True),
        ("t || u", True),
        ("u && t", None),
        ("u || f", None),
        ("t || f && f", True),
        ("(t || f) && f", False),
        ("word", None),
        ("word && t", None),
        ("'it\\'s' == \"it's\"", True),
    ],
)
def test_answers(text: str, holds: bool | None) -> None:
    found = ask(text)
    assert found.holds is holds
    assert bool(found.reasons) is (holds is None)


def test_every_operand_comes_with_its_proof_and_unknown_with_its_reason() -> None:
    found = ask("f && (box-1.root.used_pct < guard.warn || u)")
    assert found.holds is False
    assert [(name, operand.source) for name, operand in found.operands] == [
        (name, f"proof of {name}") for name in ("f", "box-1.root.used_pct", "guard.warn", "u")
    ]
    assert ask("u && t").reasons == ("u: host is down",)


@pytest.mark.parametrize(
    ("text", "col"),
    [
        ("a $ b", 3),
        ("1 < 2 < 3", 7),
        ("a in b in c", 8),
        ("(a", 3),
        ("", 1),
        ("   ", 4),
        ("a.", 3),
        ("a b", 3),
        ("in", 1),
        ("&& a", 1),
        ("12a < 3", 1),
        ("'open", 1),
        ("[a]", 2),
        ("a[1]", 4),
        ("f(x)", 2),
        ("a = b", 3),
        ("a && ", 6),
        ("!" * 40 + "a", 34),
        ("(" * 40 + "a" + ")" * 40, 34),
        ("a" * (MAX_CHARS + 1), MAX_CHARS),
    ],
)
def test_what_is_not_a_condition_is_refused_where_it_stops(text: str, col: int) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert caught.value.col == col


def test_names_are_told_with_their_columns() -> None:
    assert [(n.dotted, n.col) for n in names(parse('a.b < 3 && c["d-e"].f in [1]'))] == [("a.b", 1), ("c.d-e.f", 12)]


TRUTH = st.sampled_from(["t", "f", "u"])
EXPRESSIONS = st.recursive(
    TRUTH,
    lambda inner: st.one_of(
        inner.map(lambda a: f"!({a})"),
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
    ),
    max_leaves=8,
)


def kleene(text: str, u: bool) -> bool:
    python = text.replace("!", " not ").replace("&&", " and ").replace("||", " or ")
    return bool(eval(python, {"t": True, "f": False, "u": u}))


@given(EXPRESSIONS)
def test_a_known_answer_never_depends_on_what_is_unknown(text: str) -> None:
    """Sound against two-valued logic: when it says yes or no, both values of every unknown give that."""
    holds = ask(text).holds
    if holds is not None:
        assert {kleene(text, True), kleene(text, False)} == {holds}
    elif "u" not in text:
        raise AssertionError(text)


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_condition_error(text: str) -> None:
    try:
        ask(text)
    except ConditionError as refused:
        assert 1 <= refused.col <= len(text) + 1
