"""An audit of the real hosts: every fact there, nothing on the host changed, secrets stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

import lab
from waveboard.audit import bundle, facts, program
from waveboard.model.contract import HostTarget
from waveboard.model.evidence import Answer, Ask, Bundle
from waveboard.model.facts import Docker, Mounts, Paths, RedisConfig, Unavailable, WriteSurfaces
from waveboard.world.hosts.ssh import SshReader

pytestmark = pytest.mark.lab
NONCE = "1ab0" * 8
PATHS = ["/", "/var/lib/docker", "/var/lib/docker/volumes", "/mnt/data", "/opt/mint/minio-data"]
# What the machine itself writes while it runs: its login records and journal, the containers' own data.
MOVING = ("/var/log/", "/var/lib/docker/", "/opt/mint/minio-data", "/var/lib/systemd/", "/var/lib/dhcp", "/var/lib/containerd/")
LISTING = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /dev \\) -prune -o -printf '%p %i %s %m %U %G %T@ %C@\\n'"
)


def audited(running: lab.Lab) -> Mapping[str, Bundle]:
    """Every host of the lab, by its unprivileged audit user."""
    targets = {}
    for host in running.hosts:
        keys = {"known_hosts": str(host.known_hosts), "key_file": str(running.keys.audit)}
        targets[host.name] = HostTarget(host.name, host.address, "wbaudit", host.port, **keys)
    with SshReader() as reader:
        answers = reader.collect([Ask(name, program.with_params(NONCE, PATHS)) for name in targets], targets)
    found = {}
    for name, answer in answers.items():
        assert isinstance(answer, Answer), answer
        found[name] = bundle.gather(name, answer.raw, NONCE, program.digest(), datetime.now(UTC), answer.host_key)
    return found


def listing(host: lab.Host) -> dict[str, str]:
    told = host.root_run(LISTING).stdout.splitlines()
    return {line.split(" ", 1)[0]: line for line in told if not line.startswith(MOVING)}


def test_every_fact_is_there_for_a_user_without_rights(running_lab: lab.Lab) -> None:
    found = audited(running_lab)
    for name, one in found.items():
        assert not one.failure
        known = facts.read(one)
        missing = {noun.__name__: value.reason for noun, value in known.nouns.items() if isinstance(value, Unavailable)}
        assert set(missing) <= ({"RedisConfig"} if name == "mint-apps" else set()), missing
        assert one.identity.machine_id and one.identity.boot_id and one.identity.host_key
        assert b"mint-lab-only" not in bundle.to_json(one), "a password left the host"
    known = facts.read(found["mint-data"])
    assert known[Mounts].of == "1"
    assert known[Paths].by_path["/var/lib/docker/volumes"].blocked == "/var/lib/docker"
    assert known[RedisConfig].by_container["mint-modules-redis"]["appendonly"] == "no"
    docker = known[Docker]
    assert {one.name for one in docker.containers} == {"mint-modules-postgres", "mint-modules-redis", "mint-modules-minio"}
    assert all(one.table for one in docker.containers)
    assert any(volume.anonymous for volume in docker.volumes)
    surfaces = facts.read(found["mint-apps"])[WriteSurfaces].by_container
    assert any(path == "/tmp/quote-page-uploads" for dirs in surfaces.values() for path, _ in dirs)


def test_an_audit_changes_nothing_on_the_host(running_lab: lab.Lab) -> None:
    audited(running_lab)  # a first login may make what every login makes
    host = running_lab.host("mint-data")
    before = listing(host)
    for _ in range(3):
        audited(running_lab)
    after = listing(host)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert not changed
    left = host.root_run(
        "ps -u wbaudit -o args= | grep -v sshd; find /tmp /var/tmp /dev/shm /run/user -user wbaudit 2>/dev/null"
    ).stdout
    assert "/bin/sh -s" not in left and "/tmp/" not in left
