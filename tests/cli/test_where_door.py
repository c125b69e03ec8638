"""`waveboard where --sysroot`: paths as people and programs may spell them, trees that lie in odd places or are empty."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from waveboard.cli import run

KEYS = ["path", "mount", "chain", "disks", "class", "boot", "confidence", "why"]
TABLE = (
    rb"""20 1 8:1 / / rw - ext4 /dev/sda rw
21 20 8:16 / /mnt/data rw - ext4 /dev/sdb rw
22 20 8:16 /t /mnt/t\011b\012n\040\134z rw - ext4 /dev/sdb rw
23 20 8:16 /n /mnt/"""
    + b"\xff rw - ext4 /dev/sdb rw\n"
)
DISKS = {"sda": "8:1", "sdb": "8:16"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "-a b*[x]$(id)'\""
    for name, number in DISKS.items():
        at = root / "sys/devices/pci0/block" / name
        at.mkdir(parents=True)
        (at / "dev").write_text(number + "\n")
        (root / "sys/block").mkdir(parents=True, exist_ok=True)
        (root / "sys/block" / name).symlink_to(f"../devices/pci0/block/{name}")
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_bytes(TABLE)
    (root / "mnt/data/deep/*/-n x").mkdir(parents=True)
    (root / "link").symlink_to("/mnt/data/deep")
    (root / "round").symlink_to("round")
    return root


def asked(tree: Path, path: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = run(["where", "--sysroot", str(tree), path, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("path", "disks", "confidence"),
    [
        ("/", ["sda"], "observed"),
        ("/mnt/data/deep/*/-n x", ["sdb"], "observed"),
        ("//mnt/./data///deep/", ["sdb"], "observed"),
        ("/link/../deep", ["sdb"], "observed"),  # up from where the link leads, which is not where it lies
        ("/mnt/data/../x", ["sda"], "lexical"),
        ("/mnt/t\tb\nn \\z/x", ["sdb"], "lexical"),
        ("/mnt/t\tb", ["sda"], "lexical"),
        (os.fsdecode(b"/mnt/\xff/x"), ["sdb"], "lexical"),
        (os.fsdecode(b"/mnt/\xfe/x"), ["sda"], "lexical"),
        ("/" + "d/" * 3000, ["sda"], "lexical"),
    ],
)
def test_a_path_is_answered_however_it_is_spelled(
    path: str, disks: list[str], confidence: str, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = asked(tree, path, capsys)
    assert (told["disks"], told["confidence"]) == (disks, confidence), told["why"]
    assert list(told)[: len(KEYS)] == KEYS
    assert (told["boot"], code) == ((True, 2) if disks == ["sda"] else (False, 0))


def test_a_link_without_an_end_is_not_known(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = asked(tree, "/round/x", capsys)
    assert (code, told["disks"], told["class"], told["boot"]) == (5, [], "UNKNOWN", None)


def test_an_empty_tree_is_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = asked(tmp_path, "/srv", capsys)
    assert code == 5 and list(told) == KEYS and (told["class"], told["boot"], told["confidence"]) == ("UNKNOWN", None, "none")
    assert told["mount"] == {"target": None, "source": None, "fstype": None}
    assert run(["audit", "--sysroot", str(tmp_path), "--json"]) == 0


def test_a_path_that_begins_nowhere_is_refused(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["where", "--sysroot", str(tree), "mnt/data", "--json"]) == 1
    assert "not an absolute path" in capsys.readouterr().err
