"""`waveboard audit`: read hosts, keep the evidence."""

from pathlib import Path

import click

from waveboard.cli import show
from waveboard.cli.out import EVIDENCE, write_files
from waveboard.cli.site import opened
from waveboard.model.errors import UsageError
from waveboard.model.facts import Docker, HostFacts, Unavailable, Usage
from waveboard.world.files import free


@click.command()
@click.argument("hosts", nargs=-1)
@click.option("-o", "out", type=click.Path(file_okay=False), help="Also write one evidence bundle per host into this directory.")
@click.option("--sysroot", type=click.Path(exists=True, file_okay=False), help="Read a recorded tree instead of a host.")
@click.option("--commands", is_flag=True, help="Print the exact program that would run on a host, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def audit(ctx: click.Context, hosts: tuple[str, ...], out: str | None, sysroot: str | None, commands: bool, as_json: bool) -> int:
    """Read HOSTS (all when none is named). Nothing on a host changes. Exit 5: some host gave no complete answer."""
    from waveboard.app import read
    from waveboard.audit import bundle, program

    if commands:
        click.echo(program.text(), nl=False)
        return 0
    if sysroot:
        from waveboard.wiring import read_sysroot

        one = read_sysroot(sysroot, ())
        raw = bundle.to_json(one)
        if out:
            write_files(out, {f"{one.host}.json": raw}, EVIDENCE)
        click.echo(raw.decode() if as_json or not out else f"{one.host}: {bundle.digest(one)}")
        return 5 if one.failure else 0
    site = opened(ctx.obj)
    chosen = hosts or tuple(t.id for t in site.contract.targets if not t.probe_of)
    if not chosen:
        raise UsageError("audit", "the contracts name no host", "add targets to the hosts contract")
    for host in chosen if out else ():
        free(Path(str(out)) / f"{host}.json", over=EVIDENCE)  # told before any host is read
    reading = read.audit(site, chosen)
    if out:
        write_files(out, {f"{host}.json": site.store.get_object(digest) for host, digest in reading.bundles.items()}, EVIDENCE)
    if as_json:
        rows = {
            h: {"bundle": reading.bundles.get(h), "unavailable": f.reason if isinstance(f, Unavailable) else None}
            for h, f in reading.facts.items()
        }
        show.document({"schema": "waveboard.audit/1", "run_key": reading.run_key, "hosts": rows})
    else:
        show.table(
            ("HOST", "ROOT", "DOCKER ROOT", "CONTAINERS", "EVIDENCE"),
            [_row(h, f, reading.bundles.get(h, "")) for h, f in reading.facts.items()],
        )
        click.echo(reading.run_key)
    return 5 if any(isinstance(f, Unavailable) for f in reading.facts.values()) else 0


def _row(host: str, facts: HostFacts | Unavailable, bundle: str) -> tuple[str, ...]:
    if isinstance(facts, Unavailable):
        return (host, f"unknown: {facts.reason}", "", "", bundle[:19])
    usage, docker = facts.get(Usage), facts.get(Docker)
    root = usage.filesystems.get("/") if isinstance(usage, Usage) else None
    used = f"{root.used_pct:.0f} %" if root else "unknown"
    if isinstance(docker, Unavailable):
        return (host, used, f"unknown: {docker.reason}", "", bundle[:19])
    running = sum(c.state == "running" for c in docker.containers)
    return (host, used, docker.root_dir, f"{running} of {len(docker.containers)} running", bundle[:19])
