"""Gaps and loops at one desk: claims, words, evidence. Real receipts, a store in memory, reports made by hand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.stage import Desk
from waveboard.app import filing, registers, settling
from waveboard.app.producers import KIND
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.reconcile import reconcile
from waveboard.app.site import Site
from waveboard.gates import report_json
from waveboard.model.contract import FindingsMap, LinkRule, Pack, StorFinding
from waveboard.model.errors import ApprovalNeeded, RefusedError, UsageError, WaveboardError
from waveboard.model.finding import Finding, GateReport, Mode, PackReport, Severity, Verdict
from waveboard.model.history import PackRun
from waveboard.model.receipt import Actor, ActorKind
from waveboard.model.register import Gap, Loop, Registers
from waveboard.model.units import instant_text
from waveboard.receipts.verify import verify

MAP = FindingsMap(
    (StorFinding("STOR-1", "t", Severity.HIGH, "W", "open", "c", ("GAP-1",), ("LOOP-A",)),),
    (),
    (LinkRule("STOR-1", "D235", ("boot-backed",), ("shop-1",)),),
)
FILES = Registers(
    gaps=(
        Gap("GAP-1", "open", parent_loop="LOOP-A"),
        Gap("GAP-7", "open", criterion="gate_passes: D9"),
        Gap("GAP-8", "open", criterion="undo_ready: true"),
        Gap("GAP-9", "open"),
        Gap("GAP-5", "fixed", parent_loop="LOOP-A"),
    ),
    loops=(Loop("LOOP-A", "active"), Loop("LOOP-B", "active")),
)
SEEN = Finding("D235", "shop-1", "boot-backed", "docker-root", Severity.HIGH, "m", gaps=("GAP-1",))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    desk = Desk(tmp_path, actor="ronny@desk")
    packs = {"small": Pack("small", ("D235",), ("shop-1",), Mode.REPORT, evidence_max_age_s=900)}
    return replace(desk.site, contract=replace(desk.site.contract, registers=FILES, findings=MAP, packs=packs))


def judged(
    site: Site, *findings: Finding, reasons: tuple[str, ...] = (), hosts: tuple[str, ...] = ("shop-1",), age_s: int = 0
) -> str:
    at = site.clock.now()
    verdict = Verdict.FAIL if findings else Verdict.UNKNOWN if reasons else Verdict.PASS
    gate = GateReport("D235", "t", verdict, Mode.REPORT, Severity.HIGH, findings, reasons, hosts)
    report = PackReport("small", (gate,), site.contract.digest, (), instant_text(at - timedelta(seconds=age_s)))
    key = new_key(site, "verify.pack.run")
    stored = site.store.put_object(report_json.to_bytes(report, key))
    site.store.save_pack_run(PackRun(key, "small", at, site.contract.digest, report.complete, stored, {}))
    site.clock.sleep(1)
    return key


def mend(site: Site, holds: bool = True, gap: str = "GAP-1") -> None:
    key = new_key(site, "vm.parity")
    contract = site.contract.digest
    body = {"producer": "vm.make", "gaps": [gap], "holds": holds, "contract": contract, "parity": site.contract.parity}
    issue(site, KIND, key, (subject("contract", contract),), body)


def state(site: Site, name: str) -> str:
    return registers.current(site).gaps[name].status


def refused(because: str, act: Callable[[], object], kind: type[WaveboardError] = RefusedError) -> None:
    with pytest.raises(kind, match=because) as told:
        act()
    assert told.value.fix


def close(site: Site, name: str = "GAP-1", run: str = "") -> Callable[[], object]:
    return lambda: settling.close_gap(site, name, run, "done")


def test_a_drift_closes_on_a_fresh_clean_run_and_a_mended_producer(site: Site) -> None:
    refused("no pack that could see it was judged", close(site))
    judged(site, SEEN)
    refused("1 of its findings are still seen: D235 shop-1 boot-backed", close(site))
    judged(site, replace(SEEN, waiver="W-1"))
    refused("still seen", close(site))
    judged(site, reasons=("shop-1: unreachable",))
    refused("could not see everything: shop-1: unreachable", close(site))
    judged(site, hosts=())
    refused("it judged only no host", close(site))
    old = judged(site, age_s=901)
    refused("judged evidence of", close(site))
    run = judged(site)
    refused(f"{old} is not the newest", close(site, run=old), UsageError)
    refused("its producer is not proven fixed", close(site))
    mend(site, gap="GAP-2")
    refused("its producer is not proven fixed", close(site))
    mend(site)
    mend(site, holds=False)
    refused("its producer is not proven fixed: its newest proof says that it does not hold", close(site))
    mend(site)
    assert state(site, "GAP-1") == "open"
    recorded, _ = settling.close_gap(site, "GAP-1", "", "done")
    assert state(site, "GAP-1") == "closed" and run in recorded.changes[0].evidence
    refused("it is closed already", close(site))
    assert site.store.receipted(recorded.run_key)
    assert verify(dict(site.archive.all()), lambda *_: "nobody").head.seq == len(site.store.receipts())


def test_a_clean_run_grows_too_old_to_prove_anything(site: Site) -> None:
    judged(site)
    mend(site)
    site.clock.sleep(900)
    refused(r"which is too old by now \(900 s\)", close(site))
    assert state(site, "GAP-1") == "open"
    judged(site)
    settling.close_gap(site, "GAP-1", "", "done")


def test_yesterdays_contracts_prove_nothing_today(site: Site) -> None:
    judged(site)
    mend(site)
    other = replace(site, contract=replace(site.contract, digest="sha256:" + "7" * 64))
    refused("judged under other contracts", close(other))


def test_what_nothing_can_prove_stays_open(site: Site) -> None:
    judged(site)
    refused("it names no criterion", close(site, "GAP-9"))
    for name in ("GAP-7", "GAP-8"):
        refused("its criterion cannot be judged", close(site, name))
        assert state(site, name) == "open"


def test_a_word_is_kept_and_closes_nothing(site: Site) -> None:
    filing.say_fixed(site, "GAP-9", "commit abc", "")
    now = registers.current(site).gaps["GAP-9"]
    assert now.open and now.fix == "commit abc"


def test_a_claim_keeps_others_out_until_it_ends(site: Site) -> None:
    other = replace(site, actor=replace(site.actor, principal="sam"))
    until = instant_text(registers.take(site, "gap", "GAP-9", 1).expires_at)
    refused(f"ronny holds it since .* until {until}", lambda: registers.take(other, "gap", "GAP-9", 1))
    refused(f"ronny holds it until {until}", lambda: filing.say_fixed(other, "GAP-9", "x", ""))
    refused("ronny holds it", lambda: registers.release(other, "gap", "GAP-9"))
    filing.say_fixed(site, "GAP-9", "x", "")
    site.clock.sleep(3600)
    assert registers.take(other, "gap", "GAP-9", 1).owner == "sam"
    registers.release(other, "gap", "GAP-9")
    refused("nobody holds it", lambda: registers.release(other, "gap", "GAP-9"))
    kinds = [(c.kind, c.actor) for c in site.store.changes() if c.subject == "GAP-9"]
    assert kinds == [("claimed", "ronny@desk"), ("fix-said", "ronny@desk"), ("claimed", "sam"), ("released", "sam")]


def test_only_people_accept_and_only_for_a_while(site: Site) -> None:
    until = site.clock.now() + timedelta(days=1)
    agent = replace(site, actor=Desk.acting(_desk(site), "agent:x").actor)
    refused("is no person", lambda: filing.accept(agent, "GAP-9", "so", "ronny", until), ApprovalNeeded)
    refused("is past", lambda: filing.accept(site, "GAP-9", "so", "ronny", site.clock.now()))
    filing.accept(site, "GAP-9", "so", "ronny", until)
    assert state(site, "GAP-9") == "accepted"
    site.clock.sleep(86_400)
    assert state(site, "GAP-9") == "open"


def _desk(site: Site) -> Desk:
    desk = object.__new__(Desk)
    desk.site = site
    return desk


def test_a_filed_gap_gets_the_next_number_and_its_loop(site: Site) -> None:
    first = filing.file_gap(site, filing.NewGap("wrong", "low", "runtime-bug", loop="LOOP-B", criterion="a.root.used_pct < 6"))
    assert [c.subject for c in first.changes] == ["GAP-10"]
    assert registers.current(site).gaps["GAP-10"].parent_loop == "LOOP-B"
    taken = filing.NewGap("wrong", "low", "runtime-bug", id="GAP-10")
    refused("GAP-10 is registered already", lambda: filing.file_gap(site, taken), UsageError)
    refused("there is no loop LOOP-Z", lambda: filing.reparent(site, "gap", "GAP-10", "LOOP-Z", ""), UsageError)
    filing.reparent(site, "gap", "GAP-10", "LOOP-A", "")
    assert registers.current(site).gaps["GAP-10"].parent_loop == "LOOP-A"
    refused("no gap GAP-77", lambda: registers.take(site, "gap", "GAP-77", 1), UsageError)


def test_loops_close_from_below(site: Site) -> None:
    filing.file_loop(site, "LOOP-C-20260301", {"owner": "ronny", "objective": "x", "parent_loop": "LOOP-A"})
    refused("they would own each other", lambda: filing.reparent(site, "loop", "LOOP-A", "LOOP-C-20260301", ""))
    refused("still owns open gaps: GAP-1", lambda: settling.close_loop(site, "LOOP-A", "", ""))
    refused("no pack that could see it", lambda: settling.close_loop(site, "LOOP-B", "", ""))
    judged(site, SEEN)
    settling.close_loop(site, "LOOP-B", "", "")
    filing.reparent(site, "gap", "GAP-1", "", "not its business")
    refused("still owns loops that are not closed", lambda: settling.close_loop(site, "LOOP-A", "", ""))
    settling.close_loop(site, "LOOP-C-20260301", "", "")
    refused("still seen", lambda: settling.close_loop(site, "LOOP-A", "", ""))
    judged(site)
    settling.close_loop(site, "LOOP-A", "", "")
    assert all(loop.closed for loop in registers.current(site).loops.values())


def test_findings_come_vanish_return_and_reopen_what_was_closed(site: Site) -> None:
    refused("no pack was judged yet", lambda: reconcile(site, ""), UsageError)
    stray = replace(SEEN, subject="other", gaps=())
    back = replace(SEEN, subject="third", gaps=("GAP-5",))
    judged(site, SEEN, stray, back)
    told = reconcile(site, "small")
    assert (len(told.new), told.reopened, [f.subject for f in told.loose]) == (3, ("GAP-5",), ["other"])
    assert state(site, "GAP-5") == "open"
    again = reconcile(site, "")
    assert not again.recorded.changes and not again.new
    judged(site, SEEN, reasons=("shop-1: half of it",))
    blind = reconcile(site, "")
    assert len(blind.unseen) == 2 and not blind.vanished
    judged(site, SEEN)
    gone = reconcile(site, "")
    assert [f.subject for f in gone.vanished] == ["other", "third"] and state(site, "GAP-5") == "open"
    judged(site, SEEN, stray)
    assert [f.subject for f in reconcile(site, "").returned] == ["other"]


def test_what_a_newer_run_of_another_pack_saw_is_not_undone_by_an_older_one(site: Site) -> None:
    packs = {name: replace(site.contract.packs["small"], id=name) for name in ("small", "other", "away")}
    packs["away"] = replace(packs["away"], hosts=("shop-2",))
    site = replace(site, contract=replace(site.contract, packs=packs))
    judged(site, replace(SEEN, gaps=("GAP-5",)))
    (old,) = site.store.pack_runs("small", 1)
    clean = judged(site)
    site.store.save_pack_run(
        replace(old, run_key=new_key(site, "verify.pack.run"), pack="away", at=site.clock.now())
    )  # of other hosts
    told = reconcile(site, "small")
    assert (told.run.run_key, told.older, told.new) == (clean, (), ())
    site.store.save_pack_run(replace(old, run_key=new_key(site, "verify.pack.run"), pack="other"))
    stale = reconcile(site, "other")
    assert (stale.older, stale.new, stale.reopened, state(site, "GAP-5")) == (("D235",), (), (), "fixed")


def test_what_a_crash_left_without_a_receipt_gets_it_with_the_next_change(site: Site) -> None:
    lost = registers.change(site, new_key(site, "gaps.fix"), "gap", "GAP-9", "fix-said")
    site.store.append_changes([replace(lost, detail={"fixed_in": "x"})], 0)
    assert not site.store.receipted(lost.run_key)
    filing.say_fixed(site, "GAP-9", "y", "")
    assert site.store.receipted(lost.run_key)


def test_a_claim_that_comes_while_a_closing_is_proven_stops_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(site)
    mend(site)
    fresh = settling._fresh

    def slowly(noun: str, name: str) -> Callable[..., PackReport]:
        def judging(*asked: object) -> PackReport:
            registers.take(replace(site, actor=Actor("dana@desk", ActorKind.HUMAN)), noun, name, 1)
            return fresh(*asked)  # type: ignore[arg-type]

        return judging

    monkeypatch.setattr(settling, "_fresh", slowly("gap", "GAP-1"))
    refused("dana@desk holds it until", close(site))
    monkeypatch.setattr(settling, "_fresh", slowly("loop", "LOOP-B"))
    refused("dana@desk holds it until", lambda: settling.close_loop(site, "LOOP-B", "", ""))
    assert state(site, "GAP-1") == "open" and not registers.current(site).loops["LOOP-B"].closed


@pytest.mark.parametrize("name", ["GAP-7", "gap-7", "GAP-007", "LOOP-A", "loop-a"])
def test_an_id_that_could_be_taken_for_another_is_refused(site: Site, name: str) -> None:
    refused("registered", lambda: filing.file_gap(site, filing.NewGap("d", "low", "x", name)), UsageError)


@pytest.mark.parametrize("name", ["GAP-70", "GAP-700", "GAP-07-7", "GAP-0"])
def test_an_id_of_its_own_is_free(site: Site, name: str) -> None:
    assert filing.file_gap(site, filing.NewGap("d", "low", "x", name)).changes[0].subject == name


@pytest.mark.parametrize("hidden", ["\x1b[31m", "\u202e", "\u200b", "\x00", "\udcff"])
def test_words_that_no_register_file_may_hold_are_refused(site: Site, hidden: str) -> None:
    later = site.clock.now() + timedelta(days=9)
    new = filing.NewGap("d", "low", "x", "GAP-11")
    for act in (
        lambda: filing.accept(site, "GAP-9", f"a{hidden}", "ronny", later),
        lambda: filing.accept(site, "GAP-9", "a", f"ronny{hidden}", later),
        lambda: filing.say_fixed(site, "GAP-9", f"a{hidden}", ""),
        lambda: filing.file_gap(site, replace(new, description=f"a{hidden}")),
        lambda: filing.file_loop(site, "LOOP-C-20260301", {"objective": f"a{hidden}", "owner": "r"}),
        lambda: filing.reparent(site, "gap", "GAP-9", "LOOP-B", f"a{hidden}"),
    ):
        refused(f"U\\+{ord(hidden[0]):04X}", act, UsageError)
    assert site.store.changes() == ()
    filing.accept(site, "GAP-9", "two lines\n\tand a tab, \u00e9\U0001f600", "ronny", later)


def test_a_faster_terminal_makes_the_slower_decide_anew(site: Site) -> None:
    drafted: list[int] = []

    def draft(view: registers.View) -> list[registers.Change]:
        drafted.append(view.head)
        if len(drafted) == 1:
            filing.say_fixed(site, "GAP-9", "first", "")
        return [replace(registers.change(site, "CAP-1", "gap", "GAP-9", "fix-said"), detail={"fixed_in": "second"})]

    key = new_key(site, "gaps.fix")
    registers.record(site, key, "mark it", lambda view: [replace(one, run_key=key) for one in draft(view)])
    assert drafted == [0, 1] and registers.current(site).gaps["GAP-9"].fix == "second"
