"""The board: where everything stands at one instant, from receipts, registers and contracts. A value; knows no layout."""

from dataclasses import dataclass
from datetime import datetime

from waveboard.model.contract import Pack, WaveSpec


@dataclass(frozen=True, slots=True)
class Told:
    """One run with its key and what it came to, in a line."""

    run_key: str
    at: datetime
    result: str


@dataclass(frozen=True, slots=True)
class Cause:
    """A root cause: a cluster of the findings map. observed: which of its STOR ids the newest runs still show; None: nobody looked.
    unseen: those of which the newest runs cannot tell, each with its reason."""

    id: str
    title: str
    stor: tuple[str, ...]
    gaps: tuple[str, ...]
    loop: str
    observed: tuple[str, ...] | None
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Producer:
    """What brings deviations back until it is mended, and the gaps it stands behind."""

    name: str
    gaps: tuple[str, ...]
    open: tuple[str, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Closing:
    """A wave's newest closeout. failing: the conditions that did not hold then, each with what was seen."""

    run_key: str
    at: datetime
    outcome: str
    failing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WaveRow:
    """One wave: as it is written, where it stands, who has it, how it was closed. prompt: what a worker would be told."""

    spec: WaveSpec
    state: str
    worker: str
    closing: Closing | None
    prompt: str


@dataclass(frozen=True, slots=True)
class Board:
    """Everything, in the order of the specification's sections. chain: how many receipts, and the digest of the last."""

    name: str
    owner: str
    at: datetime
    contract: str
    chain: tuple[int, str]
    packs: tuple[Pack, ...]
    verified: tuple[Told, ...]
    said: tuple[Told, ...]
    open_loops: tuple[str, ...]
    open_gaps: tuple[str, ...]
    causes: tuple[Cause, ...]
    producers: tuple[Producer, ...]
    waves: tuple[WaveRow, ...]
    items: tuple[str, ...]
