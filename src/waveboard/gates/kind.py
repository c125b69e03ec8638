"""What a kind of check is, and what it is asked with. Holds no kind itself, and no verdict.

- A kind yields deviations and doubts; it never decides a verdict.
- A document that could not be seen raises Blind out of the kind: the rest of that check is a Doubt, never a pass.
- A value that is not there is a deviation where something was asked of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.reading import Hit, Missing, fits, hits
from waveboard.model.declared import KindShape, Param
from waveboard.model.document import Desk, Prose, Sight, Tree
from waveboard.model.facts import Unavailable
from waveboard.model.finding import Severity

ALIAS, TEXT = Param("alias", required=True, words=("tree",)), Param("alias", required=True, words=("text",))
PATH, WHERE, FLAG = Param("path", required=True), Param("where"), Param("flag")
ON_RECORDS = {"doc": ALIAS, "path": PATH, "where": WHERE}  # what every kind about values of one document takes


class Blind(Exception):
    """A document could not be seen."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(reason)
        self.doubt = Doubt(subject, reason)


@dataclass(frozen=True, slots=True)
class Asked:
    """One check of one gate on one document. sight: of `doc`; None for kinds that name their documents otherwise."""

    params: Mapping[str, object]
    desk: Desk
    severity: Severity
    says: str = ""
    fix: str = ""
    sight: Sight | None = None
    name: str = ""

    def words(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty when it is not given."""
        given = self.params.get(name)
        return tuple(str(one) for one in given) if isinstance(given, list) else ()

    def hits(self) -> Iterator[Hit | Doubt]:
        """The values at `path` of this check's own document, of the records that fit `where`."""
        assert self.sight is not None
        return self.select(self.sight, str(self.params["path"]), self.params.get("where"))

    def each(self, code: str, should: str, wrong: Callable[[object], str]) -> Iterator[Deviation | Doubt]:
        """Every value at `path` on its own. wrong: what is wrong with it, "" for nothing; one that is not there is wrong as well."""
        for hit in self.hits():
            if isinstance(hit, Doubt):
                yield hit
            elif said := hit.value.why if isinstance(hit.value, Missing) else wrong(hit.value):
                yield self.found(code, hit, f"{said}; it should {should}")

    def select(self, sight: Sight, path: str, where: object) -> Iterator[Hit | Doubt]:
        """The values at the path, of the records that fit. A record of which that cannot be said is a Doubt."""
        predicates = [one for one in where if isinstance(one, dict)] if isinstance(where, list) else []
        for hit in hits(tree(sight).value, path):
            if isinstance(hit.value, Missing) and hit.key == "" and predicates:
                yield hit  # not even the records are there
                continue
            told = fits(hit.record, hit.key, predicates)
            if isinstance(told, str):
                yield Doubt(f"{sight.address}:{hit.label}", f"it cannot be said whether the rule is about it: {told}")
            elif told:
                yield hit

    def only(self, alias: str) -> Sight:
        """The one document of an alias. Raises: Blind."""
        sights = self.desk.get(alias, ())
        if len(sights) != 1:
            raise Blind(alias, f"it stands for {len(sights)} documents where one is compared")
        return sights[0]

    def found(self, code: str, hit: Hit, message: str, sight: Sight | None = None) -> Deviation:
        """A deviation at a value, with its place."""
        of = sight or self.sight
        if of is None:  # a word that the check itself names
            return self._told(code, hit.label, f"{hit.label}: {message}")
        place = of.seen.place(hit.loc) if isinstance(of.seen, Tree) else of.address
        return self._told(code, f"{of.address}:{hit.label}", f"{place}: {hit.label or 'the document'}: {message}")

    def noted(self, code: str, what: str, message: str, line: int = 0) -> Deviation:
        """A deviation of a whole text or file. what: a stable name of what is wrong with it; line: where, when that is known."""
        assert self.sight is not None
        place = f"{self.sight.address}:{line}:1" if line else self.sight.address
        return self._told(code, f"{self.sight.address}:{what}", f"{place}: {message}")

    def _told(self, code: str, subject: str, message: str) -> Deviation:
        says = f" ({self.says})" if self.says else ""
        return Deviation(code, f"{subject}#{self.name}" if self.name else subject, self.severity, message + says, self.fix)


Run = Callable[[Asked], Iterator[Deviation | Doubt]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of check. name: its file's. doc: its documentation. codes: code -> what a finding of that code says.

    one_of: parameters of which at least one is given.
    """

    name: str
    doc: str
    params: Mapping[str, Param]
    codes: Mapping[str, str]
    run: Run
    one_of: tuple[str, ...] = ()

    @property
    def shape(self) -> KindShape:
        """What contracts are checked against."""
        return KindShape(self.params, tuple(self.codes), self.one_of)


def tree(sight: Sight) -> Tree:
    """The parsed document. Raises: Blind when there is none."""
    if isinstance(sight.seen, Tree):
        return sight.seen
    raise Blind(
        sight.address, sight.seen.reason if isinstance(sight.seen, Unavailable) else "it was read as text, not as a document"
    )


def prose(sight: Sight) -> str:
    """The text. Raises: Blind when there is none."""
    if isinstance(sight.seen, Prose):
        return sight.seen.text
    raise Blind(sight.address, sight.seen.reason if isinstance(sight.seen, Unavailable) else "it was not read as text")
