"""The whole board on real hosts: W8A to W8E in order, from drifted to enforce, by the control terminal's own lines, with reboots between."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab import instance, workspace
from lab.measure import measure, root_use
from tests.lab.desk import ROOT, Desk

pytestmark = [pytest.mark.lab, pytest.mark.long]

APART_S = 5  # between two report runs; the example asks for an hour, which a test cannot wait
CLUSTERS = """\
  - {id: boot-root-pressure, title: The boot disk of VM 212 is full, stor_findings: [STOR-001]}
  - {id: redis-durability, title: Redis forgets, stor_findings: [STOR-003]}
  - {id: image-cache-bloat, title: Images and cache are never cleared, stor_findings: [STOR-005]}
  - {id: write-surface-drift, title: Containers write where nobody looks, stor_findings: [STOR-006]}
  - {id: creation-path-parity, title: VMs are made without their storage policy, stor_findings: [STOR-007, STOR-008]}
"""


@pytest.fixture
def desk(running_lab: lab.Lab, tmp_path: Path) -> Iterator[Desk]:
    tmp_path.chmod(0o700)
    lab.reset(["mint-data", "mint-apps"], settings=running_lab.settings)
    place = workspace.make(running_lab, tmp_path / "mint")
    packs = place / "packs.yaml"
    packs.write_text(re.sub(r"min_interval_s: \d+", f"min_interval_s: {APART_S}", packs.read_text()))
    yield Desk(running_lab, place)
    lab.reset(["mint-data", "mint-apps"], settings=running_lab.settings)


def control(desk: Desk, *, verify: int) -> str:
    """Section 5's lines, word for word, and what verify says."""
    told = "".join(desk.ops("cap", "run", name) for name in ("session.start", "loops.status", "gaps.status"))
    assert "open loops: 10" in told and "Open: 22" in told, told
    return desk.ops("cap", "run", "verify.pack.run", "mint", code=verify)


def captured(desk: Desk, wave: str) -> None:
    """The wave's orchestration receipt is there, and says that it closed done."""
    name = f"WAVE{wave.removeprefix('W')}_ORCHESTRATION_RECEIPT"
    assert '"outcome": "done"' in desk.ok("receipts", "show", name) or '"outcome":"done"' in desk.ok("receipts", "show", name)


def wave(desk: Desk, name: str) -> None:
    """Plan, sign by both, apply. Two signatures: some steps cannot be taken back."""
    plan = f"{name.lower()}.plan"
    desk.ok("plan", name, "-o", plan, code=2)
    desk.ok("apply", plan, code=4)
    desk.sign(plan, desk.running.keys.approval, "ronny@mint")
    if any(step["reversibility"] == "none" for step in json.loads((desk.directory / plan).read_text())["steps"]):
        desk.sign(plan, desk.running.keys.second, "dana@mint")
    desk.ok("apply", plan)


def retired(desk: Desk, name: str) -> None:
    """Give the set-aside space back, under an approval of its own."""
    plan = f"{name.lower()}-retire.plan"
    desk.ok("retire", f"{name.lower()}.plan", "-o", plan, code=2)
    desk.sign(plan, desk.running.keys.approval, "ronny@mint")
    desk.sign(plan, desk.running.keys.second, "dana@mint")
    desk.ok("apply", plan)


def rebooted(desk: Desk, host: str) -> None:
    instance.reboot(host, settings=desk.running.settings)
    desk.running.host(host).wait_containers()


def stable_runs(desk: Desk, pack: str) -> None:
    for _ in range(3):
        time.sleep(APART_S + 1)
        desk.ok("verify", pack)


