"""A W8B plan made by hand for the lab's mint-data, its approval, and the controller's part of the protocol."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import secrets
import subprocess
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

COMPOSE = "/opt/stacks/mint-data/docker-compose.yml"
CONTAINERS = ("mint-modules-minio", "mint-modules-redis", "mint-modules-postgres")


def line_edits(before: str, after: str) -> list[dict[str, Any]]:
    """Whole-line edits that turn one text into the other."""
    old, new = before.split("\n"), after.split("\n")
    found: list[dict[str, Any]] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "insert":
            found.append({"line": i1, "old": old[i1 - 1], "new": [old[i1 - 1], *new[j1:j2]]})
        elif tag != "equal":
            found += [{"line": i + 1, "old": old[i], "new": new[j1:j2] if i == i1 else []} for i in range(i1, i2)]
    return found


def sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def instant(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def step(name: str, verb: str, args: Mapping[str, Any], host: str = "mint-data", **more: Any) -> dict[str, Any]:
    made = {"id": name, "verb": verb, "host": host, "title": name, "args": dict(args), "reversibility": "restorable"}
    made |= {"commands": [], "undo_commands": [], "copy_bytes": 0, "downtime_s": 60, "loss_window_s": 0, "stops": []}
    return made | {"deletes": [], "evidence": [], "limit_s": 900, "attempts": 3} | more


def plan(steps: list[dict[str, Any]], *, instance: str, machine_id: str, kind: str = "wave", **more: Any) -> dict[str, Any]:
    pin = {"host": "mint-data", "machine_id": machine_id, "host_key": "SHA256:x", "evidence": sha("e"), "facts": sha("f")}
    made = {"schema": "waveboard.plan/1", "instance": instance, "wave": "W8B", "kind": kind, "title": "W8B", "steps": steps}
    made |= {"created_at": instant(0), "proposer": "agent-7", "contract": sha("c"), "gates": sha("g"), "hosts": [pin]}
    made |= {
        "read_only_hosts": ["mint-apps"],
        "not_before": instant(-5),
        "not_after": instant(90),
        "quorum": 1,
        "four_eyes": True,
    }
    made |= {"overrun": "rollback"} | more
    return {"slots": [{key: made[key] for key in ("not_before", "not_after")}]} | made


def message(made: Mapping[str, Any], text: str, principal: str, **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "schema": "waveboard.approval/1",
        "instance": made["instance"],
        "plan": sha(text),
        "wave": made["wave"],
    }
    said |= {"hosts": sorted(pin["host"] for pin in made["hosts"]), "principal": principal, "nonce": secrets.token_hex(16)}
    said |= {"not_before": made["not_before"], "not_after": made["not_after"], "max_uses": 1}
    said |= {"deletes": [path for one in made["steps"] for path in one["deletes"]]}
    said |= {"downtime_s": sum(one["downtime_s"] for one in made["steps"])}
    return said | more


def sign(text: str, key: Path, namespace: str = "waveboard-approval@v1") -> str:
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace]
    environment = {**os.environ, "SSH_AUTH_SOCK": ""}
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=True, timeout=20, env=environment).stdout


def approve(made: Mapping[str, Any], text: str, key: Path, principal: str, **more: Any) -> dict[str, str]:
    said = canonical(message(made, text, principal, **more))
    return {"message": said, "signature": sign(said, key)}


class Controller:
    """Sends one plan's requests; `ask` is a transport: request -> answer."""

    def __init__(self, ask: Any, made: Mapping[str, Any], approvals: list[dict[str, str]], fence: int = 1) -> None:
        self.ask, self.made, self.text, self.approvals, self.fence = ask, made, canonical(made), approvals, fence
        self.digest = sha(self.text)

    def open(self) -> dict[str, Any]:
        request = {"op": "open", "plan": self.digest, "text": self.text, "approvals": self.approvals, "fence": self.fence}
        return dict(self.ask(request))

    def start(self, op: str, name: str, attempt: int = 1) -> dict[str, Any]:
        return dict(self.ask({"op": op, "plan": self.digest, "step": name, "attempt": attempt, "fence": self.fence}))

    def status(self, op: str, name: str, attempt: int = 1) -> dict[str, Any]:
        return dict(self.ask({"op": "status", "plan": self.digest, "step": name, "phase": op, "attempt": attempt}))

    def holds(self, name: str) -> tuple[str, list[str]]:
        told = self.ask({"op": "holds", "plan": self.digest, "step": name})
        assert told["ok"], told
        return told["holds"], told["reasons"]

    def wait(self, op: str, name: str, attempt: int = 1, seconds: float = 300) -> dict[str, Any]:
        """The outcome, or the last status when there is none."""
        deadline = time.monotonic() + seconds
        while True:
            told = self.status(op, name, attempt)
            assert told["ok"], told
            if told["state"] not in ("running", "absent") or time.monotonic() > deadline:
                return told
            time.sleep(0.3)

    def run(self, op: str, name: str, attempt: int = 1) -> dict[str, Any]:
        told = self.start(op, name, attempt)
        assert told.get("ok"), told
        return self.wait(op, name, attempt)

    def close(self, result: str) -> dict[str, Any]:
        return dict(self.ask({"op": "close", "plan": self.digest, "fence": self.fence, "result": result}))


