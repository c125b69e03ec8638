"""Promotion from report to enforce on real files: due or not, signed, edited byte for byte, undone, demoted."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.stage import Desk
from tests.receipts.estate import ALLOWED, RONNY
from waveboard.app import promotion
from waveboard.app.apply import apply, undo
from waveboard.app.approve import approve
from waveboard.app.due import _held
from waveboard.app.plans import Known
from waveboard.gates import report_json
from waveboard.model.contract import Contract
from waveboard.model.errors import ApprovalNeeded, RefusedError, UsageError
from waveboard.model.evidence import Bundle, Identity
from waveboard.model.finding import Finding, GateReport, Mode, PackReport, Severity, Verdict
from waveboard.model.history import PackRun, Snapshot
from waveboard.model.opening import Opening
from waveboard.model.register import Waiver
from waveboard.model.units import instant_text
from waveboard.receipts import envelope, sshsig, statement
from waveboard.receipts.verify import verify
from waveboard.waves.admit import scope
from waveboard.wiring import load_contracts, usable
from waveboard.world.hosts.hand_workspace import HandRouter

ROOT = Path(__file__).resolve().parents[2]
PACK = "mint-storage"
FILES = ("packs.yaml", "mint.storage.guard.policy.yaml")


class Office(Desk):
    """A desk over a real copy of the Mint workspace, whose contract is loaded anew from its files when asked."""

    def __init__(self, tmp: Path) -> None:
        super().__init__(tmp)
        self.place = tmp / "mint"
        shutil.copytree(ROOT / "examples" / "mint", self.place, ignore=shutil.ignore_patterns("fleet", ".waveboard"))
        self.approvals = self.site.contract.approvals
        self.site = replace(self.site, hand=HandRouter(self.fleet, self.place))
        self.reload()

    def reload(self) -> None:
        self.site = replace(self.site, contract=self.contract())

    def contract(self) -> Contract:
        return replace(usable(load_contracts(self.place)), approvals=self.approvals)

    def texts(self) -> dict[str, bytes]:
        return {name: (self.place / name).read_bytes() for name in FILES}

    def ran(self, hours: float, collected: bool = True, **changes: object) -> None:
        """A kept report run so many hours from now, clean unless told otherwise. collected: its hosts were read here, not replayed."""
        pack, at = self.site.contract.packs[PACK], self.site.clock.now() + timedelta(hours=hours)
        gates = tuple(
            GateReport(g, g, Verdict.PASS, pack.modes.get(g, pack.mode), Severity.HIGH, hosts=pack.hosts) for g in pack.gates
        )
        seen = tuple((host, f"sha256:{host}{hours}") for host in pack.hosts)
        made = PackReport(PACK, gates, self.site.contract.digest, seen, instant_text(at), policy=self.site.contract.policy)
        made = replace(made, **changes)  # type: ignore[arg-type]
        raw = report_json.to_bytes(made)
        key = f"CAP-20260226-{int(3000 + hours * 100):06d}__verify.pack.run__R1"
        if collected:
            for host, digest in made.evidence:
                self.site.store.save_bundle(Bundle(host, at, "sha256:c", Identity(), {}), digest)
            self.site.store.save_snapshot(Snapshot(key, at, self.site.contract.digest, dict(made.evidence)))
        self.site.store.save_pack_run(
            PackRun(key, PACK, at, self.site.contract.digest, True, self.site.store.put_object(raw), {})
        )

    def signed(self) -> Known:
        known = promotion.plan(self.site, PACK)
        approve(self.site, known, "ronny", ALLOWED, lambda message: sshsig.sign(RONNY, message), 4)
        return known


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    waves = {name: w for name, w in made.site.contract.waves.items() if name != "W8E"}
    made.site = replace(made.site, contract=replace(made.site.contract, waves=waves))
    yield made


def due(office: Office) -> None:
    for hours in (-3, -2, -1):
        office.ran(hours)


def test_it_holds_until_three_runs_say_the_same(office: Office) -> None:
    assert promotion.advise(office.site, PACK).document()["recommendation"] == "hold"
    office.ran(-3)
    office.ran(-2)
    with pytest.raises(RefusedError, match="2 of 3 stable report runs"):
        promotion.plan(office.site, PACK)
    office.ran(-1)
    told = promotion.advise(office.site, PACK).document()
    assert told["recommendation"] == "promote" and isinstance(told["runs"], list) and len(told["runs"]) == 3
    office.site = replace(office.site, contract=replace(office.site.contract, policy="sha256:moved"))
    with pytest.raises(RefusedError, match="the policy has changed"):
        promotion.plan(office.site, PACK)


def test_a_replay_is_no_run_and_an_ended_waiver_covers_nothing(office: Office) -> None:
    for hours in (-3, -2, -1):
        office.ran(hours, collected=False)  # copied evidence, its time edited, say
    with pytest.raises(RefusedError, match="0 of 3 stable report runs"):
        promotion.plan(office.site, PACK)
    due(office)
    found = Finding("D235", "mint-data", "boot-backed", "/x", Severity.HIGH, "it is on the boot disk", waiver="W1")
    pack = office.site.contract.packs[PACK]
    reports = tuple(
        GateReport(g, g, Verdict.PASS, Mode.REPORT, Severity.HIGH, hosts=pack.hosts, findings=(found,) if g == "D235" else ())
        for g in pack.gates
    )
    office.ran(-0.01, reports=reports)
    assert promotion.advise(office.site, PACK).row.holds
    ended = Waiver("W1", "r", "@ronny", gate="D235", until=office.site.clock.now())
    registers = replace(office.site.contract.registers, waivers=(ended,))
    office.site = replace(office.site, contract=replace(office.site.contract, registers=registers))
    assert "1 unexpected finding, first D235 mint-data boot-backed" in promotion.advise(office.site, PACK).row.text


def test_a_reading_counts_however_many_came_after_it(office: Office) -> None:
    due(office)
    at = office.site.clock.now()
    for n in range(2_000):
        office.site.store.save_snapshot(Snapshot(f"CAP-{n}", at, office.site.contract.digest, {"other": f"sha256:{n}"}))
    assert promotion.advise(office.site, PACK).row.holds


def test_a_governing_wave_must_be_open(office: Office) -> None:
    due(office)
    governing = office.place / "waves" / "W8E.yaml"
    governing.write_text(governing.read_text().replace("pack: mint,", f"pack: {PACK},"))
    office.reload()
    with pytest.raises(RefusedError, match="W8E governs it and is not open"):
        promotion.plan(office.site, PACK)


def test_the_wave_that_governs_it_may_edit_contracts_though_it_may_change_no_host(office: Office) -> None:
    governing = office.place / "waves" / "W8E.yaml"
    governing.write_text(governing.read_text().replace("pack: mint,", f"pack: {PACK},"))
    office.reload()
    due(office)
    office.site.store.begin_wave(
        Opening("W8E", "governance", (), ("mint-data", "mint-apps"), (), "ronny", office.site.clock.now(), "")
    )
    known = office.signed()
    assert known.plan.wave == "W8E" and office.site.contract.waves["W8E"].policy == "governance"
    first, edits = known.plan.steps[0], len(known.plan.steps)

    def killed(place: str) -> None:
        if place == f"do.after:{first.id}":
            raise KeyboardInterrupt

    well = office.site
    office.site = replace(office.site, crash=killed)
    with pytest.raises(KeyboardInterrupt):
        apply(office.site, known, ALLOWED, None)
    office.site = well
    office.reload()
    assert next(_held(office.site)) == (
        "waveboard apply W8E",
        f"W8E goes forward, 0 of {edits} steps are applied, and nobody is at it",
    )
    apply(office.site, known, ALLOWED, None)
    assert office.kinds(known)[-1] == "done"
    told = scope(replace(known.plan, steps=(replace(first, host="mint-data"),)), office.site.contract)
    assert [one.kind for one in told] == ["scope"], "a step on a host, though no host is pinned"


def test_it_is_signed_edited_byte_for_byte_and_undone(office: Office) -> None:
    due(office)
    before = office.texts()
    known = promotion.plan(office.site, PACK)
    with pytest.raises(ApprovalNeeded):
        apply(office.site, known, ALLOWED, None)
    assert office.texts() == before
    known = office.signed()
    apply(office.site, known, ALLOWED, None)
    after = office.texts()
    for name in FILES:
        old, new = before[name].decode().splitlines(), after[name].decode().splitlines()
        changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        assert changed and all(b in (a.replace("report", "enforce", 1), a.replace("false", "true", 1)) for a, b in changed)
    office.reload()
    pack = office.site.contract.packs[PACK]
    assert pack.mode is Mode.ENFORCE and not pack.switches
    told = [
        statement.receipt_of(statement.from_bytes(envelope.from_bytes(raw).payload)) for *_, raw in office.site.store.receipts()
    ]
    steps = [r.body["outcome"] for r in told if r.kind == "step"]
    assert "packs.mint-storage.mode" in json.dumps(steps) and "before_sha256" in json.dumps(steps)
    undo(office.site, known)
    assert office.texts() == before
    verify(dict(office.site.archive.all()), office.site.verifier.principal_of)


def test_an_undo_over_somebody_elses_edit_is_refused(office: Office) -> None:
    due(office)
    known = office.signed()
    apply(office.site, known, ALLOWED, None)
    path = office.place / "packs.yaml"
    path.write_bytes(path.read_bytes() + b"# a person was here\n")
    with pytest.raises(RefusedError, match=r"packs\.yaml has been changed since the promotion"):
        undo(office.site, known)


def test_a_file_changed_after_signing_is_not_edited(office: Office) -> None:
    due(office)
    known = office.signed()
    path = office.place / "packs.yaml"
    path.write_bytes(path.read_bytes() + b"# a person was here\n")
    raw = path.read_bytes()
    office.site = replace(office.site, contract=replace(office.contract(), waves={}))
    with pytest.raises(RefusedError, match="the contracts changed after the plan was made"):
        apply(office.site, known, ALLOWED, None)
    assert path.read_bytes() == raw


def failing(office: Office, at_hours: float) -> PackReport:
    found = Finding("D235", "mint-data", "boot-backed", "s", Severity.HIGH, "m")
    pack = office.site.contract.packs[PACK]
    gate = GateReport("D235", "D235", Verdict.FAIL, pack.mode, Severity.HIGH, (found,), hosts=pack.hosts)
    return PackReport(PACK, (gate,), "c", (), instant_text(office.site.clock.now() + timedelta(hours=at_hours)))


def test_the_first_enforce_failure_demotes_with_a_receipt(office: Office) -> None:
    due(office)
    before = office.texts()
    promotion.demote(office.site, failing(office, 1), "CAP-x")  # in report mode nothing is demoted
    apply(office.site, office.signed(), ALLOWED, None)
    office.reload()
    enforcing = office.texts()
    promotion.demote(office.site, failing(office, -1), "CAP-old")  # evidence of before the promotion is no failure of it
    assert office.texts() == enforcing
    path = office.place / "packs.yaml"
    path.write_bytes(path.read_bytes() + b"# a person was here\n")
    promotion.demote(office.site, failing(office, 1), "CAP-20260301-000000__verify.pack.run__R1")
    assert office.texts() == {**before, "packs.yaml": before["packs.yaml"] + b"# a person was here\n"}
    told = [
        statement.receipt_of(statement.from_bytes(envelope.from_bytes(raw).payload)) for *_, raw in office.site.store.receipts()
    ]
    demotions = [r.body for r in told if r.kind == "demotion"]
    assert len(demotions) == 2 and demotions[0]["failed"] == ["D235"] and demotions[0]["cause"].startswith("CAP-2026")  # type: ignore[union-attr]
    promotion.demote(office.site, failing(office, 2), "CAP-again")  # once is enough
    assert len(office.site.store.receipts()) == len(told)


def test_a_pack_without_a_promotion_rule_is_refused(office: Office) -> None:
    packs = {PACK: replace(office.site.contract.packs[PACK], promotion=None)}
    office.site = replace(office.site, contract=replace(office.site.contract, packs=packs))
    with pytest.raises(UsageError, match="how far apart"):
        promotion.advise(office.site, PACK)
    assert promotion.told(office.site)["report_stable"]({"pack": PACK, "runs": 3})[0] is None
