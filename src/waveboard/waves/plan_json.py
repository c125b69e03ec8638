"""Plan <-> the exact bytes a person signs: `waveboard.plan/1`, canonical JSON, digested with sha256.

It reads only what it would have written itself: an unknown, missing or doubled key, another spelling or a float is refused.
It does not judge whether the plan may run; `admit` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import cast

from waveboard.model import canonical
from waveboard.model.change import HostPin, Plan, Reversibility, Slot, Step, retire_name, retired
from waveboard.model.errors import UsageError
from waveboard.model.evidence import digest_of
from waveboard.model.units import exact_instant, instant_text

SCHEMA = "waveboard.plan/1"
KINDS = ("wave", "retire", "promotion", "provision")
LIMIT_BYTES = 4 * 2**20  # what the hand reads in one request

_TEXTS = ("instance", "wave", "kind", "proposer", "contract", "gates", "title", "overrun")
OVERRUNS = ("finish", "pause", "rollback")
_STEP_TEXTS = ("id", "verb", "host", "title")
_STEP_LISTS = ("commands", "undo_commands", "stops", "deletes", "evidence")
_STEP_COUNTS = ("copy_bytes", "downtime_s", "loss_window_s", "limit_s", "attempts")
_PIN = ("host", "machine_id", "host_key", "evidence", "facts")


def to_bytes(plan: Plan) -> bytes:
    """The one spelling of a plan. Raises: UsageError when it has none that from_bytes would accept."""
    value: dict[str, object] = {"schema": SCHEMA, **{name: getattr(plan, name) for name in _TEXTS}}
    for name in ("created_at", "not_before", "not_after"):
        value[name] = instant_text(getattr(plan, name))
    value |= {"quorum": plan.quorum, "four_eyes": plan.four_eyes, "read_only_hosts": plan.read_only_hosts}
    value |= {"leavings_of": plan.leavings_of} if plan.leavings_of else {}
    amounts = {step.id: step.amount for step in plan.steps if step.amount != "measured"}
    value |= {"amounts": amounts} if amounts else {}  # beside the steps, whose keys every hand knows one by one
    value["slots"] = [{"not_before": instant_text(s.not_before), "not_after": instant_text(s.not_after)} for s in plan.slots]
    value["hosts"] = [{name: getattr(pin, name) for name in _PIN} for pin in plan.hosts]
    value["steps"] = [
        {name: getattr(step, name) for name in (*_STEP_TEXTS, *_STEP_LISTS, *_STEP_COUNTS)}
        | {"args": step.args, "reversibility": step.reversibility.value}
        for step in plan.steps
    ]
    try:
        raw = canonical.encode(value)
    except ValueError as error:
        raise _bad(str(error)) from None
    from_bytes(raw)
    return raw


def from_bytes(raw: bytes) -> Plan:
    """The plan written in exactly these bytes. Raises: UsageError naming the key that does not fit."""
    try:
        value = canonical.decode(raw, limit=LIMIT_BYTES)
    except ValueError as error:
        raise _bad(str(error)) from None
    instants = {"created_at", "not_before", "not_after"}
    top = {"schema", *_TEXTS, *instants, "quorum", "four_eyes", "read_only_hosts", "slots", "hosts", "steps"}
    if isinstance(value, dict):
        top |= {"leavings_of", "amounts"} & set(
            value
        )  # only where the name does not tell; only where not everything was measured
    found = _Object("the plan", value, top)
    if found.text("schema") != SCHEMA:
        raise _bad(f"its schema is not {SCHEMA}")
    if found.text("kind") not in KINDS:
        raise _bad(f"its kind is none of {', '.join(KINDS)}")
    texts = {name: found.text(name) for name in _TEXTS}
    plan = Plan(
        **texts,
        created_at=found.instant("created_at"),
        not_before=found.instant("not_before"),
        not_after=found.instant("not_after"),
        quorum=found.count("quorum"),
        four_eyes=found.flag("four_eyes"),
        read_only_hosts=found.texts("read_only_hosts"),
        slots=tuple(_slot(f"slots[{n}]", item) for n, item in enumerate(found.items("slots"))),
        hosts=tuple(_pin(f"hosts[{n}]", item) for n, item in enumerate(found.items("hosts"))),
        steps=_weighed(
            tuple(_step(f"steps[{n}]", item) for n, item in enumerate(found.items("steps"))),
            found.mapping("amounts") if "amounts" in top else None,
        ),
        leavings_of=found.text("leavings_of") if "leavings_of" in top else "",
    )
    if "leavings_of" in top and not _cut(plan):
        raise _bad("leavings_of names another wave than its own name does")
    _coherent(plan)
    return plan


def digest(raw: bytes) -> str:
    """`sha256:…` of the plan's exact bytes: what approvals name."""
    return digest_of(raw)


