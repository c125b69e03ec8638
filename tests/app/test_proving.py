"""A VM's producer proven, station by station: signed, resumed, refuted, outdated. The real hypervisor's hand, fold and receipts; no guest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.hypervisors.estate import SPEC, Yard
from tests.receipts.estate import ALLOWED, RONNY
from tests.sim.fleet import Fleet, SimHost
from tests.vms import test_rules as R
from tests.waves import estate as E
from waveboard.app import machine, provision, settling
from waveboard.app.apply import apply, undo
from waveboard.app.approve import approve
from waveboard.app.plans import Known
from waveboard.app.producers import KIND, proof, stale
from waveboard.app.proving import VERDICT, Proven, Proving, Waiting
from waveboard.app.read import Reading
from waveboard.app.receipting import newest_of
from waveboard.contracts.probes import probes
from waveboard.model.change import provision_name
from waveboard.model.contract import FindingsMap, HostPolicy, HostTarget, LinkRule, Overrun, StorFinding, Window
from waveboard.model.errors import HostError, RefusedError, UsageError
from waveboard.model.evidence import Identity
from waveboard.model.facts import BlockDevice, BlockDevices, HostFacts, Unavailable
from waveboard.model.finding import Severity
from waveboard.model.register import Gap, Registers
from waveboard.model.vm import Hypervisor, Probe
from waveboard.receipts import sshsig
from waveboard.receipts.verify import verify
from waveboard.waves import plan_json

HOST, PROBE, ID = "new-1", "new-1-probe", 230
MAP = FindingsMap(
    (StorFinding("STOR-1", "t", Severity.HIGH, "W", "open", "c", ("GAP-1", "GAP-2"), ()),),
    (),
    (LinkRule("STOR-1", "D235", ("boot-backed",), (HOST,)),),
)
GAPS = Registers(
    gaps=(Gap("GAP-1", "open"), Gap("GAP-2", "open", producer="infra.vm.bootstrap"), Gap("GAP-3", "open", producer="x"))
)


def disk(serial: str) -> BlockDevice:
    return BlockDevice("sdb", "8:16", 100 << 30, "/sdb", serial=serial)


class Restarting(SimHost):
    """A host whose hand says between which boots a step lay. late: its hand begins nothing, for the window is closed."""

    late = False

    def answer(self, request: Mapping[str, object]) -> dict[str, object]:
        if self.late and request["op"] == "do":
            error = {"code": "outside-window", "cannot": "start", "because": "it is outside the plan's change windows"}
            return {"ok": False, "error": error}
        told = super().answer(request)
        if request["op"] == "status" and told.get("state") == "done":
            told["outcome"] = {"facts": {"boot_before": "boot-1", "boot_after": "boot-2"}}
        return told


class Bench(Yard):
    """A workspace whose hypervisor lends probes. wrong: the probe's data disk is not what is mounted; machine: the probe of the day."""

    def __init__(self, tmp: Path, host: str = HOST) -> None:
        spec = replace(SPEC, host=host)
        super().__init__(tmp, spec=spec)
        self.host, self.probe = host, f"{host}-probe"
        self.wrong = self.silent = False
        lends = Hypervisor(
            "hv", "qemu", "pve1", {"boot": "local-lvm", "tank-vms": "tank"}, probe=Probe(ID, "127.0.0.1", 2222, "user")
        )
        self.found = Hypervisor("hv", "qemu", "pve1", lends.pools, probe=lends.probe)
        contract = replace(
            self.site.contract, hypervisors={"hv": lends}, policies={host: HostPolicy(host)}, vms={host: spec}, registers=GAPS,
            findings=MAP, parity="sha256:" + "8" * 64,
            windows=(Window("w", "allow", ("hv",), E.AT, E.AT + timedelta(hours=6), overrun=Overrun("rollback")),),
        )  # fmt: skip
        own = probes(contract.hypervisors, contract.vms, contract.policies, contract.targets)
        self.site = replace(
            self.site,
            contract=replace(
                contract, vms={**contract.vms, **own.vms}, policies={**contract.policies, **own.policies},
                targets=(*contract.targets, *own.targets), windows=own.among(contract.windows),
            ),
        )  # fmt: skip
        self.makes.agents.add(ID)
        self.fleet = Fleet(Restarting(self.probe))
        self.born()

    def audit(self, hosts: Sequence[str]) -> Reading:
        """Blank until its restart is done; then as the rules ask."""
        (host,) = hosts
        at, key = self.site.clock.now(), f"CAP-20260226-030000__host.audit__R{self.site.clock.token(8)}"
        vm = self.makes.vms.get(ID)
        if vm is None or vm.status != "running" or self.silent:
            return Reading(key, at, {host: Unavailable("no route")}, {}, {})
        number = vm.tag[-12:].zfill(32)
        steps = self.fleet.hosts[self.probe].disk
        if not any(name.endswith("reboot") or state == "full" for name, state in steps.items()):
            plain = E.facts(
                disks=BlockDevices(
                    {"sda": BlockDevice("sda", "8:0", 50 << 30, "/sda", serial="boot"), "sdb": disk(f"probe-{ID}")}
                )
            )
            facts = replace(plain, host=host, identity=Identity(number, "boot-1", "SHA256:k"))
            return Reading(key, at, {host: facts}, {}, {host: facts.bundle})
        devices = {
            "sda": BlockDevice("sda", "8:0", 32 << 30, "/sda", serial="boot"),
            "sdb": disk("another" if self.wrong else f"probe-{ID}"),
        }
        nouns = {**R.NOUNS, BlockDevices: BlockDevices(devices)}
        whole = HostFacts(host, at, Identity(number, "boot-2", "SHA256:k"), R.FACTS.bundle, nouns)
        return Reading(key, at, {host: whole}, {host: R.PLACES}, {host: whole.bundle})

    def prove(self, keep: bool = False) -> Waiting | Proven:
        return Proving(self.site, self.host, self.makers, self.audit, ALLOWED, keep, 60).go_on()

    def sign(self, known: Known) -> None:
        approve(self.site, known, "ronny", ALLOWED, lambda message: sshsig.sign(RONNY, message), 4)

    def waiting(self) -> Known:
        told = self.prove()
        assert isinstance(told, Waiting), told
        return told.known

    def to_the_end(self, keep: bool = False) -> Proven:
        for _ in range(3):
            told = self.prove(keep)
            if isinstance(told, Proven):
                return told
            self.sign(told.known)
        raise AssertionError("it waits for ever")

    def moved(self, mark: str = "7") -> None:
        """Somebody edits the contracts."""
        self.site.clock.sleep(1)
        self.site = replace(self.site, contract=replace(self.site.contract, digest="sha256:" + mark * 64))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_proof_is_two_signatures_and_leaves_nothing(bench: Bench) -> None:
    first = bench.waiting()
    assert bench.makes.calls == [] and first.plan.kind == "provision" and f"make VM {ID} {PROBE}" in first.plan.title
    assert bench.waiting().digest == first.digest and bench.makes.calls == [], (
        "unsigned, nothing happens and nothing is planned anew"
    )
    bench.sign(first)
    second = bench.waiting()
    assert bench.makes.vms[ID].status == "running" and second.plan.wave == f"BOOT-{PROBE}"
    assert not bench.fleet.hosts[PROBE].executed
    assert bench.waiting().digest == second.digest
    bench.sign(second)
    told = bench.prove()
    assert isinstance(told, Proven) and told.holds and not told.reasons
    assert bench.makes.vms == {} and bench.makes.loose == {} and bench.ground.lines == []
    ((digest, receipt),) = newest_of(bench.site, KIND)
    body = receipt.body
    assert digest == told.receipt and body["plans"] == {"provision": first.digest, "bootstrap": second.digest}
    assert body["gaps"] == ("GAP-1", "GAP-2") or body["gaps"] == ["GAP-1", "GAP-2"]
    assert body["birth"] and body["contract"] == bench.site.contract.digest and body["parity"] == bench.site.contract.parity
    assert bench.prove() == told, "what is proven is not proven twice"
    assert verify(dict(bench.site.archive.all()), lambda *_: "ronny").head.seq == len(bench.site.store.receipts())


