"""`waveboard where`: the chain from a path to its disks, and the boot verdict with its reason."""

import os

import click

from waveboard.cli import show
from waveboard.cli.site import opened
from waveboard.model.errors import EvidenceError, UsageError
from waveboard.model.evidence import Bundle
from waveboard.model.graph import Placement


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[HOST] PATH")
@click.option("--container", metavar="NAME", help="Resolve PATH inside this container.")
@click.option("--evidence", type=click.Path(exists=True, dir_okay=False), help="Use this evidence bundle; no host is read.")
@click.option(
    "--sysroot", type=click.Path(exists=True, file_okay=False), help="Use a recorded tree (/proc, /sys, /etc/fstab, /run/udev)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def where(
    ctx: click.Context, words: tuple[str, ...], container: str | None, evidence: str | None, sysroot: str | None, as_json: bool
) -> int:
    """Say on which disks PATH lives. Exit 0: known; 2: on the boot disk; 5: cannot be known."""
    from waveboard.audit import facts as reading
    from waveboard.audit.placement import Resolver
    from waveboard.audit.placement_json import document

    given = [w for w in (evidence, sysroot) if w]
    if len(words) != (1 if given else 2) or len(given) > 1:
        raise UsageError(
            "answer where", "it takes HOST PATH, or --evidence FILE PATH, or --sysroot DIR PATH", "waveboard where --help"
        )
    path = words[-1]
    if not path.startswith("/"):
        raise UsageError("answer where", f"{path} is not an absolute path", "name it from the root")
    bundle = _bundle(ctx, words, path, container, evidence, sysroot)
    path = os.fsencode(path).decode("utf-8", "backslashreplace")  # as the mount table spells what is not UTF-8
    if bundle.failure:
        raise EvidenceError(f"answer where {path} is", bundle.failure, "read the host again")
    resolver = Resolver(reading.read(bundle))
    place = resolver.where_container(container, path) if container else resolver.where(path)
    if as_json:
        show.document(document(place))
    else:
        _people(place)
    return 5 if place.boot is None else 2 if place.boot else 0


def _bundle(
    ctx: click.Context, words: tuple[str, ...], path: str, container: str | None, evidence: str | None, sysroot: str | None
) -> Bundle:
    from waveboard.audit.program import can_be_asked
    from waveboard.wiring import read_bundle_file, read_host, read_sysroot

    asked = (path,) if can_be_asked(path) and not container else ()
    if evidence:
        return read_bundle_file(evidence)
    if sysroot:
        return read_sysroot(sysroot, asked)
    return read_host(opened(ctx.obj), words[0], asked)


def _people(place: Placement) -> None:
    verdict = {True: "on the BOOT disk", False: "not on the boot disk", None: "UNKNOWN"}[place.boot]
    click.echo(f"{show.safe(place.path)}: {place.placement.value}, {verdict}   ({place.confidence.value})")
    for depth, node in enumerate(place.chain):
        detail = f"  {show.safe(node.detail)}" if node.detail else ""
        click.echo(f"  {'   ' * depth}{'└─ ' if depth else ''}{node.kind} {show.safe(node.name)}{detail}")
    click.echo(f"  disks: {', '.join(place.disks) or 'none'}" + (f"   flags: {', '.join(place.flags)}" if place.flags else ""))
    click.echo(f"  why: {show.safe(place.why)}")
