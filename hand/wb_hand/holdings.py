"""What a service holds, as one digest to compare before and after, and that a directory is really its own."""

from __future__ import annotations

import os
import struct

from .docker import demand_container
from .docker_life import wait_for
from .documents import dumped
from .files import sha_of
from .place import at
from .postgres import postgres_directory, postgres_holds
from .redis import redis_holds
from .refused import Json, Refused
from .s3 import S3Access, s3_holds


def digest_service(name: str, engine: str, s3: S3Access | None = None) -> Json | None:
    """The service's own answer to "what do you hold": {"digest", …counts}. None where only files can be compared."""
    found = demand_container(name)
    if not found["State"]["Running"]:
        raise Refused("precondition", f"read {name}", "it is not running")
    if engine == "postgres":
        held = postgres_holds(found)
    elif engine == "redis":
        held = redis_holds(found)
    elif engine == "s3" and s3 is not None:
        held = s3_holds(found, s3)
    else:
        return None
    return {**held.pop("summary"), "digest": sha_of(dumped(held).encode())}


def ready_digest(name: str, engine: str, s3: S3Access | None = None, seconds: float = 120) -> Json | None:
    """The same once the service is ready: it may need a moment after its start."""
    answer: list[Json | None] = []

    def ask() -> bool:
        answer.append(digest_service(name, engine, s3))
        return True

    wait_for(f"{name} ready", seconds, ask)
    return answer[-1]


def demand_marker(tree: str, engine: str) -> Json:
    """The engine's own files are there and at rest, so that it cannot begin afresh. Raises: Refused."""
    cannot = f"take {tree} for {engine}'s data at rest"
    if engine == "postgres":
        home = postgres_directory(tree)
        if home is None:
            raise Refused("precondition", cannot, "it holds no PG_VERSION and pg_control")
        # struct ControlFileData: uint64 system identifier, two uint32 versions, enum DBState (1 = shut down)
        with open(at(f"{home}/global/pg_control"), "rb") as file:
            system, _, _, state = struct.unpack("=QIII", file.read(20))
        if state != 1 or os.path.exists(at(f"{home}/postmaster.pid")):
            raise Refused("precondition", cannot, f"pg_control says state {state}, not 1 (shut down), or postmaster.pid is there")
        return {"engine": engine, "system_identifier": str(system)}
    names = os.listdir(at(tree))
    if engine == "redis" and not any(name.endswith(".rdb") or name.startswith("appendonly") for name in names):
        raise Refused("precondition", cannot, "it holds neither a dump nor an append-only file")
    if not names:
        raise Refused("precondition", cannot, "it is empty")
    return {"engine": engine, "names": len(names)}
