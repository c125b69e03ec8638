"""Receipts: an in-toto Statement v1 in a DSSE envelope, each naming the one before it."""

from collections.abc import Mapping
from dataclasses import dataclass

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
