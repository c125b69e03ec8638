"""What root in a guest may write to its agent's channel: bytes without end or shape are silence, and cost little."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep

import pytest

from waveboard.model.errors import HostError
from waveboard.world.clock import SystemClock
from waveboard.world.hypervisors import qmp
from waveboard.world.hypervisors.qemu import Qemu

MIB = 2**20
ENDLESS = 16 * MIB  # what the server offers at most, so that a test of a reader without limits ends
Says = Callable[[int], Iterator[bytes]]


class Guest:
    """A server on a VM's agent socket that reads what is asked and then writes what it was told to, until nobody reads."""

    def __init__(self, root: Path, says: Says) -> None:
        home = root / "vms" / "212"
        home.mkdir(parents=True)
        (root / "images").mkdir()
        self.makes, self.path, self.sent, self.heard_out = Qemu(root, "here", SystemClock()), home / "agent.sock", 0, False
        self._says = says
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        link = self._server.accept()[0]
        with link, link.makefile("rb") as asked:
            number = json.loads(asked.readline())["arguments"]["id"]
            try:
                for part in self._says(number):
                    link.sendall(part)
                    self.sent += len(part)
                self.heard_out = True
                asked.read()  # until the other side goes
            except OSError:
                pass

    def close(self) -> None:
        self._thread.join(30)
        self._server.close()
        assert not self._thread.is_alive()


def asked(guest: Guest) -> tuple[bool, tuple[str, ...]]:
    try:
        return guest.makes.guest(212)
    finally:
        guest.close()


def line(told: object) -> bytes:
    return json.dumps({"return": told}).encode() + b"\n"


def endless(part: bytes) -> Says:
    return lambda number: (part for _ in range(ENDLESS // len(part)))


def slowly(part: bytes) -> Says:
    def says(number: int) -> Iterator[bytes]:
        for _ in range(100):
            yield part
            sleep(0.05)

    return says


def test_a_well_behaved_agent_is_heard(tmp_path: Path) -> None:
    cards = [{"name": "lo"}, {"name": "eth0", "ip-addresses": [{"ip-address": "10.0.2.15"}, {"ip-address": "fe80::1%eth0"}]}]
    guest = Guest(tmp_path, lambda number: iter((line(7), line(number), line(cards))))
    assert asked(guest) == (True, ("10.0.2.15",))


@pytest.mark.parametrize("part", [b"x" * 65536, line(7) * 4096], ids=["one-line", "many-lines"])
def test_bytes_without_end_are_not_read_to_their_end(tmp_path: Path, part: bytes) -> None:
    guest = Guest(tmp_path, endless(part))
    assert asked(guest) == (False, ())
    assert guest.sent < 4 * MIB and not guest.heard_out


@pytest.mark.parametrize("part", [b" ", line(7)], ids=["bytes", "lines"])
def test_one_deadline_holds_for_the_whole_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: bytes) -> None:
    monkeypatch.setattr(qmp, "LIMIT_S", 0.3)
    guest = Guest(tmp_path, slowly(part))
    assert asked(guest) == (False, ())
    assert not guest.heard_out


def test_an_answer_of_a_mebibyte_is_heard(tmp_path: Path) -> None:
    guest = Guest(tmp_path, lambda number: iter((line(number), line("x" * (qmp.LINE_BYTES - 15)))))
    assert len(str(qmp.ask_agent(guest.path, "guest-info"))) == qmp.LINE_BYTES - 15
    guest.close()


DEEP = b"[" * 100_000 + b"\n"


@pytest.mark.parametrize("raw", [DEEP, b'{"return": ' + DEEP, b"5\n", b"null\n", b"\xff\n", b"\n", b"9" * 9999 + b"\n", b""])
@pytest.mark.parametrize("after", [False, True], ids=["at-once", "after-our-number"])
def test_what_is_no_answer_is_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes, after: bool) -> None:
    monkeypatch.setattr(qmp, "LIMIT_S", 0.5)
    guest = Guest(tmp_path, lambda number: iter((line(number), raw) if after else (raw,)))
    with pytest.raises(HostError, match="its agent does not answer"):
        qmp.ask_agent(guest.path, "guest-network-get-interfaces")
    guest.close()


@pytest.mark.parametrize(
    "told",
    [
        5,
        {},
        [5],
        [{"ip-addresses": 5}],
        [{"ip-addresses": {"ip-address": "10.0.2.15"}}],
        [{"ip-addresses": ["10.0.2.15"]}],
        [{"ip-addresses": [{}]}],
        [{"ip-addresses": [{"ip-address": 5}]}],
        [{"ip-addresses": [{"ip-address": ["10.0.2.15"]}]}],
        [{"ip-addresses": [{"ip-address": "10.0.2.15\u001b[2J"}]}],
        [{"ip-addresses": [{"ip-address": "10.0.2.15"}]}, {"ip-addresses": True}],
    ],
    ids=repr,
)
def test_an_answer_of_another_shape_is_silence(tmp_path: Path, told: object) -> None:
    guest = Guest(tmp_path, lambda number: iter((line(number), line(told))))
    assert asked(guest) == (False, ())
