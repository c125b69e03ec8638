"""Docker's root moved and brought back: every volume has what was written last, and nothing is guessed while the data disk is away.

Docker is played by the tree it works on: its containers and volumes are the directories there. Copies, proofs and notes are real.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.hand.conftest import Sandbox
from tests.hand.room import hand
from tests.hand.test_hand_docker_root import Ground
from tests.hand.test_hand_losses import container, context, rooted

__all__ = ["rooted"]  # a fixture
SRC, DST, ID = "/var/lib/docker", "/mnt/data/docker", "a" * 64
DUMP, ROWS, EXPORTS = "sessions/_data/dump.rdb", "rows/_data/base/1", "exports/_data"


class Docker:
    """Containers `cache` and `db`; `db` has its rows in one volume and files of its own in another."""

    def __init__(self, sandbox: Sandbox, patch: pytest.MonkeyPatch) -> None:
        self.root, self.runs, self.expiring = sandbox.root, True, 3
        for place in ("/etc/docker", "/mnt/data", f"{SRC}/containers/cache", f"{SRC}/containers/db"):
            self.at(place).mkdir(parents=True, exist_ok=True)
        for name, text in {
            DUMP: "old",
            ROWS: "old",
            "rows/_data/PG_VERSION": "16",
            "rows/_data/global/pg_control": "",
            f"{EXPORTS}/jan": "old",
        }.items():
            self.write(f"{SRC}/volumes/{name}", text)
        expected = {"containers": [{"id": ID, "name": "cache", "running": True}, {"id": "b" * 64, "name": "db", "running": True}],
                    "volumes": ["exports", "rows", "sessions"]}  # fmt: skip
        args = {"src": SRC, "dst": DST, "dst_mount": {"target": "/mnt/data", "uuid": "x"}, "daemon_json_before_sha256": None,
                "daemon_json_after": json.dumps({"data-root": DST}), "containerd": True, "stop_containers": ["cache", "db"],
                "start_order": ["db", "cache"], "services": [{"container": "cache", "engine": "redis"}, {"container": "db", "engine": "postgres"}],
                "writers": "live", "expected": expected}  # fmt: skip
        self.ctx, self.verb = context(sandbox, "docker_root_move", args), hand.VERBS["docker_root_move"]
        stand: dict[str, Any] = {
            "docker_root": lambda: self.live() if self.runs else None, "start_docker": lambda also: setattr(self, "runs", True),
            "stop_docker": lambda also, tree: setattr(self, "runs", False), "containers": self.all, "demand_container": self.one,
            "stop_containers": lambda names, engines: None, "stop_container": lambda name, engine: {}, "start_containers": lambda names: None,
            "demand_well": lambda *a: None, "healthy": lambda *a: [], "demand_restart_keeps": lambda *a: None, "read_ahead": lambda *a: None,
            "demand_mount": self.demand_mount, "demand_space": lambda *a, **k: None, "immutable": lambda path, wanted=None: False,
            "docker": lambda *a, **k: hand.Ran(0, b"exports\nrows\nsessions", b""), "ready_digest": self.answer,
            "checkpoint": lambda one: None, "volume_device": lambda name: None, "hold_writes": lambda name, one: None,
            "redis_now": lambda one: hand.RedisNow({"dir": "/sessions"}, dict.fromkeys(("run_id", "rdb_changes_since_last_save", "rdb_last_save_time"), "1")),
        }  # fmt: skip
        for name, what in stand.items():
            patch.setattr(hand, name, what)
        patch.setattr(hand.DockerRootMove, "_refuse_traps", lambda me: None)
        self.verb.prepare(self.ctx)
        self.verb.do(self.ctx)
        assert self.live() == DST

    def at(self, path: str) -> Path:
        return Path(f"{self.root}{path}")

    def write(self, path: str, text: str) -> None:
        self.at(path).parent.mkdir(parents=True, exist_ok=True)
        self.at(path).write_text(text)

    def read(self, name: str) -> str:
        return self.at(f"{self.live()}/volumes/{name}").read_text()

    def live(self) -> str:
        settings = self.at("/etc/docker/daemon.json")
        return str(json.loads(settings.read_text())["data-root"]) if settings.exists() else SRC

    def demand_mount(self, mount: Any, path: str) -> None:
        if not self.at("/mnt/data").is_dir():
            raise hand.Refused("precondition", "use /mnt/data", "it is not mounted")

    def one(self, name: str) -> dict[str, Any]:
        return next(one for one in self.all() if one["Name"] == f"/{name}")

    def all(self) -> list[dict[str, Any]]:
        def volume(name: str) -> dict[str, Any]:
            source = f"{self.live()}/volumes/{name}/_data"
            return {"Type": "volume", "Name": name, "Destination": f"/{name}", "Source": source, "RW": True}

        mounts = {"cache": [volume("sessions")], "db": [volume("exports"), volume("rows")]}
        names = sorted(one.name for one in self.at(f"{self.live()}/containers").iterdir())
        ids = {"cache": ID, "db": "b" * 64}
        return [container(name, *mounts.get(name, []), Id=ids.get(name, name)) for name in names]

    def answer(self, name: str, engine: str, s3: object = None, seconds: float = 120) -> dict[str, Any]:
        """Keys with expiry are no part of a redis's digest; of a postgres its rows are."""
        held = self.read(ROWS) if engine == "postgres" else "keys without expiry"
        return {"digest": held, "keys": 0, "keys_with_expiry": self.expiring if engine == "redis" else 0}

    def undo(self) -> list[str]:
        told = self.verb.undo(hand.Ctx(self.ctx.plan, self.ctx.step, "undo", 1, 1))
        assert self.live() == SRC
        carried: list[str] = told["carried"]
        return carried


