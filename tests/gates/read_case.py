"""Cases as data: a YAML document -> facts, policies and a fleet. Decodes by the nouns' own types; knows no gate.

Shorthand: a Sourced may be its bare value; a Mapping of frozen nouns is a YAML mapping; enums are their values.
"""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from waveboard.gates import seeds
from waveboard.gates.gate import Fleet
from waveboard.model import contract as contracts
from waveboard.model import facts as nouns
from waveboard.model import graph
from waveboard.model.evidence import Identity

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = contracts.Place("case.yaml")


def decode(kind: Any, value: Any) -> Any:
    """The value as that type. Raises: TypeError when it does not fit, so that a case cannot say what nobody reads."""
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any or kind is object:
        return value
    if origin in (Union, types.UnionType):
        return None if value is None else decode(next(one for one in inside if one is not types.NoneType), value)
    if origin is contracts.Sourced:
        return contracts.Sourced(decode(inside[0], value), PLACE)
    if origin is Sequence:
        return tuple(decode(inside[0], one) for one in value)
    if origin is tuple:
        if inside[-1] is Ellipsis:
            return tuple(decode(inside[0], one) for one in value)
        return tuple(decode(one, item) for one, item in zip(inside, value, strict=True))
    if origin is frozenset:
        return frozenset(value)
    if origin in (Mapping, dict):
        return {key: decode(inside[1], item) for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):  # a record, or a row
        return _noun(kind, value)
    if not isinstance(value, int | float if kind is float else kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r} is no {kind}")
    return value


def _noun(kind: Any, value: Mapping[str, Any]) -> Any:
    hints = get_type_hints(kind)
    unknown = set(value) - set(hints)
    if unknown:
        raise TypeError(f"{kind.__name__} has no {sorted(unknown)}")
    filled = {name: decode(hints[name], item) for name, item in value.items()}
    for name in _required(kind):
        if name not in filled:
            filled[name] = _blank(kind, name)
    return kind(**filled)


def _required(kind: Any) -> list[str]:
    if hasattr(kind, "_fields"):
        return [name for name in kind._fields if name not in kind._field_defaults]
    missing = dataclasses.MISSING
    return [one.name for one in dataclasses.fields(kind) if one.default is missing and one.default_factory is missing]


def _blank(kind: type, name: str) -> Any:
    """What a case need not write because no gate reads it."""
    blanks: dict[type, dict[str, Any]] = {
        nouns.Docker: {
            "root_dir": "/d",
            "driver": "overlay2",
            "driver_status": {},
            "security_options": (),
            "version": "26",
            "live_restore": False,
        }
        | {"containers": (), "volumes": ()},
        nouns.Container: {"id": "c", "image": "i", "image_id": "i", "state": "running", "pid": 1, "labels": {}, "mounts": ()},
        nouns.Volume: {"driver": "local", "mountpoint": "/m", "options": {}, "labels": {}},
        nouns.Mount: {"mount_id": 1, "parent_id": 0, "devno": "8:1", "root": "/", "options": (), "fstype": "ext4", "source": ""}
        | {"super_options": ()},
        nouns.FilesystemUsage: {"source": "/dev/sda1", "target": "/", "size_bytes": 0},
        graph.Placement: {"path": "/p", "mount_target": "/", "mount_source": "/dev/x", "mount_fstype": "ext4", "chain": ()}
        | {"disks": (), "boot": None, "confidence": graph.Confidence.OBSERVED, "why": "as the case says"},
        graph.HostPlacements: {"boot_disks": ("sda",), "docker_root": None, "paths": {}, "containers": {}},
        contracts.StorFinding: {"title": "t", "wave": "W", "cluster": "c", "gaps": (), "loops": ()},
        contracts.Cluster: {"title": "t", "gaps": (), "loop": None},
    }
    return blanks[kind][name]


def read(path: Path) -> tuple[Fleet, dict[str, Any]]:
    """The fleet of a case and what it expects."""
    told = yaml.safe_load(path.read_text())
    known: dict[str, nouns.HostFacts | nouns.Unavailable] = {}
    policies: dict[str, contracts.HostPolicy] = {}
    for host, one in told["hosts"].items():
        if one.get("policy") is not None:
            policies[host] = decode(contracts.HostPolicy, {"host": host, **one["policy"]})
        if "unreachable" in one:
            known[host] = nouns.Unavailable(one["unreachable"])
            continue
        found = {kind: _fact(kind, value) for name, value in one.get("facts", {}).items() for kind in (_noun_named(name),)}
        identity = Identity(**{"machine_id": host, "host_key": f"SHA256:{host}", **one.get("identity", {})})
        at = datetime.fromisoformat(one["at"]) if "at" in one else AT
        known[host] = nouns.HostFacts(host, at, identity, one.get("bundle", "sha256:" + "1" * 64), found)
    base = seeds.many({})
    pack = dataclasses.replace(base.pack, hosts=tuple(told["hosts"]), **told.get("pack", {}))
    findings = decode(contracts.FindingsMap, told.get("map", {}))
    contract = dataclasses.replace(base.contract, policies=policies, findings=findings)
    return Fleet(pack, contract, known, AT), told["expect"]


def _noun_named(name: str) -> type:
    found = getattr(nouns, name, None) or getattr(graph, name)
    assert isinstance(found, type)
    return found


def _fact(kind: type, value: Any) -> object:
    if isinstance(value, dict) and set(value) == {"unavailable"}:
        return nouns.Unavailable(value["unavailable"])
    return decode(kind, value)
