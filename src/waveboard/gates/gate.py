"""What a gate is and what it may say. Holds no judgement and no verdict: those are the shelf's and evaluate's.

- A check yields what it saw and what it could not see; it never decides a verdict and never knows its mode.
- A noun that is missing raises MissingFact out of the check: what was yielded before stays, the rest is a Doubt.
- A threshold or rule that no contract gives is a Skip (nobody asked) or a Doubt (somebody asked half), never a default.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from waveboard.model.contract import Contract, HostPolicy, Pack
from waveboard.model.document import Papers
from waveboard.model.facts import HostFacts, Unavailable
from waveboard.model.finding import Finding, Severity

NO_PAPERS = Papers()
_NO_EVIDENCE = Unavailable("this run holds no evidence from it")
FLEET = "*"  # stands for the host of a deviation that belongs to the contracts or to the whole fleet


class Deviation(NamedTuple):
    """One violation as a check sees it; evaluate adds gate, host and evidence.

    code, subject: stable names without sizes, dates or example paths (they make the fingerprint). host: set only by checks
    that look at the whole fleet.
    """

    code: str
    subject: str
    severity: Severity
    message: str
    fix: str = ""
    measured: tuple[tuple[str, str], ...] = ()
    host: str = ""


class Doubt(NamedTuple):
    """Something that was to be judged and could not be seen: the gate is unknown unless it also failed."""

    subject: str
    reason: str
    host: str = ""


class Skip(NamedTuple):
    """Something no contract asks of this host. A check that yields one has judged nothing else of that host."""

    reason: str
    host: str = ""


Observation = Deviation | Doubt | Skip


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything one pack run knows. findings and doubts (gate, host, text) are those of the checks that ran before."""

    pack: Pack
    contract: Contract
    facts: Mapping[str, HostFacts | Unavailable]
    at: datetime
    findings: tuple[Finding, ...] = ()
    doubts: tuple[tuple[str, str, str], ...] = ()
    papers: Papers = NO_PAPERS

    def facts_of(self, host: str) -> HostFacts | Unavailable:
        """The host's facts, or why there are none."""
        return self.facts.get(host, _NO_EVIDENCE)


HostCheck = Callable[[HostFacts, HostPolicy], Iterator[Observation]]
FleetCheck = Callable[[Fleet], Iterator[Observation]]


@dataclass(frozen=True, slots=True)
class Canary:
    """A violation planted in built facts, and a clean case that looks like it. codes: those the gate must see."""

    seeded: Fleet
    codes: frozenset[str]
    lookalike: Fleet


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """One gate. hosts: asked of every host of the pack; fleet: asked once; closing: asked once, after every other gate.

    codes: code -> what a finding of that code says. needs: every noun its host checks may ask for. doc: its documentation.
    ring: which limit of time holds for it. A gate that judges documents and no hosts has no canary of built facts: it proves itself
    on the documents of the run (`prove` says why it cannot be trusted, "" when it can), and is no part of the picture of the hosts.
    """

    id: str
    title: str
    doc: str
    severity: Severity
    needs: tuple[type, ...]
    codes: Mapping[str, str]
    canary: Callable[[], Canary] | None
    hosts: tuple[HostCheck, ...] = ()
    fleet: tuple[FleetCheck, ...] = ()
    closing: tuple[FleetCheck, ...] = field(default=())
    ring: str = "standard"
    prove: Callable[[Fleet], str] | None = None


def identify(module: str) -> tuple[str, str]:
    """Id and title from a shelf file's name: `…d237_docker_root_budget` -> ("D237", "docker-root-budget")."""
    head, _, rest = module.rpartition(".")[2].partition("_")
    return head.upper(), rest.replace("_", "-")
