"""Where every waiver stands: live, ended, or resting on a condition, and what it covered in the latest runs. Changes nothing."""

from dataclasses import dataclass
from datetime import datetime

from waveboard.app.judged import newest_runs, report_of
from waveboard.app.site import Site
from waveboard.model.finding import Finding
from waveboard.model.register import Waiver
from waveboard.model.units import instant_text


@dataclass(frozen=True, slots=True)
class Standing:
    """state: live | expired | conditional (its condition is judged with every run) | proposed (nobody answers for it, so it covers
    nothing). covered: findings of the latest runs."""

    waiver: Waiver
    state: str
    covered: tuple[Finding, ...]

    def row(self) -> dict[str, object]:
        """JSON-ready."""
        w = self.waiver
        what = w.fingerprint or " ".join(part for part in (w.gate, w.host, w.code, w.subject) if part)
        end = [instant_text(w.until)] if w.until else []
        end += [f"while {w.during}"] if w.during else []
        end += [f"ends when {w.ends_when}"] if w.ends_when else []
        covered = [finding.fingerprint for finding in self.covered]
        told = {"id": w.id, "state": self.state, "owner": w.owner, "reason": w.reason, "covers": what, "ends": "; ".join(end)}
        return {**told, "covered": covered, "place": str(w.place) if w.place else ""}


def standings(site: Site) -> tuple[Standing, ...]:
    """In the file's order."""
    seen = {f.fingerprint: f for run in newest_runs(site) for f in report_of(site, run).findings}
    now = site.clock.now()
    return tuple(
        Standing(
            waiver,
            _state(waiver, now),
            tuple(f for f in seen.values() if f.waiver == waiver.id),
        )
        for waiver in site.contract.registers.waivers
    )


def answering(site: Site) -> frozenset[str]:
    """Ids of the waivers that somebody answers for today; whether a condition of theirs holds is judged with every run."""
    now = site.clock.now()
    return frozenset(w.id for w in site.contract.registers.waivers if _state(w, now) not in ("expired", "proposed"))


def _state(waiver: Waiver, now: datetime) -> str:
    if waiver.until and waiver.until <= now:
        return "expired"
    return "proposed" if waiver.proposed else "conditional" if waiver.during or waiver.ends_when else "live"
