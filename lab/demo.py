"""The main job on the lab's two hosts, start to finish, as the commands a person would type; measured before and after without waveboard.

Nothing is staged: every line printed under a `$` is the real command's real output, and the demo fails where a promise fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import instance
from lab.errors import LabError
from lab.estate import ESTATE
from lab.host import Host
from lab.measure import Measured, config_digests, measure, root_use
from lab.settings import REPOSITORY, Settings, from_environment
from lab.workspace import make

PACK, WAVE = "mint-storage", "W8B"


@dataclass(slots=True)
class Stage:
    """Prints headings and runs commands in the workspace. failed: promises that did not hold."""

    workspace: Path
    failed: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def heading(self, text: str) -> None:
        print(f"\n\033[1m== {text}\033[0m  [{time.monotonic() - self.began:.0f} s]", flush=True)

    def run(self, *words: str, expect: Sequence[int] = (0,)) -> str:
        """One waveboard command; its output is shown and returned. Raises: LabError for another exit code."""
        print(f"\n$ waveboard {' '.join(words)}", flush=True)
        env = {
            **os.environ,
            "WAVEBOARD_WORKSPACE": str(self.workspace),
            "WAVEBOARD_ACTOR": "control@mint",
            "PYTHONPATH": str(REPOSITORY),
        }
        done = subprocess.run(
            [sys.executable, "-m", "waveboard", *words], env=env, cwd=self.workspace, stdout=subprocess.PIPE, text=True
        )
        print(done.stdout, end="", flush=True)
        if done.returncode not in expect:
            raise LabError(f"cannot go on: because `waveboard {' '.join(words)}` ended with {done.returncode}, not {expect}")
        return done.stdout

    def promise(self, text: str, holds: bool) -> None:
        print(f"  {'kept  ' if holds else 'BROKEN'}  {text}", flush=True)
        if not holds:
            self.failed.append(text)


def demo(settings: Settings | None = None) -> int:
    """The whole run; 0 when every promise was kept."""
    settings = settings or from_environment()
    print(
        "Two real hosts come up on this machine: systemd, OpenSSH, Docker, PostgreSQL, Redis and SeaweedFS (standing for MinIO)."
    )
    lab = (
        instance.reset([m.name for m in ESTATE], settings=settings)
        if instance.status(settings=settings)["up"]
        else instance.up(settings=settings)
    )
    data, apps = lab.host("mint-data"), lab.host("mint-apps")
    stage = Stage(make(lab, settings.state / "workspace"))
    print(f"workspace: {stage.workspace}")
    before, apps_before = measure(data), _untouched(apps)
    print("\n".join(before.lines()) + f"\nroot      {root_use(data):.0f} % used")
    _see(stage)
    _repair(stage, str(lab.keys.approval))
    _give_back(stage, str(lab.keys.approval), str(lab.keys.second))
    _prove(stage, data, apps, before, apps_before, settings)
    return _verdict(stage)


def _see(stage: Stage) -> None:
    stage.heading("See: audit without changing anything, judge in report mode")
    stage.run("contracts", "check")
    stage.run("audit")
    stage.run("verify", PACK, expect=(2,))
    for container, path in (
        ("mint-modules-postgres", "/var/lib/postgresql/data"),
        ("mint-modules-redis", "/data"),
        ("mint-modules-minio", "/data"),
    ):
        stage.run("where", "mint-data", "--container", container, path, expect=(2,))


def _repair(stage: Stage, key: str) -> None:
    stage.heading("Plan: every step with its undo; a person signs exactly these bytes")
    stage.run("plan", WAVE, "-o", "w8b.plan", expect=(2,))
    stage.run("apply", "w8b.plan", expect=(4,))  # nobody has signed yet
    stage.run("approve", "w8b.plan", "--key", key, "--as", "ronny@mint")
    stage.heading("Apply: intent before effect, proof after each copy")
    stage.run("apply", "w8b.plan")
    stage.heading("Judge again: the placement findings are gone, the root disk is still full of the old copies")
    stage.run("verify", PACK, expect=(2,))
    stage.run("close", "w8b.plan", expect=(3,))


def _give_back(stage: Stage, first: str, second: str) -> None:
    stage.heading("Retire: a separate change set removes exactly what was set aside; two people sign what cannot be undone")
    stage.run("retire", "w8b.plan", "-o", "retire.plan", expect=(2,))
    stage.run("approve", "retire.plan", "--key", first, "--as", "ronny@mint")
    stage.run("approve", "retire.plan", "--key", second, "--as", "dana@mint")
    stage.run("apply", "retire.plan")


def _prove(stage: Stage, data: Host, apps: Host, before: Measured, apps_before: str, settings: Settings) -> None:
    stage.heading("Prove: reboot, measure again without waveboard, close, verify the receipts twice")
    instance.reboot("mint-data", settings=settings)
    data.wait_containers()
    after = measure(data)
    print("\n".join(after.lines()) + f"\nroot      {root_use(data):.0f} % used")
    stage.promise("every row, key and object is equal to before, after a reboot", after == before)
    stage.promise("root usage is under the guard threshold of 60 %", root_use(data) < 60)
    stage.promise("VM 213 is untouched", _untouched(apps) == apps_before)
    report = stage.run("verify", PACK, expect=(2,))
    placement = [
        line for line in report.splitlines() if "mint-data" in line and ("boot" in line.split() or "boot-backed" in line)
    ]
    stage.promise("no placement finding is left on mint-data", not placement)
    stage.promise("redis durability is still reported (that is W8C's work)", "redis-appendonly-off" in report)
    stage.run("close", "w8b.plan")
    stage.run("receipts", "verify")
    stage.run("receipts", "export", "receipts-export")
    exported = stage.workspace / "receipts-export"
    stage.promise("the independent verifier agrees", _independent(exported) == 0)
    _tamper(stage, exported)


def _tamper(stage: Stage, exported: Path) -> None:
    victim = sorted((exported / "receipts").iterdir())[2]
    raw = victim.read_bytes()
    victim.write_bytes(bytes([raw[0], raw[1] ^ 1]) + raw[2:])
    stage.run("receipts", "verify", str(exported), expect=(8,))
    stage.promise("a flipped bit in one receipt is seen by the independent verifier too", _independent(exported) != 0)
    victim.write_bytes(raw)


def _independent(exported: Path) -> int:
    print(f"\n$ python3 tools/verify_receipts.py {exported.name}", flush=True)
    done = subprocess.run(
        ["python3", str(REPOSITORY / "tools" / "verify_receipts.py"), str(exported)], text=True, capture_output=True
    )
    print(done.stdout + done.stderr, end="", flush=True)
    return done.returncode


def _untouched(apps: Host) -> str:
    """Containers, mounts and configuration of the read-only host, as one text."""
    script = "docker ps -aq --no-trunc | sort; findmnt -rno TARGET,SOURCE -t ext4; sha256sum /etc/fstab /opt/stacks/*/*.yml; ls /etc/systemd/system"
    return apps.root_run(script, check=True).stdout + str(sorted(config_digests(apps)))


def _verdict(stage: Stage) -> int:
    print()
    if stage.failed:
        print(f"{len(stage.failed)} promises were broken: " + "; ".join(stage.failed))
        return 1
    print(f"Every promise was kept, in {time.monotonic() - stage.began:.0f} s. The hosts stay up:")
    print(f"  export WAVEBOARD_WORKSPACE={stage.workspace}; ./bin/waveboard status; ./bin/waveboard lab down")
    return 0
