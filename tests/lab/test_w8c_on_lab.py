"""W8C on real hosts, after W8B: redis durable and its volume named while clients write, through kills, and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import lab
from lab.measure import config_digests, measure
from tests.lab.desk import KILLED, Desk, every_boundary
from tests.lab.test_wave_on_lab import desk

__all__ = ["desk"]
pytestmark = pytest.mark.lab

STEPS = ("w8c-01", "w8c-02", "w8c-03")
CRASHES = ("intent.after:w8c-01", "do.after:w8c-02", "do-outcome.before:w8c-03")
UNDO_CRASHES = ("undo.after:w8c-03", "undo-intent.after:w8c-02")
# Writes as fast as it is answered, comes back after every cut, and writes down what was acknowledged and nothing else.
CLIENT = """import socket, time
number, told = 0, open("/run/acknowledged", "a", buffering=1)
while True:
    try:
        with socket.create_connection(("127.0.0.1", 6379), timeout=20) as link, link.makefile("rwb") as stream:
            while True:
                number += 1
                stream.write(b"SET ack:%d %d\\r\\n" % (number, number))
                stream.flush()
                answer = stream.readline()
                if not answer:
                    break
                if answer == b"+OK\\r\\n":
                    told.write("%d\\n" % number)
                time.sleep(0.005)
    except OSError:
        time.sleep(0.02)
"""
REDIS = "docker exec -i mint-modules-redis redis-cli"


@pytest.fixture
def moved(desk: Desk) -> Desk:
    """The estate after W8B is closed: redis keeps its data on the data disk by a bind, without a log. W8C excludes an open W8B."""
    desk.planned()
    desk.ok("apply", "w8b.plan")
    desk.ok("retire", "w8b.plan", "-o", "w8b-retire.plan", code=2)
    desk.sign("w8b-retire.plan", desk.running.keys.approval, "ronny@mint")
    desk.sign("w8b-retire.plan", desk.running.keys.second, "dana@mint")
    desk.ok("apply", "w8b-retire.plan")
    desk.ok("close", "w8b.plan")
    return desk


@pytest.fixture
def clients(moved: Desk) -> Iterator[lab.Host]:
    """mint-data with a client that writes all the time."""
    data = moved.running.host("mint-data")
    data.root_run("cat > /run/client.py", stdin=CLIENT, check=True)
    data.root_run("nohup python3 /run/client.py > /dev/null 2>&1 & echo $! > /run/client.pid", check=True)
    yield data
    data.root_run("kill $(cat /run/client.pid)")


def lost(data: lab.Host) -> tuple[int, list[str]]:
    """How many writes were acknowledged, and those that redis no longer has."""
    told = data.root_run("cat /run/acknowledged", check=True).stdout.split()
    asked = "".join(f"GET ack:{number}\n" for number in told)
    held = data.root_run(f"{REDIS} --raw", stdin=asked, seconds=120, check=True).stdout.split()
    return len(told), [number for number, value in zip(told, held, strict=True) if number != value]


def redis_mount(data: lab.Host) -> dict[str, object]:
    return dict(json.loads(data.root_run("docker inspect -f '{{json (index .Mounts 0)}}' mint-modules-redis", check=True).stdout))


@pytest.mark.parametrize(
    ("crashes", "undo_crashes"),
    [pytest.param(CRASHES, UNDO_CRASHES, id="a sample"), *every_boundary(STEPS)],
)
def test_w8c_loses_no_acknowledged_write_there_or_back(
    moved: Desk, clients: lab.Host, crashes: tuple[str, ...], undo_crashes: tuple[str, ...]
) -> None:
    desk, data = moved, clients
    files = config_digests(data)
    desk.ok("plan", "W8C", "-o", "w8c.plan", code=2)
    desk.sign("w8c.plan", desk.running.keys.approval, "ronny@mint")
    for place in crashes:
        assert desk.waveboard("apply", "w8c.plan", crash_at=place).returncode == KILLED, place
    assert "every step is applied" in desk.ok("apply", "w8c.plan")
    count, gone = lost(data)
    assert count > 100 and gone == []
    mount = redis_mount(data)
    assert (mount["Type"], mount["Name"], mount["Destination"]) == ("volume", "mint-data_redis", "/data")
    closed = desk.ok("close", "w8c.plan")
    assert closed.count("  holds    ") == 2 and '"gate":"D236"' in closed and "FAILS" not in closed
    told = [json.loads(desk.ok("receipts", "show", key)) for key in _step_receipts(desk)]
    facts = {one["predicate"]["body"]["step"]: one["predicate"]["body"]["outcome"]["facts"] for one in told}
    assert facts["w8c-01"]["before"] == {"appendonly": "no", "dir": "/data", "save": "3600 1 300 100 60 10000"}
    assert all(facts[step]["after"]["appendonly"] == "yes" and facts[step]["after"]["dir"] == "/data" for step in STEPS)
    data.root_run("docker kill mint-modules-redis && docker start mint-modules-redis", seconds=120, check=True)
    data.wait_containers()
    assert lost(data)[1] == []  # from the log alone, after a kill
    for place in undo_crashes:
        assert desk.waveboard("undo", "w8c.plan", crash_at=place).returncode == KILLED, place
    desk.ok("undo", "w8c.plan")
    count, gone = lost(data)
    assert count > 100 and gone == []
    assert config_digests(data) == files
    assert redis_mount(data)["Source"] == "/mnt/data/mint-data/redis" and redis_mount(data)["Type"] == "bind"
    assert data.root_run(f"{REDIS} config get appendonly").stdout.split()[1] == "no"
    assert data.root_run("ls /mnt/data/mint-data/redis").stdout.split() == ["dump.rdb"]
    desk.ok("receipts", "verify")


@pytest.mark.long
def test_w8c_is_applied_again_after_its_undo_and_holds_after_a_reboot(moved: Desk) -> None:
    desk, data = moved, moved.running.host("mint-data")
    before, files = measure(data), config_digests(data)
    for name in ("first.plan", "second.plan"):
        desk.ok("plan", "W8C", "-o", name, code=2)
        desk.sign(name, desk.running.keys.approval, "ronny@mint")
        desk.ok("apply", name)
        assert measure(data) == before and config_digests(data) != files
        if name == "first.plan":
            desk.ok("undo", name)
            assert (measure(data), config_digests(data)) == (before, files)
    lab.reboot("mint-data", settings=desk.running.settings)
    data.wait_containers()
    assert measure(data) == before
    told = desk.ok("verify", "mint-storage", code=2)
    assert not any(
        code in told for code in ("redis-appendonly-off", "redis-aof-no-base", "redis-volume-not-named", "not-persisted")
    )


def _step_receipts(desk: Desk) -> list[str]:
    """Numbers of the receipts of W8C's applied steps."""
    rows = [line.split() for line in desk.ok("receipts", "show").splitlines()]
    found = []
    for number in (words[0] for words in rows if len(words) > 1 and words[1] == "step"):
        body = json.loads(desk.ok("receipts", "show", number))["predicate"]["body"]
        if body["step"] in STEPS and body["result"] == "applied":
            found.append(number)
    return found
