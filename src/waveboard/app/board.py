"""The board of this workspace: gathered from the contracts, the registers, the runs and the receipts. Reads no host."""

from collections.abc import Iterator, Mapping

from waveboard.app import dispatch
from waveboard.app.judged import newest_runs, report_of
from waveboard.app.receipting import all_receipts
from waveboard.app.registers import current
from waveboard.app.site import Site
from waveboard.app.standing import plans
from waveboard.model.board import Board, Cause, Closing, Producer, Told, WaveRow
from waveboard.model.contract import WaveSpec
from waveboard.model.receipt import Receipt
from waveboard.model.units import instant_text
from waveboard.receipts import closeout
from waveboard.register import linkage
from waveboard.register.linkage import Entry
from waveboard.waves import prompt

ITEMS = (
    "Evidence (run keys/results)",
    "Files changed",
    "Runtime actions executed",
    "Gap/loop linkage impact",
    "Verify result",
    "Remaining blockers/deferred",
    "Attestation",
)
_SAID = ("session.start", "loops.status", "gaps.status")  # the control terminal's own questions


def board(site: Site) -> Board:
    """As of now."""
    receipts = tuple(all_receipts(site))
    packs = tuple(site.contract.packs.values())
    seen = _seen(site)
    return Board(
        name=site.contract.name,
        owner=site.contract.owner,
        at=site.clock.now(),
        contract=site.contract.digest,
        chain=site.store.receipt_head(),
        packs=packs,
        verified=tuple(_newest(receipts, "verify", "pack", tuple(p.id for p in packs), "summary")),
        said=tuple(_newest(receipts, "capability", "capability", _SAID, "result")),
        open_loops=_open_loops(site),
        open_gaps=_open_gaps(site),
        causes=tuple(_causes(site, seen)),
        producers=tuple(_producers(site)),
        waves=tuple(_waves(site, receipts)),
        items=ITEMS,
    )


def _newest(receipts: tuple[Receipt, ...], kind: str, key: str, names: tuple[str, ...], result: str) -> Iterator[Told]:
    newest = {str(r.body.get(key)): r for r in receipts if r.kind == kind}
    for name in names:
        if name in newest:
            found = newest[name]
            yield Told(found.run_key, found.at, str(found.body.get(result) or f"exit {found.body.get('exit', 'unknown')}"))


def _seen(site: Site) -> Mapping[str, Entry] | None:
    """STOR entries as the newest run of every pack saw them; None when no pack was judged."""
    runs = newest_runs(site)
    return linkage.over((report_of(site, run) for run in runs), site.contract.findings) if runs else None


def _causes(site: Site, seen: Mapping[str, Entry] | None) -> Iterator[Cause]:
    for cluster in site.contract.findings.clusters:
        entries = {stor: seen[stor] for stor in cluster.stor if stor in seen} if seen is not None else {}
        observed = None if seen is None else tuple(s for s, entry in entries.items() if entry.observed)
        unseen = tuple(f"{s}: {entry.why}" for s, entry in entries.items() if entry.observed is None)
        yield Cause(cluster.id, cluster.title or cluster.id, cluster.stor, cluster.gaps, cluster.loop or "", observed, unseen)


def _producers(site: Site) -> Iterator[Producer]:
    still = set(_open_gaps(site))
    named: dict[str, list[str]] = {}
    says: dict[str, str] = {}
    for gap in site.contract.registers.gaps:
        if gap.producer:
            named.setdefault(gap.producer, []).append(gap.id)
            says.setdefault(gap.producer, " ".join(gap.description.split()).partition(". ")[0].rstrip("."))
    for producer, gaps in named.items():
        yield Producer(producer, tuple(gaps), tuple(g for g in gaps if g in still), says[producer] or "no description")


def _open_gaps(site: Site) -> tuple[str, ...]:
    return tuple(name for name, state in current(site).gaps.items() if state.open)


def _open_loops(site: Site) -> tuple[str, ...]:
    return tuple(name for name, state in current(site).loops.items() if state.open)


def _waves(site: Site, receipts: tuple[Receipt, ...]) -> Iterator[WaveRow]:
    states = {str(row["wave"]): str(row["state"]) for row in reversed(plans(site))}
    closings = {str(r.body.get("wave")): r for r in receipts if r.kind == "closeout"}
    opened = {opening.wave: f"open since {instant_text(opening.at)}" for opening in site.store.board()}
    for spec in site.contract.waves.values():
        held = dispatch.live(site, spec.id)
        closing = _closing(closings.get(spec.id))
        text = prompt.body(spec, site.contract.name)
        yield WaveRow(spec, _state(spec, opened, states, closing), held.worker if held else "", closing, text)


def _state(spec: WaveSpec, opened: Mapping[str, str], states: Mapping[str, str], closing: Closing | None) -> str:
    if spec.id in opened:
        journal = states.get(spec.id, "")
        return opened[spec.id] + (f" ({journal})" if journal else "")
    if closing:
        return f"closed {closing.outcome}" if not closing.failing else f"{closing.outcome}, exit gates not met"
    return states.get(spec.id, "draft" if spec.draft else "not planned")


def _closing(found: Receipt | None) -> Closing | None:
    if found is None:
        return None
    said = closeout.read(found.body)
    return Closing(found.run_key, found.at, said.outcome, closeout.blockers(said))
