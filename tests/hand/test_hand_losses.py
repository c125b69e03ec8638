"""Ways in which a step or its undo could have lost what somebody wrote: each is refused, or carries it along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hand import driver
from tests.hand.conftest import Sandbox
from tests.hand.room import hand

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.fixture
def rooted(sandbox: Sandbox) -> Iterator[Sandbox]:
    hand.ROOT = str(sandbox.root)
    yield sandbox
    hand.ROOT = ""


def context(sandbox: Sandbox, verb: str, args: dict[str, Any], **notes: Any) -> Any:
    """A step in the middle of its life, with what it noted so far."""
    step = driver.step("s1", verb, args)
    plan = hand.Opened("sha256:" + "d" * 64, {"wave": "W8D", "steps": [step]}, "mint-data")
    for name in ("steps", "backup", "manifests"):
        (sandbox.root / plan.directory.lstrip("/") / name).mkdir(parents=True, exist_ok=True)
    made = hand.Ctx(plan, step, "do", 1, 1)
    if notes:
        made.note(**notes)
    return made


def container(name: str, *mounts: dict[str, Any], **more: Any) -> dict[str, Any]:
    state = {"Running": True, "Status": "running", "ExitCode": 0, "StartedAt": "2026-02-26T03:00:00Z"}
    return {"Id": f"id-{name}", "Name": f"/{name}", "Config": {"Env": []}, "State": state, "Mounts": list(mounts)} | more


def docker(sandbox: Sandbox, *found: dict[str, Any], volumes: dict[str, str] | None = None) -> None:
    """A docker that knows these containers, and volumes (name -> the directory it is bound to)."""
    place = sandbox.root / "stubs"
    (place / "all.json").write_text(json.dumps(found))
    for name, device in (volumes or {}).items():
        bound = {"type": "none", "o": "bind", "device": device}
        told = {"Name": name, "Driver": "local", "Options": bound, "Mountpoint": f"/var/lib/docker/volumes/{name}/_data"}
        (place / f"volume-{name}.json").write_text(json.dumps([told]))
    sandbox.stub(
        "docker",
        f"""case "$1 $2" in
  "ps "*) echo ids ;;
  "container inspect") cat {place}/all.json ;;
  "volume inspect") cat {place}/volume-$3.json ;;
