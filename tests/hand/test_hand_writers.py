"""A process that writes into a tree under another name, in a mount namespace of its own, is seen all the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.hand.room import hand

Opens = Callable[[str], None]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Opens]:
    """Opens a file (a redirection of the shell) of the tree, mounted below another name that nobody else has."""
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/deep/rows").write_text("old")
    (tmp_path / "other").mkdir()
    with ExitStack() as stack:
        yield lambda how: stack.enter_context(opened(tmp_path, how))


@contextmanager
def opened(place: Path, how: str) -> Iterator[None]:
    script = f"mount --bind {place}/tree {place}/other && cd / && exec 3{how} && echo there && read end"
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=place) as one:
        assert one.stdout is not None and one.stdin is not None
        if one.stdout.readline() != "there\n":
            pytest.skip("needs a mount namespace of its own")
        try:
            yield
        finally:
            one.stdin.close()


@pytest.mark.parametrize("how", [">>", "<>"])
def test_a_writer_in_another_mount_namespace_is_seen(tmp_path: Path, elsewhere: Opens, how: str) -> None:
    elsewhere(f"{how}{tmp_path}/other/deep/rows")
    assert not hand.mounted_below(f"{tmp_path}/tree") and not hand.users_of(f"{tmp_path}/tree")
    with pytest.raises(hand.Refused, match=r"still in use: [0-9]+ sh \(deep/rows\)"):
        hand.demand_alone(f"{tmp_path}/tree")


def test_who_only_reads_or_writes_elsewhere_is_none(tmp_path: Path, elsewhere: Opens) -> None:
    (tmp_path / "log").write_text("")
    elsewhere(f"<{tmp_path}/other/deep/rows")
    elsewhere(f">>{tmp_path}/log")
    hand.demand_alone(f"{tmp_path}/tree")
