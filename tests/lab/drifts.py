"""What hands do to a compliant mint-data, who must name it, and how it is put back; and the services that make it worth judging."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import lab
from lab.golden.bake import container_images
from lab.golden.cache import to_itself, workshop
from lab.settings import REPOSITORY
from tests.lab.desk import Desk

STACK = "/opt/stacks/mint-data"
# where the contracts say the services keep their data; redis keeps an append-only log from its first start
SETTLED = (
    ("      - pgdata:/var/lib/postgresql/data", "      - /mnt/data/mint-data/postgres:/var/lib/postgresql/data"),
    ("      - /opt/mint/minio-data:/data", "      - /mnt/data/mint-data/minio:/data"),
    (
        "    container_name: mint-modules-redis\n",
        '    container_name: mint-modules-redis\n    command: ["redis-server","--protected-mode","no","--appendonly","yes"]\n'
        "    volumes:\n      - mint-data_redis:/data\n",
    ),
    ("volumes:\n  pgdata:\n", "volumes:\n  mint-data_redis:\n    name: mint-data_redis\n"),
)


DAEMON = "/etc/docker/daemon.json"
UP = f"cd {STACK} && docker compose up -d --wait --wait-timeout 900"
# name, what a hand does as root in the guest, the rule of `vm ready` and the gate that must name it ("": parity says that none watches),
# and how it is put back
DRIFTS = (
    ("fstab line removed", "sed -i.was '/mnt.data/d' /etc/fstab", "SR-002", "D236 not-persisted", "mv /etc/fstab.was /etc/fstab"),
    (
        "mount by device name",
        'd=$(findmnt -no SOURCE /mnt/data); sed -i.was "s#^UUID=[^ ]* /mnt/data#$d /mnt/data#" /etc/fstab',
        "SR-002",
        "D236 fstab-by-device",
        "mv /etc/fstab.was /etc/fstab",
    ),
    (
        "redis AOF off",
        "docker exec mint-modules-redis redis-cli config set appendonly no",
        "SR-008",
        "D236 redis-appendonly-off",
        "docker exec mint-modules-redis redis-cli config set appendonly yes; "
        "until docker exec mint-modules-redis redis-cli info persistence | grep -q aof_rewrite_in_progress:0; do sleep 1; done",
    ),
    (
        "anonymous volume",
        "docker rm -f mint-modules-redis; docker run -d --name mint-modules-redis mint/redis:7 redis-server --appendonly yes",
        "SR-007",
        "D236 anonymous-volume",
        f"docker rm -f -v mint-modules-redis; {UP} redis",
    ),
    (
        "container writing to /",
        "docker exec mint-modules-redis dd if=/dev/zero of=/big bs=1M count=520",
        "SR-011",
        "D238 writable-layer-large",
        "docker exec mint-modules-redis rm /big",
    ),
    (
        "a service's data in its container",
        "docker rm -f mint-modules-minio; docker run -d --name mint-modules-minio "
        "-e AWS_ACCESS_KEY_ID=mint -e AWS_SECRET_ACCESS_KEY=mint-lab-only mint/s3:4.48",
        "SR-007",
        "D236 no-mount",
        f"docker rm -f mint-modules-minio; {UP} minio",
    ),
    (
        "log rotation off",
        f'cp {DAEMON} /root/was; echo \'{{"data-root": "/mnt/data/docker"}}\' > {DAEMON}',
        "SR-006",
        "D237 log-limits",
        f"cp /root/was {DAEMON}",
    ),
    (
        "a container with wider log limits",
        "docker create --name loud --log-opt max-size=1g mint/redis:7",
        "SR-006",
        "D237 container-log-limits",
        "docker rm -v loud",
    ),
    (
        "the boot disk bound at /mnt/data",
        "mkdir -p /srv/other; mount --bind /srv/other /mnt/data",
        "SR-003",
        "D236 boot-backed",
        "umount /mnt/data",
    ),
    (
        "data-root moved back",
        f"cp {DAEMON} /root/was; echo '{{}}' > {DAEMON}; systemctl restart docker",
        "SR-004",
        "D235 boot-backed",
        f"cp /root/was {DAEMON}; systemctl restart docker; rm -rf /var/lib/docker; {UP}",
    ),
)
REFORMATTED = (
    "wrong file system",
    "systemctl stop docker.socket docker containerd; d=$(findmnt -no SOURCE /mnt/data); u=$(blkid -s UUID -o value $d); "
    "umount -R /mnt/data; mkfs.ext3 -q -F -U $u $d; mount -t ext3 $d /mnt/data",
    "SR-002",
    "D236 wrong-filesystem",
)


def as_root(host: lab.Host, script: str, seconds: float = 120, given: bytes = b"", user: str = "root") -> str:
    """Shell text as root in the guest; its output. user: who may log in and use sudo. given: bytes on the script's stdin."""
    quoted = "'" + script.replace("'", "'\\''") + "'"
    words = [*host.ssh(user), "--", *([] if user == "root" else ["sudo", "-n"]), "sh", "-c", quoted]
    done = subprocess.run(words, input=given, capture_output=True, timeout=seconds * host.patience, check=False)
    assert done.returncode == 0, f"{script[:200]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
    return done.stdout.decode(errors="replace")


