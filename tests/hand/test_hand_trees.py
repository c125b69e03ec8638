"""The hand's pure parts and its proofs: manifests, compare-and-swap, fstab, mount guards, the fold of the journal."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hand.conftest import Sandbox
from tests.hand.room import hand

FSTAB = "LABEL=rootfs / ext4 defaults,errors=remount-ro 0 1\n# a comment\n"
LINE = "UUID=07b7537a-d0eb-45ba-907a-8d6355807977 /mnt/data ext4 defaults,nofail 0 2"


def digest(path: Path) -> str:
    looked = hand.Manifest(str(path))
    looked.write(str(path) + ".gz")
    return str(looked.digest)


def planted(root: Path) -> Path:
    (root / "sub").mkdir(parents=True)
    (root / "sub/file").write_bytes(b"x" * 5000)
    (root / "other").write_bytes(b"y" * 5000)
    os.link(root / "sub/file", root / "sub/link")
    (root / "sub/sym").symlink_to("file")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "sock"))
    for path in (root / "sub/file", root / "other", root / "sub", root):
        os.utime(path, ns=(10**18, 10**18))
    return root


def _rewrite(path: Path, raw: bytes) -> None:
    status = path.stat()
    path.write_bytes(raw)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _split(root: Path) -> None:
    raw = (root / "sub/link").read_bytes()
    (root / "sub/link").unlink()
    _rewrite_new(root / "sub/link", raw)


def _rewrite_new(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    os.utime(path, ns=(10**18, 10**18))
    os.utime(path.parent, ns=(10**18, 10**18))


def _symlink(root: Path) -> None:
    (root / "sub/sym").unlink()
    (root / "sub/sym").symlink_to("link")
    os.utime(root / "sub", ns=(10**18, 10**18))


CHANGES: dict[str, Callable[[Path], object]] = {
    "content of the same size and time": lambda root: _rewrite(root / "other", b"z" * 5000),
    "mode": lambda root: (root / "other").chmod(0o640),
    "owner": lambda root: os.chown(root / "other", 1234, -1),
    "group": lambda root: os.chown(root / "sub", -1, 1234),
    "time in ns": lambda root: os.utime(root / "other", ns=(10**18, 10**18 + 1)),
    "directory time": lambda root: os.utime(root / "sub", ns=(10**18, 10**18 + 1)),
    "extended attribute": lambda root: os.setxattr(root / "other", "trusted.overlay.opaque", b"y"),
    "link group": _split,
    "link target": _symlink,
    "an entry more": lambda root: (root / "new").touch(),
    "an entry less": lambda root: (root / "pipe").unlink(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_manifest_sees(tmp_path: Path, name: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("owners and trusted attributes need root")
    one = planted(tmp_path / "one")
    subprocess.run(["cp", "-a", str(one), str(tmp_path / "copy")], check=True, timeout=20)
    assert digest(one) == digest(tmp_path / "copy")
    CHANGES[name](tmp_path / "copy")
    assert digest(one) != digest(tmp_path / "copy")
    left, right = str(one) + ".gz", str(tmp_path / "copy") + ".gz"
    assert hand.differences(left, right)


def test_a_hash_read_ahead_counts_only_while_the_inode_did_not_change(tmp_path: Path) -> None:
    root = planted(tmp_path / "one")
    first = hand.Manifest(str(root))
    list(first.lines())
    later = 10**19  # as if the sync had come long after every change
    again = hand.Manifest(str(root), known={key: (*value[:4], "0" * 64) for key, value in first.seen.items()}, since_ns=later)
    assert all(value[4] == "0" * 64 for value in _after(again).values())  # taken over without reading
    _rewrite(root / "other", b"z" * 5000)
    assert _after(again)[b"/other"][4] != "0" * 64  # ctime moved: read again
    fresh = hand.Manifest(str(root), known={key: (*value[:4], "0" * 64) for key, value in first.seen.items()}, since_ns=0)
    assert not any(value[4] == "0" * 64 for value in _after(fresh).values())  # changed after the sync: never trusted


def _after(manifest: Any) -> Any:
    manifest.seen = {}
    list(manifest.lines())
    return manifest.seen


def test_swap_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o640)
    with pytest.raises(hand.Refused, match="not what the plan was made from"):
        hand.swap(str(path), hand.sha_of(b"else"), b"new")
    with pytest.raises(hand.Refused):
        hand.swap(str(path), None, b"new")
    assert path.read_text() == "old"
    assert hand.swap(str(path), hand.sha_of(b"old"), b"new") is True
    assert hand.swap(str(path), hand.sha_of(b"old"), b"new") is False  # already so
    assert path.read_text() == "new" and path.stat().st_mode & 0o777 == 0o640
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file"]
    assert hand.swap(str(path), hand.sha_of(b"new"), None) and not path.exists()


def test_a_symbolic_link_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError):
        hand.read_bytes(str(tmp_path / "link"))
    with pytest.raises(hand.Refused, match="symbolic link"):
        hand.plain_path(str(tmp_path / "link" / "below"))


@pytest.mark.parametrize("text", [FSTAB, FSTAB.rstrip("\n"), "", "# only\n"])
def test_the_fstab_line_goes_in_and_out(text: str) -> None:
    after = hand.fstab_with(text, LINE)
    assert after.endswith("\n" + LINE + "\n") or after == LINE + "\n"
    assert hand.fstab_without(after, LINE).rstrip("\n") == text.rstrip("\n")
    assert hand.fstab_without(after + "tmpfs /x tmpfs defaults 0 0\n", LINE).endswith("tmpfs /x tmpfs defaults 0 0\n")


@pytest.mark.parametrize(
    "there", [LINE, "/dev/sdb /mnt/data ext4 defaults 0 2", "/dev/sdb /mnt/data/ ext4 x 0 2", LINE.replace("/mnt/data", "/srv")]
)
def test_a_second_line_for_the_same_place_or_disk_is_refused(there: str) -> None:
    with pytest.raises(hand.Refused):
        hand.fstab_with(FSTAB + there + "\n", LINE)


def test_warnings_about_our_line_count_and_others_do_not() -> None:
    told = "/\n   [W] something\n/mnt/data\n   [W] cannot detect on-disk filesystem type\n   [E] bad\n"
    assert hand.fstab_complaints(told, "/mnt/data") == ["[W] cannot detect on-disk filesystem type", "[E] bad"]
    assert hand.fstab_complaints(told, "/mnt") == []
    assert hand.fstab_complaints("Success, no errors or warnings detected\n", "/mnt/data") == []


def test_whole_lines_are_edited_only_where_they_read_as_planned() -> None:
    raw = b"services:\n  a:\n    image: x\n\xff\n"
    edits = [{"line": 2, "old": "  a:", "new": ["  a:", "    volumes:", "      - /x:/y"]}]
    assert hand.edited(raw, edits, "f") == b"services:\n  a:\n    volumes:\n      - /x:/y\n    image: x\n\xff\n"
    for wrong in (
        {"line": 3, "old": "  a:", "new": []},
        {"line": 99, "old": "", "new": []},
        {"line": 2, "old": "  a:", "new": ["x\ny"]},
    ):
        with pytest.raises(hand.Refused):
            hand.edited(raw, [wrong], "f")


@given(st.binary(min_size=1, max_size=400))
def test_canonical_armor_is_a_fixed_point(raw: bytes) -> None:
    import base64

    encoded = base64.b64encode(raw).decode()
    body = "\n".join(encoded[n : n + 70] for n in range(0, len(encoded), 70))
    armor = f"-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n"
    assert hand.canonical_armor(armor) == armor
    assert hand.canonical_armor(armor.replace("\n", "\n\n", 1)) != armor.replace("\n", "\n\n", 1)


@given(st.text(max_size=60))
def test_no_path_escapes_the_grammar(text: str) -> None:
    for path in (text, "/" + text, "/srv/" + text):
        if hand.is_path(path):
            assert (
                os.path.normpath(path) == path and path.startswith("/") and not path.startswith(("/etc", "/usr", "/boot", "/dev"))
            )


EVENTS = st.lists(st.tuples(st.sampled_from(["do", "undo"]), st.sampled_from(["intent", "done", "failed"])), max_size=12)


@given(EVENTS)
def test_the_journal_folds_to_the_last_thing_that_happened(events: list[tuple[str, str]]) -> None:
    entries = [{"kind": "opened", "plan": "p"}]
    last, undone = "none", False
    names = {("do", "done"): "applied", ("do", "failed"): "failed", ("undo", "done"): "undone", ("undo", "failed"): "undo-failed"}
    for number, (phase, what) in enumerate(events, 1):
        entry = {"plan": "p", "step": "s", "phase": phase, "attempt": number}
        entries.append({**entry, "kind": "intent"})
        undone = undone or phase == "undo"
        last = "applying" if phase == "do" else "undoing"
        if what != "intent":
            entries.append({**entry, "kind": "outcome", "detail": {"result": what}})
            last = names[phase, what]
    record = hand.history(entries)["p"]
    assert record.step("s").state == last and record.undone == undone


class Tomorrow:
    """The time module a day later."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        return time.time() + 86400


def test_a_step_does_not_start_after_the_plans_own_window(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = sandbox.controller(sandbox.plan(), not_after="2099-01-01T00:00:00Z")
    assert controller.open()["ok"]
    monkeypatch.setattr(hand, "ROOT", str(sandbox.root))
    monkeypatch.setattr(hand, "time", Tomorrow())
    controller.ask = lambda request: hand.answer(json.dumps(request).encode())
    assert controller.start("do", "s0")["error"]["code"] == "outside-window"
    assert controller.open()["error"]["code"] == "outside-window"