@pytest.fixture
def docker(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Docker:
    return Docker(rooted, monkeypatch)


def test_what_no_answer_tells_of_is_carried(docker: Docker) -> None:
    docker.write(f"{DST}/volumes/{DUMP}", "sessions of a week")
    docker.write(f"{DST}/volumes/{EXPORTS}/feb", "new")
    assert docker.undo() == ["exports", "sessions"]
    assert (docker.read(DUMP), docker.read(f"{EXPORTS}/feb"), docker.read(ROWS)) == ("sessions of a week", "new", "old")


def test_what_held_still_is_not_carried_whatever_its_files_say(docker: Docker) -> None:
    docker.expiring = 0
    docker.ctx.note(after={name: docker.answer(name, engine) for name, engine in (("cache", "redis"), ("db", "postgres"))})
    docker.write(f"{DST}/volumes/{DUMP}", "the same keys, saved later")
    docker.write(f"{DST}/volumes/rows/_data/global/pg_control", "a later checkpoint")
    assert docker.undo() == []


def test_rows_written_after_the_answer_are_carried(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(name: str, engine: str) -> dict[str, Any]:
        if engine == "postgres":
            docker.write(f"{DST}/volumes/{ROWS}", "order-4711")
        return {}

    monkeypatch.setattr(hand, "stop_container", stops)
    assert "rows" in docker.undo() and docker.read(ROWS) == "order-4711"


def test_an_old_volume_that_was_removed_is_carried_though_its_service_held_still(docker: Docker) -> None:
    old = docker.at(f"{docker.verb.aside(docker.ctx)}/volumes/rows/_data")
    for one in sorted(old.rglob("*"), reverse=True):
        one.rmdir() if one.is_dir() else one.unlink()
    assert "rows" in docker.undo() and docker.read(ROWS) == "old"


def test_nothing_goes_back_while_the_data_disk_is_away(docker: Docker) -> None:
    docker.at("/mnt/data").rename(docker.at("/away"))
    docker.runs = False
    with pytest.raises(hand.Refused, match="not mounted"):
        docker.undo()
    docker.at("/mnt/data").mkdir()  # another disk, or an empty one
    with pytest.raises(hand.Refused, match="/mnt/data/docker, on which docker worked since, is gone"):
        docker.undo()
    assert docker.live() == DST and docker.at(docker.verb.aside(docker.ctx)).is_dir()


def test_containers_made_since_are_not_left_behind(docker: Docker) -> None:
    docker.at(f"{DST}/containers/billing").mkdir()
    with pytest.raises(hand.Refused, match="containers were made since: billing"):
        docker.undo()
    assert docker.live() == DST


def test_no_room_is_said_with_docker_up(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*a: Any, **k: Any) -> None:
        raise hand.Refused("no-space", "copy", "the disk is full")

    docker.write(f"{DST}/volumes/{EXPORTS}/feb", "new")
    monkeypatch.setattr(hand, "demand_space", full)
    with pytest.raises(hand.Refused, match="the disk is full"):
        docker.undo()
    assert docker.runs and docker.live() == DST


def test_done_is_said_only_of_what_was_compared(docker: Docker) -> None:
    assert docker.verb.holds(docker.ctx)[0] == "DONE"
    del docker.ctx.notes["after"]
    assert docker.verb.holds(docker.ctx) == ("PARTIAL", ["not: what they hold was compared"])


def test_a_root_that_holds_data_is_not_taken_back_while_docker_is_down(sandbox: Sandbox, data_disk: Path) -> None:
    ground = Ground(sandbox)
    ground.running("containerd.service")
    controller = ground.prepare()
    assert controller.run("do", "s0")["state"] == "done"
    rows = ground.path(DST) / "volumes/pg/_data/rows"
    rows.parent.mkdir(parents=True)
    rows.write_text("precious")
    ground.running("containerd.service")  # docker has failed, or somebody stopped it
    told = controller.run("undo", "s0")
    assert told["outcome"]["error"]["because"] == "docker does not answer, and containers or volumes lie there"
    assert rows.read_text() == "precious" and ground.settings.exists()


def test_a_layer_that_was_never_filled_is_not_called_done(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    args = {"container": "web", "dst": "/srv/uploads", "data_path": "/tmp/u", "compose_file": "/opt/c.yml", "compose_edits": []}
    mount = {"Type": "bind", "Source": "/srv/uploads", "Destination": "/tmp/u"}
    monkeypatch.setattr(hand, "inspect", lambda name: container("web", mount, Id="id-second"))
    monkeypatch.setattr(hand.SurfaceGovern, "switched", lambda me, ctx: True)
    verb = hand.VERBS["surface_govern"]  # cut off after `up --no-start`; a boot unit's `compose up -d` started it
    assert verb.holds(context(rooted, "surface_govern", args, container="id-first"))[0] == "PARTIAL"
    assert verb.holds(context(rooted, "surface_govern", args, container="id-first", filled="id-second"))[0] == "DONE"
