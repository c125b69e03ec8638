"""Line edits that make one compose service start redis with an append-only log, leaving every other byte of the file alone.

Works on lines as the audit saw them. A command it cannot see whole, or that is not redis-server itself, is refused: whoever
rewrites a command on a guess may start an empty database.
"""

import json
import re
from collections.abc import Sequence

from waveboard.model.errors import RefusedError
from waveboard.waves.compose_edit import Edit, find, indent_of, service_block

OPTION = "--appendonly"
_COMMAND = re.compile(r"^(\s*)command:\s*(.*?)\s*$")


def with_log(words: Sequence[str]) -> list[str]:
    """The command with the option on: replaced where it stands, else added at the end (the last word of redis wins)."""
    found, number, done = [], 0, False
    while number < len(words):
        if words[number] == OPTION:
            found += [] if done else [OPTION, "yes"]
            done, number = True, number + 2
        else:
            found.append(words[number])
            number += 1
    return found if done else [*found, OPTION, "yes"]


def says_log(words: Sequence[str]) -> bool:
    """Whether this command turns the log on."""
    given = [words[n + 1] for n, word in enumerate(words[:-1]) if word == OPTION]
    return bool(given) and given[-1] == "yes"


def start_with_log(path: str, lines: Sequence[str | None], service: str, words: Sequence[str]) -> tuple[Edit, ...]:
    """Edits after which `service` runs `words` with the option on. words: the command its container runs with. Raises: RefusedError.

    An image whose command the file does not repeat gets a `command:` line with all of it.
    """
    start, indent, end = service_block(path, lines, service)
    told = json.dumps([word.replace("$", "$$") for word in with_log(words)])
    for i in range(start + 1, end):
        line = lines[i]
        match = _COMMAND.match(line) if line is not None else None
        if match is None or match.group(2).startswith("#") or not match.group(2):
            continue
        return ({"line": i + 1, "old": line, "new": [f"{match.group(1)}command: {told}"]},)
    if find(lines, "command", start + 1, end) is not None:
        raise RefusedError(
            f"edit {path}",
            f"the command of `{service}` is a list over several lines, which the reader does not tell",
            'write it on one line: command: ["redis-server", …]',
        )
    head = lines[start]
    step = next((indent_of(t) - indent for t in lines[start + 1 : end] if t is not None and t.strip()), 2)
    return ({"line": start + 1, "old": head, "new": [head, f"{' ' * (indent + step)}command: {told}"]},)
