"""What a container wrote outside its mounts outlives its being made anew, both ways, wherever the step is cut off.

Docker is the one container of `test_hand_ways_back`, whose layers are real directories; compose drops them as the real one does.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hand.conftest import Sandbox
from tests.hand.room import hand
from tests.hand.test_hand_losses import container, context, rooted
from tests.hand.test_hand_ways_back import AFTER, COMPOSE, DST, OLD, SOURCES, Service

__all__ = ["rooted"]  # a fixture
KEPT, KEPT_BACK = f"{DST}.wb-layer-dddddddd", f"{DST}.wb-undo-layer-dddddddd"


class Layered(Service):
    """A service that wrote beside its data."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.note("var/spool/job-1", "queued")
        os.setxattr(self.at(f"{self.upper}/var/spool/job-1"), "trusted.wb", b"1")
        gone = self.at("/var/lib/docker/overlay2/1/gone")  # overlayfs: a file of the image was removed; one inode says so of many
        os.mknod(gone, 0o600 | stat.S_IFCHR, os.makedev(0, 0))
        os.link(gone, self.at(f"{self.upper}/motd"))

    def note(self, path: str, text: str) -> None:
        place = self.at(f"{self.upper}/{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def whole(self, path: str = "") -> str:
        """Everything of a layer as the proof reads it, its directories' times aside."""
        look = hand.Manifest(path or self.upper)
        return "".join(line.decode() for line in look.lines() if f'",{0o040000},' not in line.decode())


@pytest.fixture
def service(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Layered:
    return Layered(rooted, monkeypatch)


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Path]:
    """A mounted overlay of a small image, `lower` and `upper` beside it."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    for name in ("etc/motd", "opt/app/run", "srv/a", "srv/b"):
        place = tmp_path / "lower" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(name)
    options = ",".join(f"{one}dir={tmp_path / one}" for one in ("lower", "upper", "work"))
    if subprocess.run(["mount", "-t", "overlay", "o", "-o", options, tmp_path / "merged"], check=False).returncode:
        pytest.skip("needs to mount an overlay")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)


WRITES = {
    "nothing": ("true", []),
    "a directory's time": ("mkdir etc/x; rmdir etc/x", []),
    "a mount's place": ("mkdir -p data/deep; touch etc/extra", []),
    "below a mount's place": ("mkdir -p data/deep; touch data/deep/hidden", ["/data/deep/hidden"]),
    "a tmpfs": ("mkdir scratch", []),
    "a new file": ("touch srv/c", ["/srv/c"]),
    "an empty directory": ("mkdir srv/d", ["/srv/d"]),
    "a changed file": ("echo >> etc/motd", ["/etc/motd"]),
    "a removed file": ("rm srv/a", ["/srv/a"]),
    "a directory in place of another": ("rm -r srv; mkdir srv", ["/srv"]),
    "a directory's mode": ("chmod 700 opt/app", ["/opt/app"]),
    "a directory's owner": ("chown 7 opt/app", ["/opt/app"]),
    "a symbolic link": ("ln -s /etc srv/l", ["/srv/l"]),
}


@pytest.mark.parametrize("what", WRITES)
def test_what_a_container_wrote_is_what_its_image_has_not(overlay: Path, what: str) -> None:
    script, wanted = WRITES[what]
    subprocess.run(["sh", "-ec", script], cwd=overlay / "merged", check=True)
    graph = {"Name": "overlay2", "Data": {"UpperDir": str(overlay / "upper"), "LowerDir": str(overlay / "lower")}}
    mounts = [{"Type": "bind", "Source": "/x", "Destination": one} for one in ("/data/deep/", "/etc/extra")]
    one = container("app", *mounts, GraphDriver=graph, HostConfig={"Tmpfs": {"/scratch": ""}})
    assert hand.own_writes(one) == wanted


def test_what_a_start_makes_again_is_no_loss_and_hides_none(overlay: Path) -> None:
    script = "mkdir -p run/redis; for n in $(seq 30); do touch run/redis/$n; done"
    subprocess.run(["sh", "-ec", script], cwd=overlay / "merged", check=True)
    graph = {"Name": "overlay2", "Data": {"UpperDir": str(overlay / "upper"), "LowerDir": str(overlay / "lower")}}
    one = container("app", GraphDriver=graph)
    assert len(hand.own_writes(one)) == 20
    hand.demand_nothing_own(one, "try")
    (overlay / "merged/srv/c").touch()
    with pytest.raises(hand.Refused, match=r"own layer: /srv/c$"):
        hand.demand_nothing_own(one, "try")


@pytest.mark.parametrize("source", SOURCES)
def test_a_move_and_its_way_back_carry_what_the_container_wrote_itself(
    rooted: Sandbox, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    service = Layered(rooted, monkeypatch, source)
    before = service.whole()
    service.moved()
    assert service.made == 2 and service.whole() == before == service.whole(KEPT)
    entry = hand.Aside.find(path=KEPT)
    assert (entry["why"], entry["state"]) == ("layer-copy", "aside")
    service.note("var/spool/job-2", "queued since")
    since = service.whole()
    told = service.undo()
    assert (told["layer"], service.made, service.running) == (KEPT_BACK, 3, True)
    assert service.whole() == since and "job-2" in since and hand.Aside.find(path=KEPT_BACK)


def test_a_container_that_wrote_nothing_leaves_nothing_aside(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(rooted, monkeypatch).moved()
    assert service.undo()["layer"] is None
    assert not [one["path"] for one in hand.Aside.all() if "layer" in one["why"]]


CUTS = ((hand, "stop_container"), (hand, "copy_tree"), (hand.ServiceRelocate, "keep_layer"), (hand.ServiceRelocate, "switch"),
        (hand.ServiceRelocate, "source_aside"), (hand.ServiceRelocate, "up"), (hand.ServiceRelocate, "fill"),
        (hand, "start_containers"), (hand, "demand_same"))  # fmt: skip
cut_at = pytest.mark.parametrize(("where", "name"), CUTS, ids=[name for _, name in CUTS])


@cut_at
def test_a_move_that_is_cut_off_anywhere_goes_on_with_the_whole_layer(service: Layered, where: Any, name: str) -> None:
    before = service.whole()
    service.cut(where, name, lambda: service.verb.do(service.ctx))
    if service.at(COMPOSE).read_text() != AFTER:
        service.start()  # as the next attempt's preflight does
    service.moved()
    assert service.whole() == before


@cut_at
def test_a_move_that_is_cut_off_anywhere_goes_back_with_the_whole_layer(service: Layered, where: Any, name: str) -> None:
    before = service.whole()
    service.cut(where, name, lambda: service.verb.do(service.ctx))
    service.undo()
    assert (service.on, service.running) == (OLD, True) and service.whole() == before


@cut_at
def test_an_undo_that_is_cut_off_anywhere_goes_on_with_the_whole_layer(service: Layered, where: Any, name: str) -> None:
    if name in ("switch", "source_aside"):
        pytest.skip("an undo does neither")
    service.moved()
    service.note("var/spool/job-2", "queued since")
    since = service.whole()
    service.cut(where, name, service.undo)
    service.undo()
    assert (service.on, service.running) == (OLD, True) and service.whole() == since


def test_what_an_undone_container_writes_before_the_undo_is_repeated_stays(
    rooted: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Layered(rooted, monkeypatch, "volume")
    monkeypatch.setattr(hand.ServiceRelocate, "_declared", lambda *a: False)  # as an anonymous one: an override comes first
    monkeypatch.setattr(hand.ServiceRelocate, "rendered", lambda *a: {})
    service.moved()
    service.cut(hand, "demand_same", service.undo)
    made = service.made
    service.note("var/spool/job-3", "queued after the first undo")
    service.undo()
    assert service.made == made and "job-3" in service.whole()


def test_an_old_container_that_somebody_started_again_is_not_replaced(service: Layered) -> None:
    service.cut(hand.ServiceRelocate, "source_aside", lambda: service.verb.do(service.ctx))
    service.start()
    service.note("var/spool/job-2", "queued by the old one")
    service.running = False
    with pytest.raises(hand.Refused, match="somebody started it after its data was copied"):
        service.verb.do(service.ctx)
    service.undo()
    assert service.made == 1 and "job-2" in service.whole() and service.running


def test_nobody_guesses_what_a_container_started_before_it_was_filled_lacks(service: Layered) -> None:
    service.cut(hand.ServiceRelocate, "fill", lambda: service.verb.do(service.ctx))
    service.start()  # a boot: docker starts what has a restart policy
    with pytest.raises(hand.Refused, match="somebody started the new one"):
        service.verb.do(service.ctx)
    service.ctx.notes["after"] = {}  # even if all else were well
    assert service.verb.holds(service.ctx) == ("PARTIAL", ["not: it began with what the old one wrote into its own layer"])
    del service.ctx.notes["after"]
    with pytest.raises(hand.Refused, match=f"which is kept at {KEPT}"):
        service.undo()
    assert (service.made, service.running) == (2, True)


@pytest.mark.parametrize("way", ["do", "undo"])
def test_no_room_for_what_it_wrote_is_said_before_it_stops(service: Layered, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    if way == "undo":
        service.moved()
    there = (service.made, service.started)

    def full(src: str, *a: Any, **k: Any) -> None:
        if src == service.upper:
            raise hand.Refused("no-space", "copy", "the disk is full")

    monkeypatch.setattr(hand, "demand_space", full)
    with pytest.raises(hand.Refused, match="the disk is full"):
        getattr(service.verb, way)(service.ctx)
    assert ((service.made, service.started), service.running) == (there, True)


class Named(Layered):
    """Its data stays where it is and only gets a volume of its own name."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        for name, what in {
            "volume_device": lambda name: OLD,
            "volume_path": lambda name: OLD,
            "mounted_below": lambda path: [],
        }.items():
            self.patch.setattr(hand, name, what)
        sandbox: Any = type("Root", (), {"root": self.root})
        more = {"source": {"kind": "bind", "path": OLD}, "dst": OLD, "volume": "named"}
        self.ctx, self.verb = context(sandbox, "name_volume", {**self.ctx.args, **more}), hand.VERBS["name_volume"]
        self.verb.prepare(self.ctx)

    def container(self) -> dict[str, Any]:
        told = super().container()
        if self.made_of[0] == AFTER:
            told["Mounts"] = [{"Type": "volume", "Name": "named", "Source": OLD, "Destination": "/data", "RW": True}]
        return told


