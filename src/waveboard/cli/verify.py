"""`waveboard verify`, `findings`: judging, and what was judged last."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from waveboard.cli import show
from waveboard.cli.register_verbs import alone
from waveboard.cli.site import opened
from waveboard.model.errors import UsageError

if TYPE_CHECKING:
    from waveboard.app.check import Checked
    from waveboard.model.finding import Finding

FORMATS = ("text", "json", "junit", "sarif", "prometheus", "markdown")


@click.command()
@click.argument("pack")
@click.option(
    "--evidence",
    "given",
    multiple=True,
    type=click.Path(exists=True),
    help="Judge these bundles (files or directories); read no host.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever was found.")
@click.pass_context
def verify(ctx: click.Context, pack: str, given: tuple[str, ...], form: str, as_json: bool, exit_zero: bool) -> int:
    """Judge PACK. Exit 0: clean; 2: findings; 3: a gate in enforce failed; 5: something could not be seen."""
    from waveboard.app import read
    from waveboard.app.check import check, pack_named
    from waveboard.gates import outcome
    from waveboard.model.document import Recorded
    from waveboard.wiring import read_bundle_file, read_papers

    site = opened(ctx.obj)
    hosts = pack_named(site.contract, pack).hosts
    if given:
        papers = {path: read_papers(str(path)) for path in _files(given)}
        bundles = [read_bundle_file(str(path)) for path, found in papers.items() if found is None]
        recorded = next((found for found in papers.values() if found is not None), Recorded())
        reading = read.replayed(site, read.one_each(bundles, hosts), recorded)
    else:
        reading = read.audit(site, hosts)
    checked = check(site, pack, reading)
    click.echo(rendered(checked, "json" if as_json else form), nl=False)
    if form == "text" and not as_json:
        click.echo(checked.run_key)
    return 0 if exit_zero else outcome.exit_code(checked.report)


def rendered(checked: "Checked", form: str) -> str:
    """The report in one of FORMATS."""
    from waveboard.gates import report_junit, report_markdown, report_prometheus, report_sarif, report_text

    if form == "json":
        return checked.raw.decode()
    writers = {
        "text": report_text.render,
        "junit": report_junit.render,
        "sarif": report_sarif.render,
        "prometheus": report_prometheus.render,
        "markdown": report_markdown.render,
    }
    return writers[form](checked.report)


@click.group(invoke_without_command=True)
@click.option("--pack", default=None, help="Which pack's latest run; the newest run of any pack when absent.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def findings(ctx: click.Context, pack: str | None, as_json: bool) -> int | None:
    """The latest run's findings with their links; `reconcile` takes them into the register."""
    return alone(ctx, list_, pack=pack, as_json=as_json)


@findings.command("list")
@click.option("--pack", default=None, help="Which pack's latest run; the newest run of any pack when absent.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def list_(ctx: click.Context, pack: str | None, as_json: bool) -> int:
    """The latest run's findings with their STOR, gap and loop links and their waivers. Exit 2: some that no waiver answers for today."""
    from waveboard.app.judged import newest, newest_runs
    from waveboard.app.waiving import answering
    from waveboard.gates import report_json

    site = opened(ctx.obj)
    run = newest(newest_runs(site, (pack,) if pack else None))
    if run is None:
        raise UsageError("list findings", "no pack was judged yet", "waveboard verify PACK")
    raw, alive = site.store.get_object(run.report), answering(site)
    found = report_json.from_bytes(raw).findings
    ended = sorted({f.waiver for f in found} - alive - {""})
    open_ones = sum(f.waiver not in alive for f in found)
    if as_json:
        show.document({**json.loads(raw), "ended_waivers": ended})
        return 0
    rows = [
        (
            f.gate,
            f.host,
            f.severity.value,
            f.code,
            f.subject,
            " ".join(f.stor),
            " ".join(f.gaps),
            _waiver(f, ended),
            f.fingerprint,
        )
        for f in found
    ]
    show.table(("GATE", "HOST", "SEVERITY", "CODE", "SUBJECT", "STOR", "GAPS", "WAIVER", "FINGERPRINT"), rows)
    waived = f", {len(rows) - open_ones} waived" if open_ones < len(rows) else ""
    click.echo(f"{len(rows)} findings{waived} of {run.run_key}")
    return 2 if open_ones else 0


def _waiver(found: "Finding", ended: Sequence[str]) -> str:
    return f"{found.waiver} (ended)" if found.waiver in ended else found.waiver


@findings.command()
@click.option("--pack", default="", help="Which pack's latest run; the newest run of any pack when absent.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def reconcile(ctx: click.Context, pack: str, as_json: bool) -> int:
    """Take the latest run into the register: what is new, back, gone, or out of sight. Closes nothing."""
    from waveboard.app.reconcile import reconcile as take_in
    from waveboard.gates.report_json import finding_row

    told = take_in(opened(ctx.obj), pack)
    groups = {
        "new": told.new,
        "returned": told.returned,
        "vanished": told.vanished,
        "out_of_sight": told.unseen,
        "of_no_gap": told.loose,
    }
    if as_json:
        rows = {name: [finding_row(f) for f in found] for name, found in groups.items()}
        head = {"schema": "waveboard.reconcile/1", "run_key": told.recorded.run_key, "of": told.run.run_key}
        show.document({**head, **rows, "reopened": list(told.reopened), "left_out": list(told.older)})
        return 0
    for name, found in groups.items():
        click.echo(f"{name.replace('_', ' ')}: {len(found)}")
        for f in found:
            line = f"  {f.fingerprint}  {show.safe(f'{f.gate} {f.host} {f.code} {f.subject}')}  {' '.join(f.gaps)}".rstrip()
            click.echo(line + (f"  waived by {f.waiver}" if f.waiver else ""))
    click.echo(f"reopened: {', '.join(told.reopened) or 'none'}")
    if told.older:
        click.echo(f"left out, for a newer run of another pack saw them: {', '.join(told.older)}")
    if told.loose:
        show.next_step(f"waveboard gaps file --finding {told.loose[0].fingerprint} …")
    click.echo(told.recorded.run_key)
    return 0


def _files(given: tuple[str, ...]) -> list[Path]:
    found: list[Path] = []
    for name in given:
        path = Path(name)
        found += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not found:
        raise UsageError("judge the evidence", f"{', '.join(given)} holds no bundle", "waveboard audit -o DIR writes some")
    return found
