"""One scalar changes and not one byte beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.contracts.edit import applied, edits, sum_of
from waveboard.contracts.nodes import plain
from waveboard.contracts.text import read
from waveboard.model.errors import ContractError

PATH = ("packs", "mint", "mode")

SPELT = [
    "packs:\n  mint:\n    mode: report\n",
    "packs:\n  mint:\n    mode:   report   # told, not blocked\n    hosts: [a]\n",
    "packs:\r\n  mint:\r\n    mode: 'report'\r\n",
    '\ufeffpacks: {mint: {mode: "report", modes: {D1: report}}}\n',
    "# größer → Ω 𝄞\npacks: {ü: 1, mint: {note: 𝄞, mode: report}}",
    "packs:\n  other: {mode: report}\n  mint:\n    # mode: report\n    mode: report",
]


@pytest.mark.parametrize("text", SPELT)
def test_only_the_scalar_changes_and_it_comes_back_byte_for_byte(text: str) -> None:
    raw = text.encode()
    made = edits("packs.yaml", raw, [(PATH, "report", "enforce")])
    after = applied("packs.yaml", raw, made)
    assert len(after) == len(raw) + len("enforce") - len("report")
    at = made[0].at
    assert (after[:at], after[at : at + 7], after[at + 7 :]) == (raw[:at], b"enforce", raw[at + 6 :])
    back = applied("packs.yaml", after, edits("packs.yaml", after, [(PATH, "enforce", "report")]))
    assert back == raw and sum_of(back) == sum_of(raw)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("packs: {mint: {mode: enforce}}", "it says enforce, not report"),
        ("packs: {mint: {}}", "no plain scalar"),
        ("packs: {mint: {mode: [report]}}", "no plain scalar"),
        ("packs: {mint: {mode: |\n  report\n}}", "not YAML|no plain scalar"),
        ("packs: {mint: {mode: report}, mint: {}}", "stands here and at"),
    ],
)
def test_what_is_not_there_is_not_edited(text: str, why: str) -> None:
    with pytest.raises(ContractError, match=why):
        edits("packs.yaml", text.encode(), [(PATH, "report", "enforce")])


WORD = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8)


@given(
    st.lists(st.tuples(WORD, st.sampled_from(["", "'", '"']), WORD), min_size=1, max_size=6, unique_by=lambda t: t[0]), st.data()
)
def test_several_scalars_at_once(rows: list[tuple[str, str, str]], data: st.DataObject) -> None:
    text = "".join(f'"k{key}": {q}v{value}{q}  # {value}\n' for key, q, value in rows)
    chosen = data.draw(st.lists(st.sampled_from(rows), unique_by=lambda t: t[0]))
    wanted = [((f"k{key}",), f"v{value}", "enforce") for key, _, value in chosen]
    raw = text.encode()
    after = applied("f.yaml", raw, edits("f.yaml", raw, wanted))
    document, said = read("f.yaml", after)
    assert document and not said
    names = {key for key, *_ in chosen}
    assert plain(document.root) == {f"k{key}": "enforce" if key in names else f"v{value}" for key, _, value in rows}
    undo = [((f"k{key}",), "enforce", f"v{value}") for key, _, value in chosen]
    assert applied("f.yaml", after, edits("f.yaml", after, undo)) == raw
