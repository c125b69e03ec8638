"""The lab's hosts are what the product will believe they are: disks, users, network, drift, and the way back to it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import lab

pytestmark = pytest.mark.lab


def told(host: lab.Host, script: str, seconds: float = 60) -> str:
    done = host.root_run(script, seconds=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def as_user(running: lab.Lab, host: lab.Host, user: str, key: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*host.ssh(user, key), "--", command], input="", capture_output=True, text=True, timeout=30, check=False
    )


def test_both_hosts_run_everything_the_specification_names(running_lab: lab.Lab) -> None:
    for host in running_lab.hosts:
        assert told(host, "systemctl is-system-running --wait") == "running"
        states = host.container_states()
        assert set(states) == set(host.containers)
        assert set(states.values()) <= {"running", "healthy"}
        assert told(host, "docker version -f '{{.Server.Version}}'").startswith("26.")
        assert told(host, "docker compose version --short").startswith("2.")
        told(host, "docker buildx version && python3 --version && rsync --version && ssh -V")


def test_disks_look_like_disks_and_nothing_of_this_machine_shows(running_lab: lab.Lab) -> None:
    host = running_lab.host("mint-data")
    form = "lsblk -J -o NAME,TYPE,SERIAL,FSTYPE,MOUNTPOINT"
    assert json.loads(told(host, form))["blockdevices"] == [
        {"name": "sda", "type": "disk", "serial": "mint-data-boot", "fstype": "ext4", "mountpoint": "/"},
        {"name": "sdb", "type": "disk", "serial": "mint-data-data", "fstype": None, "mountpoint": None},
    ]
    assert told(host, "ls /sys/block") == "sda\nsdb"
    assert told(host, "readlink -f /dev/disk/by-id/lab-mint-data-data") == "/dev/sdb"
    assert told(host, "readlink -f /sys/class/block/sda").startswith("/sys/devices/platform/")
    assert told(host, "readlink -f /sys/block/sdb/subsystem") == "/sys/class/block"
    assert told(host, "ls /sys/block/sda/slaves /sys/block/sda/loop | grep -v :; ls /sys/devices/virtual/block") == ""
    root = told(host, "findmnt -nro SOURCE,MAJ:MIN /").split()
    assert root[0] == "/dev/sda"
    assert told(host, "cat /sys/block/sda/dev") == root[1]
    foreign = {line.split()[2] for line in told(host, "cat /proc/self/mountinfo").splitlines() if " - ext4 " in line}
    assert foreign == {root[1]}


def test_mint_data_has_the_drift_of_the_specification(running_lab: lab.Lab) -> None:
    host = running_lab.host("mint-data")
    assert 80 <= int(told(host, "df --output=pcent / | tail -1").rstrip("%")) <= 84
    assert told(host, "wipefs -n /dev/sdb; blkid -p /dev/sdb || true") == ""
    assert told(host, "docker info -f '{{.DockerRootDir}}'") == "/var/lib/docker"
    psql = "docker exec mint-modules-postgres psql -AtX -U postgres mint -c"
    tables = ("customers", "quotes", "quote_lines", "events")
    rows = [int(told(host, f"{psql} 'select count(*) from {table}'")) for table in tables]
    assert sum(rows) == 60_000
    redis = "docker exec mint-modules-redis redis-cli"
    assert int(told(host, f"{redis} dbsize")) >= 500
    assert told(host, f"{redis} config get appendonly").split() == ["appendonly", "no"]
    assert told(host, f"{redis} config get save").split()[1:]
    mounts = json.loads(told(host, "docker inspect -f '{{json .Mounts}}' mint-modules-redis"))
    assert len(mounts) == 1
    assert mounts[0]["Type"] == "volume"
    assert len(mounts[0]["Name"]) == 64  # anonymous
    mounts = json.loads(told(host, "docker inspect -f '{{json .Mounts}}' mint-modules-postgres"))
    assert [(one["Name"], one["Destination"]) for one in mounts] == [("mint-data_pgdata", "/var/lib/postgresql/data")]
    mounts = json.loads(told(host, "docker inspect -f '{{json .Mounts}}' mint-modules-minio"))
    assert [(one["Source"], one["Destination"]) for one in mounts] == [("/opt/mint/minio-data", "/data")]


def test_the_s3_objects_are_whole(running_lab: lab.Lab) -> None:
    host = running_lab.host("mint-data")
    s3 = "curl -fsS --aws-sigv4 aws:amz:us-east-1:s3 --user mint:mint-lab-only http://127.0.0.1:9000/quotes"
    sizes = {n: int(told(host, f"{s3}/artwork-{n}.bin | wc -c")) for n in range(1, 6)}
    assert set(sizes.values()) == {8 << 20}
    assert told(host, f"{s3}/quote-0007.json") == '{"quote": 7, "total": 959}'


def test_most_of_the_root_is_dockers_and_the_services(running_lab: lab.Lab) -> None:
    host = running_lab.host("mint-data")
    moved = int(told(host, "du -sxBM /var/lib/docker /opt/mint/minio-data | awk '{ s += $1 } END { print s }'"))
    used, free = (int(word) for word in told(host, "df -BM --output=used,avail / | tail -1 | tr -d M").split())
    assert (used - moved) / (used + free) < 0.5  # well under the guard's 60 % once it has moved


def test_mint_apps_has_the_drift_of_the_specification(running_lab: lab.Lab) -> None:
    host = running_lab.host("mint-apps")
    assert 44 <= int(told(host, "df --output=pcent / | tail -1").rstrip("%")) <= 49
    assert len(told(host, "find /tmp -maxdepth 2 -type f -size +10M").splitlines()) == 2
    assert "/tmp/quote-page-uploads" in told(host, "docker diff mint-apps-quote-page")
    assert told(host, "docker inspect -f '{{json .Mounts}}' mint-apps-quote-page") == "[]"
    assert told(host, "docker images -qf dangling=true") != ""
    kinds = [json.loads(line) for line in told(host, "docker system df --format json").splitlines()]
    cache = next(kind for kind in kinds if kind["Type"] == "Build Cache")
    assert int(cache["TotalCount"]) > 10
    assert told(host, "ls /opt/stacks/mint-apps/quote-page/docker-compose.yml")


def test_the_audit_user_sees_docker_only_through_the_reader(running_lab: lab.Lab) -> None:
    host, key = running_lab.host("mint-data"), running_lab.keys.audit
    assert "docker" not in as_user(running_lab, host, "wbaudit", key, "id -nG").stdout.split()
    assert as_user(running_lab, host, "wbaudit", key, "docker ps").returncode != 0
    assert as_user(running_lab, host, "wbaudit", key, "sudo -n true").returncode != 0
    assert as_user(running_lab, host, "wbaudit", key, "sudo -n /usr/local/libexec/waveboard/wb-ro x").returncode != 0
    granted = as_user(running_lab, host, "wbaudit", key, "sudo -n -l").stdout
    assert [line.strip() for line in granted.splitlines() if "NOPASSWD" in line] == [
        '(root) NOPASSWD: /usr/local/libexec/waveboard/wb-ro ""'
    ]


def test_the_mutation_user_gets_the_hand_whatever_it_asks_for(running_lab: lab.Lab) -> None:
    host = running_lab.host("mint-data")
    told(host, "mv /usr/local/libexec/waveboard/wb-hand /run/kept 2>/dev/null; true")
    try:
        fake = "printf '#!/bin/sh\\necho hand as $(id -un)\\n' | install -D -m 755 /dev/stdin"
        told(host, f"{fake} /usr/local/libexec/waveboard/wb-hand")
        said = as_user(running_lab, host, "wbhand", running_lab.keys.hand, "cat /etc/shadow")
        assert said.stdout.strip() == "hand as root"
    finally:
        told(host, "rm /usr/local/libexec/waveboard/wb-hand; mv /run/kept /usr/local/libexec/waveboard/wb-hand || true")
    wrong_user = as_user(running_lab, host, "wbaudit", running_lab.keys.hand, "true")
    assert wrong_user.returncode == 255


def test_logins_rest_on_the_pinned_host_key(running_lab: lab.Lab, tmp_path: Path) -> None:
    host = running_lab.host("mint-data")
    lines = running_lab.settings.known_hosts.read_text().splitlines()
    assert {line.split()[0] for line in lines} == {f"[{one.address}]:2222" for one in running_lab.hosts}
    other = next(line for line in lines if line.split()[0] != f"[{host.address}]:2222")
    forged = tmp_path / "known_hosts"
    forged.write_text(f"[{host.address}]:2222 {' '.join(other.split()[1:])}\n")
    words = [word.replace(str(running_lab.settings.known_hosts), str(forged)) for word in host.ssh()]
    done = subprocess.run([*words, "true"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_approvals_verify_on_the_host_by_its_own_signers(running_lab: lab.Lab) -> None:
    key = str(running_lab.keys.approval)
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", "waveboard-approval@v1"]
    signature = subprocess.run(sign, input="plan", capture_output=True, text=True, timeout=30, check=True).stdout
    verify = "printf plan | ssh-keygen -Y verify -f /etc/waveboard/allowed_signers -I ronny@mint -s /dev/stdin"
    host = running_lab.host("mint-data")
    told(host, f"cat > /run/sig <<'END'\n{signature}END")
    verify = verify.replace("/dev/stdin", "/run/sig")
    told(host, f"{verify} -n waveboard-approval@v1")
    assert host.root_run(f"{verify} -n file").returncode != 0


def test_no_route_leads_out_and_hosts_reach_each_other(running_lab: lab.Lab) -> None:
    host = running_lab.host("mint-data")
    assert told(host, "ip route show default") == ""
    assert host.root_run("timeout 3 bash -c '</dev/tcp/192.0.2.2/22'").returncode != 0
    told(host, "timeout 5 bash -c '</dev/tcp/10.77.0.213/22'")


def test_nothing_listens_beyond_loopback(running_lab: lab.Lab) -> None:
    port = f":{2222:04X}"
    own = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
    ours = [address for address in own if address.endswith(port)]
    assert ours
    assert all(address.split(":")[0].endswith("7F") for address in ours)  # little-endian 127.x
    assert not [line for line in Path("/proc/net/tcp6").read_text().splitlines()[1:] if line.split()[1].endswith(port)]


def test_a_new_filesystem_is_known_by_uuid_at_once_and_mounted_after_a_reboot(fresh: lab.Host, running_lab: lab.Lab) -> None:
    told(fresh, "mkfs.ext4 -q -L mintdata /dev/sdb && udevadm settle")
    uuid = told(fresh, "blkid -s UUID -o value /dev/sdb")
    assert told(fresh, f"readlink -f /dev/disk/by-uuid/{uuid}") == "/dev/sdb"
    line = f"UUID={uuid} /mnt/data ext4 defaults,nofail,x-systemd.device-timeout=30s 0 2"
    told(fresh, f"mkdir /mnt/data && echo '{line}' >> /etc/fstab && findmnt --verify && systemctl daemon-reload")
    told(fresh, "systemctl start mnt-data.mount && mountpoint /mnt/data && echo kept > /mnt/data/kept")
    assert told(fresh, "systemctl is-active dev-sdb.device") == "active"
    lab.reboot("mint-data", settings=running_lab.settings)
    assert told(fresh, "findmnt -nro SOURCE /mnt/data; cat /mnt/data/kept") == "/dev/sdb\nkept"
    fresh.wait_containers()


def test_a_power_cut_keeps_the_disks_and_a_reset_does_not(running_lab: lab.Lab) -> None:
    host = running_lab.host("mint-apps")
    before = host.boot_id()
    identity = told(host, "cat /etc/machine-id")
    told(host, "echo made > /root/made && sync && rm /tmp/qp-12mb.bin")
    lab.power_cut("mint-apps", settings=running_lab.settings)
    assert host.boot_id() != before
    assert told(host, "cat /root/made") == "made"
    host.wait_containers()
    lab.reset(["mint-apps"], settings=running_lab.settings)
    assert told(host, "test ! -e /root/made && ls /tmp/qp-12mb.bin")
    assert told(host, "cat /etc/machine-id") == identity  # the same host, rolled back


def test_the_workspace_description_names_files_that_exist(running_lab: lab.Lab) -> None:
    whole = json.loads((running_lab.settings.state / "lab.json").read_text())
    assert [(one["name"], one["vmid"]) for one in whole["hosts"]] == [("mint-data", 212), ("mint-apps", 213)]
    for file in (*whole["keys"].values(), whole["known_hosts"], whole["allowed_signers"]):
        assert Path(file).is_file()
