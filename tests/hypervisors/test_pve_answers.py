"""What a Proxmox VE may answer that is no answer: unknown, never "nothing is there" and never "it failed"."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hypervisors.estate import DISK, SHAPE
from tests.hypervisors.odd_pve import CONFIG, UPID, Answer, Odd, Say, serve
from waveboard.model.errors import HostError, RefusedError, StepError
from waveboard.world.hypervisors import pve_api

TAG = "wb-i-0123456789ab"
CLONE, TASK = (
    "POST /nodes/pve1/qemu/9000/clone",
    f"GET /nodes/pve1/tasks/{UPID.replace('!', '%21').replace('@', '%40').replace(':', '%3A')}/status",
)
HTML = Answer(raw=b"<html><body>Login</body></html>", kind="text/html")


@pytest.fixture
def pve(tmp_path: Path) -> Iterator[Odd]:
    made = serve(tmp_path)
    yield made
    made.stop()


def having(pve: Odd, config: dict[str, object], **row: object) -> None:
    """VM 212 as it is listed, with that configuration."""
    told = {"vmid": 212, "node": "pve1", "type": "qemu", "name": "new-1", "status": "stopped", **row}
    pve.says["GET /cluster/resources"] = [Answer([told])]
    pve.says["GET /nodes/pve1/qemu/212/config"] = [Answer({"name": "new-1", "description": TAG, **config})]


def test_the_usual_answers_are_understood(pve: Odd) -> None:
    state = pve.makes().look()
    assert (state.images, state.vms[9000].template, state.pools["tank"].free_bytes) == ({"9000": 8 << 30}, True, 2**36)


NO_LIST = [
    Answer(None),
    Answer({}),
    Answer("x"),
    Answer(["x"]),
    Answer(raw=b"[]"),
    Answer(raw=b"null"),
    HTML,
    Answer(raw=b"[" * 100_000),
]
LISTS = ["GET /cluster/status", "GET /cluster/resources", "GET /nodes/pve1/storage", "GET /nodes/pve1/storage/tank/content"]


@pytest.mark.parametrize("request_", LISTS)
@pytest.mark.parametrize("answer", NO_LIST, ids=range(len(NO_LIST)))
def test_an_answer_without_its_list_is_not_an_empty_hypervisor(pve: Odd, request_: str, answer: Answer) -> None:
    pve.says[request_] = [answer]
    with pytest.raises(HostError):
        pve.makes().look()


ROWS: list[tuple[str, Answer]] = [
    ("GET /cluster/resources", Answer([{"node": "pve1", "type": "qemu"}])),
    ("GET /cluster/resources", Answer([{"vmid": "many", "node": "pve1", "type": "qemu"}])),
    ("GET /cluster/resources", Answer([{"vmid": {}, "node": "pve1", "type": "qemu"}])),
    ("GET /cluster/resources", Answer([{"vmid": 9000, "type": "qemu"}])),
    ("GET /cluster/status", Answer([{"type": "node", "online": 1}])),
    ("GET /cluster/status", Answer([{"type": "cluster", "quorate": "perhaps"}])),
    ("GET /nodes/pve1/storage", Answer([{"content": "images"}])),
    ("GET /nodes/pve1/storage", Answer([{"storage": "tank", "content": "images", "avail": "much"}])),
    ("GET /nodes/pve1/storage/tank/content", Answer([{"vmid": 7}])),
    ("GET /nodes/pve1/qemu/9000/config", Answer([])),
    ("GET /nodes/pve1/qemu/9000/config", Answer({**CONFIG, "cores": "all"})),
    ("GET /nodes/pve1/qemu/9000/config", Answer({**CONFIG, "memory": "much"})),
]


@pytest.mark.parametrize(("request_", "answer"), ROWS, ids=range(len(ROWS)))
def test_a_row_of_another_form_is_unknown(pve: Odd, request_: str, answer: Answer) -> None:
    pve.says[request_] = [answer]
    with pytest.raises(HostError):
        pve.makes().look()


def test_a_size_that_is_none_is_not_known(pve: Odd) -> None:
    pve.says["GET /nodes/pve1/qemu/9000/config"] = [Answer({**CONFIG, "scsi0": f"local-lvm:x,size={'9' * 400}G"})]
    assert pve.makes().look().images == {"9000": 0}


def test_an_answer_without_end_is_cut(pve: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pve_api, "LARGEST", 10_000)
    pve.says["GET /cluster/resources"] = [Answer(["x" * 20_000])]
    with pytest.raises(HostError, match="more than 10000 bytes"):
        pve.makes().look()


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed(pve: Odd, status: int) -> None:
    pve.says["GET /cluster/status"] = [Answer(status=status)]
    with pytest.raises(RefusedError, match=str(status)):
        pve.makes().look()


# -- tasks ---------------------------------------------------------------------------------------------------------------


def cloning(pve: Odd, *states: Answer) -> None:
    pve.says[CLONE] = [Answer(UPID)]
    pve.says[TASK] = list(states)


def test_a_task_with_warnings_ended_well_and_one_with_an_error_did_not(pve: Odd) -> None:
    cloning(pve, Answer({"status": "running"}), Answer({"status": "stopped", "exitstatus": "WARNINGS: 1"}))
    pve.makes().create(212, "new-1", "9000", "local-lvm", TAG)
    cloning(pve, Answer({"status": "stopped", "exitstatus": "clone failed: no space"}))
    with pytest.raises(StepError, match="no space"):
        pve.makes().create(212, "new-1", "9000", "local-lvm", TAG)


LOST = [
    Answer(status=500, message="no such task"),
    Answer(status=401, message="invalid token"),
    Answer(status=403, message="Permission check failed"),
    Answer(status=596, message="Connection timed out"),
    Answer(drop=True),
    Answer([]),
    Answer(None),
    HTML,
]


@pytest.mark.parametrize("answer", LOST, ids=range(len(LOST)))
def test_a_task_that_can_no_longer_be_followed_is_unknown_never_failed(pve: Odd, answer: Answer) -> None:
    """It may run on: what is taken for failed would be taken back under its feet, and left there when it ends."""
    cloning(pve, Answer({"status": "running"}), answer)
    with pytest.raises(HostError):
        pve.makes().create(212, "new-1", "9000", "local-lvm", TAG)


@pytest.mark.parametrize(
    "answer", [Answer(None), Answer(""), Answer("UPID:pve1"), Answer(5), Answer(drop=True), HTML], ids=range(6)
)
def test_a_change_whose_task_is_not_named_is_unknown(pve: Odd, answer: Answer) -> None:
    pve.says[CLONE] = [answer]
    with pytest.raises(HostError):
        pve.makes().create(212, "new-1", "9000", "local-lvm", TAG)
    assert len(pve.calls(CLONE)) == 1, "it is looked at before it is asked again"


def test_a_configuration_may_be_written_without_a_task(pve: Odd) -> None:
    having(pve, {})
    pve.says["POST /nodes/pve1/qemu/212/config"] = [Answer(None)]
    pve.makes().configure(212, SHAPE)


# -- what is there -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
def test_a_vm_that_goes_while_one_looks_is_no_obstacle(pve: Odd, times: int) -> None:
    """Somebody removed or migrated it between the list and its configuration."""
    both = [{"vmid": 300, "node": "pve1", "type": "qemu"}, {"vmid": 9000, "node": "pve1", "type": "qemu", "template": 1}]
    pve.says["GET /cluster/resources"] = [*[Answer(both)] * times, Answer(both[1:])]
    gone = Answer(status=500, message="Configuration file 'nodes/pve1/qemu-server/300.conf' does not exist")
    pve.says["GET /nodes/pve1/qemu/300/config"] = [gone]
    assert list(pve.makes().look().vms) == [9000]


def test_a_configuration_that_is_listed_and_never_there_is_told(pve: Odd) -> None:
    pve.says["GET /nodes/pve1/qemu/9000/config"] = [Answer(status=500, message="Configuration file does not exist")]
    with pytest.raises(RefusedError, match="does not exist"):
        pve.makes().look()


def test_a_serial_is_what_the_guest_sees(pve: Odd) -> None:
    """PVE writes it as in a URL (qm.conf(5)): the guest's disk is called new-1-data."""
    having(pve, {"scsi1": "tank:vm-212-disk-1,serial=new%2D1%2ddata,size=8G"})
    assert pve.makes().look().vms[212].disks[0].serial == DISK.serial


