"""The one thing to do next, from journal, board, registers and newest run. Decides nothing for anybody: it reads, and names a command.

What holds hosts comes first, then what somebody already began, then what is not known, then what is open.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from waveboard.app.dispatch import all_live
from waveboard.app.letting_go import AGAIN, all_left, sentence
from waveboard.app.plans import Known, from_bytes
from waveboard.app.promotion import advise
from waveboard.app.receipting import newest_of
from waveboard.app.site import Site
from waveboard.contracts.expiry import expired
from waveboard.model.change import Slot, StepState, retire_name
from waveboard.model.contract import WaveSpec
from waveboard.model.finding import PackReport
from waveboard.model.history import PackRun
from waveboard.model.opening import Opening
from waveboard.model.units import instant_text
from waveboard.receipts import closeout
from waveboard.receipts.approval import needed
from waveboard.register.view import View
from waveboard.waves.admit import scope
from waveboard.waves.journal import Phase, Story, tell, unresolved
from waveboard.waves.overrun import may_begin, slots_left
from waveboard.waves.windows import openings

Due = tuple[str, str]  # the command, and what makes it the next


def due(site: Site, view: View, run: PackRun | None, report: PackReport | None) -> Due:
    """run, report: the newest judgement of any pack, None when there is none."""
    asked: tuple[Callable[[], Due | None], ...] = (
        lambda: next(_held(site), None),
        lambda: _waived(site),
        lambda: next(_signable(site), None),
        lambda: next(_dispatched(site), None),
        lambda: next(_open(site), None),
        lambda: _unjudged(site, run, report),
        lambda: _unreconciled(view, report),
        lambda: next(_plannable(site, view, report), None),
        lambda: next((found for _, found in _promotable(site)), None),
    )
    found = (one for ask in asked if (one := ask()))
    return next(found, (f"waveboard verify {run.pack if run else ''}".strip(), "nothing else is due; look again"))


def _held(site: Site) -> Iterator[Due]:
    """Plans that hold their hosts: halted ones first, then those under way."""
    told = [(known, _story(site, known)) for known in map(from_bytes, map(site.store.get_object, site.store.open_plans()))]
    for known, story in told:
        if story.phase is Phase.HALTED:
            words = "".join(f" --done|--undone {step}" for step in unresolved(story))
            why = f"{known.plan.wave} is halted and holds its hosts: {story.why or 'a person is needed'}"
            yield f"waveboard settle {known.plan.wave}{words} --key KEY --as NAME", why
    held = {hold.plan: hold for hold in site.store.holds(site.clock.now())}
    for known, story in told:
        if story.phase is not Phase.HALTED:
            owner = held[known.digest].owner if known.digest in held else ""
            against = "; ".join(one.reason for one in scope(known.plan, site.contract))
            yield _under_way(known, story, owner, site.clock.now(), slots_left(known.plan, site.contract.windows), against)
    yield from _unclosed(site)


def _unclosed(site: Site) -> Iterator[Due]:
    """Plans that are over, and that a hand may still hold open: then it opens no other."""
    for known, end, unclosed in all_left(site):
        if end.kind in AGAIN:
            named = site.store.plans(known.plan.wave)[0].digest
            which = known.plan.wave if named == known.digest else known.digest[:19]
            yield f"waveboard {AGAIN[end.kind]} {which}", f"{known.plan.wave} is {end.kind}, but {sentence(unclosed)}"


def _under_way(known: Known, story: Story, owner: str, now: datetime, slots: tuple[Slot, ...], against: str) -> Due:
    """against: why its wave may not change its hosts any more, "" when it may."""
    wave, plan = known.plan.wave, known.plan
    done = sum(1 for record in story.steps.values() if record.state is StepState.APPLIED)
    told = f"{wave} goes {story.phase.value}, {done} of {len(story.steps)} steps are applied"
    if owner:
        return "waveboard status", f"{told}; {owner} is at it"
    if story.undo_asked or story.phase is Phase.BACKWARD:
        return f"waveboard undo {wave}", f"{told}, and nobody is at it"
    if against:
        return f"waveboard undo {wave}", f"{told}, and no further one may begin: {against}"
    if not may_begin(plan, slots, now):
        later = [slot for slot in slots if slot.not_before > now]
        if not later:
            return f"waveboard undo {wave}", f"{told}, and no window of its plan is left"
        if plan.overrun == "pause" or later[0] == slots[0]:
            return f"waveboard apply {wave}", f"{told}; its next window opens at {instant_text(later[0].not_before)}"
    return f"waveboard apply {wave}", f"{told}, and nobody is at it"


def _waived(site: Site) -> Due | None:
    late = expired(site.contract, site.clock.now())
    return ("waveboard contracts check", "a waiver has ended") if late else None


def _signable(site: Site) -> Iterator[Due]:
    """The newest plan of a wave, not begun, made under today's contracts and not too old."""
    now, seen = site.clock.now(), set[str]()
    for record in site.store.plans():
        if record.wave in seen:
            continue
        seen.add(record.wave)
        known = from_bytes(site.store.get_object(record.digest))
        plan = known.plan
        ahead = [slot for slot in slots_left(plan, site.contract.windows) if slot.not_after > now]
        if _story(site, known).phase is not Phase.UNOPENED or plan.contract != site.contract.digest or not ahead:
            continue
        signed = {a.principal for a in site.store.approvals(known.digest) if a.not_before <= now < a.not_after}
        count = f"{len(signed)} of {needed(plan)} signatures"
        if len(signed) < needed(plan):
            yield f"waveboard approve {record.wave} --key KEY --as NAME", f"its plan waits for a person: {count}"
        elif ahead[0].not_before > now:
            yield f"waveboard apply {record.wave}", f"signed; its window opens at {instant_text(ahead[0].not_before)}"
        else:
            yield f"waveboard apply {record.wave}", f"signed ({count}), and its window is open"


