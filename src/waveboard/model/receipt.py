"""Receipts: an in-toto Statement v1 in a DSSE envelope, each naming the one before it. docs/receipts.md has the bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a receipt is about: a name and its sha256 (hex, no prefix)."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Statement:
    """predicate_type: https://waveboard.dev/receipt/<kind>/v1. predicate: JSON-ready; holds `run_key`, `seq`, `prev`."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Signature:
    """keyid: hex sha256 of the raw public key; sig: raw 64 bytes."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """DSSE v1. payload: the exact signed bytes; never re-serialised before verifying."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]


class ActorKind(Enum):
    """What sort of principal acted. Only a human's signature ever approves."""

    HUMAN = "human"
    AGENT = "agent"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who caused a receipt."""

    principal: str
    kind: ActorKind


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands: how many receipts it has and the sha256 (hex) of the last one's file bytes."""

    seq: int
    sha256: str


GENESIS = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One thing that happened, as its predicate tells it.

    kind: audit, verify, plan, approval, admission, step, undo, closeout, retire …; body: kind-specific, JSON-ready, integers
    only; four_eyes: whether the instance asks that approver, proposer and applier differ. seq 0: not yet in a chain.
    """

    kind: str
    run_key: str
    instance: str
    actor: Actor
    at: datetime
    four_eyes: bool
    subjects: tuple[Subject, ...]
    body: Mapping[str, object]
    seq: int = 0
    prev: str = GENESIS.sha256


@dataclass(frozen=True, slots=True)
class CloseoutItem:
    """One of the seven items of the specification's section 7: what is said, and the digests ("sha256:…") it rests on."""

    entries: tuple[Mapping[str, str], ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Closeout:
    """What a wave returns. plan: its digest, "" for a wave without one; outcome: done | rolled-back | halted; items: the seven,
    by name (receipts/closeout.py).
    """

    wave: str
    plan: str
    outcome: str
    items: Mapping[str, CloseoutItem]
