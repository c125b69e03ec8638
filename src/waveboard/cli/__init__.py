"""The operator's door: parses, prints, maps errors to exit codes. Decides nothing.

Sub-commands are loaded when they are asked for, so `--help` and completion stay fast.
"""

import importlib
import os
import select
import sys
from io import TextIOWrapper

import click

from waveboard.cli import show
from waveboard.cli.table import COMMANDS
from waveboard.model.errors import WaveboardError

UNREAD = 141  # what a shell says of a program that SIGPIPE ended; the signal itself would cut work short


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
    5 unknown or unreachable · 6 rolled back · 7 halted, a person is needed · 8 receipt invalid · 130 interrupted ·
    141 nobody reads the output any more.
    """
    ctx.obj = {} if ctx.obj is None else ctx.obj
    ctx.obj.update(workspace=workspace, no_input=no_input)


def run(args: list[str], said: dict[str, object] | None = None) -> int:
    """Run one command line; returns the documented exit code. said: what the command leaves for its receipt (`result`)."""
    try:
        result = waveboard.main(args=args, prog_name="waveboard", standalone_mode=False, obj=said)
    except WaveboardError as error:
        return _refused(str(error), error.fix, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        show.told(error.ctx.get_help() if error.ctx else "")
        return 1
    except click.ClickException as error:
        at = getattr(error, "ctx", None)
        return _refused(
            f"cannot read the command line: {error.format_message()}", f"{at.command_path if at else 'waveboard'} --help"
        )
    except (KeyboardInterrupt, click.Abort):
        show.told("interrupted; nothing half-done is lost: run the same command again to go on")
        return 130
    except SystemExit:  # click ends so at any broken pipe; what was done stays done
        return UNREAD if _unread() else _refused("cannot finish: Broken pipe", "run the same command again")
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _refused(f"cannot finish: {error.strerror or error}{where}", "put that right, then run the same command again")
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return _refused(
            f"cannot finish: this is a fault of waveboard itself ({type(error).__name__}: {error})",
            "report it with what the same command prints under PYTHONDEVMODE=1; nothing half-done is lost",
        )
    return result if isinstance(result, int) else 0


def _unread() -> bool:
    """Whether whoever read the output has gone, as `head` does when it has seen enough."""
    output = select.poll()
    output.register(1, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0))


def _refused(why: str, fix: str, code: int = 1) -> int:
    """Both may quote what a host said."""
    for text in (f"error: {why}", f"  way out: {fix}") if fix else (f"error: {why}",):
        show.told("\n".join(show.safe(line) for line in text.split("\n")))
    return code


def main() -> None:
    """Entry point of the `waveboard` command. What a terminal cannot show is escaped; an output that is gone or full is no crash."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, TextIOWrapper)]
    for stream in streams:
        stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    for stream in streams:
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # or Python says so once more at its end
            code = code or 1
    sys.exit(code)
