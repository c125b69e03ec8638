"""What the hand refuses before a hygiene step may begin: lists that are not the deletes, classes that are not true, odd names."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.hand import driver
from tests.hand.conftest import Sandbox
from tests.hand.room import hand

ID = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
RECORD = "r1tyfa2tcyhpg9vtsnqwyfo01"
IMAGE = {"id": ID, "tags": ["mint/app:1"], "digests": [], "bytes": 5}
FILE = {"path": "/tmp/big.tar", "bytes": 9}


def refused(sandbox: Sandbox, verb: str, args: Mapping[str, Any], **more: Any) -> str:
    told = sandbox.controller(sandbox.plan([driver.step("s1", verb, args, **more)]), ("ronny", "dana")).open()
    return "" if told["ok"] else str(told["error"]["because"])


@pytest.mark.parametrize(
    ("verb", "args", "deletes", "reversibility", "because"),
    [
        ("image_remove", {"images": [IMAGE], "save_to": "/srv/a"}, [f"image:{ID}"], "restorable", ""),
        ("image_remove", {"images": [IMAGE], "save_to": None}, [f"image:{ID}"], "none", ""),
        ("image_remove", {"images": [IMAGE], "save_to": "/srv/a"}, [], "restorable", "not exactly its images"),
        ("image_remove", {"images": [IMAGE], "save_to": "/srv/a"}, [f"image:{OTHER}"], "restorable", "not exactly its images"),
        ("image_remove", {"images": [IMAGE], "save_to": None}, [f"image:{ID}"], "restorable", "what it removes is none"),
        (
            "image_remove",
            {"images": [{**IMAGE, "digests": [f"mint/app@{OTHER}"]}], "save_to": None},
            [f"image:{ID}"],
            "none",
            "what it removes is compensable",
        ),
        ("image_remove", {"images": [{**IMAGE, "tags": ["--force"]}], "save_to": None}, [f"image:{ID}"], "none", "agreed form"),
        ("image_remove", {"images": [IMAGE], "save_to": "/etc"}, [f"image:{ID}"], "restorable", "agreed form"),
        ("cache_remove", {"records": [RECORD]}, [f"build-cache:{RECORD}"], "compensable", ""),
        ("cache_remove", {"records": [RECORD]}, [], "compensable", "not exactly its records"),
        ("cache_remove", {"records": [RECORD, RECORD]}, [f"build-cache:{RECORD}"] * 2, "compensable", "not exactly its records"),
        ("cache_remove", {"records": [RECORD]}, [f"build-cache:{RECORD}"], "restorable", "never comes back"),
        ("cache_remove", {"records": [".*"]}, ["build-cache:.*"], "compensable", "agreed form"),
        ("tmp_aside", {"files": [FILE], "to": "/srv/a"}, [], "exact", ""),
        ("tmp_aside", {"files": [FILE], "to": "/srv/a"}, ["/tmp/big.tar"], "exact", "deletes"),
        ("tmp_aside", {"files": [FILE, FILE], "to": "/srv/a"}, [], "exact", "become, the same"),
        ("tmp_aside", {"files": [{**FILE, "path": "/tmp/../etc/passwd"}], "to": "/srv/a"}, [], "exact", "agreed form"),
        ("tmp_aside", {"files": [{**FILE, "path": "/tmp/.."}], "to": "/srv/a"}, [], "exact", "become, the same"),
        ("tmp_aside", {"files": [{**FILE, "path": "/etc/passwd"}], "to": "/srv/a"}, [], "exact", "agreed form"),
    ],
)
def test_a_step_says_exactly_what_it_removes_and_how_final_that_is(
    sandbox: Sandbox, verb: str, args: Mapping[str, Any], deletes: list[str], reversibility: str, because: str
) -> None:
    told = refused(sandbox, verb, args, deletes=deletes, reversibility=reversibility)
    assert because in told if because else told == ""


@pytest.fixture
def tmp_files(sandbox: Sandbox) -> Path:
    (sandbox.root / "tmp").mkdir(mode=0o1777)
    (sandbox.root / "tmp/big.tar").write_bytes(b"123456789")
    (sandbox.root / "srv").mkdir()
    return sandbox.root / "tmp/big.tar"


def aside(sandbox: Sandbox, controller: driver.Controller) -> Path:
    return sandbox.root / f"srv/a/big.tar.wb-W8B-{controller.digest[7:15]}"


def settled(sandbox: Sandbox) -> driver.Controller:
    controller = sandbox.controller(sandbox.plan([driver.step("s1", "tmp_aside", {"files": [FILE], "to": "/srv/a"})]))
    assert controller.open()["ok"]
    return controller


def test_a_file_of_tmp_goes_aside_is_registered_and_comes_back(sandbox: Sandbox, tmp_files: Path) -> None:
    controller, inode = settled(sandbox), tmp_files.stat().st_ino
    assert controller.run("do", "s1")["state"] == "done" and controller.holds("s1")[0] == "DONE"
    kept = aside(sandbox, controller)
    assert not tmp_files.exists() and kept.stat().st_ino == inode and kept.parent.stat().st_mode & 0o777 == 0o700
    (entry,) = sandbox.ask({"op": "aside"})["aside"]
    assert (entry["path"], entry["origin"], entry["state"]) == (
        "/" + str(kept.relative_to(sandbox.root)),
        "/tmp/big.tar",
        "aside",
    )
    assert controller.run("undo", "s1")["state"] == "done" and controller.holds("s1")[0] == "NOT_DONE"
    assert tmp_files.stat().st_ino == inode and not kept.exists()
    assert sandbox.ask({"op": "aside"})["aside"][0]["state"] == "restored"


def test_a_file_that_is_not_the_planned_one_at_rest_is_refused(sandbox: Sandbox, tmp_files: Path) -> None:
    controller = settled(sandbox)
    with tmp_files.open("rb"):
        assert "has it open" in controller.start("do", "s1")["error"]["because"]
    (tmp_files.parent / "second-name").hardlink_to(tmp_files)
    assert "no longer the one file" in controller.start("do", "s1")["error"]["because"]
    (tmp_files.parent / "second-name").unlink()
    tmp_files.write_bytes(b"1234567890")
    assert "no longer the one file" in controller.start("do", "s1")["error"]["because"]
    tmp_files.unlink()
    tmp_files.symlink_to("/etc/shadow")
    assert "symbolic link" in controller.start("do", "s1")["error"]["because"]
    tmp_files.unlink()
    assert "not there any more" in controller.start("do", "s1")["error"]["because"]


def test_something_new_at_the_old_place_is_not_overwritten_by_the_undo(sandbox: Sandbox, tmp_files: Path) -> None:
    controller = settled(sandbox)
    assert controller.run("do", "s1")["state"] == "done"
    tmp_files.write_bytes(b"new")
    told = controller.run("undo", "s1")
    assert told["state"] == "failed" and told["outcome"]["error"]["code"] == "changed"
    assert tmp_files.read_bytes() == b"new" and aside(sandbox, controller).read_bytes() == b"123456789"


def test_a_directory_that_others_may_write_keeps_nothing(sandbox: Sandbox, tmp_files: Path) -> None:
    (sandbox.root / "srv/a").mkdir()
    (sandbox.root / "srv/a").chmod(0o777)
    controller = settled(sandbox)
    assert "only root may write" in str(controller.run("do", "s1")["outcome"]["error"]["because"])
    assert tmp_files.exists()


def archive(path: Path, layers: list[bytes], told: list[bytes]) -> str:
    """A `docker image save` archive whose configuration names the layers `told`; returns the image's id."""
    config = json.dumps({"rootfs": {"diff_ids": ["sha256:" + sha256(one).hexdigest() for one in told]}}).encode()
    identifier = sha256(config).hexdigest()
    names = [f"blobs/sha256/{n}" for n in range(len(layers))]
    manifest = [{"Config": f"blobs/sha256/{identifier}", "RepoTags": ["b:2", "a:1"], "Layers": names}]
    files = {f"blobs/sha256/{identifier}": config, "manifest.json": json.dumps(manifest).encode()} | dict(
        zip(names, layers, strict=True)
    )
    with tarfile.open(path, "w") as out:
        for name, raw in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(raw)
            out.addfile(entry, io.BytesIO(raw))
    return "sha256:" + identifier


