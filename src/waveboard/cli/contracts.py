"""`waveboard contracts`: everything wrong with the workspace's contracts at once, each with its place and a way out."""

import click

from waveboard.cli import show
from waveboard.cli.out import SCHEMA, write_files
from waveboard.model.contract import Complaint


@click.group()
def contracts() -> None:
    """Check the workspace's contracts; export their JSON Schemas."""


@contracts.command()
@click.option("--strict", is_flag=True, help="Warnings also fail (exit 2).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def check(ctx: click.Context, strict: bool, as_json: bool) -> int:
    """Check every contract. Exit 0: usable; 1: errors; 2: warnings, with --strict."""
    from waveboard.wiring import expired_waivers, load_contracts, locate

    loaded = load_contracts(locate(ctx.obj["workspace"]))
    errors = [c for c in loaded.complaints if c.level == "error"] + list(expired_waivers(loaded))
    warnings = [c for c in loaded.complaints if c.level == "warning"]
    if as_json:
        show.document(
            {
                "schema": "waveboard.contracts-check/1",
                "errors": [_row(c) for c in errors],
                "warnings": [_row(c) for c in warnings],
            }
        )
    else:
        for one in (*errors, *warnings):
            click.echo(f"{show.safe(str(one.place))}: {one.level}: [{one.code}] {show.safe(one.message)}")
            if one.fix:
                click.echo(f"    way out: {show.safe(one.fix)}")
        click.echo(
            f"contracts: {len(errors)} error{'s' * (len(errors) != 1)}, {len(warnings)} warning{'s' * (len(warnings) != 1)}"
        )
    return 1 if errors else 2 if warnings and strict else 0


@contracts.command()
@click.option("-o", "out", required=True, type=click.Path(file_okay=False), help="Directory to write to.")
def schemas(out: str) -> int:
    """Write the JSON Schemas of every contract, for editors."""
    import json

    from waveboard.contracts.schemas import export

    files = {
        f"{name}.schema.json": (json.dumps(schema, indent=2, sort_keys=True) + "\n").encode() for name, schema in export().items()
    }
    write_files(out, files, SCHEMA)
    for name in files:
        click.echo(f"{out}/{name}")
    return 0


def _row(one: Complaint) -> dict[str, object]:
    return {
        "file": one.place.file,
        "line": one.place.line,
        "col": one.place.col,
        "path": one.path,
        "code": one.code,
        "message": one.message,
        "fix": one.fix,
    }
