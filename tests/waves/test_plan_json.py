"""The plan's bytes: read back exactly, and nothing but its own spelling is a plan."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from waveboard.model.change import HostPin, Plan, Reversibility, Slot, Step
from waveboard.model.errors import UsageError
from waveboard.waves import plan_json

AT = datetime(2026, 2, 26, 3, 38, 31, tzinfo=UTC)
STEP = Step(
    id="w8b-01", verb="mount_data", host="mint-data", title="mount the data disk",
    args={"target": "/mnt/data", "uuid": None, "containerd": False, "options": ["a", "b"], "nested": {"size_bytes": 4294967296}},
    reversibility=Reversibility.RESTORABLE, commands=("mount /mnt/data",), undo_commands=("umount /mnt/data",), copy_bytes=2**40,
    downtime_s=20, loss_window_s=5, stops=("docker.service",), deletes=("/var/lib/docker.old",), evidence=("df",),
    limit_s=60, attempts=2,
)  # fmt: skip
PLAN = Plan(
    instance="mint-7f3a", wave="W8B", kind="wave", created_at=AT, proposer="root@console", contract="sha256:c", gates="sha256:d",
    hosts=(HostPin("mint-data", "0" * 32, "SHA256:abc", "sha256:e", "sha256:f"),), read_only_hosts=("mint-apps",), not_before=AT,
    not_after=AT + timedelta(hours=4), steps=(STEP, replace(STEP, id="w8b-02")), quorum=2, four_eyes=True, title="größer Ω",
    slots=(Slot(AT, AT + timedelta(hours=1)), Slot(AT + timedelta(hours=2), AT + timedelta(hours=4))), overrun="pause",
)  # fmt: skip
RAW = plan_json.to_bytes(PLAN)


def spelt(edit) -> bytes:
    """The plan with something done to its JSON, canonical again."""
    value = json.loads(RAW)
    edit(value)
    return rfc8785.dumps(value)


def test_reads_back_exactly_and_is_canonical() -> None:
    assert plan_json.from_bytes(RAW) == PLAN
    assert rfc8785.dumps(json.loads(RAW)) == RAW
    assert plan_json.digest(RAW).startswith("sha256:")


def test_has_exactly_the_agreed_keys() -> None:
    value = json.loads(RAW)
    assert set(value) == {
        "schema", "instance", "wave", "kind", "title", "created_at", "proposer", "contract", "gates", "hosts", "read_only_hosts",
        "not_before", "not_after", "quorum", "four_eyes", "steps", "slots", "overrun",
    }  # fmt: skip
    assert set(value["steps"][0]) == {
        "id", "verb", "host", "title", "args", "reversibility", "commands", "undo_commands", "copy_bytes", "downtime_s",
        "loss_window_s", "stops", "deletes", "evidence", "limit_s", "attempts",
    }  # fmt: skip
    assert set(value["hosts"][0]) == {"host", "machine_id", "host_key", "evidence", "facts"}


@given(st.text(st.characters(exclude_categories=("Cs",))), st.integers(0, 2**53 - 1), st.booleans())
def test_any_text_and_count_survives(text: str, count: int, flag: bool) -> None:
    plan = replace(
        PLAN, title=text, four_eyes=flag, steps=(replace(STEP, title=text, copy_bytes=count, args={"x": [text, count]}),)
    )
    assert plan_json.from_bytes(plan_json.to_bytes(plan)) == plan


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda p: p.update(more=1), "the plan has an unknown key 'more'"),
        (lambda p: p.pop("quorum"), "the plan lacks 'quorum'"),
        (lambda p: p["steps"][0].update(shell="rm"), "steps[0] has an unknown key 'shell'"),
        (lambda p: p["steps"][1].pop("deletes"), "steps[1] lacks 'deletes'"),
        (lambda p: p["hosts"][0].update(address="x"), "hosts[0] has an unknown key 'address'"),
        (lambda p: p.update(schema="waveboard.plan/2"), "its schema is not waveboard.plan/1"),
        (lambda p: p.update(kind="prune"), "its kind is none of"),
        (lambda p: p.update(quorum=True), "the plan.quorum is not a count"),
        (lambda p: p.update(slots=[]), "slots are none"),
        (lambda p: p["slots"].reverse(), "out of order"),
        (lambda p: p["slots"].pop(), "not that of its slots"),
        (lambda p: p["slots"].pop(0), "not that of its slots"),
        (lambda p: p.update(overrun="hurry"), "its overrun rule is none of"),
        (lambda p: p.update(quorum=0), "less than one person"),
        (lambda p: p.update(four_eyes=1), "the plan.four_eyes is not true or false"),
        (lambda p: p.update(wave=None), "the plan.wave is not text"),
        (lambda p: p.update(not_after="2026-02-26T03:38:31.000Z"), "not an instant"),
        (lambda p: p.update(not_after="2026-02-26T03:38:31+01:00"), "not an instant"),
        (lambda p: p.update(not_after=p["not_before"]), "its window is empty"),
        (lambda p: p.update(hosts=[]), "hosts is empty"),
        (lambda p: p["hosts"].append(p["hosts"][0]), "names one twice"),
        (lambda p: p.update(read_only_hosts=["mint-data"]), "both mutated and read-only"),
        (lambda p: p.update(steps={}), "the plan.steps is not a list"),
        (lambda p: p["steps"].append("rm"), "steps[2] is not an object"),
        (lambda p: p["steps"][1].update(id="w8b-01"), "two steps have the same id"),
        (lambda p: p["steps"][1].update(host="mint-apps"), "mint-apps, which is not in hosts"),
        (lambda p: p["steps"][0].update(args=[]), "steps[0].args is not an object"),
        (lambda p: p["steps"][0].update(deletes=[1]), "steps[0].deletes is not a list of texts"),
        (lambda p: p["steps"][0].update(copy_bytes=-1), "steps[0].copy_bytes is not a count"),
        (lambda p: p["steps"][0].update(attempts=0), "steps[0] has no limit"),
        (lambda p: p["steps"][0].update(limit_s=0), "steps[0] has no limit"),
        (lambda p: p["steps"][0].update(reversibility="maybe"), "no known class"),
        (lambda p: p["steps"][0]["args"].update(rate=1.5), "is not an integer"),
        (lambda p: p.update(amounts={}), "its amounts are empty"),
        (lambda p: p.update(amounts={"w8b-09": "unknown"}), "of its own steps"),
        (lambda p: p.update(amounts={"w8b-01": "measured"}), "not `at-most` or `unknown`"),
    ],
)  # fmt: skip
def test_a_plan_of_another_form_says_where(edit, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan_json.from_bytes(spelt(edit))
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        RAW + b"\n", RAW.replace(b'"wave":', b'"wave": '), RAW.replace(b"{", b'{"kind":"wave",', 1), b"[]", b"", b"{}", b"null",
        RAW.replace("größer".encode(), b"gr\\u00f6\\u00dfer"), json.dumps(json.loads(RAW), indent=1).encode(),
        b" " * (plan_json.LIMIT_BYTES + 1),
    ],
)  # fmt: skip
def test_no_other_spelling_is_a_plan(raw: bytes) -> None:
    with pytest.raises(UsageError, match="cannot read the plan"):
        plan_json.from_bytes(raw)


def test_one_changed_byte_is_another_digest_or_no_plan() -> None:
    for place in range(len(RAW)):
        changed = RAW[:place] + bytes([RAW[place] ^ 1]) + RAW[place + 1 :]
        try:
            plan_json.from_bytes(changed)
        except UsageError:
            continue
        assert plan_json.digest(changed) != plan_json.digest(RAW)


@pytest.mark.parametrize("change", [{"quorum": -1}, {"hosts": ()}, {"kind": "x"}, {"steps": (replace(STEP, args={"a": 1.5}),)}])
def test_what_could_not_be_read_back_is_never_written(change: dict) -> None:
    with pytest.raises(UsageError):
        plan_json.to_bytes(replace(PLAN, **change))
