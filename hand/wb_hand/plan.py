"""A plan as this host keeps it, and who this host is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from .documents import parse_json
from .files import read_or_none, text_of
from .grammar import HOST, NAME, demand_keys, word
from .place import STATE
from .refused import Json, Refused


class Identity(NamedTuple):
    instance: str
    hostname: str
    machine_id: str


def identity() -> Identity:
    raw = read_or_none("/etc/waveboard/hand.json")
    if raw is None:
        raise Refused("not-installed", "act", "/etc/waveboard/hand.json is absent", "install the hand on this host")
    settings = parse_json(raw, "/etc/waveboard/hand.json")
    demand_keys(settings, {"instance": word(NAME), "hostname": word(HOST)}, "/etc/waveboard/hand.json")
    machine = text_of("/etc/machine-id")
    if not re.fullmatch(r"[0-9a-f]{32}", machine):
        raise Refused("not-installed", "act", "/etc/machine-id holds no machine id")
    return Identity(settings["instance"], settings["hostname"], machine)


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
