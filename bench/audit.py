"""Audit fan-out: every fact of N hosts, beside `ssh host true`, pyinfra and Ansible. `python bench/audit.py [N…] [--rounds R]`

The hosts are N loopback addresses of one sshd in a network namespace of its own (root, Linux, openssh-server), so all of them
share this machine's cores: client and host CPU are told apart, wall time is of both. Host keys are checked everywhere. Variants
alternate in every round; medians. pyinfra and Ansible take part when their commands are on PATH (`uv run --group bench …`),
as whole commands, start-up included. No docker is asked here: this machine's is. `nothing asked` sends a program that ends at
once over the same connections: what it takes is the reader's and sshd's, and what the audit takes beyond it is the collector's.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.audit.loopback_sshd import Sshd, running
from waveboard.audit import program
from waveboard.model.contract import HostTarget
from waveboard.model.evidence import Answer, Ask
from waveboard.world.hosts.ssh import SshReader

NONCE = "beac" * 8
PATHS = ("/", "/boot", "/boot/efi", "/tmp", "/var/lib/docker", "/var/lib/containerd", "/mnt/data")
IN_FLIGHT = 32  # of xargs: the best of 16, 32 and 64 on two cores
Run = Callable[[], None]


def addresses(count: int) -> list[str]:
    return [f"127.0.{1 + i // 200}.{1 + i % 200}" for i in range(count)]


def ssh_options(sshd: Sshd, key_exchange: str) -> list[str]:
    settings = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={sshd.place}/known_hosts", "IdentitiesOnly=yes",
                "IdentityAgent=none", "GlobalKnownHostsFile=/dev/null"]  # fmt: skip
    settings += [f"KexAlgorithms={key_exchange}"] if key_exchange else []
    return ["-F", "none", "-i", f"{sshd.place}/good", "-p", str(sshd.port), *(word for s in settings for word in ("-o", s))]


def ssh_true(sshd: Sshd, hosts: Sequence[str], key_exchange: str) -> Run:
    command = ["xargs", "-P", str(IN_FLIGHT), "-I", "HOST", "ssh", *ssh_options(sshd, key_exchange), "root@HOST", "true"]
    return lambda: _whole(command, "\n".join(hosts))


def audit(reader: SshReader, targets: Mapping[str, HostTarget], fresh: bool) -> Run:
    text, parameters = program.text(), program.parameters(NONCE, PATHS)
    return _asked(reader, targets, fresh, [Ask(host, text, parameters) for host in targets], b" begin done 0\n")


def nothing(reader: SshReader, targets: Mapping[str, HostTarget], fresh: bool) -> Run:
    return _asked(reader, targets, fresh, [Ask(host, "echo done\n", "") for host in targets], b"done\n")


def _asked(reader: SshReader, targets: Mapping[str, HostTarget], fresh: bool, asks: Sequence[Ask], ending: bytes) -> Run:
    def run() -> None:
        if fresh:
            reader.close()
        answers = reader.collect(asks, targets)
        bad = [str(answer) for answer in answers.values() if not isinstance(answer, Answer) or ending not in answer.raw]
        if bad:
            raise SystemExit(f"{len(bad)} hosts gave no complete answer: {bad[0][:200]}")

    return run


def peers(sshd: Sshd, hosts: Sequence[str]) -> Mapping[str, Run]:
    found: dict[str, Run] = {}
    if tool := shutil.which("pyinfra"):
        inventory = sshd.place / "inventory.py"
        config = {"ssh_user": "root", "ssh_port": sshd.port, "ssh_key": f"{sshd.place}/good", "ssh_strict_host_key_checking": "yes",
                  "ssh_known_hosts_file": f"{sshd.place}/known_hosts"}  # fmt: skip
        inventory.write_text(f"hosts = {[(host, config) for host in hosts]!r}\n")
        found["pyinfra, one fact"] = partial(_whole, [tool, "-y", str(inventory), "fact", "server.Mounts"], "")
    if tool := shutil.which("ansible"):
        inventory_ini = sshd.place / "inventory.ini"
        inventory_ini.write_text("".join(f"{host}\n" for host in hosts))
        arguments = " ".join(ssh_options(sshd, "curve25519-sha256"))
        command = [tool, "all", "-i", str(inventory_ini), "-m", "setup", "-f", "50", "-u", "root", f"--ssh-common-args={arguments}",
                   "-e", f"ansible_python_interpreter={shutil.which('python3')}"]  # fmt: skip
        found["Ansible setup"] = partial(_whole, command, "")
    return found


def _whole(command: Sequence[str], text: str) -> None:
    ran = subprocess.run(
        command, input=text.encode(), capture_output=True, check=False, env={**os.environ, "ANSIBLE_PIPELINING": "1"}
    )
    if ran.returncode:
        raise SystemExit(f"{command[0]} exited {ran.returncode}: {(ran.stderr or ran.stdout).decode().strip()[:300]}")


def client_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def host_s(sshd: Sshd) -> float:
    """CPU of sshd's sessions that have ended. 10 ms ticks, so worth something from ten hosts up."""
    fields = Path(f"/proc/{sshd.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def measure(sshd: Sshd, count: int, rounds: int) -> None:
    hosts = addresses(count)
    key = (sshd.place / "host_key.pub").read_text()
    (sshd.place / "known_hosts").write_text("".join(f"[{host}]:{sshd.port} {key}" for host in hosts))
    targets = {host: replace(sshd.target("good"), id=host, address=host) for host in hosts}
    with SshReader() as fresh, SshReader() as kept:
        audit(kept, targets, fresh=False)()
        variants: dict[str, Run] = {
            "ssh true, curve25519": ssh_true(sshd, hosts, "curve25519-sha256"),
            "ssh true, defaults": ssh_true(sshd, hosts, ""),
            "audit, fresh connections": audit(fresh, targets, fresh=True),
            "audit, kept connections": audit(kept, targets, fresh=False),
            "nothing asked, fresh": nothing(fresh, targets, fresh=True),
            "nothing asked, kept": nothing(kept, targets, fresh=False),
            **peers(sshd, hosts),
        }
        walls: dict[str, list[float]] = {name: [] for name in variants}
        clients: dict[str, list[float]] = {name: [] for name in variants}
        servers: dict[str, list[float]] = {name: [] for name in variants}
        for turn in range(rounds):
            names = list(variants)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                wall, client, server = time.perf_counter(), client_s(), host_s(sshd)
                variants[name]()
                if "fresh" in name:
                    fresh.close()
                walls[name].append(time.perf_counter() - wall)
                clients[name].append(client_s() - client)
                time.sleep(0.2)  # sessions end a moment after their clients
                servers[name].append(host_s(sshd) - server)
    memory = _memory_mib(targets)
    anchor = walls["ssh true, curve25519"]
    for name in variants:
        ratio = statistics.median(own / other for own, other in zip(walls[name], anchor, strict=True))
        client, server = (1000 * statistics.median(times[name]) / count for times in (clients, servers))
        shown = "     -" if "kept" in name else f"{server:6.1f}"  # kept sessions have not ended yet
        print(f"{count:5} {name:26} {statistics.median(walls[name]):8.3f} {ratio:7.2f} {client:11.1f} {shown:>9}")
    print(f"{count:5} {'audit, fresh, peak memory':26} {memory:.0f} MiB, the interpreter and its libraries included", flush=True)


def _memory_mib(targets: Mapping[str, HostTarget]) -> float:
    """Peak memory of one fresh audit in a process of its own: this one holds two fleets of connections and every figure."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=_audited_alone, args=(targets, send))
    child.start()
    child.join()
    if child.exitcode:
        raise SystemExit("the audit that was to be measured for its memory did not end well")
    found: float = receive.recv()
    return found


def _audited_alone(targets: Mapping[str, HostTarget], send: Connection) -> None:
    with SshReader() as reader:
        audit(reader, targets, fresh=True)()
        told = Path("/proc/self/status").read_text()  # ru_maxrss would still tell of the process this one was forked from
        send.send(int(told.partition("VmHWM:")[2].split()[0]) / 1024)


def main() -> None:
    options = argparse.ArgumentParser(description="audit fan-out beside ssh, pyinfra and Ansible")
    options.add_argument("counts", nargs="*", type=int, default=[1, 10, 50, 200])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    told = options.parse_args()
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("sshd", path="/usr/sbin:/usr/bin"):
        raise SystemExit("cannot run the audit benchmark: because it needs root, unshare and openssh-server")
    if not told.inside:
        command = [
            "unshare",
            "-n",
            "-m",
            "--propagation",
            "private",
            sys.executable,
            str(Path(__file__).resolve()),
            *sys.argv[1:],
            "--inside",
        ]
        raise SystemExit(subprocess.run(command, check=False).returncode)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if (greeting := Path.home() / ".bashrc").exists():  # what this machine's shell does at login is nobody's figure
        subprocess.run(["mount", "--bind", "/dev/null", str(greeting)], check=True)
    if not Path(__file__).resolve().is_relative_to("/tmp"):  # nor is what lies in its /tmp
        subprocess.run(["mount", "-t", "tmpfs", "bench", "/tmp"], check=True)
    print(f"{'hosts':>5} {'what':26} {'wall s':>8} {'ratio':>7} {'client ms/h':>11} {'host ms/h':>9}")
    for count in told.counts:
        with tempfile.TemporaryDirectory() as place, running(Path(place), {"good": ""}, "ListenAddress 0.0.0.0") as sshd:
            measure(sshd, count, told.rounds)


if __name__ == "__main__":
    main()
