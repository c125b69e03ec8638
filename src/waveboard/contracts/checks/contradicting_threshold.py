"""One quantity, several numbers: every number that differs from the judged one is told, with all places.

The guard's number is judged, where there is none the first. Guard files do not contradict each other: each has its
packs. A sentence or a wave condition contradicts when its number is none of those the threshold keys give.
"""

from collections.abc import Iterator
from itertools import islice

from waveboard.contracts.check import Check, warning
from waveboard.contracts.claims import QUANTITIES, Claim, keyed, loose
from waveboard.contracts.estate import Estate
from waveboard.model.contract import Complaint

_MOST = 500  # sentences looked at
_SHOWN = 12  # places listed in one complaint
_FIX = "settle on one number, let the guard policy hold it, and name it instead of repeating it"


def run(estate: Estate) -> Iterator[Complaint]:
    said, written = tuple(keyed(estate)), tuple(islice(loose(estate), _MOST))
    for quantity in QUANTITIES:
        keys = [c for c in said if c.quantity is quantity]
        free = [c for c in written if c.quantity is quantity]
        for level in ("warn", "fail"):
            same = [c for c in keys if c.level == level]
            judged = [c for c in same if c.judged] or same[:1]
            for claim in same:
                if not claim.judged and claim.value not in {c.value for c in judged}:
                    yield _told(claim, judged[0], keys + free)
        numbers = {c.value for c in keys} or {c.value for c in free[:1]}
        for claim in free:
            if claim.value not in numbers:
                yield _told(claim, (keys or free)[0], keys + free)
        yield from _inverted(keys)


def _told(claim: Claim, judged: Claim, everywhere: list[Claim]) -> Complaint:
    unit = claim.quantity.unit
    level = f" ({claim.level})" if claim.level else ""
    places = "; ".join(dict.fromkeys(f"{c.value:g} {unit} at {c.place}" for c in everywhere[:_SHOWN]))
    said = f"{claim.quantity.name}{level}: {claim.value:g} {unit} here; {judged.value:g} {unit} at {judged.place} is judged"
    said = f"{said}; all: {places}"
    return warning(claim.place, claim.path, "contradicting-threshold", said, _FIX)


def _inverted(keys: list[Claim]) -> Iterator[Complaint]:
    for file in dict.fromkeys(c.place.file for c in keys):
        warn = next((c for c in keys if c.level == "warn" and c.place.file == file), None)
        fail = next((c for c in keys if c.level == "fail" and c.place.file == file), None)
        if warn and fail and warn.value > fail.value:
            said = f"{warn.quantity.name}: warns at {warn.value:g} {warn.quantity.unit}, after it failed at {fail.value:g}"
            yield warning(warn.place, warn.path, "contradicting-threshold", said, "warn below the failing number")


CHECK = Check(("contradicting-threshold",), run)
