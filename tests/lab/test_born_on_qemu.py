"""A VM made from the Mint contracts on a local QEMU: provisioned, bootstrapped, certified, drifted by hand in ten ways, its producer proven.

The tests are one story on one machine, in this order: emulated, a boot alone takes minutes.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab.born import STACK, VMID, Born, born

pytestmark = [pytest.mark.lab, pytest.mark.long]

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
        "docker rm -f mint-modules-minio; docker run -d --name mint-modules-minio mint/s3:4.48",
        "SR-007",
        "D236 no-mount",
        f"docker rm -f mint-modules-minio; {UP} minio",
    ),
    (
        "log rotation off",
        f'cp {DAEMON} /root/was; echo \'{{"data-root": "/mnt/data/docker"}}\' > {DAEMON}',
        "SR-006",
        "",
        f"cp /root/was {DAEMON}",
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
REFORMATTED = """systemctl stop docker.socket docker; d=$(findmnt -no SOURCE /mnt/data); u=$(findmnt -no UUID /mnt/data)
umount /mnt/data; mkfs.ext3 -q -F -U $u $d; mount -t ext3 $d /mnt/data"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Born]:
    directory = tmp_path_factory.mktemp("born")
    directory.chmod(0o700)
    with born(directory) as made:
        packs = made.directory / "packs.yaml"  # mint-apps is not made here, and a pack waits for every host it names
        packs.write_text(
            packs.read_text().replace("    hosts: [mint-data, mint-apps]\n    gates", "    hosts: [mint-data]\n    gates")
        )
        yield made


def test_a_vm_is_born_compliant(desk: Born) -> None:
    assert "vm_create" in desk.ok("vm", "provision", "mint-data", "-o", "vm.plan", "--json", code=2)
    desk.carried_out("vm.plan")
    assert desk.root("ls -A /var/lib/docker 2>/dev/null || true") == "", "docker has never run"
    desk.ok("vm", "provision", "mint-data")  # exit 0: it is whole
    before = desk.root("cat /proc/sys/kernel/random/boot_id")
    desk.ok("vm", "bootstrap", "mint-data", "-o", "boot.plan", code=2)
    desk.carried_out("boot.plan")
    assert desk.root("cat /proc/sys/kernel/random/boot_id") != before
    desk.ok("vm", "bootstrap", "mint-data")  # exit 0: an empty plan
    desk.ok("vm", "provision", "mint-data")
    desk.services()
    said = desk.ok("vm", "ready", "mint-data", "--wait", "--timeout", "1200")
    print(said)
    assert "mint-data: ready" in said and "birth certificate" in said


def test_every_drift_is_named_by_ready_and_by_a_gate(desk: Born) -> None:
    told: list[tuple[str, str, str]] = []

    def asked(name: str, rule: str, gate: str) -> None:
        rules, gates = desk.named()
        told.append((name, ", ".join(sorted(rules)), ", ".join(sorted(gates))))
        print(*told[-1], sep=" | ", flush=True)
        assert rule in rules, (name, rules)
        assert not gate or gate in gates, (name, gates)

    _, before = desk.named()
    print("before:", before, flush=True)
    for name, drift, rule, gate, back in DRIFTS:
        desk.root(f"set -e; {drift}; systemctl daemon-reload", seconds=600)
        asked(name, rule, gate)
        assert gate not in before, name
        desk.root(f"set -e; {back}; systemctl daemon-reload", seconds=900)
    _detached(desk, asked)
    desk.root("set -e; " + REFORMATTED.replace("\n", "; "), seconds=300)
    asked("wrong file system", "SR-002", "D236 wrong-filesystem")
    here, kept = desk.powered_off(), json.loads(desk.kept.read_text())
    _image("snapshot", "-a", "whole", desk, kept)
    here.start(VMID)
    desk.waited()
    desk.ok("vm", "ready", "mint-data", "--wait", "--timeout", "2400")
    assert desk.named() == (set(), before)


def _detached(desk: Born, asked) -> None:  # type: ignore[no-untyped-def]
    """The second disk away and back, by hand, with the power off; its content is kept beside it for the drift after."""
    here, whole = desk.powered_off(), desk.kept.read_text()
    kept = json.loads(whole)
    _image("snapshot", "-c", "whole", desk, kept)
    desk.kept.write_text(json.dumps({**kept, "disks": kept["disks"][:1]}))
    here.start(VMID)
    desk.waited()
    asked("second disk detached", "SR-001", "D236 not-mounted")
    desk.powered_off()
    desk.kept.write_text(whole)
    here.start(VMID)
    desk.waited()
    desk.ok("vm", "ready", "mint-data", "--wait", "--timeout", "2400")


def _image(verb: str, flag: str, name: str, desk: Born, kept: dict[str, list[dict[str, str]]]) -> None:
    disk = kept["disks"][1]
    subprocess.run(["qemu-img", verb, flag, name, desk.running.settings.disks / disk["pool"] / disk["file"]], check=True)


def test_a_gap_is_closed_once_a_probe_has_proven_what_makes_the_vm(desk: Born) -> None:
    desk.waveboard("verify", "mint-storage")
    refused = desk.ok("gaps", "close", "GAP-OP-932", code=3)
    assert "its producer is not proven fixed" in refused and "waveboard vm prove mint-data" in refused
    desk.powered_off()  # it is asked nothing more, and emulated machines are slow
    for file in ("PROV-mint-data-probe.plan", "BOOT-mint-data-probe.plan"):
        said = desk.ok("vm", "prove", "mint-data", code=4)
        print(said[-600:], flush=True)
        assert f"waveboard approve {file}" in said
        desk.sign(file, desk.running.keys.approval, "ronny@mint")
    said = desk.ok("vm", "prove", "mint-data", "--timeout", "2400")
    print(said[-1500:], flush=True)
    assert "is proven: receipt" in said
    left = [path.name for path in (desk.running.settings.disks / "vms").iterdir()]
    assert left == [str(VMID)] and not list(desk.running.settings.disks.glob("*/vm-230-*"))
    assert "is proven: receipt" in desk.ok("vm", "prove", "mint-data")
    print(desk.ok("gaps", "close", "GAP-OP-932"))
    desk.ok("receipts", "verify")
