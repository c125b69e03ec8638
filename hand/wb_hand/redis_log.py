"""What a redis keeps on disk: its append-only log and its dump, and whether a restart would bring everything back."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Sequence
from typing import NamedTuple

from .docker import demand_container, docker, name_of, volume_device
from .docker_life import wait_for
from .files import read_or_none
from .place import at
from .redis import command_of, redis_access, redis_cli
from .refused import Json, Refused
from .verb import Ctx

REDIS_SETTINGS = ("dir", "save", "appendonly", "appenddirname", "appendfilename", "dbfilename")
# INFO persistence, redis 7: what each must say before redis could be started from its append-only log
AOF_SOUND = {
    "aof_enabled": "1",
    "aof_rewrite_in_progress": "0",
    "aof_rewrite_scheduled": "0",
    "aof_last_bgrewrite_status": "ok",
    "aof_last_write_status": "ok",
}


class RedisNow(NamedTuple):
    """A running server's own word: some CONFIG GET parameters and INFO."""

    settings: dict[str, str]
    info: dict[str, str]

    @property
    def live(self) -> bool:
        return self.info.get("aof_enabled") == "1"

    def told(self) -> Json:
        """What the evidence before and after a change shows."""
        return {key: self.settings.get(key) for key in ("dir", "save", "appendonly")}


def redis_now(container: Json) -> RedisNow:
    """One connection's answers. A parameter that the server does not tell is absent. Raises: Refused when it does not let us ask."""
    given, env = redis_access(container)
    asked = "".join(f"CONFIG GET {name}\n" for name in REDIS_SETTINGS) + "INFO\n"
    ran = docker("exec", "-i", *given, container["Id"], "redis-cli", "--raw", stdin=asked.encode(), env=env)
    lines = ran.text.replace("\r", "").split("\n")
    if re.search(r"^(NOAUTH|WRONGPASS|AUTH failed|NOPERM)", ran.text + ran.err.decode("utf-8", "replace"), re.M):
        fix = "let the container have it as REDIS_PASSWORD, or in the command or configuration file redis starts with"
        raise Refused("precondition", f"ask {name_of(container)}", "redis wants a password that its container does not tell", fix)
    settings = {one: lines[n + 1] for n, one in enumerate(lines[:-1]) if one in REDIS_SETTINGS}
    info = dict(line.split(":", 1) for line in lines if re.match(r"[a-z_0-9]+:", line))
    if "redis_version" not in info:
        raise Refused("precondition", f"ask {name_of(container)}", f"redis did not answer: {ran.text.strip()[:200]}")
    return RedisNow(settings, info)


def aof_at_start(container: Json, now: RedisNow, command: Sequence[str] | None = None) -> bool:
    """Whether redis would start with its append-only log on: the last word has its command line, then its configuration file."""
    words = command_of(container) if command is None else [*(container["Config"].get("Entrypoint") or []), *command]
    given = re.findall(r"--appendonly[\s=\"']+(yes|no)\b", " ".join(words))
    if given:
        return str(given[-1]) == "yes"
    if not now.info.get("config_file"):
        return False
    text = docker("exec", container["Id"], "cat", now.info["config_file"]).text
    if re.search(r"(?mi)^\s*include\s", text):
        because = "its configuration file includes others, which were not read"
        raise Refused("precondition", f"say how {name_of(container)} starts", because, "name appendonly in its command")
    found = re.findall(r"(?mi)^\s*appendonly\s+[\"']?(yes|no)\b", text)
    return bool(found) and found[-1].lower() == "yes"


def redis_tree(container: Json, now: RedisNow) -> str:
    """The host directory behind the server's own data directory. Raises: Refused when it lies in no writable mount."""
    directory, cannot = now.settings.get("dir") or "", f"find the data of {name_of(container)}"
    if not directory:
        raise Refused("precondition", cannot, "redis does not tell CONFIG GET dir", "let CONFIG be asked on this server")
    names = [now.settings[one] for one in ("appenddirname", "appendfilename", "dbfilename") if now.settings.get(one)]
    if directory != os.path.normpath(directory) or any(one in (".", "..") or "/" in one for one in names):
        because = f"it says its data is in {directory!r}, in files called {names}: a path made of that could be any of this host"
        raise Refused("refused", cannot, because, "look at that container: no redis is set so by mistake")
    covering = [one for one in container["Mounts"] if (directory + "/").startswith(one["Destination"].rstrip("/") + "/")]
    mount = max(covering, key=lambda one: len(one["Destination"]), default=None)
    if mount is None or mount["Type"] not in ("volume", "bind") or not mount["RW"]:
        raise Refused(
            "precondition", cannot, f"{directory} is not a writable mount: a recreate would lose it", "give it one first"
        )
    top = (volume_device(mount["Name"]) if mount["Type"] == "volume" else None) or mount["Source"]
    tree = str(top)
    for part in filter(None, directory[len(mount["Destination"].rstrip("/")) :].split("/")):
        tree += "/" + part
        if os.path.islink(at(tree)):  # the container writes in there: a link of its making would lead root elsewhere
            raise Refused("refused", cannot, f"{tree} is a symbolic link", "look at that container")
    return tree


