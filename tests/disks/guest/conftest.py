"""One virtual machine for all layouts that this machine's kernel cannot build; read by the real audit, torn down afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lab
from lab.layouts import Guest, guest
from tests.disks.conftest import markers
from tests.disks.guest.truth import under_crypt
from waveboard.audit import bundle as bundles
from waveboard.audit import facts as reading
from waveboard.audit import program
from waveboard.model.contract import HostTarget
from waveboard.model.evidence import Answer, Ask
from waveboard.model.facts import BlockDevices, HostFacts
from waveboard.world.hosts.ssh import Limits, SshReader

HERE = Path(__file__).parent


@dataclass(frozen=True)
class GuestBuilt:
    """disks: kernel name in the guest -> serial. truth: layout -> images (or `share`) that hold its marker. absent: with reasons."""

    facts: HostFacts
    disks: Mapping[str, str]
    paths: Mapping[str, str]
    inside: Mapping[str, tuple[str, str]]
    absent: Mapping[str, str]
    truth: Mapping[str, set[str]]
    naive: Mapping[str, str]


@pytest.fixture(scope="session")
def guest_built() -> Iterator[GuestBuilt]:
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("dpkg") is None:
        pytest.skip("making the guest's disk needs root on a Debian-like Linux")
    cache = {key: value for key, value in os.environ.items() if key == "WAVEBOARD_LAB_CACHE"}
    settings = lab.from_environment({**cache, "WAVEBOARD_LAB_NAME": "wblayouts"})
    nonce = secrets.token_hex(8)
    with guest(settings) as running:
        told = running.host.root_run(f"bash -s {nonce}", seconds=180, stdin=(HERE / "build.sh").read_text(), check=True).stdout
        asked = [line for line in told.splitlines() if line.startswith(("path ", "inside "))]
        lines = [line.split(" ", 2) for line in told.splitlines()]
        paths = {layout: path for kind, layout, path in lines if kind == "path"}
        inside = {layout: (rest.split()[0], rest.split()[1]) for kind, layout, rest in lines if kind == "inside"}
        absent = {layout: why for kind, layout, why in lines if kind == "absent"}
        facts = audited(running, tuple(paths.values()))
        naive = running.host.root_run(
            f"bash -c {_quoted((HERE / 'naive.sh').read_text())}", seconds=120, stdin="\n".join(asked) + "\n", check=True
        )
        crypt = next(line.removeprefix("crypt ") for line in told.splitlines() if line.startswith("crypt "))
        yield GuestBuilt(
            facts,
            {device.name: device.serial for device in facts[BlockDevices].devices.values() if device.serial in running.images},
            paths,
            inside,
            absent,
            truth_of(running, nonce, crypt, {*paths, *inside}),
            dict(line.split(" ", 1) for line in naive.stdout.splitlines()),
        )


def audited(running: Guest, paths: tuple[str, ...]) -> HostFacts:
    """By the real reader, as the unprivileged audit user, over ssh; only its patience is an emulated machine's."""
    one, nonce = running.host, secrets.token_hex(16)
    target = HostTarget(
        one.name, one.address, "wbaudit", one.port, known_hosts=str(one.known_hosts), key_file=str(running.keys.audit)
    )
    with SshReader(Limits(connect_s=100, total_s=600)) as reader:
        answer = reader.collect([Ask(one.name, program.with_params(nonce, ("/", *paths)))], {one.name: target})[one.name]
    assert isinstance(answer, Answer), answer
    bundle = bundles.gather(one.name, answer.raw, nonce, program.digest(), datetime.now(UTC), answer.host_key)
    assert not bundle.failure, bundle.failure
    return reading.read(bundle)


def truth_of(running: Guest, nonce: str, crypt: str, layouts: set[str]) -> dict[str, set[str]]:
    truth: dict[str, set[str]] = {layout: set() for layout in layouts}
    for name, image in running.images.items():
        plain, opened = markers(image, nonce), under_crypt(image, crypt, nonce)
        assert "crypt_on_boot" not in plain, "what lies under dm-crypt is not readable on the disk"
        for layout in plain | opened:
            truth[layout].add(name)
    for file in running.share.iterdir():
        for layout in markers(file, nonce):
            truth[layout].add("share")
    return truth


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
