"""Who may append what, told in words. The same rules for every kind of store; keeps nothing itself."""

from collections.abc import Sequence
from datetime import datetime

from waveboard.model.change import Event
from waveboard.model.errors import RefusedError, UsageError
from waveboard.model.history import DispatchRecord
from waveboard.model.opening import Opening
from waveboard.model.register import Claim
from waveboard.model.units import instant_text

ENDS = ("done", "rolled-back")  # halted is none: it holds its hosts until a person has settled it
FOLLOWS = {"done": "undo-asked", "halted": "settled", "rolled-back": ""}  # the one line that may follow


def check_append(event: Event, last: tuple[int, str], issued: int, asked: bool) -> None:
    """last: (seq, kind) of the plan's newest line, (0, "") before the first; issued: the plan's newest fence; asked: the journal
    holds an `undo-asked`.

    Raises: RefusedError.
    """
    seq, kind = last
    cannot = f"journal `{event.kind}` of {event.plan}"
    if event.seq != seq + 1:
        raise RefusedError(
            cannot, f"line {event.seq} is not the next one: the journal stands at {seq}", "read it again and decide anew"
        )
    if event.fence < issued and not (event.fence == 0 and event.kind == "undo-asked"):
        raise RefusedError(
            cannot, f"fence {event.fence} was replaced by {issued}: another worker took the wave over", "stop this worker"
        )
    if not seq and event.kind != "opened":
        raise RefusedError(cannot, "the wave was never opened", "`waveboard apply` opens an approved plan")
    if event.kind == "opened" and seq:
        raise RefusedError(cannot, "it was opened before", "resume it with `waveboard apply`, or make a new plan")
    if asked and event.kind in ("intent", "done"):
        raise RefusedError(cannot, "a person asked to take the wave back", "read the journal again and decide anew")
    if event.kind != FOLLOWS.get(kind, event.kind):
        fix = "a person settles it: waveboard settle" if kind == "halted" else "make a new plan"
        raise RefusedError(cannot, f"the wave is {kind}, and that is final", fix)
    if event.kind == "settled" and kind != "halted":
        raise RefusedError(cannot, "the wave is not halted", "there is nothing to settle")


def overlap(plan: str, other: str) -> RefusedError:
    """The error for opening a wave while another is under way: one at a time (I1)."""
    return RefusedError(f"open {plan}", f"{other} is under way", "bring that one to its end first: resume, undo or settle it")


def check_begin(opening: Opening, others: Sequence[Opening]) -> None:
    """Raises: RefusedError naming the wave in the way, who opened it, since when, and which rule says no."""
    for other in others:
        if because := opening.against(other):
            raise RefusedError(
                f"open {opening.wave}",
                because,
                f"end it first: waveboard wave close {other.wave}, or waveboard undo {other.wave}",
            )


def check_end(wave: str, others: Sequence[Opening]) -> None:
    """Raises: RefusedError when the wave is not open."""
    if not any(one.wave == wave for one in others):
        open_now = ", ".join(one.wave for one in others) or "none"
        raise RefusedError(f"close {wave}", f"it is not open (open: {open_now})", "waveboard wave list")


def nonce_used(nonce: str, plan: str, at: datetime) -> RefusedError:
    """The error for an approval that was used before."""
    return RefusedError(
        "open the wave",
        f"the approval with nonce {nonce} was used by {plan} at {instant_text(at)}",
        "have the plan approved again",
    )


def held(host: str, plan: str, owner: str, since: datetime, until: datetime) -> RefusedError:
    """The error for a host that somebody else may change now."""
    return RefusedError(
        f"lease {host}",
        f"{owner} holds it for {plan} since {instant_text(since)}",
        f"it is free when that worker finishes, or by itself at {instant_text(until)} once the worker is stopped",
    )


def dispatched(wave: str, record: DispatchRecord) -> RefusedError:
    """The error for a wave that is, or excludes one that is, in a worker's hands."""
    return RefusedError(
        f"dispatch {wave}",
        f"{record.worker} has {record.wave} as {record.task} since {instant_text(record.issued_at)}",
        f"it ends by itself at {instant_text(record.expires_at)}; `waveboard wave recall {record.wave}` ends it now",
    )


def no_dispatch(task: str) -> UsageError:
    """The error for a task that was never given."""
    return UsageError(f"end {task}", "no such task was dispatched", "`waveboard wave list` shows who has which wave")


def taken_over(fence: int, host: str, owner: str) -> RefusedError:
    """The error for a lease that is no longer its owner's."""
    return RefusedError(
        f"renew lease {fence}", f"{owner or 'nobody'} holds {host} now", "stop this worker; resume from the journal"
    )


def claimed(claim: Claim) -> RefusedError:
    """The error for a gap or loop that somebody else works on."""
    return RefusedError(
        f"claim {claim.subject}",
        f"{claim.owner} holds it since {instant_text(claim.since)}, until {instant_text(claim.expires_at)}",
        f"it is free when {claim.owner} releases it, or by itself at {instant_text(claim.expires_at)}",
    )


def check_receipt(last: int, seq: int | None) -> None:
    """Raises: RefusedError when the number signed into the envelope is not the chain's next."""
    if seq is not None and seq != last + 1:
        raise RefusedError(f"keep receipt {seq}", f"the chain stands at {last}", "sign it again for the new head")
