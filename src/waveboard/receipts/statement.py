"""Receipt <-> in-toto Statement v1 <-> canonical bytes.

It neither signs nor links: `envelope` signs, `chain` links. What it cannot read exactly it refuses.
"""

import re
from collections.abc import Mapping

from waveboard.model import canonical
from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import STATEMENT_TYPE, Actor, ActorKind, Receipt, Statement, Subject
from waveboard.model.units import RUN_KEY, exact_instant, instant_text
from waveboard.receipts import envelope

SCHEMA = "waveboard.receipt/1"
KIND = re.compile(r"[a-z][a-z0-9.-]{0,63}")
HEX = re.compile(r"[0-9a-f]{64}")
_INSTANCE = re.compile(r"[\x21-\x7e]{1,128}")
_ACTOR_KINDS = {kind.value: kind for kind in ActorKind}
_FIELDS = {"schema", "kind", "run_key", "seq", "prev", "instance", "actor", "at", "four_eyes", "body"}
_TEXT = r"[ !#-\[\]-~]+"  # what JSON spells as it is
_ONE = rf'\{{"digest":\{{"sha256":"({HEX.pattern})"\}},"name":"({_TEXT})"\}}'
_SUBJECT = re.compile(_ONE)
_PLAIN = re.compile(  # the canonical form of a statement of such texts
    rf'\{{"_type":"{re.escape(STATEMENT_TYPE)}","predicate":\{{"actor":\{{"kind":"(human|agent|machine)","principal":"({_TEXT})"\}},'
    rf'"at":"([0-9TZ:-]{{20}})","body":(\{{.*\}}),"four_eyes":(true|false),"instance":"([!#-\[\]-~]{{1,128}})","kind":"({KIND.pattern})",'
    rf'"prev":"({HEX.pattern})","run_key":"({RUN_KEY.pattern.strip("^$")})","schema":"{re.escape(SCHEMA)}","seq":([1-9][0-9]{{0,14}})\}},'
    rf'"predicateType":"https://waveboard\.dev/receipt/(?:\7)/v1","subject":\[({_ONE}(?:,{_ONE})*)\]\}}'
)


def predicate_type(kind: str) -> str:
    """`https://waveboard.dev/receipt/<kind>/v1`."""
    return f"https://waveboard.dev/receipt/{kind}/v1"


def build(receipt: Receipt) -> Statement:
    """The statement that says what the receipt says."""
    predicate = {
        "schema": SCHEMA,
        "kind": receipt.kind,
        "run_key": receipt.run_key,
        "seq": receipt.seq,
        "prev": receipt.prev,
        "instance": receipt.instance,
        "actor": {"principal": receipt.actor.principal, "kind": receipt.actor.kind.value},
        "at": instant_text(receipt.at),
        "four_eyes": receipt.four_eyes,
        "body": receipt.body,
    }
    return Statement(receipt.subjects, predicate_type(receipt.kind), predicate)


def to_bytes(statement: Statement) -> bytes:
    """Canonical bytes: what gets signed. Raises: ReceiptError when from_bytes would not accept them."""
    value = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": s.name, "digest": {"sha256": s.sha256}} for s in statement.subjects],
        "predicateType": statement.predicate_type,
        "predicate": statement.predicate,
    }
    try:
        raw = canonical.encode(value)
    except ValueError as error:
        raise _bad(str(error)) from None
    receipt_of(from_bytes(raw))
    return raw


def from_bytes(raw: bytes) -> Statement:
    """The statement written in `raw`. Raises: ReceiptError."""
    try:
        value = canonical.decode(raw)
    except ValueError as error:
        raise _bad(str(error)) from None
    if not isinstance(value, dict) or set(value) != {"_type", "subject", "predicateType", "predicate"}:
        raise _bad("it is not an in-toto Statement v1")
    kind, predicate = value["predicateType"], value["predicate"]
    if value["_type"] != STATEMENT_TYPE or not isinstance(kind, str) or not isinstance(predicate, dict):
        raise _bad("it is not an in-toto Statement v1")
    return Statement(_subjects(value["subject"]), kind, predicate)


