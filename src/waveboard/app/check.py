"""Judge a pack on a reading: gates, linkage to the findings map, kept report, receipt."""

from dataclasses import dataclass

from waveboard.app.comparing import compare
from waveboard.app.promotion import demote
from waveboard.app.read import Reading
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.gates import evaluate, outcome, report_json
from waveboard.model.contract import Contract, Pack
from waveboard.model.document import Papers
from waveboard.model.errors import UsageError
from waveboard.model.finding import PackReport
from waveboard.model.history import PackRun
from waveboard.register import linkage, waive


@dataclass(frozen=True, slots=True)
class Checked:
    """One pack run with its key. raw: the report's JSON bytes, as stored."""

    run_key: str
    report: PackReport
    raw: bytes


def pack_named(contract: Contract, name: str) -> Pack:
    """Raises: UsageError with the known packs."""
    if name not in contract.packs:
        raise UsageError(
            f"verify {name}", "the workspace has no such pack", f"packs: {', '.join(contract.packs) or 'none (packs.yaml)'}"
        )
    return contract.packs[name]


def judge(contract: Contract, pack: Pack, read: Reading) -> PackReport:
    """Gates, then linkage, then waivers at the reading's own instant. Pure, but for the documents that the reading brings on first demand."""
    papers = read.gatherer.papers(pack, read.at) if read.gatherer else Papers()
    report = evaluate.run(pack, contract, read.facts, read.places, read.at, papers=papers, runner=read.runner)
    linked = linkage.link(report, contract.findings)
    return waive.apply(linked, contract.registers.waivers, read.at, lambda text: compare(contract, read, text)[0])


def check(site: Site, name: str, read: Reading) -> Checked:
    """Judge, keep, receipt. The reading may be fresh or replayed; its evidence digests are in the receipt either way. A run is as old as
    what it judged: a replay of old evidence is an old run, and stands behind those that saw the hosts since."""
    pack = pack_named(site.contract, name)
    key = new_key(site, "verify.pack.run")
    report = judge(site.contract, pack, read)
    raw = report_json.to_bytes(report, key)
    stored = site.store.put_object(raw)
    site.store.save_pack_run(PackRun(key, name, read.at, site.contract.digest, report.complete, stored, report.counts))
    body: dict[str, object] = {
        "pack": name,
        "summary": outcome.summary(report),
        "complete": report.complete,
        "contract": site.contract.digest,
        "gates": site.gates,
        "evidence": dict(read.bundles),
        "documents": report.documents,
        "inputs": dict(report.inputs),
        "counts": dict(report.counts),
        "fingerprints": sorted(f.fingerprint for f in report.findings),
    }
    issue(site, "verify", key, (subject(f"report/{name}", stored),), body)
    demote(site, report, key)
    return Checked(key, report, raw)