def test_an_archive_is_believed_only_when_every_layer_is_what_its_image_names(tmp_path: Path) -> None:
    path = tmp_path / "images.tar"
    identifier = archive(path, [b"one", b"two" * 10**6], [b"one", b"two" * 10**6])
    assert hand.saved_images(str(path)) == {identifier: ["a:1", "b:2"]}
    archive(path, [b"one", b"torn"], [b"one", b"two"])
    assert hand.saved_images(str(path)) == {}


def stands(*lines: tuple[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Journal entries of step s1 of plan p."""
    return [{"plan": "p", "step": "s1", "kind": kind, **more} for kind, more in lines]


DO = ("intent", {"phase": "do", "attempt": 1})
DONE = ("outcome", {"phase": "do", "attempt": 1, "detail": {"result": "done"}})
UNDO = ("intent", {"phase": "undo", "attempt": 1})
UNDONE = ("outcome", {"phase": "undo", "attempt": 1, "detail": {"result": "done"}})
UNDO_FAILED = ("outcome", {"phase": "undo", "attempt": 1, "detail": {"result": "failed"}})
HALTED = ("closed", {"detail": {"result": "halted"}})
SAID_UNDONE = ("settled", {"detail": {"nonce": "1", "steps": {"s1": "undone"}}})
SAID_DONE = ("settled", {"detail": {"nonce": "1", "steps": {"s1": "done"}}})


@pytest.mark.parametrize(
    ("lines", "because"),
    [
        ((), "is none"),
        ((DO,), "is applying"),
        ((DO, DONE), ""),
        ((DO, DONE, UNDO), "is undoing"),
        ((DO, DONE, UNDO, UNDO_FAILED), "is undo-failed"),
        ((DO, DONE, UNDO, UNDONE), ""),
        ((DO, DONE, UNDO, UNDO_FAILED, HALTED, SAID_UNDONE), "by a person's word"),
        ((DO, DONE, UNDO, UNDO_FAILED, HALTED, SAID_DONE), ""),
        ((DO, DONE, UNDO, UNDO_FAILED, HALTED, SAID_DONE, ("intent", {"phase": "undo", "attempt": 2}),
          ("outcome", {"phase": "undo", "attempt": 2, "detail": {"result": "done"}})), ""),
    ],
)  # fmt: skip
def test_what_is_aside_is_spare_once_its_step_stands_or_the_hand_itself_undid_it(
    lines: tuple[tuple[str, Mapping[str, Any]], ...], because: str
) -> None:
    told = hand.Aside.still_needed({"plan": "p", "step": "s1"}, hand.history(stands(*lines)))
    assert because in told if because else told == ""


def test_what_only_a_persons_word_calls_undone_is_not_retired(sandbox: Sandbox, tmp_files: Path) -> None:
    controller = settled(sandbox)
    assert controller.run("do", "s1")["state"] == "done"
    tmp_files.write_bytes(b"new")
    assert controller.run("undo", "s1")["state"] == "failed" and controller.close("halted")["ok"]
    word = driver.settle(controller, sandbox.keys / "ronny", "ronny", {"s1": "undone"})
    assert sandbox.ask(word)["ok"] and controller.close("rolled-back")["ok"]
    kept = aside(sandbox, controller)
    path = "/" + str(kept.relative_to(sandbox.root))
    (entry,) = sandbox.ask({"op": "aside"})["aside"]
    assert entry["state"] == "aside" and "by a person's word" in entry["needed"]
    step = driver.step("r0", "retire", {"paths": [path], "volumes": []}, reversibility="none", deletes=[path])
    retiring = sandbox.controller(sandbox.plan([step], kind="retire"), ("ronny", "dana"))
    assert retiring.open()["ok"]
    assert "by a person's word" in retiring.start("do", "r0")["error"]["because"]
    assert kept.read_bytes() == b"123456789"