def receipt_of(statement: Statement) -> Receipt:
    """The receipt a statement carries. Raises: ReceiptError naming the field that does not fit."""
    p = statement.predicate
    if set(p) != _FIELDS or p["schema"] != SCHEMA:
        raise _bad(f"its predicate is not {SCHEMA}")
    kind, seq, body = p["kind"], p["seq"], p["body"]
    if not isinstance(kind, str) or not KIND.fullmatch(kind) or statement.predicate_type != predicate_type(kind):
        raise _bad("kind and predicateType do not agree")
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
        raise _bad("seq does not count from 1")
    if not isinstance(body, dict):
        raise _bad("body is not an object")
    if not isinstance(p["four_eyes"], bool):
        raise _bad("four_eyes is neither true nor false")
    try:
        at = exact_instant(p["at"])
    except ValueError as error:
        raise _bad(f"at is {error}") from None
    return Receipt(
        kind=kind,
        run_key=_matching(p, "run_key", RUN_KEY),
        instance=_matching(p, "instance", _INSTANCE),
        actor=_actor(p["actor"]),
        at=at,
        four_eyes=p["four_eyes"],
        subjects=statement.subjects,
        body=body,
        seq=seq,
        prev=_matching(p, "prev", HEX),
    )


def read(raw: bytes) -> Receipt:
    """The receipt written in `raw`: what receipt_of(from_bytes(raw)) gives, sooner. Raises: ReceiptError as they do.

    One pattern is parser and canonical check of all but the body. What it does not match is left to them: texts with escapes or
    letters outside ASCII, and everything that is wrong.
    """
    try:
        found = _plain(raw)
    except ValueError:  # not UTF-8, a body in no canonical form, no instant
        found = None
    return found or receipt_of(from_bytes(raw))


def enclosed(raw: bytes) -> Receipt:
    """The receipt in an envelope's file bytes; whether its signature holds is not asked here. Raises: ReceiptError."""
    return read(envelope.from_bytes(raw).payload)


def _plain(raw: bytes) -> Receipt | None:
    match = _PLAIN.fullmatch(raw.decode()) if len(raw) <= canonical.LIMIT else None
    if not match:
        return None
    actor, principal, at, body, four_eyes, instance, kind, prev, run_key, seq, subjects = match.groups()[:11]
    named = {name: Subject(name, digest) for digest, name in _SUBJECT.findall(subjects)}
    told = canonical.decode(body.encode(), depth=canonical.DEPTH - 2)  # it stands in two objects
    if len(named) != subjects.count('{"digest":{') or not isinstance(told, dict):
        return None
    who = Actor(principal, _ACTOR_KINDS[actor])
    return Receipt(
        kind, run_key, instance, who, exact_instant(at), four_eyes == "true", tuple(named.values()), told, int(seq), prev
    )


def _subjects(value: object) -> tuple[Subject, ...]:
    if not isinstance(value, list) or not value:
        raise _bad("it has no subject")
    found: dict[str, Subject] = {}
    for item in value:
        digest = item.get("digest") if isinstance(item, dict) and set(item) == {"name", "digest"} else None
        hexed = digest.get("sha256") if isinstance(digest, dict) and len(digest) == 1 else None
        if not isinstance(hexed, str) or not HEX.fullmatch(hexed) or not isinstance(item["name"], str) or not item["name"]:
            raise _bad("a subject is not a name with one sha256")
        if item["name"] in found:
            raise _bad("two subjects have the same name")
        found[item["name"]] = Subject(item["name"], hexed)
    return tuple(found.values())


def _matching(predicate: Mapping[str, object], field: str, pattern: re.Pattern[str]) -> str:
    value = predicate[field]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _bad(f"{field} has not its form")
    return value


def _actor(value: object) -> Actor:
    if isinstance(value, dict) and set(value) == {"principal", "kind"}:
        principal, kind = value["principal"], value["kind"]
        if isinstance(principal, str) and principal and isinstance(kind, str) and kind in _ACTOR_KINDS:
            return Actor(principal, _ACTOR_KINDS[kind])
    raise _bad("actor is not a principal with a kind")


def _bad(because: str) -> ReceiptError:
    return ReceiptError("read a receipt statement", because)
