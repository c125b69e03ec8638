"""W8E there and back on runs over real hosts: promoted, killed on the way, in enforce, taken back; every file of the workspace byte for byte."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

import lab
from lab import workspace
from tests.lab.desk import KILLED, ROOT, Desk
from tests.lab.test_whole_board import CLUSTERS

pytestmark = pytest.mark.lab

# The gates about documents, which pass on drifted hosts too; the whole board promotes all eighteen.
PACK = """\
  papers:
    mode: report # a comment that must stay
    evidence_max_age_s: 900
    promotion: {runs: 3, min_interval_s: 1}
    hosts: [mint-data, mint-apps]
    gates: [D174, D195, D196, D197, D198, D199, D203, D204, D205, D222, D225, D226, D227]
"""


@pytest.fixture
def desk(running_lab: lab.Lab, tmp_path: Path) -> Iterator[Desk]:
    tmp_path.chmod(0o700)
    place = workspace.make(running_lab, tmp_path / "mint")
    for name, old, new in (
        ("packs.yaml", "\n# Which observed findings", f"{PACK}\n# Which observed findings"),
        ("mint.storage.findings.map.yaml", "root_cause_clusters:\n", "root_cause_clusters:\n" + CLUSTERS),
        ("waves/W8E.yaml", "report_stable: {pack: mint,", "report_stable: {pack: papers,"),
    ):
        text = (place / name).read_text()
        assert text.count(old) == 1, name
        (place / name).write_text(text.replace(old, new))
    yield Desk(running_lab, place)


def files(desk: Desk) -> dict[str, str]:
    """Every file of the workspace but its state and the plans written by this test."""
    found = (path for path in sorted(desk.directory.rglob("*")) if path.is_file() and path.suffix != ".plan")
    inside = [(str(path.relative_to(desk.directory)), path) for path in found]
    return {name: sha256(path.read_bytes()).hexdigest() for name, path in inside if not name.startswith(".waveboard/")}


def modes(desk: Desk) -> set[str]:
    return {gate["mode"] for gate in json.loads(desk.ok("verify", "papers", "--json").partition("\n[")[0])["gates"]}


def stable(desk: Desk) -> None:
    """Three report runs, as far apart as the contract asks."""
    for _ in range(3):
        desk.ok("verify", "papers")
        time.sleep(1.1)


def test_a_promotion_is_taken_back_byte_for_byte_and_can_be_made_again(desk: Desk) -> None:
    stable(desk)
    desk.ok("wave", "open", "W8E")
    before = files(desk)
    for plan in ("first.plan", "second.plan"):
        stable(desk)  # a run in enforce lies between the two promotions: another policy, so the count begins anew
        desk.ok("promote", "papers", "-o", plan, code=2)
        desk.sign(plan, desk.running.keys.approval, "ronny@mint")
        assert files(desk) == before
        for place in ("intent.after:promote-01", "do.after:promote-01"):
            assert desk.waveboard("apply", plan, crash_at=place).returncode == KILLED, place
        desk.ok("apply", plan)
        changed = {name for name, digest in files(desk).items() if before.get(name) != digest}
        assert changed == {"packs.yaml", "mint.storage.guard.policy.yaml"}
        assert "a comment that must stay" in (desk.directory / "packs.yaml").read_text()
        assert modes(desk) == {"enforce"}
        if plan == "first.plan":
            for place in ("undo-intent.after:promote-01", "undo.after:promote-01"):
                assert desk.waveboard("undo", plan, crash_at=place).returncode == KILLED, place
            desk.ok("undo", plan)
            assert files(desk) == before, "every file is byte for byte what it was"
            assert modes(desk) == {"report"}
    desk.ok("undo", "second.plan")
    assert files(desk) == before
    desk.ok("receipts", "verify")
    desk.ok("receipts", "export", "exported")
    verifier = ["python3", "-I", str(ROOT / "tools" / "verify_receipts.py"), str(desk.directory / "exported")]
    subprocess.run(verifier, check=True, capture_output=True)
