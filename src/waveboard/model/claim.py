"""A worker's claim beside what was observed: mutations, sentences and their verdicts. Judges nothing by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


@dataclass(frozen=True, slots=True)
class Mutation:
    """One thing on one host that is no longer as it was. before, after: what it was and is, "" for absent.

    kind: file | mount | swap | device | docker-root | container | volume | image | build-cache | redis | large-file | software |
    reboot | machine. subject: its stable name: a path, a container's name, an image's id.
    """

    host: str
    kind: str
    subject: str
    before: str
    after: str

    @property
    def name(self) -> str:
        """`host kind:subject`: what a claim calls it."""
        return f"{self.host} {self.kind}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that differs between two readings of one host. unseen: what could not be compared, and why."""

    host: str
    mutations: tuple[Mutation, ...]
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One wave given to one worker for a time. baseline: host -> digest of the bundle read just before; files: the workspace's
    files as they were, path -> sha256; prompt: digest of the text the worker was given; plan: "" when none was approved yet."""

    task: str
    wave: str
    worker: str
    by: str
    issued_at: datetime
    expires_at: datetime
    prompt: str
    plan: str
    contract: str
    baseline: Mapping[str, str]
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Declared:
    """One mutation the worker says was made: host and `kind:subject`."""

    host: str
    subject: str

    @property
    def name(self) -> str:
        """Spelt as Mutation.name."""
        return f"{self.host} {self.subject}"


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence of a claim. condition: what would have to hold, in the language of wave conditions; "" when it names none."""

    text: str
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Pasted:
    """Output that the worker hands in as evidence: which probe of which host, and its text."""

    host: str
    probe: str
    output: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker hands in. status: done | failed | blocked. files_changed: `path` of the workspace or `host:path`."""

    task: str
    worker: str
    wave: str
    status: str
    ready_for_verify: bool
    at: datetime
    files_changed: tuple[str, ...]
    run_keys: tuple[str, ...]
    blockers: tuple[str, ...]
    actions: tuple[Declared, ...] = ()
    statements: tuple[Said, ...] = ()
    evidence: tuple[Pasted, ...] = ()


class Support(Enum):
    """What machine evidence says of a sentence. unsupported: nothing carries it, nothing speaks against it."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class Judged:
    """One sentence with its verdict and the evidence for it."""

    sentence: str
    support: Support
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Claim against reality. undeclared: observed, not declared; unfound: declared, not observed; outside: observed on a host the
    wave may not change; unseen: what could not be compared, so that nothing is said about it."""

    sentences: tuple[Judged, ...]
    declared: tuple[str, ...]
    observed: tuple[Mutation, ...]
    undeclared: tuple[Mutation, ...]
    unfound: tuple[str, ...]
    outside: tuple[Mutation, ...]
    unseen: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Every sentence is supported, both lists agree, nothing happened outside the scope and nothing was out of sight."""
        agreed = not (self.undeclared or self.unfound or self.outside or self.unseen)
        return agreed and all(j.support is Support.SUPPORTED for j in self.sentences)
