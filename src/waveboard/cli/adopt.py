"""`waveboard adopt`: a first contract for a host that is there already, as drafts in a directory of their own."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from waveboard.cli import show
from waveboard.cli.site import opened
from waveboard.model.errors import UsageError

if TYPE_CHECKING:
    from waveboard.app.adopt import Adopted

TIERS = ("boot-only", "tank-docker", "tank-vms", "nfs-media", "local-ext4")


@click.command()
@click.argument("host")
@click.option("--evidence", "given", type=click.Path(), help="Draft from this bundle; read no host.")
@click.option("-o", "out", type=click.Path(), help="A new directory for the drafts; adopted/HOST of the workspace when absent.")
@click.option("--vmid", type=click.IntRange(1, 999_999_999), help="Its hypervisor's number for it, which a guest cannot see.")
@click.option("--tier", type=click.Choice(TIERS), help="Where its data belongs; proposed from what is there when absent.")
@click.option("--data-disk", "disk", metavar="SERIAL", help="Which disk its data belongs on, where there are several.")
@click.option("--mount", metavar="PATH", help="Where that disk belongs, where it is mounted nowhere yet.")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="How long the waiver proposals run.")
@click.option("--json", "as_json", is_flag=True, help="Print waveboard.adopt/1.")
@click.pass_context
def adopt(
    ctx: click.Context,
    host: str,
    given: str | None,
    out: str | None,
    vmid: int | None,
    tier: str | None,
    disk: str | None,
    mount: str | None,
    days: int,
    as_json: bool,
) -> int:
    """Draft a first contract for HOST from what is there, each violation as a dated waiver proposal. Changes nothing that exists.

    Exit 0: no violation; 2: violations, each with a proposal; 5: none, and something could not be seen, rules of a ready VM included.
    """
    from waveboard.app import adopt as adopting
    from waveboard.contracts.joined import free_place
    from waveboard.vms.adopt import Choice
    from waveboard.wiring import read_bundle_file, workspace_bytes
    from waveboard.world.files import write_tree

    site = opened(ctx.obj)
    workspace = Path(str(ctx.obj["workspace"]))
    directory = Path(out) if out else workspace / "adopted" / host
    if directory.exists():
        raise UsageError(f"adopt {host}", f"{directory} is there already", "name a directory that does not exist yet with -o")
    inside = directory.resolve().is_relative_to(workspace)
    text, files, known = workspace_bytes(workspace)
    copied = "" if inside else free_place(host, files, lambda place: (workspace / place).exists())
    at = copied or directory.resolve().relative_to(workspace).as_posix()
    ground = adopting.Ground(text, files, known, at)
    bundle = read_bundle_file(given) if given else None
    told = adopting.adopt(site, host, ground, Choice(vmid, tier, disk, mount), bundle, days)
    written = {**told.files, "ADOPTION.md": adopting.page(told, copied)}
    write_tree(directory, {name: text.encode() for name, text in written.items()})
    if as_json:
        show.document(adopting.as_json(told, str(directory)))
    else:
        _print(told, directory if out else Path("adopted") / host, copied)
    return 2 if told.found else 5 if told.doubtful else 0


def _print(told: "Adopted", directory: Path, copied: str) -> None:
    from waveboard.app import adopt as adopting

    for name in sorted(told.files):
        click.echo(f"drafted  {directory / name}")
    groups = (
        ("by hand", told.by_hand),
        ("contradiction", told.contradictions),
        ("question", [f"{t.what}: {t.why}" for t in told.questions]),
        ("proposed", [f"{t.what}: {t.why}" for t in told.proposed]),
        ("unknown", told.unknown),
        ("violation", [f"{f.gate} {f.code} {f.subject}" for f in told.found]),
        ("not ready", [f"{a.id} {a.title} ({a.state.value})" for a in told.unready]),
    )
    for word, lines in groups:
        for line in lines:
            click.echo(show.safe(f"{word}: {line}"))
    proposals = ", each with a proposal in waivers.yaml" if told.found else ""
    click.echo(f"{len(told.found)} violations{proposals}; {told.waived} waived already")
    click.echo(adopting.counts(told, copied))
    for key, names in told.lines.items():
        click.echo(f"  {key}: [{', '.join(names)}]")
    click.echo(told.run_key)
