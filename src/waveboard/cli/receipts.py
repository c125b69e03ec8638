"""`waveboard receipts`: list, verify, export."""

import json

import click

from waveboard.cli import show
from waveboard.cli.site import opened


@click.group()
def receipts() -> None:
    """Show, verify and export receipts."""


@receipts.command("show")
@click.argument("which", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def show_(ctx: click.Context, which: str | None, as_json: bool) -> int:
    """List the receipts, or print the statement of one: its number, or the name of a wave's closeout (WAVE8B_ORCHESTRATION_RECEIPT)."""
    from waveboard.model.change import retired
    from waveboard.model.errors import UsageError
    from waveboard.model.opening import receipt_name
    from waveboard.receipts import envelope, statement

    site = opened(ctx.obj)
    rows: list[dict[str, object]] = []
    chosen: tuple[dict[str, object], bytes] | None = None
    for number, digest, raw in site.store.receipts():
        payload = envelope.from_bytes(raw).payload
        found = statement.enclosed(raw)
        named = found.kind == "closeout" and receipt_name(retired(str(found.body["wave"]))) == which
        row = {"seq": number, "kind": found.kind, "run_key": found.run_key, "by": found.actor.principal, "digest": digest}
        chosen = (row, payload) if str(number) == which or named else chosen
        rows.append(row)
    if which is None:
        _listed(rows, as_json)
        return 0
    if chosen is None:
        raise UsageError(f"show receipt {which}", f"there are {len(rows)}, none is called that", "waveboard receipts show")
    told = json.loads(chosen[1])
    show.document({"schema": "waveboard.receipts-show/1", **chosen[0], "statement": told} if as_json else told)
    return 0


def _listed(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        show.document({"schema": "waveboard.receipts/1", "receipts": rows})
        return
    cells = [(str(r["seq"]), str(r["kind"]), str(r["run_key"]), str(r["by"]), str(r["digest"])[:19]) for r in rows]
    show.table(("SEQ", "KIND", "RUN KEY", "BY", "DIGEST"), cells)


@receipts.command()
@click.argument("directory", type=click.Path(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def verify(ctx: click.Context, directory: str | None, as_json: bool) -> int:
    """Verify an exported DIRECTORY, or the workspace's own receipts. Exit 8: something does not hold, and what."""
    from waveboard.wiring import verify_receipts

    proven = verify_receipts(directory, ctx.obj)
    if as_json:
        show.document(
            {
                "schema": "waveboard.receipts-verify/1",
                "instance": proven.instance,
                "keyid": proven.keyid,
                "receipts": proven.head.seq,
                "head": f"sha256:{proven.head.sha256}",
                "approvals": proven.approvals,
                "closeouts": proven.closeouts,
                "evidence_named": proven.evidence_named,
                "evidence_held": proven.evidence_held,
            }
        )
    else:
        click.echo(
            f"good: {proven.head.seq} receipts, {proven.approvals} approvals, {proven.closeouts} closeouts; "
            f"{proven.evidence_held} of {proven.evidence_named} named digests travel along"
        )
        click.echo(f"head: {proven.head.seq} sha256:{proven.head.sha256}\nkey:  {proven.keyid}")
    return 0


@receipts.command()
@click.argument("directory", type=click.Path())
@click.pass_context
def export(ctx: click.Context, directory: str) -> int:
    """Write everything a stranger needs to verify into DIRECTORY."""
    from waveboard.wiring import export_receipts

    count = export_receipts(opened(ctx.obj), directory)
    click.echo(
        f"{count} files in {directory}; verify them with `waveboard receipts verify {directory}` or tools/verify_receipts.py"
    )
    return 0