def test_data_that_only_gets_a_name_leaves_the_layer_whole_as_well(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Named(rooted, monkeypatch)
    before = service.whole()
    service.verb.do(service.ctx)
    assert service.made == 2 and service.whole() == before == service.whole(f"{OLD}.wb-layer-dddddddd")
    service.note("var/spool/job-2", "queued since")
    since = service.whole()
    service.undo()
    assert service.made == 3 and service.whole() == since


CHANGES = {
    "of one run": (["C /run", "A /run/lock", "C /var", "C /var/run", "A /var/run/x/pid"], ""),
    "a mount's place": (["A /data"], ""),
    "a file": (["C /var", "C /var/lib", "A /var/lib/mine"], "/var/lib/mine"),
    "who knows what": (["C /var/lib"], "/var/lib"),
    "something removed": (["C /etc", "D /etc/motd"], "/etc/motd"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_layer_the_hand_cannot_carry_is_not_dropped(service: Layered, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    told, loses = CHANGES[what]
    changes = [{"Kind": "CAD".index(line[0]), "Path": line[2:]} for line in told]
    there = service.container()
    monkeypatch.setattr(hand, "asked", lambda path: changes if path == f"/containers/{there['Id']}/changes" else None)
    monkeypatch.setattr(Layered, "container", lambda me: Service.container(me) | {"GraphDriver": {"Name": "btrfs"}})
    if loses:
        with pytest.raises(hand.Refused, match=f"would lose what it wrote into its own layer .{loses}"):
            service.verb.demand_keepable(service.ctx, service.container())
    else:
        service.verb.demand_keepable(service.ctx, service.container())
        assert service.verb.keep_own(service.ctx, "layer") is None


def test_a_redis_that_keeps_something_in_its_own_layer_is_not_made_anew_without_it(service: Layered) -> None:
    rest = {"started": "2026-02-26T03:00:01Z", "tree": "/x", "settings": {}, "log": None}
    service.running = False
    ctx = context_of(service, rest=rest)
    with pytest.raises(hand.Refused, match="would lose what it wrote into its own layer: /motd"):
        hand.RedisAofPersist()._demand_rest(ctx)
    service.running = True
    ctx.note(old="id-0")
    with pytest.raises(hand.Refused, match=r"cannot undo app: .*would lose what it wrote"):
        hand.RedisAofPersist().undo(ctx)
    assert service.running


def context_of(service: Layered, **notes: Any) -> Any:
    """The same container under redis_aof_persist."""
    service.patch.setattr(hand.RedisAofPersist, "refuse_other_image", lambda *a: None)
    sandbox: Any = type("Root", (), {"root": service.root})
    args = {key: service.ctx.args[key] for key in ("container", "project", "service", "compose_file", "compose_edits")}
    ctx = context(sandbox, "redis_aof_persist", args, **notes)
    ctx.keep("compose", service.at(COMPOSE).read_bytes())
    return ctx