def _cut(plan: Plan) -> bool:
    """Whether it is a retire plan whose name had to be cut, so that another key tells the wave it serves."""
    wave = plan.leavings_of
    return plan.kind == "retire" and plan.wave == retire_name(wave) and retired(plan.wave) != wave


def _weighed(steps: tuple[Step, ...], amounts: Mapping[str, object] | None) -> tuple[Step, ...]:
    """The steps with what `amounts` says of those that nobody measured."""
    if amounts is None:
        return steps
    if not amounts or not set(amounts) <= {step.id for step in steps} or not set(amounts.values()) <= {"at-most", "unknown"}:
        raise _bad("its amounts are empty, or not `at-most` or `unknown` of its own steps")
    return tuple(replace(step, amount=str(amounts.get(step.id, step.amount))) for step in steps)


def _coherent(plan: Plan) -> None:
    hosts = [pin.host for pin in plan.hosts]
    ids = [step.id for step in plan.steps]
    if not hosts or len(set(hosts)) != len(hosts):
        raise _bad("hosts is empty or names one twice")
    if set(hosts) & set(plan.read_only_hosts):
        raise _bad("a host is both mutated and read-only")
    if len(set(ids)) != len(ids):
        raise _bad("two steps have the same id")
    if strangers := sorted({step.host for step in plan.steps} - set(hosts)):
        raise _bad(f"a step names {strangers[0]}, which is not in hosts")
    if plan.not_before >= plan.not_after:
        raise _bad("its window is empty")
    edges = [edge for slot in plan.slots for edge in (slot.not_before, slot.not_after)]
    if not edges or any(one >= next_ for one, next_ in pairwise(edges)):
        raise _bad("its slots are none, empty or out of order")
    if edges[0] != plan.not_before or edges[-1] > plan.not_after or (plan.overrun != "finish" and edges[-1] != plan.not_after):
        raise _bad("its window is not that of its slots")
    if plan.overrun not in OVERRUNS:
        raise _bad(f"its overrun rule is none of {', '.join(OVERRUNS)}")
    if plan.quorum < 1:
        raise _bad("its quorum is less than one person")


def _slot(place: str, value: object) -> Slot:
    found = _Object(place, value, {"not_before", "not_after"})
    return Slot(found.instant("not_before"), found.instant("not_after"))


def _pin(place: str, value: object) -> HostPin:
    found = _Object(place, value, set(_PIN))
    return HostPin(**{name: found.text(name) for name in _PIN})


def _step(place: str, value: object) -> Step:
    found = _Object(place, value, {*_STEP_TEXTS, *_STEP_LISTS, *_STEP_COUNTS, "args", "reversibility"})
    texts = {name: found.text(name) for name in _STEP_TEXTS}
    lists = {name: found.texts(name) for name in _STEP_LISTS}
    counts = {name: found.count(name) for name in _STEP_COUNTS}
    try:
        reversibility = Reversibility(found.text("reversibility"))
    except ValueError:
        raise _bad(f"{place}.reversibility is no known class") from None
    if counts["limit_s"] < 1 or counts["attempts"] < 1:
        raise _bad(f"{place} has no limit")
    return Step(args=found.mapping("args"), reversibility=reversibility, **texts, **lists, **counts)  # type: ignore[arg-type]


class _Object:
    """One JSON object with exactly the keys it must have, read field by field."""

    def __init__(self, place: str, value: object, keys: set[str]) -> None:
        if not isinstance(value, dict):
            raise _bad(f"{place} is not an object")
        if wrong := sorted(set(value) ^ keys):
            raise _bad(f"{place} {'lacks' if wrong[0] in keys else 'has an unknown key'} {wrong[0]!r}")
        self._place, self._value = place, cast(Mapping[str, object], value)

    def text(self, name: str) -> str:
        value = self._value[name]
        if not isinstance(value, str):
            raise self._wrong(name, "text")
        return value

    def count(self, name: str) -> int:
        value = self._value[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._wrong(name, "a count")
        return value

    def flag(self, name: str) -> bool:
        value = self._value[name]
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def items(self, name: str) -> Sequence[object]:
        value = self._value[name]
        if not isinstance(value, list):
            raise self._wrong(name, "a list")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        found = tuple(item for item in self.items(name) if isinstance(item, str))
        if len(found) != len(self.items(name)):
            raise self._wrong(name, "a list of texts")
        return found

    def mapping(self, name: str) -> Mapping[str, object]:
        value = self._value[name]
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return value

    def instant(self, name: str) -> datetime:
        try:
            return exact_instant(self._value[name])
        except ValueError:
            raise self._wrong(name, "an instant in UTC with seconds") from None

    def _wrong(self, name: str, wanted: str) -> UsageError:
        return _bad(f"{self._place}.{name} is not {wanted}")


def _bad(because: str) -> UsageError:
    return UsageError("read the plan", because, "make it again with `waveboard plan`; a plan file is never edited by hand")
