"""What docker says: by its command line, or by its socket for what that cannot ask."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from .place import at
from .refused import Json, Refused
from .tools import MAX_OUTPUT, Ran, run
from .units import active


def docker(*argv: str, seconds: float = 120, check: bool = True, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ran:
    return run(["docker", *argv], seconds=seconds, check=check, stdin=stdin, env=env)


class Engine(http.client.HTTPConnection):
    """dockerd by its own socket: what the command line cannot ask for one thing by its id."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(at("/var/run/docker.sock"))


def engine(method: str, path: str, query: Mapping[str, str] | None = None, *, seconds: float = 120) -> tuple[int, Any]:
    """Status and JSON of one request. Raises: Refused when the engine does not answer."""
    cannot = f"ask the engine {method} {path}"
    if not active("docker.service"):
        raise Refused("precondition", cannot, "docker does not run", "start docker, then look again")
    with contextlib.closing(Engine("docker", timeout=seconds)) as link:
        try:
            link.request(method, path + (f"?{urlencode(query)}" if query else ""), headers={"Content-Length": "0"})
            response = link.getresponse()
            raw = response.read(MAX_OUTPUT + 1)
            if len(raw) > MAX_OUTPUT:
                raise Refused("tool-failed", cannot, f"it answered more than {MAX_OUTPUT} bytes")
            return response.status, json.loads(raw) if raw.strip() else None
        except (OSError, http.client.HTTPException, ValueError) as why:
            raise Refused("tool-failed", cannot, f"{type(why).__name__}: {why}") from None


def asked(path: str, query: Mapping[str, str] | None = None) -> Any:
    status, body = engine("GET", path, query)
    if status != 200:
        raise Refused("tool-failed", f"ask the engine for {path}", said_by(status, body))
    return body


def said_by(status: int, body: Any) -> str:
    return f"it answered {status}: {str((body or {}).get('message', '') if isinstance(body, dict) else '')[:600]}"


def docker_root() -> str | None:
    """The live DockerRootDir, None when the daemon does not answer. Never wakes a stopped daemon through its socket unit."""
    if not active("docker.service"):
        return None
    ran = docker("info", "--format", "{{json .DockerRootDir}}", check=False, seconds=60)
    found = json.loads(ran.text) if ran.code == 0 else None
    return found if isinstance(found, str) and found else None


def inspect(name: str) -> Json | None:
    ran = docker("container", "inspect", name, check=False)
    if ran.code != 0:
        if "no such container" in ran.said.lower():
            return None
        raise Refused("tool-failed", f"inspect container {name}", ran.said)
    found: Json = json.loads(ran.out)[0]
    return found


def demand_container(name: str) -> Json:
    found = inspect(name)
    if found is None:
        raise Refused("precondition", f"use container {name}", "there is none of that name")
    return found


def containers() -> list[Json]:
    """Every container's inspect document."""
    ids = docker("ps", "-aq", "--no-trunc").text.split()
    return list(json.loads(docker("container", "inspect", *ids).out)) if ids else []


def name_of(container: Json) -> str:
    return str(container["Name"]).lstrip("/")


def mounted_at(container: Json, destination: str) -> Json | None:
    for one in container["Mounts"]:
        if os.path.normpath(one["Destination"]) == os.path.normpath(destination):
            return dict(one)
    return None


def volume_path(name: str) -> str | None:
    ran = docker("volume", "inspect", name, check=False)
    return str(json.loads(ran.out)[0]["Mountpoint"]) if ran.code == 0 else None


def volume_device(name: str) -> str | None:
    """The directory a local volume is bound to by its own options; None for one that docker keeps itself."""
    ran = docker("volume", "inspect", name, check=False)
    found = json.loads(ran.out)[0] if ran.code == 0 else {}
    options = found.get("Options") or {}
    bound = found.get("Driver") == "local" and options.get("type") == "none" and "bind" in options.get("o", "").split(",")
    return str(options["device"]) if bound and options.get("device") else None


def setting(container: Json, name: str) -> str | None:
    """An environment variable of the container's configuration."""
    for one in container["Config"].get("Env") or []:
        key, _, value = one.partition("=")
        if key == name:
            return str(value)
    return None


DAEMON_JSON = "/etc/docker/daemon.json"
