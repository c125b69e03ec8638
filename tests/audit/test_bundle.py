"""Bundle files: the same both ways, one spelling, and no altered or foreign file believed."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.audit import bundle, facts
from waveboard.audit.probe import shelf
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Bundle, Evidence, Identity
from waveboard.model.facts import Mounts, Unavailable

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVIDENCE = st.builds(
    Evidence,
    name=st.just("x"),
    argv=st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple),
    exit=st.integers(0, 255),
    stdout=st.binary(),
    stderr=st.binary(),
    truncated=st.booleans(),
    ms=st.integers(0, 10**6),
)


def one(**probes: Evidence) -> Bundle:
    return Bundle("h", AT, "sha256:c", Identity("m", "b", "SHA256:k"), probes)


@given(EVIDENCE, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_bundle_survives_its_file(evidence: Evidence, failure: str) -> None:
    told = Bundle("h", AT, "sha256:c", Identity(), {"x": evidence}, failure)
    raw = bundle.to_json(told)
    assert bundle.from_json(raw) == told
    assert bundle.to_json(bundle.from_json(raw)) == raw
    assert bundle.digest(told) == bundle.digest(bundle.from_json(raw))


def test_the_file_has_the_documented_keys() -> None:
    document = json.loads(bundle.to_json(one(a=Evidence("a", ("cat", "/x"), 0, b"text\n"), b=Evidence("b", (), 1, b"\xff"))))
    assert set(document) == {"schema", "host", "collected_at", "collector", "identity", "probes"}
    assert document["collected_at"] == "2026-03-01T12:00:00Z"
    assert set(document["probes"]["a"]) == {"argv", "exit", "stdout", "stderr", "sha256", "truncated", "ms"}
    assert document["probes"]["a"]["stdout"] == "text\n"
    assert document["probes"]["b"]["stdout_b64"] == "/w=="


def test_an_altered_output_is_refused() -> None:
    raw = bundle.to_json(one(a=Evidence("a", (), 0, b"sda")))
    with pytest.raises(EvidenceError, match="does not match its digest"):
        bundle.from_json(raw.replace(b'"sda"', b'"sdb"'))


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"[" * 100_000, b'{"schema":"waveboard.evidence/2"}', b"\xff", b"null"])
def test_foreign_files_are_refused(raw: bytes) -> None:
    with pytest.raises(EvidenceError):
        bundle.from_json(raw)


@given(st.data())
def test_any_json_in_any_place_raises_nothing_else(data: st.DataObject) -> None:
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
    document = json.loads(bundle.to_json(one(a=Evidence("a", ("x",), 0, b"1"))))
    place = data.draw(st.sampled_from([document, document["identity"], document["probes"], document["probes"]["a"]]))
    key = data.draw(st.sampled_from(sorted(place)))
    place[key] = data.draw(anything)
    with suppress(EvidenceError):
        bundle.from_json(json.dumps(document).encode())


def test_an_incomplete_answer_makes_every_fact_unavailable() -> None:
    told = bundle.gather("h", b"@@" + b"a" * 16 + b" begin meta 0\n|uid 0\n", "a" * 16, "sha256:c", AT, "SHA256:k")
    assert told.failure and not told.probes and told.identity == Identity(host_key="SHA256:k")
    known = facts.read(told)
    assert {type(noun) for noun in known.nouns.values()} == {Unavailable}
    assert len(known.nouns) == len(shelf()) >= 14


def test_a_fault_in_one_section_costs_one_noun() -> None:
    known = facts.read(
        one(mountinfo=Evidence("mountinfo", (), 0, b"not a mount table\n"), fib_trie=Evidence("fib_trie", (), 0, b""))
    )
    assert isinstance(known.get(Mounts), Unavailable)
    assert sum(not isinstance(noun, Unavailable) for noun in known.nouns.values()) == 1


def test_a_file_that_only_the_standard_library_reads_is_held_to_the_same_shape() -> None:
    """Half a surrogate pair in a member nobody reads is no reason to refuse; in an output it is, as it has no bytes."""
    raw = bundle.to_json(one(a=Evidence("a", (), 0, b"sda")))
    odd = raw.replace(b'"exit"', b'"more":"\\ud800","exit"')
    assert bundle.from_json(odd) == bundle.from_json(raw)
    for old, new in (
        (b'"sda"', b'"\\ud800"'),
        (b'"sda"', b"5"),
        (b'"exit":0', b'"exit":true'),
        (b'"argv":[]', b'"argv":[1]'),
        (b'"ms"', b'"s"'),
    ):
        for whole in (raw, odd):
            with pytest.raises(EvidenceError):
                bundle.from_json(whole.replace(old, new))
    with pytest.raises(EvidenceError):
        bundle.from_json(raw.replace(b'"exit"', b'"more":"\xff","exit"'))
