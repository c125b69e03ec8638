"""A service's data moved and brought back while people, power and other plans interfere: what was written last is what it has afterwards.

Docker is played by one container that runs on whatever its compose file says; directories, copies, proofs, notes and the register are real.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hand import driver
from tests.hand.conftest import Sandbox
from tests.hand.room import hand
from tests.hand.test_hand_losses import container, context, rooted

__all__ = ["rooted"]  # a fixture
COMPOSE, DST, OLD = "/opt/stacks/c.yml", "/mnt/data/files", "/opt/mint/files"
VOLUME = "/var/lib/docker/volumes/vol/_data"
BEFORE, AFTER = f"v: {OLD}\n", f"v: {DST}\n"
SOURCES = {"bind": ({"kind": "bind", "path": OLD}, OLD), "volume": ({"kind": "volume", "name": "vol"}, VOLUME)}
Held = Callable[[], dict[str, Any]]


class Cut(BaseException):
    """Power goes."""


class Service:
    """The container `app` and its one step."""

    def __init__(self, sandbox: Sandbox, patch: pytest.MonkeyPatch, source: str = "bind", engine: str = "other") -> None:
        told, self.old = SOURCES[source]
        self.root, self.patch, self.running, self.on = sandbox.root, patch, True, self.old
        self.made, self.started = 1, 1  # which container it is, and how often one was started; 0: this one never was
        self.made_of: tuple[str, bool] = (BEFORE, False)  # the compose file's text, and whether an override came with it
        edits = [{"line": 1, "old": BEFORE.strip(), "new": [AFTER.strip()]}]
        args = {"container": "app", "engine": engine, "project": "p", "service": "app", "compose_file": COMPOSE,
                "compose_before_sha256": driver.sha(BEFORE), "compose_edited_by": None, "compose_edits": edits, "source": told,
                "dst": DST, "dst_mount": {"target": "/mnt/data", "uuid": "x"}, "data_path": "/data", "writers": "stopped", "s3": None}  # fmt: skip
        self.ctx, self.verb = context(sandbox, "service_relocate", args), hand.VERBS["service_relocate"]
        self.kind = "volume" if source == "volume" else "bind"
        self.before_stop: Callable[[], None] = lambda: None
        for place in (self.old, "/mnt/data", "/opt/stacks", self.upper):
            self.at(place).mkdir(parents=True)
        self.at(COMPOSE).write_text(BEFORE)
        for number in range(4):
            self.write(f"base/f{number}", f"precious {number}")
        for name, text in {"PG_VERSION": "16", "global/pg_control": "", "pg_xact/0000": "", "dump.rdb": ""}.items():
            self.write(name, text)
        self._play()
        self.verb.prepare(self.ctx)

    def _play(self) -> None:
        stand: dict[str, Any] = {
            "inspect": lambda name: self.container(), "demand_container": lambda name: self.container(), "stop_container": self.stop,
            "docker": lambda *a, **k: hand.Ran(0, b"", b""), "start_containers": lambda names: self.start(),
            "demand_well": lambda *a, **k: None, "healthy": lambda *a: [], "demand_mount": lambda *a: None, "read_ahead": lambda *a: None,
            "demand_space": lambda *a, **k: None, "immutable": lambda path, wanted=None: False, "checkpoint": lambda one: None,
            "demand_marker": lambda *a: {}, "volume_path": lambda name: VOLUME, "volume_device": lambda name: None,
        }  # fmt: skip
        for name, what in stand.items():
            self.patch.setattr(hand, name, what)
        steps: dict[str, Any] = {
            "up": lambda me, args, *a, **k: self.up(*a, **k), "refuse_other_image": lambda *a: None, "_refuse_shared": lambda *a: None,
            "_preflight": lambda me, ctx: self.container(), "_declared": lambda *a: True,
        }  # fmt: skip
        for name, what in steps.items():
            self.patch.setattr(hand.ServiceRelocate, name, what)

    def at(self, path: str) -> Path:
        return Path(f"{self.root}{path}")

    @property
    def upper(self) -> str:
        """The container's own layer, as overlay2 keeps it."""
        return f"/var/lib/docker/overlay2/{self.made}/diff"

    def container(self) -> dict[str, Any]:
        named = {"Type": "volume", "Name": "vol"} if self.on == VOLUME else {"Type": "bind"}
        mount = {**named, "Source": self.on, "Destination": "/data", "RW": True}
        graph = {"Name": "overlay2", "Data": {"UpperDir": self.upper, "LowerDir": "/var/lib/docker/overlay2/image/diff"}}
        told = {"Image": "sha256:1", "HostConfig": {"RestartPolicy": {"Name": "always"}}, "GraphDriver": graph}
        one = container("app", mount, Id=f"id-{self.made}", **told)
        began = f"2026-02-26T03:00:{self.started:02}Z" if self.started else "0001-01-01T00:00:00Z"
        one["State"] |= {"Running": self.running, "StartedAt": began}
        return one

    def stop(self, name: str, engine: str) -> dict[str, Any]:
        if self.running:
            self.before_stop()
        self.running = False
        return {}

    def start(self) -> None:
        self.started += not self.running
        self.running = True

    def up(self, *argv: str, files: Any = ()) -> None:
        of = (self.at(COMPOSE).read_text(), bool(files))
        if of != self.made_of:  # compose removes the old container, and its layer with it
            shutil.rmtree(self.at(self.upper))
            self.made_of, self.made, self.started, self.running = of, self.made + 1, 0, False
            self.on = self.old if of[0] == BEFORE else DST
            self.at(self.upper).mkdir(parents=True)
        self.at(self.on).mkdir(parents=True, exist_ok=True)  # as docker does for a bind source that is not there
        if "--no-start" not in argv:
            self.start()

    def write(self, name: str, text: str) -> None:
        place = self.at(f"{self.on}/{name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def base(self) -> dict[str, str]:
        return {one.name: one.read_text() for one in sorted(self.at(f"{self.on}/base").glob("*"))}

    def answers(self) -> None:
        """The service says what it holds: the names and texts in base."""
        held: Held = lambda: {"digest": json.dumps(self.base()), "keys_with_expiry": 0, "system_identifier": "1"}  # noqa: E731 (short)
        self.patch.setattr(hand.ServiceRelocate, "digest", lambda me, args, seconds=120: held())

    def moved(self) -> Service:
        self.verb.do(self.ctx)
        assert (self.on, len(self.base())) == (DST, 4)
        return self

    def cut(self, where: Any, name: str, what: Callable[[], Any]) -> None:
        def now(*a: Any, **k: Any) -> None:
            raise Cut

        with self.patch.context() as one:
            one.setattr(where, name, now)
            with pytest.raises(Cut):
                what()

    def undo(self) -> dict[str, Any]:
        told: dict[str, Any] = self.verb.undo(hand.Ctx(self.ctx.plan, self.ctx.step, "undo", 1, 1))
        return told


@pytest.mark.parametrize("how", ["by a retire cut off before its mark", "in part", "and the register knows"])
def test_an_old_copy_that_is_gone_is_not_taken_back(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    service = Service(rooted, monkeypatch).moved()
    monkeypatch.setattr(hand.ServiceRelocate, "_written_since", lambda me, ctx: False)
    aside = service.at(service.ctx.aside_name(OLD))
    if how == "in part":
        (aside / "base/f0").unlink()
    elif how == "and the register knows":
        hand.Aside.mark(hand.Aside.find(path=service.ctx.aside_name(OLD))["id"], "retiring")
    else:
        shutil.rmtree(aside)
    assert service.undo()["carried"] is True
    assert (service.on, len(service.base())) == (OLD, 4)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("engine", ["postgres", "s3"])
def test_what_is_written_between_the_answer_and_the_stop_is_carried(
    rooted: Sandbox, monkeypatch: pytest.MonkeyPatch, source: str, engine: str
) -> None:
    service = Service(rooted, monkeypatch, source, engine)
    service.answers()
    service.moved().before_stop = lambda: service.write("base/order-4711", "acknowledged")
    assert service.undo()["carried"] is True
    assert service.on == service.old and service.base()["order-4711"] == "acknowledged"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("engine", ["postgres", "s3"])
def test_a_service_that_held_still_is_not_copied(
    rooted: Sandbox, monkeypatch: pytest.MonkeyPatch, source: str, engine: str
) -> None:
    service = Service(rooted, monkeypatch, source, engine)
    service.answers()
    service.moved()
    if engine == "postgres":  # its own stop changes what tells of no row
        service.before_stop = lambda: [service.write(name, "2") for name in ("global/pg_control", "base/pg_internal.init")]  # type: ignore[func-returns-value, assignment, return-value]
    assert service.undo()["carried"] is False
    assert service.on == service.old and len([one for one in service.base() if one.startswith("f")]) == 4


def test_the_old_container_started_after_a_cut_keeps_what_it_wrote(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(rooted, monkeypatch, "volume", "s3")
    service.answers()
    service.cut(
        hand.ServiceRelocate, "source_aside", lambda: service.verb.do(service.ctx)
    )  # right after the compose file's switch
    service.running = True  # somebody sees it down: docker start
    service.write("base/order-4711", "acknowledged")
    assert service.undo()["carried"] is False
    assert service.on == VOLUME and service.base()["order-4711"] == "acknowledged"


def test_nobody_guesses_which_of_two_places_is_newer(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(rooted, monkeypatch, "volume", "s3")
    service.answers()
    service.moved().on = VOLUME  # the file still names the new place, and somebody made it anew on the old one
    with pytest.raises(hand.Refused, match="nobody can say which is newer"):
        service.undo()


def test_an_undo_cut_off_before_the_fresh_directory_goes_on(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(rooted, monkeypatch, "volume").moved()
    service.write("base/new", "written since")
    service.cut(hand, "make_directory", service.undo)
    assert service.undo()["carried"] is True
    assert service.on == VOLUME and "new" in service.base()


@pytest.mark.parametrize("source", SOURCES)
def test_a_carry_that_was_cut_off_is_not_taken_for_the_old_data(
    rooted: Sandbox, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """The first undo has to carry and is cut off; somebody starts the service again; the second finds it quiet."""
    service = Service(rooted, monkeypatch, source, "s3")
    service.answers()
    service.moved().before_stop = lambda: service.write("base/order-4711", "acknowledged")

    def part(ctx: Any, src: str, dst: str, **k: Any) -> None:
        service.at(f"{dst}/base").mkdir()
        service.at(f"{dst}/base/f0").write_text("prec")
        raise Cut

    with monkeypatch.context() as one:
        one.setattr(hand, "copy_tree", part)
        with pytest.raises(Cut):
            service.undo()
    service.running, service.before_stop = True, lambda: None
    service.ctx = context(rooted, "service_relocate", service.ctx.args)  # as the next attempt reads its notes
    service.ctx.note(after={**service.ctx.notes["after"], "digest": json.dumps(service.base())})
    assert service.undo()["carried"] is True
    assert service.on == service.old and len(service.base()) == 5


def test_a_volume_that_was_made_anew_is_not_the_old_data(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(rooted, monkeypatch, "volume").moved()
    monkeypatch.setattr(hand.ServiceRelocate, "_written_since", lambda me, ctx: False)
    for one in ("base/f0", "base/f1"):
        service.at(f"{VOLUME}/{one}").unlink()
    assert service.undo()["carried"] is True and len(service.base()) == 4


def test_an_empty_directory_this_step_never_touched_stays(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(rooted, monkeypatch)
    monkeypatch.setattr(hand.ServiceRelocate, "_refuse_shared", lambda *a: (_ for _ in ()).throw(hand.Refused("x", "y", "z")))
    shutil.rmtree(service.at(OLD))
    service.at(OLD).mkdir()
    was = service.at(OLD).stat().st_ino
    with pytest.raises(hand.Refused):
        service.verb.do(service.ctx)
    service.undo()
    assert service.at(OLD).stat().st_ino == was


def test_no_room_is_said_with_the_service_up(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(rooted, monkeypatch, "bind", "s3")
    service.answers()
    service.moved().before_stop = lambda: service.write("base/order-4711", "acknowledged")

    def full(*a: Any, **k: Any) -> None:
        raise hand.Refused("no-space", "copy", "the disk is full")

    monkeypatch.setattr(hand, "demand_space", full)
    with pytest.raises(hand.Refused, match="the disk is full"):
        service.undo()
    assert (service.running, service.on) == (True, DST)


def test_done_is_said_only_of_what_was_compared(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(rooted, monkeypatch)
    service.cut(hand, "demand_same", lambda: service.verb.do(service.ctx))
    assert service.on == DST and service.verb.holds(service.ctx) == ("PARTIAL", ["not: what it holds was compared"])
    service.verb.do(service.ctx)
    assert service.verb.holds(service.ctx)[0] == "DONE"


def test_a_copy_that_the_disk_does_not_take_is_no_copy(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its source is gone or overwritten next: a power cut must find the copy on the disk."""
    service = Service(rooted, monkeypatch)
    rooted.stub("sync", 'echo "Input/output error" >&2; exit 1')
    with pytest.raises(hand.Refused, match=r"write /mnt/data/files to its disk: .*Input/output error"):
        service.verb.do(service.ctx)
    assert service.at(COMPOSE).read_text() == BEFORE


def test_what_is_no_file_and_was_made_within_the_second_is_copied_with_its_time(
    rooted: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rsync compares their times by whole seconds; the proof does not."""
    service = Service(rooted, monkeypatch)

    def shutting_down() -> None:
        os.mkfifo(service.at(f"{OLD}/base/queue"))
        service.at(f"{OLD}/base/current").symlink_to("f0")
        os.mknod(service.at(f"{OLD}/base/gone"), 0o600 | stat.S_IFCHR, os.makedev(0, 0))

    service.before_stop = shutting_down
    service.verb.do(service.ctx)
    assert service.on == DST


def test_another_image_under_the_name_is_seen_before_anything_stops(rooted: Sandbox) -> None:
    for found, good in (("sha256:1", True), ("sha256:2", False)):
        rooted.stub("docker", f"""case "$1" in compose) echo '{{"services": {{"app": {{}}}}}}' ;; image) echo {found} ;; esac""")
        args = {"container": "app", "project": "p", "service": "app", "compose_file": COMPOSE}
        if good:
            hand.ServiceRelocate().refuse_other_image(args, "sha256:1")
        else:
            with pytest.raises(hand.Refused, match="p-app is no longer the image app runs"):
                hand.ServiceRelocate().refuse_other_image(args, "sha256:1")


@pytest.mark.parametrize(
    "said", [{"dir": "/data/../../../../etc"}, {"appenddirname": "../ssh"}, {"dbfilename": ".."}, {"dir": "/data/link"}]
)
def test_what_a_redis_says_of_its_files_leads_nowhere_else(rooted: Sandbox, said: dict[str, str]) -> None:
    top = "/mnt/data/redis"
    for place in (top, "/etc/ssh"):
        Path(f"{rooted.root}{place}").mkdir(parents=True)
    Path(f"{rooted.root}{top}/link").symlink_to("/etc")
    mount = {"Type": "bind", "Source": top, "Destination": "/data", "RW": True}
    settings = {"dir": "/data", "appenddirname": "log", "appendfilename": "a", "dbfilename": "d"}
    assert hand.redis_tree(container("redis", mount), hand.RedisNow(settings, {})) == top
    with pytest.raises(hand.Refused, match=r"could be any of this host|symbolic link"):
        hand.redis_tree(container("redis", mount), hand.RedisNow(settings | said, {}))


@pytest.mark.parametrize("changed", ["", "rdb_changes_since_last_save", "rdb_last_save_time", "run_id"])
def test_a_redis_is_held_back_before_its_counters_are_compared(monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    info, order = {"run_id": "a", "rdb_changes_since_last_save": "3", "rdb_last_save_time": "9"}, []
    monkeypatch.setattr(hand, "demand_container", lambda name: container(name))
    monkeypatch.setattr(hand, "redis_now", lambda one: order.append("look") or hand.RedisNow({}, dict(info)))
    monkeypatch.setattr(hand, "hold_writes", lambda name, one: order.append("hold"))
    monkeypatch.setattr(hand, "stop_container", lambda name, engine: order.append("stop"))
    since = hand.Since("cache", "redis", "/srv/cache")
    if changed:
        info[changed] = "4"
    assert since.stopped() is (changed == "")
    assert order == ["look", "hold", "look", "stop"]


@pytest.mark.parametrize("written", ["", "base/1/1", "pg_xact/0001", "postgresql.auto.conf", "pg_hba.conf"])
def test_of_a_postgres_its_settings_count_as_written_too(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    home = rooted.root / "srv/pg"
    for one in ("PG_VERSION", "global/pg_control", "base/1/1", "pg_xact/0000", "postgresql.auto.conf", "pg_wal/1"):
        (home / one).parent.mkdir(parents=True, exist_ok=True)
        (home / one).write_text("1")
    monkeypatch.setattr(hand, "demand_container", lambda name: container(name))
    monkeypatch.setattr(hand, "checkpoint", lambda one: None)

    def stop(name: str, engine: str) -> None:
        (home / "pg_wal/1").write_text("a checkpoint of the stop")
        (home / "base/1/pg_internal.init").write_text("made by any connection")
        if written:
            (home / written).write_text("another")

    monkeypatch.setattr(hand, "stop_container", stop)
    assert hand.Since("db", "postgres", "/srv/pg").stopped() is (written == "")


def test_a_retire_cut_off_before_its_mark_is_known_to_the_register(sandbox: Sandbox) -> None:
    (sandbox.root / "tmp").mkdir(exist_ok=True)
    (sandbox.root / "tmp/export.tar").write_text("12345")
    moving = sandbox.controller(
        sandbox.plan([driver.step("s0", "tmp_aside", {"files": [{"path": "/tmp/export.tar", "bytes": 5}], "to": "/opt/aside"})])
    )
    assert moving.open()["ok"] and moving.run("do", "s0")["state"] == "done" and moving.close("done")["ok"]
    (entry,) = sandbox.ask({"op": "aside"})["aside"]
    lists = {"paths": [entry["path"]], "volumes": []}
    gone = driver.step("r0", "retire", lists, reversibility="none", deletes=[entry["path"]])
    sandbox.stub("systemctl", "exit 0")
    sandbox.stub("docker", 'case "$*" in *DockerRootDir*) echo "\\"/var/lib/docker\\"";; esac')
    retiring = sandbox.controller(sandbox.plan([gone], kind="retire"), ("ronny", "dana"), fence=2)
    assert retiring.open()["ok"] and retiring.run("do", "r0")["state"] == "done"
    lines = sandbox.file("journal.jsonl").read_text().splitlines(keepends=True)
    cut = next(number for number, line in enumerate(lines) if json.loads(line)["kind"] == "retired")
    sandbox.file("journal.jsonl").write_text("".join(lines[:cut]))
    sandbox.file("aside.json").write_text(sandbox.file("aside.json").read_text().replace('"retired"', '"retiring"'))
    assert retiring.close("done")["ok"]
    (after,) = sandbox.ask({"op": "aside"})["aside"]
    assert after["state"] == "retired" and not Path(f"{sandbox.root}{entry['path']}").exists()
