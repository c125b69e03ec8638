"""The Reader port: the same promises over SSH, on this machine and from recorded bundles; over SSH also from hostile hosts."""

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.audit.loopback_sshd import NEEDED, Sshd, keygen, running, usable
from tests.audit.trees import AT, NONCE, collected
from waveboard.app.ports import Reader
from waveboard.audit import bundle, program
from waveboard.model.contract import HostTarget
from waveboard.model.errors import HostError
from waveboard.model.evidence import Answer, Ask
from waveboard.world.hosts.local import LocalReader
from waveboard.world.hosts.replay import ReplayReader
from waveboard.world.hosts.ssh import Limits, SshReader

SMALL = Limits(connect_s=3, total_s=8, output_bytes=2**20)
HOSTILE = {
    "good": "",
    "flood": "exec cat /dev/zero",
    "errors": "exec cat /dev/zero >&2",
    "drip": "while :; do echo x; sleep 0.2; done",
    "silent": "exec sleep 15",
    "half": "echo; echo '@@5eed begin meta 0'; exec cat",
    "leaver": "sleep 15 & exec /bin/sh -s",
    "killed": "kill -9 $PPID",
    "deaf": "exec 0<&-; exit 0",
}
ssh_only = pytest.mark.skipif(not usable(), reason=NEEDED)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running(tmp_path_factory.mktemp("sshd"), HOSTILE) as found:
        yield found


def ask(host: str, text: str = "") -> Ask:
    return Ask(host, text or program.with_params(NONCE, ["/", "/usr"]))


@pytest.fixture(params=["ssh", "local", "replay"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Reader, Mapping[str, HostTarget]]]:
    if request.param == "ssh":
        if not usable():
            pytest.skip(NEEDED)
        found: Sshd = request.getfixturevalue("sshd")
        with SshReader(SMALL) as over_ssh:
            yield over_ssh, {host: found.target("good", id=host) for host in ("one", "two")}
    elif request.param == "local":
        yield LocalReader(), {}
    else:
        for host in ("one", "two"):
            told = collected()
            (tmp_path / f"{host}.json").write_bytes(
                bundle.to_json(bundle.Bundle(host, AT, told.collector, told.identity, told.probes))
            )
        yield ReplayReader(tmp_path), {}


def test_every_ask_has_an_answer(reader: tuple[Reader, Mapping[str, HostTarget]]) -> None:
    port, targets = reader
    for _ in range(2):  # kept connections answer the same
        answers = port.collect([ask("one"), ask("two")], targets)
        assert set(answers) == {"one", "two"}
        for host, answer in answers.items():
            assert isinstance(answer, Answer)
            told = (
                bundle.from_json(answer.raw)
                if answer.bundled
                else bundle.gather(host, answer.raw, NONCE, "sha256:c", AT, answer.host_key)
            )
            assert not told.failure
            assert told.identity.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_no_ask_no_answer(reader: tuple[Reader, Mapping[str, HostTarget]]) -> None:
    assert reader[0].collect([], reader[1]) == {}


def test_a_host_nobody_knows_costs_only_itself(reader: tuple[Reader, Mapping[str, HostTarget]]) -> None:
    port, targets = reader
    if isinstance(port, LocalReader):
        pytest.skip("this machine answers to every name")
    answers = port.collect([ask("one"), ask("nobody"), ask("../one")], targets)
    assert isinstance(answers["one"], Answer)
    assert isinstance(answers["nobody"], HostError) and isinstance(answers["../one"], HostError)


def test_local_is_bounded() -> None:
    drip = "while :; do echo x; sleep 0.1; done\n"
    for text, because in (("exec cat /dev/zero\n", "more than"), ("exec sleep 15\n", "within"), (drip, "within")):
        answer = LocalReader(total_s=1.5, output_bytes=2**20).collect([Ask("h", text)], {})["h"]
        assert isinstance(answer, HostError) and because in answer.because


