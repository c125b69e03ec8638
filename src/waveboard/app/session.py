"""Where things stand, in at most ten lines, and the one thing to do next. Reads the store and the contracts; no host."""

from dataclasses import dataclass
from datetime import datetime

from waveboard.app import register_rows as rows
from waveboard.app.dispatch import all_live
from waveboard.app.due import due
from waveboard.app.judged import newest, newest_runs, report_of
from waveboard.app.registers import claims, current
from waveboard.app.site import Site
from waveboard.app.standing import plans
from waveboard.contracts.expiry import expired
from waveboard.gates import outcome
from waveboard.model.finding import PackReport
from waveboard.model.history import PackRun
from waveboard.model.units import instant_text
from waveboard.register.view import View
from waveboard.waves.windows import openings

_MOVING = ("forward", "backward", "halted")


@dataclass(frozen=True, slots=True)
class Standing:
    """lines: label -> text, in the order they are told; next: the one command; why: what makes it the next."""

    lines: tuple[tuple[str, str], ...]
    next: str
    why: str


def start(site: Site) -> Standing:
    """Never fails for what is not there yet: it says so."""
    now, view = site.clock.now(), current(site)
    run = newest(newest_runs(site))
    report = report_of(site, run) if run else None
    moving = [row for row in plans(site) if row["state"] in _MOVING]
    step, why = due(site, view, run, report)
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
    stopping = [one.gate for one in report.reports if outcome.blocks(one)]
    other += f", BLOCKS IN ENFORCE: {', '.join(stopping)}" if stopping else ""
    return f"{run.pack}: {outcome.summary(report)}, {_ago(now, run.at)} ago{other} ({run.run_key})"


def _findings(view: View, report: PackReport | None) -> str:
    known = sum(state.present for state in view.findings.values())
    return f"{outcome.findings_line(report) if report else 'none judged'}; {known} in the register"


def _counted(what: str, totals: dict[str, int]) -> str:
    rest = ", ".join(f"{count} {word}" for word, count in totals.items() if word not in ("open", "total"))
    return f"{what}: {totals['open']} (of {totals['total']}{': ' + rest if rest else ''})"


def _gaps(site: Site, view: View) -> str:
    held = sum(1 for name in claims(site) if name in view.gaps)
    said = sum(1 for s in view.gaps.values() if s.open and s.fix)
    told = ((held, "claimed"), (said, "said to be fixed and not proven"), (rows.orphans(view), "without a living loop"))
    return "".join(f", {count} {what}" for count, what in told if count)


def _waves(site: Site, moving: list[dict[str, object]]) -> str:
    told = [f"{row['wave']} {row['state']}{', held by ' + str(row['held']) if row['held'] else ''}" for row in moving]
    named = {str(row["wave"]) for row in moving}
    told += [f"{one.wave} open since {instant_text(one.at)} (by {one.by})" for one in site.store.board() if one.wave not in named]
    told += [f"{one.wave} is in the hands of {one.worker} until {instant_text(one.expires_at)}" for one in all_live(site)]
    if not site.contract.waves and not told:
        return "the workspace has none"
    return "; ".join(told) if told else f"none under way, of {', '.join(site.contract.waves)}"


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


def _ago(now: datetime, then: datetime) -> str:
    seconds = max(0, int((now - then).total_seconds()))
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {word}"
    return f"{seconds} s"