def test_a_probe_that_is_not_ready_refutes_and_goes_all_the_same(bench: Bench) -> None:
    bench.wrong = True
    told = bench.to_the_end()
    assert not told.holds and any("SR-001" in reason for reason in told.reasons)
    assert bench.makes.vms == {}
    assert proof(bench.site, "GAP-1", "").digest == "" and "does not hold: " in proof(bench.site, "GAP-1", "").because
    bench.wrong = False
    bench.fleet.hosts[PROBE] = Restarting(PROBE)
    assert bench.to_the_end().holds, "it may be proven again"
    assert proof(bench.site, "GAP-1", "").digest


def test_a_kept_probe_is_named_and_goes_with_the_next_run(bench: Bench) -> None:
    bench.wrong = True
    told = bench.to_the_end(keep=True)
    assert told.kept == f"waveboard undo PROV-{PROBE}" and bench.makes.vms[ID].status == "running"
    bench.prove()
    assert bench.makes.vms == {} and len(list(newest_of(bench.site, VERDICT))) == 1, "it was judged once"


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("method", ["create", "attach", "start", "stop", "destroy"])
@pytest.mark.parametrize("when", ["faults", "late"])
def test_killed_anywhere_it_goes_on(bench: Bench, method: str, when: str) -> None:
    getattr(bench.makes, when)[method] = Killed()
    killed = 0
    for _ in range(6):
        try:
            told = bench.prove()
        except Killed:
            killed += 1
            bench.born()
            continue
        if isinstance(told, Proven):
            break
        if not bench.site.store.approvals(told.known.digest):
            bench.sign(told.known)
    assert killed == 1 and isinstance(told, Proven) and told.holds and bench.makes.vms == {}
    assert len(list(newest_of(bench.site, KIND))) == 1


