"""Where things stand, in at most ten lines, and the one thing to do next. Reads the store and the contracts; no host."""

from dataclasses import dataclass
from datetime import datetime

from waveboard.app import register_rows as rows
from waveboard.app.registers import claims, current
from waveboard.app.site import Site
from waveboard.app.standing import plans
from waveboard.contracts.expiry import expired
from waveboard.gates import outcome, report_json
from waveboard.model.finding import PackReport
from waveboard.model.history import DispatchRecord, PackRun
from waveboard.model.units import instant_text
from waveboard.register.view import View
from waveboard.waves.windows import openings

_MOVING = ("forward", "backward")


@dataclass(frozen=True, slots=True)
class Standing:
    """lines: label -> text, in the order they are told; next: the one command; why: what makes it the next."""

    lines: tuple[tuple[str, str], ...]
    next: str
    why: str


def start(site: Site) -> Standing:
    """Never fails for what is not there yet: it says so."""
    now, view = site.clock.now(), current(site)
    runs = [run for name in site.contract.packs for run in site.store.pack_runs(name, 1)]
    run = max(runs, key=lambda one: (one.at, one.run_key), default=None)
    report = report_json.from_bytes(site.store.get_object(run.report)) if run else None
    moving = [row for row in plans(site) if row["state"] in _MOVING]
    step, why = _next(site, view, run, report, moving)
    lines = (
        ("session", f"{site.contract.name or 'workspace'}, {site.actor.principal}, {instant_text(now)}"),
        ("contracts", _contracts(site, now)),
        ("audit", _audit(site, now)),
        ("verify", _verify(site, run, report, now)),
        ("findings", _findings(view, report)),
        ("loops", _counted("open loops", rows.loop_totals(view))),
        ("gaps", _counted("open gaps", rows.totals(view)) + _gaps(site, view)),
        ("waves", _waves(site, moving)),
        ("window", _window(site, now)),
        ("next", f"{step}  ({why})"),
    )
    return Standing(lines, step, why)


def _contracts(site: Site, now: datetime) -> str:
    warnings, late = len(site.contract.complaints), len(expired(site.contract, now))
    told = f"usable, {warnings} warning{'s' * (warnings != 1)}"
    return f"{told}, {late} EXPIRED WAIVER{'S' * (late != 1)}" if late else told


def _audit(site: Site, now: datetime) -> str:
    newest = next(iter(site.store.snapshots(1)), None)
    if newest is None:
        return "none yet"
    return f"{len(newest.bundles)} hosts, {_ago(now, newest.at)} ago ({newest.run_key})"


def _verify(site: Site, run: PackRun | None, report: PackReport | None, now: datetime) -> str:
    if run is None or report is None:
        return "no pack was judged yet"
    other = "" if run.contract == site.contract.digest else ", UNDER OTHER CONTRACTS"
    return f"{run.pack}: {outcome.summary(report)}, {_ago(now, run.at)} ago{other} ({run.run_key})"


def _findings(view: View, report: PackReport | None) -> str:
    known = sum(state.present for state in view.findings.values())
    return f"{outcome.findings_line(report) if report else 'none judged'}; {known} in the register"


def _counted(what: str, totals: dict[str, int]) -> str:
    rest = ", ".join(f"{count} {word}" for word, count in totals.items() if word not in ("open", "total"))
    return f"{what}: {totals['open']} (of {totals['total']}{': ' + rest if rest else ''})"


def _gaps(site: Site, view: View) -> str:
    held = sum(1 for name in claims(site) if name in view.gaps)
    orphans = sum(1 for s in view.gaps.values() if s.open and rows.belonging(view, s).startswith(("ORPHANED", "missing")))
    said = sum(1 for s in view.gaps.values() if s.open and s.fix)
    told = ((held, "claimed"), (said, "said to be fixed and not proven"), (orphans, "without a living loop"))
    return "".join(f", {count} {what}" for count, what in told if count)


def _waves(site: Site, moving: list[dict[str, object]]) -> str:
    if not site.contract.waves:
        return "the workspace has none"
    now = site.clock.now()
    told = [f"{row['wave']} {row['state']}{', held by ' + str(row['held']) if row['held'] else ''}" for row in moving]
    told += [f"{one.wave} is in the hands of {one.worker} until {instant_text(one.expires_at)}" for one in _dispatched(site, now)]
    return "; ".join(told) if told else f"none under way, of {', '.join(site.contract.waves)}"


def _dispatched(site: Site, now: datetime) -> list[DispatchRecord]:
    return [one for one in site.store.dispatches() if one.live(now)]


def _window(site: Site, now: datetime) -> str:
    """The first opening for any wave that changes hosts."""
    wanted = {wave.mutate_hosts for wave in site.contract.waves.values() if wave.mutate_hosts}
    found = [(one, hosts) for hosts in wanted for one in openings(site.contract.windows, hosts, now)[:1]]
    if not found:
        return "none is open or to come for the hosts that waves change"
    one, hosts = min(found, key=lambda item: (item[0].slot.not_before, item[1]))
    end = instant_text(one.slot.not_after)
    first = "open now" if one.slot.not_before <= now else f"from {instant_text(one.slot.not_before)}"
    return f"{one.window.id}: {first} until {end}, for {', '.join(hosts)}"


def _next(
    site: Site, view: View, run: PackRun | None, report: PackReport | None, moving: list[dict[str, object]]
) -> tuple[str, str]:
    if moving:
        return "waveboard status", f"{moving[0]['wave']} is {moving[0]['state']}: bring it to its end first"
    if expired(site.contract, site.clock.now()):
        return "waveboard contracts check", "a waiver has ended"
    pack = next(iter(site.contract.packs), "")
    if run is None or report is None:
        return (
            (f"waveboard verify {pack}", "nothing was judged yet") if pack else ("waveboard audit", "the workspace has no pack")
        )
    if run.contract != site.contract.digest:
        return f"waveboard verify {run.pack}", "the contracts have changed since"
    marks = {finding.fingerprint for finding in report.findings}
    if marks - {mark for mark, state in view.findings.items() if state.present}:
        return "waveboard findings reconcile", "the register does not know the newest findings"
    for wave in site.contract.waves.values():
        left = [gap for gap in wave.gaps if gap in view.gaps and view.gaps[gap].open]
        if left and wave.mutate_hosts and not wave.draft and set(wave.stor) & {stor for f in report.findings for stor in f.stor}:
            return f"waveboard plan {wave.id} -o {wave.id}.plan", f"open: {', '.join(left)}"
    return f"waveboard verify {run.pack}", "nothing else is due; look again"


def _ago(now: datetime, then: datetime) -> str:
    seconds = max(0, int((now - then).total_seconds()))
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {word}"
    return f"{seconds} s"
