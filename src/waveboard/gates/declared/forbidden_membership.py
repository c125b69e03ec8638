"""forbidden_membership: no word of `members` is in `forbidden`. Both are sources (see Sources), from the same or different
documents: for example no role but one may list a capability that writes.
"""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import Asked, Kind
from waveboard.gates.reading import Missing, shown
from waveboard.gates.sets import members
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each word that stands in both. Where the forbidden set could not be told whole, what is missing of it is a Doubt."""
    forbidden: set[str] = set()
    for member in members(asked, "forbidden"):
        if isinstance(member, Doubt):
            yield member
        elif isinstance(member.word, Missing):
            yield Doubt(f"forbidden:{member.hit.label}", f"the set that is forbidden could not be told: {member.word.why}")
        else:
            forbidden.add(shown(member.word))
    for member in members(asked, "members"):
        if isinstance(member, Doubt):
            yield member
        elif isinstance(member.word, Missing):
            yield asked.found("no-members", member.hit, member.word.why, member.sight)
        elif shown(member.word) in forbidden:
            yield asked.found("forbidden-member", member.hit, f"{shown(member.word)} may not stand here", member.sight)


KIND = Kind(
    "forbidden_membership",
    __doc__,
    {"members": Param("source", required=True), "forbidden": Param("source", required=True)},
    {"forbidden-member": "a word stands where it is forbidden", "no-members": "the list to look at is not there"},
    run,
)
