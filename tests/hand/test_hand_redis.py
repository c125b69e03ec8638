"""The hand and a real redis: the log turned on while writers run, taken back, and every way to lose data refused.

redis-server runs for real; docker is played by a script that knows one container and hands `exec` on to redis-cli.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hand.conftest import Sandbox
from tests.hand.driver import Controller, sha, step
from tests.hand.room import hand

pytestmark = pytest.mark.skipif(not shutil.which("redis-server") or os.geteuid() != 0, reason="needs redis-server, and root")
SECRET = "CANARY-of-redis"
COMPOSE = "/opt/stack/docker-compose.yml"
DOCKER = """echo "$@" >> {root}/argv
case "$1 $2" in
  "container inspect") exec cat {root}/container.json ;;
  "volume inspect"|"compose "*|"update "*|"stop "*) exit 1 ;;
esac
shift
while [ "$1" = -i ] || [ "$1" = -e ]; do [ "$1" = -e ] && shift; shift; done
shift
[ "$1" != cat ] || exec cat "{root}$2"
shift
redis-cli -p {port} "$@" | sed "s#{root}/srv/redis#/data#g"
"""


class Redis:
    """One server, its "container", and a client that remembers what was acknowledged."""

    def __init__(self, sandbox: Sandbox, *options: str, command: tuple[str, ...] = ("redis-server",), password: str = "") -> None:
        self.sandbox, self.tree = sandbox, sandbox.root / "srv/redis"
        self.tree.mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        argv = ["redis-server", "--port", str(self.port), "--dir", str(self.tree), "--save", "3600 1", *options]
        argv += ["--requirepass", password] if password else []
        self.password = password
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        self.ask("PING")
        self.ask("EVAL", "for i = 1, 200 do redis.call('SET', 'key:' .. i, string.rep('x', 50)) end", "0")
        container = {
            "Id": "c" * 64,
            "Name": "/cache",
            "State": {"Running": True, "StartedAt": "2026-01-01T00:00:00Z", "ExitCode": 0, "Status": "running"},
            "Config": {"Entrypoint": None, "Cmd": list(command), "Env": [], "Labels": {}},
            "Mounts": [{"Type": "bind", "Source": "/srv/redis", "Destination": "/data", "RW": True}],
            "HostConfig": {"RestartPolicy": {"Name": "always"}},
        }
        (sandbox.root / "container.json").write_text(json.dumps([container]))
        sandbox.stub("docker", DOCKER.format(root=sandbox.root, port=self.port))
        (sandbox.root / "opt/stack").mkdir(parents=True)
        (sandbox.root / COMPOSE[1:]).write_text("services:\n  cache:\n    image: redis\n")

    def ask(self, *words: str) -> str:
        env = {**os.environ, "REDISCLI_AUTH": self.password} if self.password else None
        deadline = time.monotonic() + 20
        while True:
            done = subprocess.run(
                ["redis-cli", "-p", str(self.port), *words], env=env, capture_output=True, text=True, check=False, timeout=20
            )
            if (done.returncode == 0 and "LOADING" not in done.stdout) or time.monotonic() > deadline:
                return done.stdout.strip()
            time.sleep(0.1)

    def setting(self, name: str) -> str:
        return self.ask("CONFIG", "GET", name).split("\n")[-1]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis(sandbox: Sandbox) -> Iterator[Redis]:
    one = Redis(sandbox)
    yield one
    one.stop()


def live(sandbox: Sandbox, data_path: str = "/data", name: str = "live") -> Controller:
    made = sandbox.plan([step(name, "redis_aof_live", {"container": "cache", "data_path": data_path}, limit_s=60)])
    controller = sandbox.controller(made)
    assert controller.open()["ok"]
    return controller


def persist(sandbox: Sandbox) -> Controller:
    text = (sandbox.root / COMPOSE[1:]).read_text()
    new = ["  cache:", '    command: ["redis-server", "--appendonly", "yes"]']
    args: dict[str, Any] = {"container": "cache", "project": "stack", "service": "cache", "compose_file": COMPOSE}
    args |= {"compose_before_sha256": sha(text), "compose_edited_by": None, "data_path": "/data", "writers": "live"}
    made = sandbox.plan(
        [step("persist", "redis_aof_persist", args | {"compose_edits": [{"line": 2, "old": "  cache:", "new": new}]})]
    )
    controller = sandbox.controller(made)
    assert controller.open()["ok"]
    return controller


def test_the_log_is_on_and_whole_when_the_step_ends_and_gone_from_sight_when_undone(sandbox: Sandbox, redis: Redis) -> None:
    controller = live(sandbox)
    assert controller.holds("live")[0] == "NOT_DONE"
    acknowledged: list[int] = []
    stop = threading.Event()

    def write() -> None:
        with socket.create_connection(("127.0.0.1", redis.port)) as link, link.makefile("rwb") as stream:
            while not stop.is_set():
                stream.write(b"SET late:%d y\r\n" % len(acknowledged))
                stream.flush()
                if stream.readline() == b"+OK\r\n":
                    acknowledged.append(len(acknowledged))
                time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    told = controller.run("do", "live")
    stop.set()
    writer.join()
    assert told["state"] == "done", told
    facts = told["outcome"]["facts"]
    assert facts["before"] == {"dir": "/data", "save": "3600 1", "appendonly": "no"}
    assert facts["after"] == {**facts["before"], "appendonly": "yes"} and facts["log"]["base_bytes"] > 0
    assert controller.holds("live")[0] == "DONE" and told["outcome"]["downtime_s"] == 0
    redis.stop()  # a kill: whoever starts redis with its log on now has everything that was acknowledged
    copy = redis.tree.parent / "copy"
    shutil.copytree(redis.tree, copy)
    with subprocess.Popen(
        ["redis-server", "--port", str(redis.port), "--dir", str(copy), "--appendonly", "yes"], stdout=subprocess.DEVNULL
    ) as again:
        assert int(redis.ask("DBSIZE")) == 200 + len(acknowledged)
        again.kill()
    assert len(acknowledged) > 5


def test_undo_leaves_no_log_that_could_grow_old(sandbox: Sandbox, redis: Redis) -> None:
    controller = live(sandbox)
    assert controller.run("do", "live")["state"] == "done"
    told = controller.run("undo", "live")
    assert told["state"] == "done", told
    assert redis.setting("appendonly") == "no" and not (redis.tree / "appendonlydir").exists()
    aside = told["outcome"]["facts"]["aside"]
    assert (sandbox.root / aside[1:] / "appendonly.aof.manifest").exists()
    assert [one["why"] for one in sandbox.ask({"op": "aside"})["aside"]] == ["old-log"]
    assert controller.holds("live")[0] == "NOT_DONE" and int(redis.ask("DBSIZE")) == 200
    assert (redis.tree / "dump.rdb").exists()  # a snapshot was taken before the log went


def test_undo_is_refused_once_redis_starts_with_its_log(sandbox: Sandbox, redis: Redis) -> None:
    controller = live(sandbox)
    assert controller.run("do", "live")["state"] == "done"
    told = json.loads((sandbox.root / "container.json").read_text())
    told[0]["Config"]["Cmd"] = ["redis-server", "--appendonly", "yes"]
    (sandbox.root / "container.json").write_text(json.dumps(told))
    assert controller.run("undo", "live")["outcome"]["error"]["code"] == "changed"
    assert redis.setting("appendonly") == "yes" and (redis.tree / "appendonlydir").exists()


def test_a_log_that_was_on_is_left_on(sandbox: Sandbox, redis: Redis) -> None:
    redis.ask("CONFIG", "SET", "appendonly", "yes")
    controller = live(sandbox)
    assert controller.run("do", "live")["state"] == "done"
    assert controller.run("undo", "live")["state"] == "done"
    assert redis.setting("appendonly") == "yes" and (redis.tree / "appendonlydir").exists()


def test_an_old_log_is_not_overwritten(sandbox: Sandbox, redis: Redis) -> None:
    (redis.tree / "appendonlydir").mkdir()
    (redis.tree / "appendonlydir/appendonly.aof.manifest").write_text("precious")
    told = live(sandbox).run("do", "live")
    assert told["outcome"]["error"]["code"] == "precondition" and "old log" in told["outcome"]["error"]["because"]
    assert redis.setting("appendonly") == "no"
    assert (redis.tree / "appendonlydir/appendonly.aof.manifest").read_text() == "precious"


def test_nothing_changes_where_no_snapshot_can_be_written(sandbox: Sandbox, redis: Redis) -> None:
    (redis.tree / "dump.rdb").mkdir()  # redis cannot rename its new dump over it
    told = live(sandbox).run("do", "live")
    assert told["state"] == "failed" and "background save failed" in told["outcome"]["error"]["because"], told
    assert redis.setting("appendonly") == "no" and not (redis.tree / "appendonlydir").exists()


@pytest.mark.parametrize("state", ["off", "on without a base", "turned on and stale"])
def test_the_lossy_path_is_refused_with_the_data_intact(sandbox: Sandbox, redis: Redis, state: str) -> None:
    """Writing appendonly yes down and restarting, without a log that holds everything: redis would start empty or old."""
    if state != "off":
        redis.ask("CONFIG", "SET", "appendonly", "yes")
        controller = live(sandbox, name="first")
        assert controller.run("do", "first")["state"] == "done"  # waits for the base
        assert controller.close("done")["ok"]
        manifest = redis.tree / "appendonlydir/appendonly.aof.manifest"
        if state == "on without a base":
            manifest.write_text("\n".join(line for line in manifest.read_text().split("\n") if "type b" not in line))
        else:
            redis.ask("CONFIG", "SET", "appendonly", "no")
            redis.ask("SET", "later", "1")
    text = (sandbox.root / COMPOSE[1:]).read_text()
    told = persist(sandbox).start("do", "persist")
    assert not told["ok"] and told["error"]["code"] in ("refused", "precondition"), told
    assert "start empty" in told["error"]["because"]
    assert (sandbox.root / COMPOSE[1:]).read_text() == text
    assert redis.process.poll() is None and int(redis.ask("DBSIZE")) == 200 + (state == "turned on and stale")
    called = (sandbox.root / "argv").read_text()
    assert "\nstop " not in called and "compose" not in called


def test_a_server_that_tells_no_settings_is_refused_untouched(sandbox: Sandbox) -> None:
    server = Redis(sandbox, "--rename-command", "CONFIG", "")
    told = live(sandbox).start("do", "live")
    server.stop()
    assert told["error"]["code"] == "precondition" and "does not tell these settings" in told["error"]["because"]
    assert not (server.tree / "appendonlydir").exists()


def test_a_redis_that_is_down_is_half_done_and_never_a_riddle(sandbox: Sandbox, redis: Redis) -> None:
    """A power cut may leave it stopped: `holds` must answer, or the wave would halt instead of going back."""
    controller = live(sandbox)
    told = json.loads((sandbox.root / "container.json").read_text())
    told[0]["State"]["Running"] = False
    (sandbox.root / "container.json").write_text(json.dumps(told))
    held, reasons = controller.holds("live")
    assert held == "PARTIAL" and "not running" in reasons[0]


def test_a_contract_that_means_another_directory_is_refused(sandbox: Sandbox, redis: Redis) -> None:
    told = live(sandbox, "/var/lib/redis").start("do", "live")
    assert told["error"]["code"] == "precondition" and "the contract says" in told["error"]["because"]


@pytest.mark.parametrize("where", ["command", "file", "environment", "nowhere"])
def test_a_password_travels_in_the_environment_alone(sandbox: Sandbox, where: str) -> None:
    command = ("redis-server", "--requirepass", SECRET) if where == "command" else ("redis-server", "/etc/redis.conf")
    server = Redis(sandbox, command=command, password=SECRET)
    (sandbox.root / "etc/redis.conf").write_text(f'port 1\nrequirepass "{SECRET}"\n' if where == "file" else "port 1\n")
    told = json.loads((sandbox.root / "container.json").read_text())
    told[0]["Config"]["Env"] = [f"REDIS_PASSWORD={SECRET}"] if where == "environment" else []
    (sandbox.root / "container.json").write_text(json.dumps(told))
    controller = live(sandbox)
    if where == "nowhere":
        told = controller.start("do", "live")
        server.stop()
        assert told["error"]["code"] == "precondition" and "wants a password" in told["error"]["because"]
        return
    assert controller.run("do", "live")["state"] == "done"
    assert controller.run("undo", "live")["state"] == "done"
    server.stop()
    assert SECRET not in (sandbox.root / "argv").read_text()
    kept = [one for one in (sandbox.root / "var/lib/waveboard").rglob("*") if one.is_file()]
    assert kept and not any(SECRET.encode() in one.read_bytes() for one in kept)


# -- the looks alone ---------------------------------------------------------------------------------------------------


SOUND = {
    "aof_enabled": "1",
    "aof_rewrite_in_progress": "0",
    "aof_rewrite_scheduled": "0",
    "aof_last_bgrewrite_status": "ok",
    "aof_last_write_status": "ok",
}
FILES = {"a.manifest": "file b seq 1 type b\nfile i seq 1 type i\nfile h seq 0 type h\n", "b": "REDIS", "i": ""}
BROKEN: dict[str, dict[str, str | None]] = {
    "no manifest": {"a.manifest": None},
    "no base named": {"a.manifest": "file i seq 1 type i\n"},
    "the base is missing": {"b": None},
    "the base is empty": {"b": ""},
    "a later part is missing": {"i": None},
    "two bases": {"a.manifest": "file b seq 1 type b\nfile i seq 2 type b\n"},
}


@pytest.mark.parametrize("case", BROKEN)
def test_only_a_whole_log_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr(hand, "ROOT", str(tmp_path))
    now = hand.RedisNow({"appenddirname": "dir", "appendfilename": "a"}, SOUND)
    (tmp_path / "t/dir").mkdir(parents=True)
    for name, text in FILES.items():
        (tmp_path / "t/dir" / name).write_text(text)
    assert hand.aof_on_disk("/t", now) == {"base": "b", "base_bytes": 5, "parts": 2}
    for name, text in BROKEN[case].items():
        (tmp_path / "t/dir" / name).unlink() if text is None else (tmp_path / "t/dir" / name).write_text(text)
    with pytest.raises(hand.Refused, match="start empty"):
        hand.aof_on_disk("/t", now)


@pytest.mark.parametrize("key", SOUND)
def test_every_word_of_the_server_must_be_right(key: str) -> None:
    container = {"Name": "/cache", "Mounts": [], "Config": {}}
    for info in ({**SOUND, key: "1" if SOUND[key] == "0" else "err"}, {k: v for k, v in SOUND.items() if k != key}):
        with pytest.raises(hand.Refused, match=key) as refused:
            hand.demand_log(container, hand.RedisNow({}, info))
        assert refused.value.code == "refused"


@pytest.mark.parametrize(
    ("words", "file", "starts"),
    [
        (["redis-server"], None, False),
        (["redis-server", "--appendonly", "yes"], None, True),
        (["sh", "-c", 'redis-server --appendonly "yes"'], None, True),
        (["redis-server", "--appendonly", "yes", "--appendonly", "no"], None, False),
        (["redis-server", "/r.conf"], "appendonly no\nAppendOnly yes\n", True),
        (["redis-server", "/r.conf"], "# appendonly yes\n", False),
        (["redis-server", "/r.conf", "--appendonly", "no"], "appendonly yes\n", False),
        (["redis-server", "/r.conf"], "include /more.conf\n", None),
    ],
)
def test_how_redis_would_start(monkeypatch: pytest.MonkeyPatch, words: list[str], file: str | None, starts: bool | None) -> None:
    container = {"Id": "c", "Name": "/cache", "Config": {"Entrypoint": None, "Cmd": words}}
    now = hand.RedisNow({}, {"config_file": "/r.conf"} if file is not None else {})
    monkeypatch.setattr(hand, "docker", lambda *argv, **_: hand.Ran(0, (file or "").encode(), b""))
    if starts is None:
        with pytest.raises(hand.Refused, match="includes others"):
            hand.aof_at_start(container, now)
    else:
        assert hand.aof_at_start(container, now) is starts
