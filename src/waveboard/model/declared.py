"""A gate as the operator declares it: the documents it needs, its checks, and the violation it must see in every run.

Read by `contracts`, turned into a Gate by `gates`; judges nothing here. Kinds of check are known by name only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from waveboard.model.document import CommandAsk, FileAsk
from waveboard.model.finding import Severity
from waveboard.model.place import Place


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a kind of check. type: alias | path | paths | text | texts | value | values | pattern | number | integer |
    flag | where | source | shape | word (one of `words`). words, of an alias: how its document must be read: tree, text or command."""

    type: str
    required: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KindShape:
    """What one kind of check takes, which codes its findings carry, and of which parameters at least one is given."""

    params: Mapping[str, Param]
    codes: tuple[str, ...]
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Need:
    """A document by its alias. form: yaml | json | text | table. pattern: how a table is read out of a text. ok_exits: after
    which of them what a command printed is a document.
    """

    alias: str
    ask: FileAsk | CommandAsk
    form: str
    pattern: str = ""
    ok_exits: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One check as written. says: what it stands for, in the operator's words. name: keeps its findings apart from another check's."""

    kind: str
    params: Mapping[str, object]
    says: str = ""
    severity: Severity | None = None
    place: Place | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """One change planted in a copy of a document. set, append: path -> value; replace: text -> text; add: at the end of a text."""

    doc: str
    set: Mapping[str, object] = field(default_factory=dict)
    append: Mapping[str, object] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    replace: Mapping[str, str] = field(default_factory=dict)
    add: str = ""
    exit: int | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Planted:
    """Patches, and the codes the gate must then say (none: it must say nothing new)."""

    about: str
    patches: tuple[Patch, ...]
    expect: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeclaredGate:
    """One gate file."""

    id: str
    title: str
    severity: Severity
    ring: str
    why: str
    fix: str
    needs: tuple[Need, ...]
    checks: tuple[CheckSpec, ...]
    violations: tuple[Planted, ...]
    lookalike: Planted
    place: Place | None = None