@pytest.mark.parametrize("place", ["probe", "producer-proof"])
def test_killed_between_a_look_and_its_receipt_it_goes_on(bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from waveboard.app import proving

    issue = proving.issue

    def dies(site, kind, *rest):  # type: ignore[no-untyped-def]
        if kind == place:
            monkeypatch.setattr(proving, "issue", issue)
            raise Killed
        return issue(site, kind, *rest)

    monkeypatch.setattr(proving, "issue", dies)
    with pytest.raises(Killed):
        bench.to_the_end()
    bench.born()
    told = bench.prove()
    assert isinstance(told, Proven) and told.holds and bench.makes.vms == {}
    assert len(list(newest_of(bench.site, KIND))) == 1


def test_contracts_that_change_on_the_way_begin_it_anew(bench: Bench) -> None:
    first = bench.waiting()
    bench.moved()
    second = bench.waiting()
    assert second.digest != first.digest
    bench.sign(second)
    bench.waiting()
    bench.moved("6")
    third = bench.waiting()
    assert third.plan.kind == "provision" and third.digest != second.digest and bench.makes.vms == {}


def test_a_proof_of_other_contracts_or_enforcers_closes_nothing(bench: Bench) -> None:
    assert bench.to_the_end().holds
    assert proof(bench.site, "GAP-2", "infra.vm.bootstrap").digest
    assert proof(bench.site, "GAP-3", "x") == proof(bench.site, "GAP-9", "") and not proof(bench.site, "GAP-3", "x").digest
    other = replace(bench.site, contract=replace(bench.site.contract, parity="sha256:" + "5" * 64))
    assert "other enforcers" in proof(other, "GAP-1", "").because
    (told,) = (receipt.body for _, receipt in newest_of(bench.site, KIND))
    silent = {key: value for key, value in told.items() if key != "parity"}
    assert stale(bench.site, told) == "" and "other enforcers" in stale(bench.site, silent), "what does not say is not of today's"
    bench.moved()
    assert proof(bench.site, "GAP-1", "").because == "it was proven under other contracts than today's"
    assert isinstance(bench.prove(), Waiting)


def test_a_gap_says_what_would_prove_its_producer(bench: Bench) -> None:
    from waveboard.app.producers import way_out

    assert way_out(bench.site, "GAP-1").startswith(f"waveboard vm prove {HOST}:")
    assert way_out(bench.site, "GAP-2").startswith(f"waveboard vm prove {HOST}:")
    foreign = way_out(bench.site, "GAP-3")
    assert (
        foreign.startswith("nothing here can prove x: ")
        and "waveboard gaps accept GAP-3 " in foreign
        and "vm prove" not in foreign
    )
    assert settling.way_out is way_out


def test_a_probes_id_that_is_taken_is_refused_and_nothing_is_touched(bench: Bench) -> None:
    bench.makes.create(ID, "somebody", "9000", "local-lvm", "")
    bench.makes.calls.clear()
    with pytest.raises(RefusedError, match=f"VM id {ID} is taken by somebody"):
        bench.prove()
    assert bench.makes.calls == []


def test_a_signed_plan_whose_id_was_taken_since_is_planned_anew_and_refused(bench: Bench) -> None:
    bench.sign(bench.waiting())
    bench.makes.create(ID, "somebody", "9000", "local-lvm", "")
    with pytest.raises(RefusedError, match=f"VM id {ID} is taken by somebody"):
        bench.prove()
    assert bench.makes.vms[ID].name == "somebody"


def test_a_probe_that_vanished_is_made_anew(bench: Bench) -> None:
    bench.sign(bench.waiting())
    bench.waiting()
    del bench.makes.vms[ID]
    again = bench.waiting()
    assert again.plan.kind == "provision" and bench.makes.vms == {}


def test_a_probe_that_stays_silent_is_unknown_and_stays(bench: Bench) -> None:
    bench.sign(bench.waiting())
    bench.silent = True
    with pytest.raises(HostError, match="cannot be read"):
        bench.prove()
    assert bench.makes.vms[ID].status == "running" and not list(newest_of(bench.site, KIND))
    bench.silent = False
    assert isinstance(bench.prove(), Waiting)


def test_a_bootstrap_that_fails_refutes(bench: Bench) -> None:
    bench.sign(bench.waiting())
    second = bench.waiting()
    bench.fleet.hosts[PROBE].will[second.plan.steps[0].id] = "fail"
    bench.sign(second)
    told = bench.prove()
    assert isinstance(told, Proven) and not told.holds and told.reasons[0].startswith("bootstrap: ")
    assert bench.makes.vms == {}


def test_a_restart_counts_for_the_machine_that_made_it(bench: Bench) -> None:
    bench.to_the_end(keep=True)
    facts = bench.audit((PROBE,)).facts[PROBE]
    assert isinstance(facts, HostFacts) and machine.rebooted(bench.site, facts)
    assert machine.rebooted(bench.site, replace(facts, identity=replace(facts.identity, machine_id="f" * 32))) is None


def test_a_host_that_takes_minutes_to_restart_is_waited_for(bench: Bench) -> None:
    bench.sign(bench.waiting())
    second = bench.waiting()
    restart = second.plan.steps[-1].id

    def goes_dark(request: Mapping[str, object]) -> None:
        if request["op"] == "do" and request["step"] == restart:
            bench.fleet.faults = ["lose-request"] * 200

    bench.fleet.witness = goes_dark
    bench.sign(second)
    told = bench.prove()
    assert isinstance(told, Proven) and told.holds


def test_without_a_hypervisor_that_lends_one_there_is_no_probe(bench: Bench) -> None:
    targets = tuple(t for t in bench.site.contract.targets if not t.probe_of)
    bench.site = replace(bench.site, contract=replace(bench.site.contract, targets=targets))
    with pytest.raises(UsageError, match="lends it a probe"):
        bench.prove()


def test_a_probe_is_its_vm_but_for_its_name_and_place() -> None:
    lends = Hypervisor(
        "hv", "qemu", "here", {"boot": "b", "tank-vms": "d"}, probe=Probe(ID, "127.0.0.1", 2222, "user", "debian", 1, 1 << 30)
    )
    spec = replace(
        SPEC, packages=("docker.io",), backup_max_age_s=9, docker_root="/mnt/data/docker", directories=("/mnt/data/x",)
    )
    policy = HostPolicy(HOST, vmid=212, data_disk_serial="new-1-data")
    target = HostTarget(HOST, "192.0.2.12", "wbaudit", 22, jump="pve")
    made = probes({"hv": lends}, {HOST: spec}, {HOST: policy}, [target])
    one = made.vms[PROBE]
    assert (one.vmid, one.hypervisor, one.template, one.packages, one.backup_max_age_s) == (ID, "hv", "debian", (), None)
    assert one.data and spec.data and one.data == replace(spec.data, pool="d", serial=f"probe-{ID}", label=f"probe-{ID}")
    assert (one.docker_root, one.directories, one.boot_bytes) == (spec.docker_root, spec.directories, spec.boot_bytes)
    assert made.policies[PROBE].data_disk_serial == f"probe-{ID}"
    (reached,) = made.targets
    assert (reached.id, reached.address, reached.port, reached.jump, reached.probe_of) == (PROBE, "127.0.0.1", 2222, None, HOST)
    poor = replace(lends, pools={"boot": "b"})
    assert probes({"hv": poor}, {HOST: spec}, {HOST: policy}, [target]).vms == {}


def made_for_good(bench: Bench) -> Known:
    """The VM itself, made from a plan that a person signed."""
    known = provision.plan(bench.site, bench.host, bench.makers)
    bench.sign(known)
    apply(bench.site, known, ALLOWED, provision.looked(bench.site, known, bench.makers))
    assert bench.makes.vms[SPEC.vmid].status == "running"
    return known


@pytest.mark.parametrize("length", [5, 26, 27, 30, 57])
def test_a_probe_is_never_taken_for_its_vm(tmp_path: Path, length: int) -> None:
    bench = Bench(tmp_path, "h" * length)
    known = made_for_good(bench)
    first = bench.waiting()
    assert SPEC.vmid in bench.makes.vms, "nobody signed that it may go"
    assert first.plan.wave != known.plan.wave and f"make VM {ID} {bench.probe}" in first.plan.title
    assert bench.to_the_end().holds
    assert list(bench.makes.vms) == [SPEC.vmid] and bench.makes.vms[SPEC.vmid].status == "running"
    assert bench.site.store.events(known.digest)[-1].kind == "done"


def passed_off(bench: Bench, known: Known) -> Known:
    """The same plan under the name of the probe's."""
    plan = replace(known.plan, wave=provision_name(PROBE))
    raw = plan_json.to_bytes(plan)
    other = Known(plan, raw, plan_json.digest(raw))
    bench.site.store.save_plan(raw, plan.wave, plan.kind, bench.site.clock.now())
    return other


def test_a_plan_of_another_vm_is_refused_whatever_it_is_called(bench: Bench) -> None:
    known = provision.plan(bench.site, HOST, bench.makers)
    other = passed_off(bench, known)
    assert bench.waiting().digest != other.digest, "one that was never begun is left lying"
    bench.site.clock.sleep(1)
    other = passed_off(bench, provision.plan(bench.site, HOST, bench.makers))
    bench.sign(other)
    apply(bench.site, other, ALLOWED, provision.looked(bench.site, known, bench.makers))
    bench.makes.calls.clear()
    with pytest.raises(RefusedError, match=f"makes or changes another than {PROBE}") as refused:
        bench.prove()
    assert f"waveboard undo {other.plan.wave}" in refused.value.fix
    assert bench.makes.vms[SPEC.vmid].status == "running" and bench.makes.calls == []


def test_a_plan_whose_disk_may_not_go_is_no_plan_of_a_probe(bench: Bench) -> None:
    lasting = provision.plan(bench.site, PROBE, bench.makers)
    bench.sign(lasting)
    apply(bench.site, lasting, ALLOWED, provision.looked(bench.site, lasting, bench.makers))
    with pytest.raises(RefusedError, match="keeps its data disk"):
        bench.prove()
    assert bench.makes.vms[ID].status == "running"


def linked(bench: Bench, *gaps: str) -> None:
    """The findings map ties these gaps to what is seen, and nothing else of the contracts changes."""
    (stor,) = MAP.findings
    told = replace(MAP, findings=(replace(stor, gaps=gaps),))
    bench.site = replace(bench.site, contract=replace(bench.site.contract, findings=told))


def test_a_gap_that_only_the_findings_map_names_is_no_obstacle(bench: Bench) -> None:
    linked(bench, "GAP-1", "GAP-NOWHERE")
    told = bench.to_the_end()
    ((_, receipt),) = newest_of(bench.site, KIND)
    assert told.holds and list(receipt.body["gaps"]) == ["GAP-1", "GAP-2"]  # type: ignore[call-overload]


@pytest.mark.parametrize("keep", [False, True])
def test_a_gap_that_was_linked_after_the_proof_is_proven_anew(bench: Bench, keep: bool) -> None:
    more = replace(bench.site.contract, registers=replace(GAPS, gaps=(*GAPS.gaps, Gap("GAP-4", "open"))))
    bench.site = replace(bench.site, contract=more)
    first = bench.to_the_end(keep)
    assert first.holds and not proof(bench.site, "GAP-4", "").digest
    linked(bench, "GAP-1", "GAP-2", "GAP-4")
    bench.site.clock.sleep(1)
    bench.fleet.hosts[PROBE] = Restarting(PROBE)
    again = bench.to_the_end()
    assert again.holds and again.receipt != first.receipt
    assert proof(bench.site, "GAP-4", "").digest == again.receipt and bench.makes.vms == {}
    assert bench.prove() == again, "what it names is proven"


def killed() -> None:
    raise Killed


def meanwhile(bench: Bench, op: str, then: Callable[[], None]) -> None:
    """Once, while the first step of the bootstrap is under way."""

    def once(request: Mapping[str, object]) -> None:
        if request["op"] == op:
            bench.fleet.witness = lambda request: None
            then()

    bench.fleet.witness = once


def test_a_bootstrap_that_the_window_turned_back_refutes_nothing(bench: Bench) -> None:
    bench.sign(bench.waiting())
    second = bench.waiting()
    bench.sign(second)
    wide = bench.site.contract.windows
    soon = bench.site.clock.now() + timedelta(seconds=30)
    shut = Window("shut", "deny", (PROBE,), soon, soon + timedelta(minutes=5))
    bench.site = replace(bench.site, contract=replace(bench.site.contract, windows=(*wide, shut)))
    meanwhile(bench, "do", lambda: bench.site.clock.sleep(60))
    told = bench.prove()
    assert isinstance(told, Waiting) and "was taken back" in told.because, told
    assert bench.site.store.events(second.digest)[-1].kind == "rolled-back"
    bench.site.clock.sleep(600)
    goes_on(bench, second)


def goes_on(bench: Bench, turned_back: Known) -> None:
    """Nothing was said of the producer; the bootstrap that was planned anew leads to a proof."""
    bench.fleet.hosts[PROBE] = Restarting(PROBE)
    known = bench.waiting()
    assert known.digest != turned_back.digest and known.plan.wave == turned_back.plan.wave
    assert not list(newest_of(bench.site, VERDICT)) and bench.makes.vms[ID].status == "running"
    assert bench.to_the_end().holds and bench.makes.vms == {}


@pytest.mark.parametrize("whole", [False, True])
def test_a_bootstrap_that_a_person_took_back_refutes_nothing(bench: Bench, whole: bool) -> None:
    bench.sign(bench.waiting())
    second = bench.waiting()
    bench.sign(second)
    if whole:
        apply(bench.site, second, ALLOWED, bench.audit((PROBE,)))
    else:
        meanwhile(bench, "status", killed)
        with pytest.raises(Killed):
            bench.prove()
    undo(bench.site, second)
    bench.site.clock.sleep(1)
    told = bench.prove()
    assert isinstance(told, Waiting) and told.known.digest != second.digest and "was taken back" in told.because
    goes_on(bench, second)


def test_a_step_that_the_hand_would_not_begin_after_the_window_refutes_nothing(bench: Bench) -> None:
    bench.sign(bench.waiting())
    second = bench.waiting()
    bench.sign(second)
    host = bench.fleet.hosts[PROBE]
    assert isinstance(host, Restarting)
    host.late = True
    bench.site.clock.sleep(1)
    told = bench.prove()
    assert isinstance(told, Waiting) and told.known.digest != second.digest and "outside" in told.because
    goes_on(bench, second)
