"""Change windows as slots of time: allow windows, by themselves or coming again, with every deny window cut out. Reads no clock.

- A recurrence runs in local time (RFC 5545 3.3.10): 22:00 stays 22:00 through a change of clocks. An hour that a change of clocks skips
  is taken with the offset before it, an hour that comes twice is the first of the two (RFC 5545 3.3.5). A duration is elapsed time.
- One allow window must cover all hosts asked for; a deny window that names any of them cuts.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from waveboard.model.change import Slot
from waveboard.model.contract import Recurrence, Window
from waveboard.model.units import instant_text

HORIZON = timedelta(days=400)  # how far ahead a window is looked for


class Opening(NamedTuple):
    """A slot and the allow window it comes from."""

    slot: Slot
    window: Window


def openings(windows: Sequence[Window], hosts: Sequence[str], at: datetime, until: datetime | None = None) -> tuple[Opening, ...]:
    """Every opening for all these hosts that ends after `at` and begins before `until`, earliest first."""
    end = until or at + HORIZON
    allowed = [
        (slot, window)
        for window in windows
        if window.kind == "allow" and set(hosts) <= set(window.hosts)
        for slot in occurrences(window, at, end)
    ]
    first = min((slot.not_before for slot, _ in allowed), default=at)  # a denial that is over still cuts what began before it
    found = [
        Opening(piece, window)
        for slot, window in allowed
        for piece in undenied((Slot(slot.not_before, min(slot.not_after, end)),), windows, hosts, first)
        if piece.not_after > at and piece.not_before < end
    ]
    return tuple(sorted(found, key=lambda o: (o.slot.not_before, o.slot.not_after, o.window.id)))


def undenied(slots: Sequence[Slot], windows: Sequence[Window], hosts: Sequence[str], since: datetime) -> tuple[Slot, ...]:
    """What the deny windows for any of these hosts leave of the slots, in order. since: nothing that was over by then cuts."""
    left = list(slots)
    until = max((slot.not_after for slot in slots), default=since)
    for window in windows:
        if window.kind == "deny" and set(hosts) & set(window.hosts):
            for one in occurrences(window, since, until):
                left = [piece for slot in left for piece in _cut(slot, one)]
    return tuple(left)


def denying(windows: Sequence[Window], hosts: Sequence[str], at: datetime) -> tuple[Opening, ...]:
    """The deny windows that hold for one of these hosts now, each with the occurrence that does."""
    return tuple(
        Opening(slot, window)
        for window in windows
        if window.kind == "deny" and set(hosts) & set(window.hosts)
        for slot in occurrences(window, at, at)
        if slot.holds(at)
    )


def denied_by(hosts: Sequence[str], denied: Opening) -> str:
    """One of `denying` in words: which window, of which line, over which of these hosts, until when."""
    slot, window = denied
    named = ", ".join(sorted(set(hosts) & set(window.hosts)))
    return f"deny window {window.id} ({window.place or 'windows.yaml'}) covers {named} until {instant_text(slot.not_after)}"


def occurrences(window: Window, since: datetime, until: datetime) -> Iterator[Slot]:
    """Those that touch the time from `since` to `until`, both included, earliest first."""
    if window.recurs is None:
        if window.not_after > since and window.not_before <= until:
            yield Slot(window.not_before, window.not_after)
        return
    lasting = timedelta(seconds=window.recurs.duration_s)
    for begins in _begins(window.recurs, until.astimezone(UTC).date().isoformat()):
        if begins > min(until, window.not_after):
            return
        if begins + lasting > since:
            yield Slot(begins, begins + lasting)


@lru_cache(256)
def _begins(recurs: Recurrence, day: str) -> tuple[datetime, ...]:
    """Every beginning up to two days after `day`, in UTC: the bound keeps a rule that hardly ever comes from running on."""
    parts = recurs.rule.split(";")
    bare = ";".join(part for part in parts if not part.startswith(("UNTIL=", "COUNT=")))
    most = next((int(part.removeprefix("COUNT=")) for part in parts if part.startswith("COUNT=")), None)
    last = datetime.fromisoformat(day) + timedelta(days=2)
    local = rrulestr(f"{bare};UNTIL={last:%Y%m%dT%H%M%S}", dtstart=recurs.starts)
    zone = ZoneInfo(recurs.zone)
    return tuple(sorted(begins.replace(tzinfo=zone).astimezone(UTC) for begins in islice(local, most)))


def _cut(slot: Slot, denied: Slot) -> Iterator[Slot]:
    if denied.not_after <= slot.not_before or denied.not_before >= slot.not_after:
        yield slot
        return
    if slot.not_before < denied.not_before:
        yield Slot(slot.not_before, denied.not_before)
    if denied.not_after < slot.not_after:
        yield Slot(denied.not_after, slot.not_after)
