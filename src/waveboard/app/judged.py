"""What was judged last: the newest run of each pack, and the report a run kept."""

from collections.abc import Iterable

from waveboard.app.site import Site
from waveboard.gates import report_json
from waveboard.model.finding import PackReport
from waveboard.model.history import PackRun


def newest_runs(site: Site, packs: Iterable[str] | None = None) -> list[PackRun]:
    """The newest run of each of these packs that was judged at all, in their order. packs None: all of the contracts'."""
    return [run for name in (site.contract.packs if packs is None else packs) for run in site.store.pack_runs(name, 1)]


def newest(runs: Iterable[PackRun]) -> PackRun | None:
    """The newest of these runs; two of one instant by their run key."""
    return max(runs, key=lambda run: (run.at, run.run_key), default=None)


def report_of(site: Site, run: PackRun) -> PackReport:
    """Raises: UsageError, EvidenceError when the store lost or spoilt it."""
    return report_json.from_bytes(site.store.get_object(run.report))
