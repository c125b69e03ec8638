"""The constant remote program's text, its digest, and the one place where parameters meet it.

Parameters travel in a quoted heredoc at the start of the program, one per line, after their grammar has been checked: no value
is ever part of a command, and the command ssh runs is the constant COMMAND.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from waveboard.model.errors import UsageError
from waveboard.model.evidence import Digest, digest_of

COMMAND = "exec /bin/sh -s"
PATHS_MAX = 256
_NONCE = re.compile(r"[0-9a-z]{16,64}")
_PATH = re.compile(r"/[^\x00-\x1f\x7f\ud800-\udfff]{0,4000}")  # no half of a character either: it was not UTF-8
_HEAD = """\
{ IFS= read -r wb_nonce; IFS= read -r wb_root; wb_paths=
while IFS= read -r wb_path; do wb_paths="$wb_paths$wb_path
"; done; } <<'WB_PARAMETERS'
%s
WB_PARAMETERS
"""


@cache
def text() -> str:
    """The program without parameters."""
    return (files("waveboard.audit") / "collect.sh").read_text(encoding="utf-8")


def digest() -> Digest:
    """What bundles name as their `collector`: parameter block and program."""
    return digest_of((_HEAD + text()).encode())


def with_params(nonce: str, paths: Sequence[str] = (), root: str = "") -> str:
    """The whole text for `/bin/sh -s`: the parameter block and the program. Raises: UsageError, as `parameters` does."""
    return parameters(nonce, paths, root) + text()


def can_be_asked(path: str) -> bool:
    """Whether a host can be asked about this path: what it must not hold would end the line it stands on, or is no text."""
    return _PATH.fullmatch(path) is not None


def parameters(nonce: str, paths: Sequence[str] = (), root: str = "") -> str:
    """The block before the program. root: directory of a recorded tree, "" for the machine itself.

    Raises: UsageError for a nonce, path or root outside the grammar.
    """
    if not _NONCE.fullmatch(nonce):
        raise UsageError("collect evidence", "the nonce must be 16 to 64 of [0-9a-z]")
    if len(paths) > PATHS_MAX:
        raise UsageError("collect evidence", f"{len(paths)} paths asked for, the limit is {PATHS_MAX}", "ask for fewer at once")
    for path in (*paths, *((root,) if root else ())):
        if not can_be_asked(path):
            raise UsageError(
                "collect evidence", f"{path!r} is not an absolute path without control characters", "name it in full"
            )
    if ".." in root.split("/"):
        raise UsageError("collect evidence", f"{root!r} holds `..`", "name the tree in full")
    return _HEAD % "\n".join((nonce, root.rstrip("/"), *dict.fromkeys(paths)))