def test_a_storage_that_cannot_be_used_now_says_why(pve: Odd) -> None:
    stores = [
        {"storage": "tank", "content": "images", "active": 0, "enabled": 1},
        {"storage": "slow", "content": "images", "active": 1},
        {"storage": "local", "content": "iso", "active": 1, "total": 9, "avail": 0},
    ]
    pve.says["GET /nodes/pve1/storage"] = [Answer(stores)]
    pools = pve.makes().look().pools
    assert (pools["tank"].away, pools["slow"].away, pools["local"].away) == (
        "it is not active",
        "it does not say how much is free",
        "",
    )
    assert (pools["local"].holds_seeds, pools["slow"].holds_seeds) == (True, False)


AGENT = "GET /nodes/pve1/qemu/212/agent/network-get-interfaces"


def test_an_agent_that_does_not_run_does_not_answer(pve: Odd) -> None:
    pve.says[AGENT] = [Answer(status=500, message="QEMU guest agent is not running")]
    assert pve.makes().guest(212) == (False, ())
    cards = [{"name": "lo"}, {"name": "eth0", "ip-addresses": [{"ip-address": "192.0.2.12"}, {"ip-address": "fe80::1"}]}]
    pve.says[AGENT] = [Answer({"result": cards})]
    assert pve.makes().guest(212) == (True, ("192.0.2.12",))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=403, message="Permission check failed (/vms/212, VM.GuestAgent.Audit)"),
        Answer(status=401, message="invalid token value"),
        Answer(status=500, message="Configuration file 'nodes/pve1/qemu-server/212.conf' does not exist"),
        Answer(None),
        HTML,
    ],
    ids=range(5),
)
def test_an_agent_that_could_not_be_asked_is_not_silent(pve: Odd, answer: Answer) -> None:
    pve.says[AGENT] = [answer]
    with pytest.raises((RefusedError, HostError)):
        pve.makes().guest(212)


