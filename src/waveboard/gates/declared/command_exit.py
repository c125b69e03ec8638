"""command_exit: the command ended by itself with this exit code. Its last words are in the message.

A command that was not allowed, not run, cut at its limit or ended by a signal is unknown, never a failure of what it looks at.
"""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import Asked, Kind
from waveboard.model.declared import Param
from waveboard.model.facts import Unavailable


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """One deviation for another exit code."""
    assert asked.sight is not None
    if asked.sight.exit is None:
        reason = asked.sight.seen.reason if isinstance(asked.sight.seen, Unavailable) else "it is no command"
        yield Doubt(asked.sight.address, reason)
    elif asked.sight.exit != asked.params["exit"]:
        said = f"; it said: {asked.sight.said}" if asked.sight.said else ""
        yield asked.noted("wrong-exit", "exit", f"it ended with exit {asked.sight.exit}, not {asked.params['exit']}{said}")


KIND = Kind(
    "command_exit",
    __doc__,
    {"doc": Param("alias", required=True, words=("command",)), "exit": Param("integer", required=True)},
    {"wrong-exit": "a command ended with another exit code"},
    run,
)