@ssh_only
def test_hostile_hosts_cost_themselves_their_answer_and_nobody_else(sshd: Sshd) -> None:
    targets = {kind: sshd.target(kind) for kind in HOSTILE}
    with SshReader(SMALL) as over_ssh:
        answers = over_ssh.collect([ask(kind) for kind in HOSTILE], targets)
    for kind in ("good", "leaver"):
        answer = answers[kind]
        assert isinstance(answer, Answer) and answer.host_key == sshd.fingerprint
        assert not bundle.gather(kind, answer.raw, NONCE, "sha256:c", AT).failure
    wanted = {"flood": "more than", "errors": "more than", "drip": "within", "silent": "within", "killed": "closed midway"}
    for kind, because in wanted.items():
        answer = answers[kind]
        assert isinstance(answer, HostError) and because in answer.because, (kind, answer)
    for kind in ("half", "deaf"):  # an answer, but no evidence in it
        answer = answers[kind]
        assert isinstance(answer, HostError) or bundle.gather(kind, answer.raw, NONCE, "sha256:c", AT).failure


@ssh_only
def test_an_unproven_host_is_not_talked_to(sshd: Sshd, tmp_path: Path) -> None:
    other = keygen(tmp_path / "other")
    (tmp_path / "changed").write_text(f"[127.0.0.1]:{sshd.port} {other}")
    (tmp_path / "foreign").write_text(f"elsewhere {other}")
    (tmp_path / "empty").write_text("")
    keygen(tmp_path / "stranger")
    with socket.socket() as dead, closing(socket.create_server(("127.0.0.1", 0))) as mute:
        dead.bind(("127.0.0.1", 0))  # bound and not listening: refused
        cases = {
            "changed": (sshd.target("good", known_hosts=str(tmp_path / "changed")), "host key changed"),
            "foreign": (sshd.target("good", known_hosts=str(tmp_path / "foreign")), "no host key is pinned"),
            "empty": (sshd.target("good", known_hosts=str(tmp_path / "empty")), "no host key is pinned"),
            "absent": (sshd.target("good", known_hosts=str(tmp_path / "none")), "keys cannot be read"),
            "unnamed": (sshd.target("good", known_hosts=None), "no known_hosts"),
            "stranger": (sshd.target("good", key_file=str(tmp_path / "stranger")), "refused root's key"),
            "userless": (sshd.target("good", user=None), "no user"),
            "dead": (sshd.target("good", port=dead.getsockname()[1], known_hosts=str(tmp_path / "changed")), "efused"),
            "mute": (sshd.target("good", port=mute.getsockname()[1]), "within"),
            "loop": (sshd.target("good", jump="loop"), "circle"),
        }
        with SshReader(SMALL) as over_ssh:
            answers = over_ssh.collect([ask(name) for name in cases], {name: target for name, (target, _) in cases.items()})
    for name, (_, because) in cases.items():
        answer = answers[name]
        assert isinstance(answer, HostError) and because in answer.because + str(answer), (name, answer)
    known = (tmp_path / "empty").read_text() + (tmp_path / "foreign").read_text()
    assert known == f"elsewhere {other}", "nothing is learned"


@ssh_only
def test_through_a_jump_host(tmp_path: Path) -> None:
    with running(tmp_path, {"good": ""}) as inner:
        path = tmp_path / "authorized_keys"
        path.write_text(path.read_text().replace("restrict ", ""))
        targets = {"far": inner.target("good", id="far", jump="near"), "near": inner.target("good", id="near")}
        with SshReader(SMALL) as over_ssh:
            assert isinstance(over_ssh.collect([ask("far")], targets)["far"], Answer)


@ssh_only
def test_a_connection_that_died_in_between_is_made_again(tmp_path: Path) -> None:
    with running(tmp_path, {"good": ""}) as found, SshReader(SMALL) as over_ssh:
        targets = {"h": found.target("good")}
        assert isinstance(over_ssh.collect([ask("h")], targets)["h"], Answer)
        before = found.sessions()
        assert isinstance(over_ssh.collect([ask("h")], targets)["h"], Answer)
        assert found.sessions() == before, "kept"
        os.kill(int(before[0]), signal.SIGKILL)
        assert isinstance(over_ssh.collect([ask("h")], targets)["h"], Answer)