def _dispatched(site: Site) -> Iterator[Due]:
    for one in all_live(site):
        until = instant_text(one.expires_at)
        yield f"waveboard wave report {one.wave} FILE", f"{one.worker} has it until {until} and owes a report"


def _open(site: Site) -> Iterator[Due]:
    for one in site.store.board():
        yield from (found for governed, found in _promotable(site) if governed == one.wave)
        held = _unmet(site, one)
        why = f"it is open since {instant_text(one.at)} (by {one.by}) and holds others back until its exit conditions hold"
        retired = any(record.kind == "retire" and record.wave == retire_name(one.wave) for record in site.store.plans())
        if held and one.plan and not retired:
            give_back = f"; space comes back with waveboard retire {one.wave} -o FILE"
            why += f"; when last asked: {held}{give_back}"
        elif held:
            why += f"; when last asked: {held}"
        yield f"waveboard wave close {one.wave}", why


def _unmet(site: Site, opening: Opening) -> str:
    """What kept this opening from closing when it was last tried, "" when nobody tried."""
    tried = (r for _, r in newest_of(site, "closeout") if r.body["wave"] == opening.wave and r.at >= opening.at)
    newest = next(tried, None)
    return "; ".join(closeout.blockers(closeout.read(newest.body))[:2]) if newest else ""


def _unjudged(site: Site, run: PackRun | None, report: PackReport | None) -> Due | None:
    pack = next(iter(site.contract.packs), "")
    if run is None or report is None:
        return (
            (f"waveboard verify {pack}", "nothing was judged yet") if pack else ("waveboard audit", "the workspace has no pack")
        )
    if run.contract != site.contract.digest:
        return f"waveboard verify {run.pack}", "the contracts have changed since"
    return None


def _unreconciled(view: View, report: PackReport | None) -> Due | None:
    marks = {finding.fingerprint for finding in report.findings} if report else set[str]()
    new = marks - {mark for mark, state in view.findings.items() if state.present}
    return ("waveboard findings reconcile", "the register does not know the newest findings") if new else None


def _plannable(site: Site, view: View, report: PackReport | None) -> Iterator[Due]:
    seen = {stor for f in report.findings for stor in f.stor} if report else set[str]()
    for wave in site.contract.waves.values():
        left = [gap for gap in wave.gaps if gap in view.gaps and view.gaps[gap].open]
        if left and wave.mutate_hosts and not wave.draft and set(wave.stor) & seen:
            if wave.window_required and not openings(site.contract.windows, wave.mutate_hosts, site.clock.now()):
                yield _windowless(wave)
            else:
                yield f"waveboard plan {wave.id} -o {wave.id}.plan", f"open: {', '.join(left)}"


def _windowless(wave: WaveSpec) -> Due:
    hosts = ", ".join(wave.mutate_hosts)
    return (
        f"waveboard wave show {wave.id}",
        f"it is due, and no change window is open or to come for {hosts}: add one to the windows file",
    )


def _promotable(site: Site) -> Iterator[tuple[str, Due]]:
    """The wave that governs it, and the way to enforce of each pack whose runs are stable."""
    for pack in site.contract.packs.values():
        if pack.promotion is None or not pack.switches:
            continue
        advice = advise(site, pack.id)
        if advice.holds:
            promote = f"waveboard promote {pack.id} -o {pack.id}.plan"
            yield advice.wave, (promote, f"{pack.id} may go to enforce: {advice.row.text}")
        elif advice.row.holds and not advice.loose:
            yield (
                advice.wave,
                (f"waveboard wave open {advice.wave}", f"{pack.id} is stable, and {advice.wave} governs its promotion"),
            )


def _story(site: Site, known: Known) -> Story:
    return tell([step.id for step in known.plan.steps], site.store.events(known.digest))