def services(host: lab.Host, cache: Path, user: str = "root") -> None:
    """The three stores from the lab's container images, settled where the contracts say."""
    plant = REPOSITORY / "lab" / "plant" / "mint-data"
    (cache / "images").mkdir(exist_ok=True)
    (cache / "packages").mkdir(exist_ok=True)
    with to_itself(cache), workshop(cache) as work:
        images = container_images(cache, work, cache / "build.log")
    imports = plant.joinpath("plant.sh").read_text().split("\n\n")[0]
    place = "/mnt/data/plant"
    as_root(host, f"mkdir -p {place} {STACK}", user=user)
    for name in ("postgres", "redis", "s3"):
        as_root(host, f"cat > {place}/{name}.tar", 300, (images / f"{name}.tar").read_bytes(), user)
    as_root(host, f"cat > {place}/import.sh", given=("set -e\n" + imports).encode(), user=user)
    as_root(host, f"cd {place} && sh import.sh && rm -r {place}", 600, user=user)
    text = plant.joinpath("docker-compose.yml").read_text()
    for old, new in SETTLED:
        assert old in text, old
        text = text.replace(old, new)
    as_root(host, f"cat > {STACK}/docker-compose.yml", given=text.encode(), user=user)
    as_root(host, UP, 900, user=user)


def named(desk: Desk) -> tuple[set[str], set[str], bool]:
    """Who speaks against mint-data now: the rules of `vm ready`, and the gates with their codes; and whether all could be seen."""
    told = json.loads(desk.waveboard("vm", "ready", "mint-data", "--json").stdout)
    report = json.loads(desk.waveboard("verify", "mint-storage", "--json").stdout)
    found = [f for gate in report["gates"] for f in gate["findings"] if f["host"] == "mint-data"]
    rules = {check["id"] for check in told["checks"] if check["state"] == "fails"}
    assert not (told["ready"] and rules), told
    seen = all(check["state"] != "unknown" for check in told["checks"]) and all(
        one["verdict"] != "unknown" for one in report["gates"]
    )
    return rules, {f"{one['gate']} {one['code']}" for one in found}, seen


class Table:
    """Asks after each drift, and fails when nobody names it. before: what is found of a host without any.

    An emulated docker may answer too late: then it is unknown, which names nothing, and is asked again as a person would.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        for _ in range(5):
            _, self.before, seen = named(desk)
            if seen:
                break

    def asked(self, drift: str, rule: str, gate: str) -> None:
        """gate: "" where parity says that none watches."""
        for _ in range(5):
            rules, gates, seen = named(self.desk)
            if seen or (rule in rules and (not gate or gate in gates - self.before)):
                break
        print(f"| {drift} | {', '.join(sorted(rules))} | {', '.join(sorted(gates - self.before))} |", flush=True)
        assert rule in rules, (drift, rules)
        assert not gate or gate in gates - self.before, (drift, gates)
