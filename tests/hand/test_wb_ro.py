"""The reader: what it tells, what it never tells, and what it does when an attacker or a hung engine has a say."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
READER = HERE.parents[1] / "hand" / "wb_ro.py"
NAMESPACES = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")


def run(tmp_path: Path, **environment: str) -> tuple[Mapping[str, list[Any]], Mapping[str, Any]]:
    """Bodies by document (failures as {"error"}), and the raw result."""
    ran = subprocess.run(
        ["unshare", "-m", "-n", "--propagation", "private", sys.executable, str(HERE / "fake_engine.py"), str(READER), str(tmp_path)],
        capture_output=True, text=True, timeout=90, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    documents: dict[str, list[Any]] = {}
    for line in told["out"].splitlines():
        document = json.loads(line)
        documents.setdefault(document["doc"], []).append(document["body"] if document["ok"] else {"error": document["error"]})
    return documents, told


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, list[Any]], Mapping[str, Any]]:
    return run(tmp_path_factory.mktemp("reader"))


@NAMESPACES
def test_it_only_gets_and_only_what_it_must(told: tuple[Mapping[str, list[Any]], Mapping[str, Any]]) -> None:
    containers = [f"/containers/{letter * 64}/json" for letter in "abc"]
    others = [
        "/version",
        "/info",
        "/containers/json?all=1",
        "/volumes",
        "/images/json",
        "/containers/json?all=1&size=1",
        "/system/df",
    ]
    assert sorted(told[1]["seen"]) == sorted(f"GET {path}" for path in containers + others)
    assert told[1]["code"] == 0 and told[1]["err"] == ""


@NAMESPACES
def test_no_canary_leaves_the_host(told: tuple[Mapping[str, list[Any]], Mapping[str, Any]]) -> None:
    assert "CANARY" not in told[1]["out"]
    assert "root:" not in told[1]["out"], "a compose label named /etc/shadow"


@NAMESPACES
def test_what_it_tells(told: tuple[Mapping[str, list[Any]], Mapping[str, Any]]) -> None:
    documents, raw = told
    names = [item["Name"] for item in documents["docker.container"]]
    assert names == ["/cache", "/stopped"], "one that went away since the list was made is not missed"
    assert documents["docker.container"][0]["Config"]["EnvNames"] == ["PASSWORD", "X"]
    limits = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": None}}
    assert [item["HostConfig"]["LogConfig"] for item in documents["docker.container"]] == [limits, None]
    assert documents["docker.volumes"][0]["Volumes"][0]["Options"] == {
        "type": "cifs",
        "device": "//s/x",
        "o": "username=,password=,vers=3.0",
        "k": "",
    }
    compose = next(item for item in documents["host.file"] if item["path"].endswith("compose.yml"))
    assert compose["lines"] == [
        "services:", "  cache:", "    image: redis:7", "    environment:", None, None, "    volumes:", "      - /opt/cache:/data",
        "      - data:/other:ro", "    labels:", None, None,
    ]  # fmt: skip
    assert documents["host.daemon_json"] == ["{}"]
    tmp = documents["container.tmp"][0]
    assert [path for path, _ in tmp["dirs"]] == ["/tmp/uploads", "/tmp/uploads/deep"] and tmp["dirs"][0][1] >= 8192
    links = documents["container.links"][0]["links"]
    assert [to for path, to in links.items() if path.endswith("/data/sub/wal")] == ["/other/wal"]
    assert not any(path.endswith("unseen") for path in links)
    assert documents["end"] == [None]
    if raw["redis"]:
        assert documents["redis"][0]["values"]["appendonly"] == "no"
        assert documents["redis"][0]["values"]["rdb_last_bgsave_status"] == "ok"
    assert "no such container is running" in documents["redis"][-1]["error"]


@NAMESPACES
def test_a_slow_question_costs_its_own_answer(tmp_path: Path) -> None:
    documents, _ = run(tmp_path, SLOW="/containers/json?all=1&size=1", DAEMON_JSON='{"http-proxy": "http://u:CANARY@p"}')
    assert documents["docker.sizes"] == [{"error": "timed out"}]
    assert documents["docker.df"][0]["LayersSize"] == 7
    assert documents["docker.df"][0]["BuildCache"][0]["Parents"] == ["p"]  # engine 26 spells the key with a space before it
    assert documents["host.daemon_json"][0]["error"].endswith("may hold a secret")
    daemon_json = next(item for item in documents["host.file"] if item["path"] == "/etc/docker/daemon.json")
    assert daemon_json["lines"] == [None] and len(daemon_json["sha256"]) == 64


def test_it_takes_no_arguments() -> None:
    for arguments in (["--help"], ["/etc/shadow"], [""]):
        ran = subprocess.run([sys.executable, "-IBS", str(READER), *arguments], capture_output=True, timeout=20, check=False)
        assert (ran.returncode, ran.stdout) == (2, b"")


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_it_opens_nothing_for_writing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    calls = "trace=%file,ftruncate,fchmod,fchown,write"
    subprocess.run(
        ["strace", "-f", "-qq", "-e", calls, "-o", log, sys.executable, "-IBS", READER],
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    lines = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    harmless = (
        "execve(",
        "open",
        "access(",
        "newfstatat(",
        "stat",
        "lstat(",
        "readlink",
        "getcwd(",
        "chdir(",
        "write(1,",
        "faccessat",
        "+++",
        "---",
    )
    assert not [line for line in lines if not line.startswith(harmless)]
    assert not [line for line in lines if line.startswith("open") and not ("O_RDONLY" in line or "O_PATH" in line)]


TOLD = (
    'command: ["redis-server", "--protected-mode", "no", "--save", "60 1"]',
    "    command: redis-server /etc/redis/redis.conf --appendonly yes",
    "command: /usr/bin/redis-server",
    'command: ["redis-server", "--save", ""]',
)
KEPT = (
    "command: redis-server --requirepass CANARY",
    'command: ["redis-server", "--appendonly", "--requirepass", "CANARY"]',
    "command: redis-server --masterauth CANARY",
    "command: redis-server --port 1 --user default on CANARY",
    "command: other --appendonly yes",
    "command: [redis-server, --port",
    "command: mysqld -pCANARY",
    "password: redis-server",
)


def test_only_a_command_that_can_hold_no_secret_is_told() -> None:
    spec = importlib.util.spec_from_file_location("wb_ro", READER)
    assert spec and spec.loader
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    assert [line for line in TOLD if not reader.compose_safe(line)] == []
    assert [line for line in KEPT if reader.compose_safe(line)] == []
    assert reader.redis_command(["redis-server", "--requirepass", "CANARY"]) is None
    assert reader.redis_command(None) is None
