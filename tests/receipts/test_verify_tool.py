"""The independent verifier as a stranger runs it: a process of its own, without anything of waveboard."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.receipts import estate
from tests.receipts.judges import TOOL
from waveboard.receipts.envelope import keyid
from waveboard.world.receipt_files import write_bundle


def run(directory: Path, *pins: str) -> "subprocess.CompletedProcess[str]":
    """Isolated: no site packages, no PYTHONPATH, no working directory on the path."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(TOOL), str(directory), *pins], capture_output=True, text=True, check=False
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle", estate.whole())
    return tmp_path / "bundle"


def test_it_is_short_and_stands_alone() -> None:
    source = TOOL.read_text()
    assert len(source.splitlines()) < 200
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported <= sys.stdlib_module_names


def test_a_good_bundle_ends_with_0_and_says_what_it_proves(directory: Path) -> None:
    done = run(directory, "--key", keyid(estate.PUBLIC))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok: 6 receipts of mint-7f3a, 1 approvals, key ")


@pytest.mark.parametrize("name", sorted(estate.whole()))
def test_a_flipped_byte_ends_with_8_and_names_the_file(directory: Path, name: str) -> None:
    raw = bytearray((directory / name).read_bytes())
    raw[len(raw) // 2] ^= 4
    (directory / name).write_bytes(raw)
    done = run(directory)
    assert done.returncode == 8, done.stdout
    assert done.stderr.startswith("INVALID ") and done.stdout == ""
    assert name.split("/")[-1][:12] in done.stderr or name == "receipts.pub"


def test_a_wrong_pin_a_link_and_an_empty_directory_end_with_8(directory: Path, tmp_path: Path) -> None:
    assert run(directory, "--key", "0" * 64).returncode == 8
    assert run(directory, "--head", f"6:{'0' * 64}").returncode == 8
    (directory / "evidence" / ("0" * 64)).symlink_to("/etc/hostname")
    assert "not a plain file" in run(directory).stderr
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty").returncode == 8
    assert run(tmp_path / "absent").returncode == 8


def test_a_name_cannot_write_to_the_terminal(directory: Path) -> None:
    (directory / "\x1b[2Jok").write_bytes(b"")
    done = run(directory)
    assert done.returncode == 8
    assert "\x1b" not in done.stderr