def test_the_board_runs_from_its_first_line_to_its_last(desk: Desk) -> None:
    data, apps = desk.running.host("mint-data"), desk.running.host("mint-apps")
    before = measure(data)
    report = control(desk, verify=2)
    assert "18 gates:" in report and "boot-backed" in report
    _governance(desk)
    control(desk, verify=2)

    wave(desk, "W8B")
    desk.ok("plan", "W8C", "-o", "early.plan", code=2)
    desk.sign("early.plan", desk.running.keys.approval, "ronny@mint")
    assert "W8B" in desk.ok("apply", "early.plan", code=3), "waves that exclude each other never overlap"
    retired(desk, "W8B")
    rebooted(desk, "mint-data")
    desk.ok("close", "w8b.plan")
    captured(desk, "W8B")
    control(desk, verify=2)

    wave(desk, "W8C")
    rebooted(desk, "mint-data")
    desk.ok("close", "w8c.plan")
    captured(desk, "W8C")
    assert measure(data) == before and root_use(data) < 60
    control(desk, verify=2)

    wave(desk, "W8D")
    retired(desk, "W8D")
    rebooted(desk, "mint-apps")
    stable_runs(desk, "mint-storage")
    desk.ok("close", "w8d.plan")
    captured(desk, "W8D")
    control(desk, verify=0)

    _promoted(desk)
    assert measure(data) == before, "every row, key and object is equal to before"
    assert apps.root_run("docker ps -q | wc -l").stdout.strip() != "0"
    _proven(desk)
    _demoted(desk, apps)


def _governance(desk: Desk) -> None:
    """W8A: while it is open nothing may change a host; the findings map is mended under it."""
    desk.ok("wave", "open", "W8A")
    desk.ok("plan", "W8B", "-o", "held.plan", code=2)
    desk.sign("held.plan", desk.running.keys.approval, "ronny@mint")
    assert "W8A" in desk.ok("apply", "held.plan", code=3)
    mapped = desk.directory / "mint.storage.findings.map.yaml"
    mapped.write_text(mapped.read_text().replace("root_cause_clusters:\n", "root_cause_clusters:\n" + CLUSTERS))
    desk.ok("contracts", "check")
    said = desk.ok("wave", "close", "W8A")
    assert "green by policy: changed since the entry: mint.storage.findings.map.yaml" in said
    captured(desk, "W8A")


def _promoted(desk: Desk) -> None:
    """W8E: held until three runs are stable, signed, edited byte for byte; then every gate is in enforce and passes."""
    stable_runs(desk, "mint")
    desk.ok("wave", "open", "W8E")
    policy = {path: path.read_bytes() for path in desk.directory.glob("*.yaml")}
    desk.ok("promote", "mint", "-o", "promote.plan", code=2)
    desk.ok("apply", "promote.plan", code=4)
    desk.sign("promote.plan", desk.running.keys.approval, "ronny@mint")
    desk.ok("apply", "promote.plan")
    changed = {path.name for path, raw in policy.items() if path.read_bytes() != raw}
    assert changed == {"packs.yaml", "mint.storage.guard.policy.yaml"}
    report = json.loads(desk.ok("verify", "mint", "--json").partition("\n[")[0])
    assert [gate["verdict"] for gate in report["gates"]] == ["pass"] * 18
    assert {gate["mode"] for gate in report["gates"]} == {"enforce"}
    desk.ok("wave", "close", "W8E")
    captured(desk, "W8E")


def _proven(desk: Desk) -> None:
    """Every STOR is linked; every receipt is verified twice; the board says so."""
    desk.ok("receipts", "verify")
    desk.ok("receipts", "export", "exported")
    verifier = ["python3", str(ROOT / "tools" / "verify_receipts.py"), str(desk.directory / "exported")]
    subprocess.run(verifier, check=True, capture_output=True)
    board = desk.ok("board", "render")
    for name in ("W8A", "W8B", "W8C", "W8D", "W8E"):
        assert re.search(rf"\| {name} \|.*closed done", board), board


def _demoted(desk: Desk, apps: lab.Host) -> None:
    """The first failure in enforce takes the promotion back, byte for byte, with a receipt."""
    apps.root_run("head -c 12000000 /dev/zero > /tmp/somebody-was-here.bin", check=True)
    said = desk.ok("verify", "mint", code=3)
    assert "D238" in said and "demoted" in said
    assert "  demotion " in desk.ok("receipts", "show")
    assert {gate["mode"] for gate in json.loads(desk.ok("verify", "mint", "--json", code=2).partition("\n[")[0])["gates"]} == {
        "report"
    }