esac""",
    )


def test_who_mounts_the_same_directory_by_a_volume_of_its_own_is_seen(rooted: Sandbox) -> None:
    def volume(name: str) -> dict[str, Any]:
        return {"Type": "volume", "Name": name, "Source": f"/var/lib/docker/volumes/{name}/_data", "RW": True}

    bound = {"cache": "/srv/data/cache", "twin": "/srv/data/cache", "other": "/srv/data/other"}
    docker(rooted, container("cache", volume("cache")), container("worker", volume("twin")), volumes=bound)
    with pytest.raises(hand.Refused, match="worker mounts the same data"):
        hand.ServiceRelocate()._refuse_shared({"container": "cache"}, "/srv/data/cache")
    docker(rooted, container("cache", volume("cache")), container("worker", volume("other")), volumes=bound)
    hand.ServiceRelocate()._refuse_shared({"container": "cache"}, "/srv/data/cache")


def test_a_file_that_was_as_planned_before_the_step_stays_when_it_is_undone(sandbox: Sandbox) -> None:
    place = sandbox.root / "etc/systemd/system/docker.service.d/part-0.conf"
    place.parent.mkdir(parents=True)
    args = {**sandbox.write_steps()[0]["args"], "before_sha256": driver.sha("older")}
    place.write_text(args["after"])  # somebody was quicker
    controller = sandbox.controller(sandbox.plan([driver.step("s0", "write_file", args)]))
    assert controller.open()["ok"] and controller.run("do", "s0")["state"] == "done"
    assert controller.run("undo", "s0")["state"] == "done"
    assert place.read_text() == args["after"]


class Images:
    """An engine's images in memory: id -> tags; `load` takes every tag it brings, as docker's does."""

    def __init__(self, now: dict[str, list[str]], archive: dict[str, list[str]]) -> None:
        self.now, self.archive, self.dies_at = now, archive, ""

    def images(self) -> dict[str, list[str]]:
        return {name: sorted(tags) for name, tags in self.now.items()}

    def name(self, identifier: str, tag: str) -> None:
        for tags in self.now.values():
            if tag in tags:
                tags.remove(tag)
        self.now[identifier].append(tag)

    def docker(self, *argv: str, **_: Any) -> Any:
        if argv[1] == self.dies_at:
            raise KeyboardInterrupt
        if argv[:2] == ("image", "load"):
            for identifier, tags in self.archive.items():
                self.now.setdefault(identifier, [])
                for tag in tags:
                    self.name(identifier, tag)
        elif argv[:2] == ("image", "tag"):
            self.name(argv[2], argv[3])
        return hand.Ran(0, b"", b"")

    def engine(self, method: str, path: str, *_: Any, **__: Any) -> tuple[int, Any]:
        self.now.pop(path.removeprefix("/images/"), None)
        return 200, []

    def serve(self, patch: pytest.MonkeyPatch) -> None:
        for name, there in {"images_now": self.images, "docker": self.docker, "engine": self.engine}.items():
            patch.setattr(hand, name, there)


def listed(*images: tuple[str, str]) -> dict[str, Any]:
    return {"images": [{"id": one, "tags": [tag], "digests": [], "bytes": 5} for one, tag in images], "save_to": "/srv/a"}


def test_an_image_that_came_back_after_the_save_is_not_removed_unsaved(rooted: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Images({OLD: ["app:1"], NEW: ["web:1"]}, {})
    engine.serve(monkeypatch)
    saved = {"path": "/srv/a/images.tar", "sha256": "", "bytes": 1, "images": [NEW]}
    ctx = context(rooted, "image_remove", listed((OLD, "app:1"), (NEW, "web:1")), saved=saved, removing=[NEW])
    monkeypatch.setattr(ctx, "keep_aside", lambda *said: None)
    with pytest.raises(hand.Refused, match=f"{OLD}.* was not there"):
        hand.ImageRemove().do(ctx)
    assert OLD in engine.now


def test_a_name_that_a_newer_image_got_stays_with_it_through_a_cut_in_the_undo(
    rooted: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Images({NEW: ["app:1"]}, {OLD: ["app:1"]})
    engine.serve(monkeypatch)
    file = rooted.root / "srv/images.tar"
    file.parent.mkdir()
    file.write_bytes(b"archive")
    saved = {"path": "/srv/images.tar", "sha256": hand.sha_of(b"archive"), "bytes": 7, "images": [OLD]}
    ctx = context(rooted, "image_remove", listed((OLD, "app:1")), saved=saved, removing=[OLD])
    engine.dies_at = "tag"
    with pytest.raises(KeyboardInterrupt):
        hand.ImageRemove().undo(ctx)
    engine.dies_at = ""
    again = hand.Ctx(ctx.plan, ctx.step, "undo", 2, 1)
    assert hand.ImageRemove().undo(again)["names_kept_by_newer"] == {"app:1": NEW}
    assert engine.images() == {NEW: ["app:1"], OLD: []}


def test_a_container_somebody_made_anew_keeps_what_it_wrote(rooted: Sandbox) -> None:
    args = {"container": "web", "dst": "/srv/uploads"}
    ctx = context(rooted, "surface_govern", args, container="id-first", filled="id-second")
    with pytest.raises(hand.Refused, match="made it anew"):
        hand.SurfaceGovern()._stop_and_keep(ctx, container("web", Id="id-third"))
    never = container("web", Id="id-third")
    never["State"] |= {"Running": False, "StartedAt": "0001-01-01T00:00:00Z"}
    hand.SurfaceGovern()._stop_and_keep(ctx, never)  # ours, cut off before it was filled
    assert ctx.notes["undo_layer"] == "/srv/uploads.wb-layer-dddddddd"


@pytest.mark.parametrize(("then", "now", "written"), [(0, 0, False), (3, 3, True), (0, 3, True), (3, 0, True)])
def test_keys_with_expiry_are_carried_back_since_nobody_compares_their_values(
    rooted: Sandbox, monkeypatch: pytest.MonkeyPatch, then: int, now: int, written: bool
) -> None:
    class Cache(hand.ServiceRelocate):  # type: ignore[misc,name-defined]
        def digest(self, args: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
            return {"engine": "redis", "keys": 1, "keys_with_expiry": now, "digest": "same"}

    docker(rooted, container("cache"))
    monkeypatch.setattr(Cache, "uses", lambda me, args, where: where == "dst")
    monkeypatch.setattr(hand.Since, "__init__", lambda *a: None)
    monkeypatch.setattr(hand.Since, "stopped", lambda me: True)
    held = {"engine": "redis", "keys": 1, "keys_with_expiry": then, "digest": "same"}
    ctx = context(rooted, "service_relocate", {"container": "cache", "engine": "redis", "dst": "/srv/x"}, after=held)
    assert Cache()._written_since(ctx) is written