def aof_on_disk(tree: str, now: RedisNow) -> Json:
    """The log as its manifest names it, on the host's disk: one base that is not empty, and every later part. Raises: Refused."""
    directory, cannot = f"{tree}/{now.settings.get('appenddirname')}", f"find the append-only log in {tree}"
    raw = read_or_none(f"{directory}/{now.settings.get('appendfilename')}.manifest") if os.path.isdir(at(directory)) else None
    parts = re.findall(r"^file (\S+) seq [0-9]+ type ([bhi])$", (raw or b"").decode("utf-8", "replace"), re.M)
    sizes = {name: os.lstat(at(f"{directory}/{name}")).st_size for name, _ in parts if os.path.isfile(at(f"{directory}/{name}"))}
    bases = [name for name, kind in parts if kind == "b"]
    missing = [name for name, kind in parts if kind != "h" and name not in sizes]
    if len(bases) != 1 or missing or not sizes[bases[0]]:
        because = f"{', '.join(missing)} is missing" if missing else "its manifest names no base" if raw else "there is none"
        raise Refused("precondition", cannot, f"{because}: redis would start empty from it and ignore its dump")
    return {"base": bases[0], "base_bytes": sizes[bases[0]], "parts": len(sizes)}


def demand_log(container: Json, now: RedisNow) -> Json:
    """Raises: Refused unless the append-only log is on and whole, so that redis could be started from it this moment."""
    wrong = [f"{key}:{now.info.get(key)}" for key, wanted in AOF_SOUND.items() if now.info.get(key) != wanted]
    if wrong:
        because = f"its append-only log is not on and sound ({', '.join(wrong)}): redis would start empty or old from it"
        raise Refused(
            "refused", f"start {name_of(container)} with appendonly yes", because, "turn it on live first: redis_aof_live"
        )
    return aof_on_disk(redis_tree(container, now), now)


def demand_log_soon(container: Json, seconds: float = 60) -> Json:
    """The same, once a rewrite that redis began by itself has ended."""
    deadline = time.monotonic() + seconds
    while True:
        now = redis_now(container)
        busy = "1" in (now.info.get("aof_rewrite_in_progress"), now.info.get("aof_rewrite_scheduled"))
        if not (now.live and busy) or time.monotonic() > deadline:
            return demand_log(container, now)
        time.sleep(0.5)


def demand_restart_keeps(name: str, command: Sequence[str] | None = None) -> None:
    """Raises: Refused when a restart (with another command, if given) would make redis read a log that is missing or old."""
    container = demand_container(name)
    now = redis_now(container)
    words = None if command is None else [one.replace("$$", "$") for one in command]
    if words is not None and words != (container["Config"].get("Cmd") or []):
        because = "its compose file gives it another command than the one it runs with"
        raise Refused(
            "precondition", f"recreate {name}", because, "run `docker compose up -d` for it, see that it keeps its data"
        )
    if aof_at_start(container, now, words):
        demand_log_soon(container)
    elif now.live:
        because = (
            "its append-only log is on and the settings it starts with say no: the log would miss what is written afterwards"
        )
        raise Refused("refused", f"restart {name}", because, "make the setting last first: redis_aof_persist")


def wait_snapshot(ctx: Ctx, container: Json, seconds: float) -> None:
    """A snapshot begun now and ended well, while redis goes on serving. Raises: Refused when redis says that it failed."""
    wait_for("no snapshot running", seconds, lambda: redis_now(container).info.get("rdb_bgsave_in_progress") == "0")
    begun, asked = int(time.time()), time.monotonic()
    redis_cli(container, "BGSAVE", "SCHEDULE")
    while True:
        ctx.progress(message="waiting for a snapshot")
        info = redis_now(container).info
        waited, good = time.monotonic() - asked, info.get("rdb_last_bgsave_status") == "ok"
        if info.get("rdb_bgsave_in_progress") == "0":
            if good and int(info.get("rdb_last_save_time", "0")) >= begun:
                return
            if not good and waited > 3:  # at first it may still tell of an earlier one
                because = "redis says its background save failed"
                raise Refused(
                    "tool-failed", f"snapshot {name_of(container)}", because, "read its log; look for disk and memory limits"
                )
        if waited > seconds:
            raise Refused("timeout", f"see the snapshot of {name_of(container)} end", f"it did not within {seconds:.0f} s")
        time.sleep(0.25)


def wait_log(ctx: Ctx, container: Json, seconds: float, failing: float = 30) -> Json:
    """Until the log is whole. Raises: Refused when its rewrite keeps failing or takes too long."""
    deadline = time.monotonic() + seconds
    failed: float | None = None
    while True:
        now = redis_now(container)
        with contextlib.suppress(Refused):
            return demand_log(container, now)
        bad = now.info.get("aof_last_bgrewrite_status") != "ok" and now.info.get("aof_rewrite_in_progress") == "0"
        failed = (failed or time.monotonic()) if bad else None
        if failed is not None and time.monotonic() - failed > failing:
            raise Refused(
                "tool-failed", f"write the log of {name_of(container)}", "redis says its rewrite failed", "read its log"
            )
        if time.monotonic() > deadline:
            raise Refused("timeout", f"see the log of {name_of(container)} whole", f"it was not within {seconds:.0f} s")
        ctx.progress(message="waiting for the append-only log's base")
        time.sleep(0.25)