def w8b_steps(root_run: Any) -> list[dict[str, Any]]:
    """The six steps, from what the host is now. root_run(command) -> stdout text."""
    filesystem = str(uuid.uuid4())
    mount = {"target": "/mnt/data", "uuid": filesystem}
    inspected = json.loads(root_run("docker inspect $(docker ps -aq)"))
    redis = next(one for one in inspected if one["Name"] == "/mint-modules-redis")
    volumes = root_run("docker volume ls -q").split()
    compose = root_run(f"cat {COMPOSE}")
    daemon = root_run("cat /etc/docker/daemon.json")
    size = int(root_run("lsblk -bdno SIZE /dev/sdb"))
    expected = [{"id": one["Id"], "name": one["Name"].lstrip("/"), "running": one["State"]["Running"]} for one in inspected]
    root_move = {
        "src": "/var/lib/docker",
        "dst": "/mnt/data/docker",
        "dst_mount": mount,
        "daemon_json_before_sha256": sha(daemon),
        "daemon_json_after": canonical(json.loads(daemon) | {"data-root": "/mnt/data/docker"}) + "\n",
        "containerd": True,
        "stop_containers": list(CONTAINERS),
        "start_order": list(reversed(CONTAINERS)),
        "services": [
            {"container": "mint-modules-postgres", "engine": "postgres"},
            {"container": "mint-modules-redis", "engine": "redis"},
        ],
        "writers": "stopped",
        "expected": {"containers": expected, "volumes": volumes},
    }
    mount_args = {"uuid": filesystem, "target": "/mnt/data", "fstype": "ext4"}
    mount_args |= {
        "options": "defaults,noatime,nofail,x-systemd.device-timeout=180s",
        "docker_dropin": True,
        "containerd_dropin": False,
    }
    disk = {
        "serial": "mint-data-data",
        "by_id": None,
        "size_bytes": size,
        "fstype": "ext4",
        "label": "mint-data",
        "uuid": filesystem,
    }

    def relocate(
        service: str, engine: str, source: Mapping[str, str], path: str, old: str, new: list[str], s3: Any = None
    ) -> Any:
        nonlocal edited_by
        number = lines.index(old) + 1
        made = {"container": f"mint-modules-{service}", "engine": engine, "project": "mint-data", "service": service}
        made |= {"compose_file": COMPOSE, "compose_before_sha256": sha(compose), "compose_edited_by": edited_by}
        made |= {"compose_edits": [{"line": number, "old": old, "new": new}], "source": source, "s3": s3}
        made |= {"dst": f"/mnt/data/mint-data/{service}", "dst_mount": mount, "data_path": path, "writers": "stopped"}
        lines[number - 1 : number] = new
        edited_by = f"s-{service}"
        return step(f"s-{service}", "service_relocate", made)

    lines, edited_by = compose.split("\n"), None
    keys = {"port": 8333, "access_env": "AWS_ACCESS_KEY_ID", "secret_env": "AWS_SECRET_ACCESS_KEY"}
    anonymous = next(one["Name"] for one in redis["Mounts"] if one["Destination"] == "/data")
    minio_was, minio_is = "      - /opt/mint/minio-data:/data", "      - /mnt/data/mint-data/minio:/data"
    named = "    container_name: mint-modules-redis"
    at_postgres = "/var/lib/postgresql/data"
    postgres_was, postgres_is = f"      - pgdata:{at_postgres}", f"      - /mnt/data/mint-data/postgres:{at_postgres}"
    redis_is = [named, "    volumes:", "      - /mnt/data/mint-data/redis:/data"]
    return [
        step("s-format", "disk_format", disk),
        step("s-mount", "mount_data", mount_args | {"fstab_before_sha256": sha(root_run("cat /etc/fstab"))}),
        step("s-root", "docker_root_move", root_move),
        relocate("minio", "s3", {"kind": "bind", "path": "/opt/mint/minio-data"}, "/data", minio_was, [minio_is], keys),
        relocate("redis", "redis", {"kind": "volume", "name": anonymous}, "/data", named, redis_is),
        relocate(
            "postgres", "postgres", {"kind": "volume", "name": "mint-data_pgdata"}, at_postgres, postgres_was, [postgres_is]
        ),
    ]


def settle(controller: Controller, key: Path, principal: str, said: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """A settle request with a person's word, properly signed."""
    message = {"schema": "waveboard.settlement/1", "instance": controller.made["instance"], "plan": controller.digest}
    message |= {"wave": controller.made["wave"], "principal": principal, "nonce": secrets.token_hex(16), "line": 9}
    message |= {"steps": dict(said), "not_before": instant(-5), "not_after": instant(60)} | more
    text = canonical(message)
    return {"op": "settle", "plan": controller.digest, "fence": controller.fence, "message": text, "signature": sign(text, key)}
