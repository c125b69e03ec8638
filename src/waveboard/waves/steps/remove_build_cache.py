"""Remove records of the build cache, each listed by its id before a person signs, the longest unused first, down to `keep_size`.

A record stays while another rests on it, so a record is listed only after all that build on it are. Records in use are not listed.
The hand asks the engine for one record at a time, by its id; a record that is not listed stays.

Compensable, not restorable: nothing brings a record back but the build that made it. It is not `none`, because a record is by its
contract disposable: the builder's own garbage collection removes records without asking anyone, and a build gives the same result
without them, only slower. So the undo puts nothing back and says so, and the other steps of a wave can still be undone.
Source: notes on safe moves 5f; BuildKit's cache documentation; Engine API 1.45, BuildPrune (filter `id`).
"""

import re

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.facts import CacheRecord, Docker
from waveboard.model.units import parse_size, show_size
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param

_PLAIN = re.compile(r"[a-z0-9]{10,64}")
_INSTANT = re.compile(r"[0-9-]{10}T[0-9:]{8}")
_LIMIT = 500  # records in one plan, so that it stays one a person can read; the next plan takes the rest


def _keep(spec: StepSpec) -> int:
    text = text_param(spec, "keep_size")
    try:
        return parse_size(text)
    except ValueError:
        raise ContractError(
            f"render step {spec.kind}", f"{spec.place}: `keep_size` {text!r} is no size", "2GB, 500MB …"
        ) from None


def _records(outlook: Outlook) -> tuple[CacheRecord, ...]:
    docker = outlook.facts[Docker]
    if docker.build_cache_bytes is None or any(record.parents is None for record in docker.build_cache):
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}",
            "the evidence does not tell the build cache record by record with what each builds on",
            "install the reader on the host (docs/evidence.md) and audit again",
        )
    odd = [record.id for record in docker.build_cache if not _PLAIN.fullmatch(record.id)]
    if odd:
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}", f"{odd[0]!r} is no id of a cache record", "look at the host's engine"
        )
    return docker.build_cache


def listed(records: tuple[CacheRecord, ...], keep_bytes: int) -> tuple[CacheRecord, ...]:
    """What goes, in an order the engine can follow: the longest unused first, never before what builds on it."""
    left = {record.id: record for record in records}
    size = sum(record.size_bytes for record in records)
    order: list[CacheRecord] = []
    while size > keep_bytes and len(order) < _LIMIT:
        held = {parent for record in left.values() for parent in record.parents or ()}
        free = [record for record in left.values() if not record.in_use and record.id not in held]
        if not free:
            break
        oldest = min(free, key=lambda record: (record.used_at, record.id))
        order.append(left.pop(oldest.id))
        size -= oldest.size_bytes
    return tuple(order)


def _when(record: CacheRecord) -> str:
    found = _INSTANT.match(record.used_at)
    return found[0] + "Z" if found else "never told"


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    keep, records = _keep(spec), _records(outlook)
    going = listed(records, keep)
    if not going:
        return Rendered((), outlook, f"the build cache is within {show_size(keep)}, or all of it is in use")
    ids, size = [record.id for record in going], sum(record.size_bytes for record in going)
    step = Step(
        id=prefix,
        verb="cache_remove",
        host=outlook.facts.host,
        title=f"remove {len(ids)} of {len(records)} build cache records ({show_size(size)}), the longest unused first",
        args={"records": ids},
        reversibility=Reversibility.COMPENSABLE,
        commands=tuple(
            f"docker builder prune --all --force --filter id={r.id}   # {show_size(r.size_bytes)}, used {_when(r)}" for r in going
        ),
        undo_commands=("# nothing to put back: the next build makes again what it needs, and takes longer for it",),
        deletes=tuple(f"build-cache:{one}" for one in ids),
        evidence=("docker", "df"),
        limit_s=1800,
    )
    return Rendered((step,), outlook)


STEP = StepKind("remove_build_cache", ("keep_size",), ("keep_size",), render)