# -- what is changed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "becomes"),
    [
        ("virtio=BC:24:11:00:00:01,bridge=vmbr1,firewall=1,tag=20", "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=20"),
        ("e1000=BC:24:11:00:00:01,bridge=vmbr1,tag=20", "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20"),
        ("model=virtio,macaddr=BC:24:11:00:00:01,bridge=vmbr1", "virtio=BC:24:11:00:00:01,bridge=vmbr0"),
        (None, "virtio,bridge=vmbr0"),
    ],
)
def test_a_card_keeps_its_address_its_vlan_and_its_firewall(pve: Odd, there: str | None, becomes: str) -> None:
    having(pve, {"net0": there} if there else {})
    pve.says["POST /nodes/pve1/qemu/212/config"] = [Answer(None)]
    pve.makes().configure(212, SHAPE)
    assert pve.calls("POST /nodes/pve1/qemu/212/config")[0]["net0"] == becomes


@pytest.mark.parametrize(
    ("drives", "slot"),
    [
        ({}, "ide2"),
        ({"ide2": "local-lvm:vm-212-cloudinit,media=cdrom"}, "ide2"),
        ({"scsi1": "local-lvm:vm-212-cloudinit,media=cdrom"}, "scsi1"),
        ({"ide2": "local-lvm:vm-212-disk-0,size=8G"}, "ide0"),
        ({"ide2": "none,media=cdrom"}, "ide2"),
        ({"ide0": "local:iso/waveboard-212-seed.iso,media=cdrom"}, "ide0"),
    ],
)
def test_the_seed_takes_the_place_of_another_one_and_never_that_of_a_disk(pve: Odd, drives: dict[str, object], slot: str) -> None:
    """With two NoCloud media a guest may read the one that says nothing of waveboard."""
    having(pve, drives)
    pve.says["POST /nodes/pve1/storage/local/upload"] = [Answer(UPID)]
    pve.says[TASK] = [Answer({"status": "stopped", "exitstatus": "OK"})]
    pve.says["POST /nodes/pve1/qemu/212/config"] = [Answer(None)]
    pve.makes().seed(212, "local", {"user-data": b"x"})
    assert pve.calls("POST /nodes/pve1/qemu/212/config") == [{slot: "local:iso/waveboard-212-seed.iso,media=cdrom"}]


SEED = "local:iso/waveboard-212-seed.iso"
MEDIUM = "DELETE /nodes/pve1/storage/local/content/local%3Aiso%2Fwaveboard-212-seed.iso"


@pytest.mark.parametrize("named", [True, False])
def test_no_seed_outlives_its_vm(pve: Odd, named: bool) -> None:
    """A VM's private host key is in it: also one that was sent and never given to the VM goes, and it goes before the VM does."""
    having(pve, {"ide2": f"{SEED},media=cdrom"} if named else {})
    pve.says["GET /nodes/pve1/qemu/212/status/current"] = [Answer({"status": "stopped"})]
    others = [{"volid": "local:iso/debian.iso"}, {"volid": "local:iso/waveboard-21-seed.iso"}]
    pve.says["GET /nodes/pve1/storage/local/content"] = [Answer([*others, {"volid": SEED}])]
    done: list[Say] = [Answer(UPID)]
    pve.says |= {MEDIUM: done, "DELETE /nodes/pve1/qemu/212": done, TASK: [Answer({"status": "stopped", "exitstatus": "OK"})]}
    pve.makes().destroy(212, "new-1", TAG)
    assert [name for name, _ in pve.asked if name.startswith("DELETE")] == [MEDIUM, "DELETE /nodes/pve1/qemu/212"]
    assert pve.calls("DELETE /nodes/pve1/qemu/212") == [{"purge": "1", "destroy-unreferenced-disks": "0"}]


def test_the_seed_of_a_vm_that_runs_stays(pve: Odd) -> None:
    having(pve, {"ide2": f"{SEED},media=cdrom"})
    pve.says["GET /nodes/pve1/qemu/212/status/current"] = [Answer({"status": "running"})]
    with pytest.raises(RefusedError, match="it is running"):
        pve.makes().destroy(212, "new-1", TAG)
    assert not [name for name, _ in pve.asked if name.startswith("DELETE")]


def test_a_status_that_is_none_starts_and_stops_nothing(pve: Odd) -> None:
    having(pve, {})
    pve.says["GET /nodes/pve1/qemu/212/status/current"] = [Answer({})]
    makes = pve.makes()
    for act in (lambda: makes.start(212), lambda: makes.stop(212, 5), lambda: makes.destroy(212, "new-1", TAG)):
        with pytest.raises(HostError):
            act()
    assert not [name for name, _ in pve.asked if name.startswith(("POST", "DELETE"))]


def test_a_list_that_is_none_destroys_nothing_and_says_so(pve: Odd) -> None:
    pve.says["GET /cluster/resources"] = [Answer(None)]
    with pytest.raises(HostError):
        pve.makes().destroy(212, "new-1", TAG)
