"""`waveboard cap`: the registry, and running a capability by its name."""

import click

from waveboard.app.capabilities import CAPABILITIES, Capability, named
from waveboard.cli import show


@click.group()
def cap() -> None:
    """List, explain and run capabilities."""


@cap.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(as_json: bool) -> None:
    """Every capability with its safety and approval."""
    if as_json:
        show.document({"schema": "waveboard.capabilities/1", "capabilities": [_row(c) for c in CAPABILITIES]})
        return
    show.table(
        ("CAPABILITY", "SAFETY", "APPROVAL", "WHAT IT DOES"), [(c.name, c.safety, c.approval, c.summary) for c in CAPABILITIES]
    )


@cap.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(name: str, as_json: bool) -> None:
    """What one capability does, takes and leaves behind."""
    found = named(name)
    if as_json:
        show.document({"schema": "waveboard.capability/1", **_row(found)})
        return
    click.echo(f"{found.name}: {found.summary}\n")
    click.echo(f"  safety    {found.safety}\n  approval  {found.approval}")
    click.echo(f"  command   waveboard {' '.join(found.command)}\n  outputs   {', '.join(found.outputs)}")
    for arg in found.args:
        click.echo(f"  {arg.name:<12} {arg.type}{', required' if arg.required else ''}: {arg.summary}")


@cap.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run_(ctx: click.Context, name: str, args: tuple[str, ...]) -> int:
    """Run NAME with ARGS (after --). The capability keeps its own safety, approval and exit code."""
    from waveboard.cli import run
    from waveboard.cli.site import cap_receipt

    found = named(name)
    words = ["--workspace", ctx.obj["workspace"]] if ctx.obj and ctx.obj.get("workspace") else []
    said: dict[str, object] = {"capability": found.name}
    code = run([*words, *found.command, *[a for a in args if a != "--"]], said)
    if found.name.split(".")[0] not in ("cap", "lab"):
        cap_receipt(said, found.name, args, code, str(said.get("result", "")))
    return code


def _row(found: Capability) -> dict[str, object]:
    return {
        "name": found.name,
        "safety": found.safety,
        "approval": found.approval,
        "summary": found.summary,
        "command": list(found.command),
        "args": [{"name": a.name, "type": a.type, "required": a.required, "summary": a.summary} for a in found.args],
        "outputs": list(found.outputs),
    }
