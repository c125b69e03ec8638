"""ref_exists: every word of `members` is in `known`. Both are sources (see Sources), from the same or different documents.

That a name exists does not make it the right name: give the rule of the naming as well where there is one.
"""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import Asked, Kind
from waveboard.gates.reading import Missing, shown
from waveboard.gates.sets import members
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each word that the other set does not know."""
    known: set[str] = set()
    unsure = False
    for member in members(asked, "known"):
        if isinstance(member, Doubt):
            unsure = True
            yield member
        elif not isinstance(member.word, Missing):
            known.add(shown(member.word))
    if not known:
        yield Doubt("known", "the set it is compared with is empty, which proves nothing")
        return
    known_in = asked.params["known"]
    home = asked.only(str(known_in["doc"])) if isinstance(known_in, dict) and "doc" in known_in else None
    for member in members(asked, "members"):
        if isinstance(member, Doubt):
            yield member
        elif isinstance(member.word, Missing):
            yield asked.found("dangling", member.hit, f"{member.word.why}; it should name something that exists", member.sight)
        elif shown(member.word) not in known and not unsure:
            yield asked.found("dangling", member.hit, f"{shown(member.word)} names nothing that exists", member.sight or home)


KIND = Kind(
    "ref_exists",
    __doc__,
    {"members": Param("source", required=True), "known": Param("source", required=True)},
    {"dangling": "a name names nothing that exists, or is not there"},
    run,
)
