"""The commands `waveboard lab ...` and `python -m lab ...`; they print answers on stdout and progress on stderr."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from lab import instance
from lab import tier as tiers
from lab.errors import LabError
from lab.estate import machine
from lab.host import host as host_of
from lab.settings import from_environment

P = ParamSpec("P")


def _plain(command: Callable[P, None]) -> Callable[P, None]:
    """A LabError becomes one line and exit code 1."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except LabError as problem:
            raise click.ClickException(str(problem)) from None

    return wrapped


@click.group()
def lab() -> None:
    """Real hosts on this machine to try waveboard on: two Docker machines with the specification's drift planted."""


@lab.command()
@click.argument("hosts", nargs=-1)
@click.option("--wait/--no-wait", default=True, help="Wait until the containers are healthy, not only for ssh.")
@click.option("--tier", type=click.Choice(["nspawn", "qemu"]), help="How hosts run; nspawn unless the lab is up.")
@_plain
def up(hosts: tuple[str, ...], wait: bool, tier: str | None) -> None:
    """Bring the hosts up. The first time builds their images: some minutes."""
    _print(instance.up(hosts or None, wait=wait, tier=tier))


@lab.command()
@_plain
def down() -> None:
    """End the lab and everything it made, in whatever state it is. Keys and the image cache stay."""
    instance.down()


@lab.command()
@click.argument("hosts", nargs=-1)
@click.option("--wait/--no-wait", default=True, help="Wait until the containers are healthy, not only for ssh.")
@_plain
def reset(hosts: tuple[str, ...], wait: bool) -> None:
    """Back to the drifted state in seconds: cut the power, boot fresh clones."""
    _print(instance.reset(hosts or None, wait=wait))


@lab.command()
@click.option("--json", "as_json", is_flag=True)
@_plain
def status(as_json: bool) -> None:
    """Which hosts run, and what the lab has on this machine."""
    told = instance.status()
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    click.echo(f"lab {told['name']}: {'up' if told['up'] else 'down'}")
    for name, alive in sorted(dict(told["hosts"]).items()):  # type: ignore[call-overload]
        click.echo(f"  {name}: {'running' if alive else 'ended'}")
    for line in told["on_this_machine"]:  # type: ignore[attr-defined]
        click.echo(f"  {line}")


@lab.command(context_settings={"ignore_unknown_options": True})
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@_plain
def ssh(host: str, command: tuple[str, ...]) -> None:
    """Log in to HOST as root, or run a command there."""
    settings = from_environment()
    tier = tiers.present(settings)
    words = host_of(settings, machine(host), tier.patience if tier else 1.0).ssh()
    os.execvp(words[0], [*words, *(["--", *command] if command else [])])


@lab.command()
@click.argument("host")
@_plain
def reboot(host: str) -> None:
    """Reboot HOST in an orderly way and wait for it."""
    instance.reboot(host)


@lab.command("power-cut")
@click.argument("host")
@click.option("--boot/--no-boot", default=True, help="Start it again from the same disks.")
@_plain
def power_cut(host: str, boot: bool) -> None:
    """Kill HOST at once; its disks stay as they are."""
    instance.power_cut(host, boot=boot)


@lab.command()
@_plain
def install() -> None:
    """Put the repository's present hand and reader on the running hosts."""
    instance.install()


@lab.command()
@click.argument("directory", type=click.Path(file_okay=False))
@_plain
def image(directory: str) -> None:
    """Make DIRECTORY a place for local QEMU VMs: an image with cloud-init, and two pools. The first time takes minutes."""
    from lab.provide import provide

    click.echo(provide(from_environment(), Path(directory)), nl=False)


@lab.command()
@_plain
def demo() -> None:
    """The main job on two real hosts, from drift to verified receipts; fails when a promise is broken."""
    from lab.demo import demo as play
    from lab.replay import replay, why_not_here

    if code := replay() if why_not_here() else play():
        raise click.exceptions.Exit(code)


def _print(running: instance.Lab) -> None:
    for one in running.hosts:
        click.echo(f"{one.name}  vm {one.vmid}  ssh -p {one.port} root@{one.address}")
    click.echo(f"described in {running.settings.state / 'lab.json'}")
