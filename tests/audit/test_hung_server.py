"""A filesystem whose server never answers costs its own answer and no other. Needs root and /dev/fuse; in its own namespace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NEEDED = os.geteuid() == 0 and os.access("/dev/fuse", os.R_OK | os.W_OK)
CHILD = """
import json, os, subprocess, sys
sys.path[:0] = {paths!r}
from tests.audit.trees import collected
from waveboard.audit import facts
from waveboard.model.facts import BlockDevices, Mounts, Paths, Unavailable, Usage
server = os.open("/dev/fuse", os.O_RDWR)  # opened and never read: every question to it waits for ever
os.set_inheritable(server, True)
options = f"fd={{server}},rootmode=40000,user_id=0,group_id=0,allow_other"
subprocess.run(["mount", "-i", "-t", "fuse", "-o", options, "dead", {at!r}], check=True, close_fds=False)
os.set_inheritable(server, False)
known = facts.read(collected([{at!r} + "/pg", {link!r}, "/usr"]))
seen = known[Paths].by_path
answered = [not isinstance(known.get(noun), Unavailable) for noun in (Mounts, BlockDevices, Usage)]
print(json.dumps([seen[path].problem for path in seen] + answered))
"""


@pytest.mark.skipif(not NEEDED, reason="needs root and /dev/fuse")
def test_a_dead_server_costs_only_its_own_answer(tmp_path: Path) -> None:
    at, link = tmp_path / "dead", tmp_path / "link"
    at.mkdir()
    link.symlink_to(at / "x")
    here = Path(__file__).parents[2]
    child = CHILD.format(paths=[str(here), str(here / "src")], at=str(at), link=str(link))
    ran = subprocess.run(
        ["unshare", "-m", "--propagation", "private", sys.executable, "-c", child],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == '["timed out", "timed out", null, true, true, true]'
