"""The operator's door: parses, prints, maps errors to exit codes. Decides nothing.

Sub-commands are loaded when they are asked for, so `--help` and completion stay fast.
"""

import importlib
import sys

import click

from waveboard.cli.table import COMMANDS
from waveboard.model.errors import WaveboardError


class LazyGroup(click.Group):
    """A group whose commands are named in a table and imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].where.split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--workspace", metavar="DIR", envvar="WAVEBOARD_WORKSPACE", help="The workspace; otherwise the nearest one upward.")
@click.option("--no-input", is_flag=True, help="Never ask; fail instead.")
@click.version_option(package_name="waveboard", prog_name="waveboard")
@click.pass_context
def waveboard(ctx: click.Context, workspace: str | None, no_input: bool) -> None:
    """Keep a fleet of Docker VMs the way its operator's policy says it must be.

    Exit codes: 0 clean or done · 1 tool or contract error · 2 findings, or changes planned · 3 blocked · 4 needs approval ·
    5 unknown or unreachable · 6 rolled back · 7 halted, a person is needed · 8 receipt invalid · 130 interrupted.
    """
    ctx.obj = {} if ctx.obj is None else ctx.obj
    ctx.obj.update(workspace=workspace, no_input=no_input)


def run(args: list[str], said: dict[str, object] | None = None) -> int:
    """Run one command line; returns the documented exit code. said: what the command leaves for its receipt (`result`)."""
    try:
        result = waveboard.main(args=args, prog_name="waveboard", standalone_mode=False, obj=said)
    except WaveboardError as error:
        click.echo(f"error: {error}", err=True)
        if error.fix:
            click.echo(f"  way out: {error.fix}", err=True)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 1
    except click.ClickException as error:
        error.show(sys.stderr)
        return 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; nothing half-done is lost: run the same command again to go on", err=True)
        return 130
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of the `waveboard` command."""
    sys.exit(run(sys.argv[1:]))
