"""A plan as this host keeps it, and who this host is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .documents import parse_json
from .files import read_or_none, text_of
from .grammar import HOST, NAME, Check, content, demand_keys, integer, list_of, truth, word
from .place import STATE
from .refused import Json, Refused


def is_people(value: Any) -> bool:
    """Principal -> the other names this person goes by, as waveboard.yaml's `approvals.people`."""
    if not isinstance(value, dict):
        return False
    return all(content(200)(key) and list_of(content(200), 100)(names) for key, names in value.items())


class Identity(NamedTuple):
    instance: str
    hostname: str
    machine_id: str
    people: Mapping[str, Sequence[str]]
    quorum: int
    four_eyes: bool

    def person(self, name: str) -> str:
        """The person who goes by that name, case aside; the name itself when it is nobody's that root of this host has named."""
        wanted = name.casefold()
        for principal, names in self.people.items():
            if wanted in {one.casefold() for one in (principal, *names)}:
                return principal.casefold()
        return wanted


SETTINGS: Mapping[str, Check] = {
    "instance": word(NAME),
    "hostname": word(HOST),
    "people": is_people,
    "quorum": integer(1, 20),
    "four_eyes": truth,
}


def identity() -> Identity:
    """What root of this host wrote down. One person alone counts for two only where root said so: four_eyes is true unless it is false."""
    raw = read_or_none("/etc/waveboard/hand.json")
    if raw is None:
        raise Refused("not-installed", "act", "/etc/waveboard/hand.json is absent", "install the hand on this host")
    settings = {"people": {}, "quorum": 1, "four_eyes": True, **parse_json(raw, "/etc/waveboard/hand.json")}
    demand_keys(settings, SETTINGS, "/etc/waveboard/hand.json")
    machine = text_of("/etc/machine-id")
    if not re.fullmatch(r"[0-9a-f]{32}", machine):
        raise Refused("not-installed", "act", "/etc/machine-id holds no machine id")
    told = settings["people"], settings["quorum"], settings["four_eyes"]
    return Identity(settings["instance"], settings["hostname"], machine, *told)


@dataclass(frozen=True)
class Opened:
    """A plan as this host keeps it."""

    digest: str
    body: Json
    host: str

    @property
    def short(self) -> str:
        return self.digest[7:15]

    @property
    def directory(self) -> str:
        return f"{STATE}/plans/{self.digest[7:]}"

    @property
    def steps(self) -> list[Json]:
        """This host's steps, in order."""
        return [one for one in self.body["steps"] if one["host"] == self.host]

    def step(self, name: str) -> Json:
        for one in self.steps:
            if one["id"] == name:
                return one
        raise Refused("unknown-step", f"find step {name!r}", "the plan has no such step for this host")
