"""What every hand said when it was told that its plan had come to an end, and who must be told again.

A hand that still holds a plan as open refuses every other one, so a plan is over only when each of its hosts has closed it. One
receipt an end; without one nobody knows, and unknown is not closed.
"""

from collections.abc import Iterator, Mapping, Sequence

from waveboard.app.plans import Known, from_bytes
from waveboard.app.receipting import issue, new_key, newest_of, subject
from waveboard.app.site import Site
from waveboard.model.change import Event, Plan
from waveboard.model.errors import HostError, RefusedError

KIND = "hand-close"
DRIVING = ("wave.apply", "wave.undo", "wave.settle")  # the capabilities whose runs drive a plan
ENDS = ("done", "rolled-back", "halted")
Told = dict[tuple[str, int], dict[str, str]]
AGAIN = {"done": "apply", "rolled-back": "undo"}  # an end -> the verb that tells the hands again; a halt is settled
_SILENT = "it gave no answer"


def answered(answer: Mapping[str, object] | None) -> str:
    """Why a hand did not close the plan, "" when it did. answer: None when none came."""
    if answer is None:
        return _SILENT
    error = answer.get("error")
    return "" if answer.get("ok") else f"it refuses: {error.get('because')}" if isinstance(error, dict) else "it refuses"


def record(site: Site, plan: Plan, digest: str, end: Event, answers: Mapping[str, str]) -> None:
    """Receipt what each host said to this end. answers: host -> why it did not close, "" when it did."""
    body = {
        "plan": digest,
        "wave": plan.wave,
        "line": end.seq,
        "result": end.kind,
        "hosts": [{"host": host, "closed": not why, "why": why} for host, why in answers.items()],
    }
    issue(site, KIND, new_key(site, *DRIVING), (subject("plan", digest),), body)


def left(site: Site, known: Known, events: Sequence[Event], told: Told | None = None) -> dict[str, str]:
    """Host -> why it may still hold the plan open, though the plan has come to its end. told: `records`, when they are at hand."""
    if not events or events[-1].kind not in ENDS:
        return {}
    said = (records(site) if told is None else told).get((known.digest, events[-1].seq))
    if said is None:
        return dict.fromkeys((pin.host for pin in known.plan.hosts), "nobody knows whether it was told")
    return {host: why for host, why in said.items() if why}


def records(site: Site) -> Told:
    """(plan, journal line of its end) -> what each host said last."""
    found: Told = {}
    for _, receipt in newest_of(site, KIND):
        hosts = receipt.body["hosts"]
        assert isinstance(hosts, list)
        answers = {str(one["host"]): str(one["why"]) for one in hosts}
        found.setdefault((str(receipt.body["plan"]), int(str(receipt.body["line"]))), answers)
    return found


def all_left(site: Site) -> Iterator[tuple[Known, Event, dict[str, str]]]:
    """Every such plan with its end and its hosts, the newest first. A host that has opened another plan since has let this one go."""
    told, since = records(site), set[str]()
    begun = [(record.digest, events) for record in site.store.plans() if (events := site.store.events(record.digest))]
    for digest, events in sorted(begun, key=lambda one: one[1][0].at, reverse=True):
        known = from_bytes(site.store.get_object(digest))
        unclosed = {host: why for host, why in left(site, known, events, told).items() if host not in since}
        if unclosed:
            yield known, events[-1], unclosed
        since |= {pin.host for pin in known.plan.hosts}


def sentence(unclosed: Mapping[str, str]) -> str:
    """In words, for an error or a person."""
    return "; ".join(f"the hand on {host} has not closed the plan ({why})" for host, why in unclosed.items())


def error(known: Known, unclosed: Mapping[str, str], what: str, end: str) -> RefusedError | HostError:
    """what: how the plan itself ended, in words; end: as the journal says it."""
    kind = HostError if any(why == _SILENT for why in unclosed.values()) else RefusedError
    fix = f"no other plan opens there meanwhile; tell it again: waveboard {AGAIN[end]} {known.plan.wave}"
    return kind(f"let the hosts of {known.plan.wave} go", f"{what}, but {sentence(unclosed)}", fix)
