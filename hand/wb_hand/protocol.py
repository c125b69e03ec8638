"""One request in, one answer out, and the three ways the hand is started."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

from . import place
from .documents import dumped, parse_json
from .grammar import MAX_REQUEST
from .place import INSTALLED
from .refused import Json, Refused
from .state import locked, make_state

# The module that performs each operation, as `op_<name>`; loaded when it is asked for, since a call asks for one.
LOOKS = {"hello": "hello", "status": "looking", "holds": "looking", "journal": "looking", "aside": "looking"}
ACTS = {"open": "opening", "fence": "opening", "settle": "settling", "do": "starting", "undo": "starting", "close": "opening"}


def operation(op: str) -> Callable[[Json], Json]:
    module = importlib.import_module(f".{LOOKS.get(op) or ACTS[op]}", __package__)
    found: Callable[[Json], Json] = getattr(module, f"op_{op}")
    return found


def answer(raw: bytes) -> Json:
    """One request's answer; nothing escapes as a traceback."""
    try:
        if len(raw) > MAX_REQUEST:
            raise Refused("bad-request", "read the request", f"it is larger than {MAX_REQUEST} bytes")
        request = parse_json(raw, "the request")
        op = request.get("op")
        make_state()
        if isinstance(op, str) and op in LOOKS:
            return {"ok": True, **operation(op)(request)}
        if isinstance(op, str) and op in ACTS:
            with locked("lock"):
                return {"ok": True, **operation(op)(request)}
        raise Refused("bad-request", "act", "op is none of " + ", ".join([*LOOKS, *ACTS]))
    except Refused as why:
        return {"ok": False, "error": why.told()}
    except Exception as why:
        return {"ok": False, "error": Refused("internal", "act", f"{type(why).__name__}: {why}").told()}


def main(argv: list[str]) -> int:
    os.umask(0o077)
    installed = os.path.realpath(place.program()) == INSTALLED
    if len(argv) >= 2 and argv[0] == "--test-root" and not installed and "SUDO_UID" not in os.environ:
        place.ROOT, argv = os.path.abspath(argv[1]), argv[2:]
    if os.geteuid() != 0:
        return _say({"ok": False, "error": Refused("not-installed", "act", "the hand must run as root").told()})
    if argv and "SUDO_UID" not in os.environ:
        make_state()
        if argv[0] == "--run" and len(argv) == 6:
            from .running import run_step

            return run_step(argv[1], argv[2], argv[3], int(argv[4]), int(argv[5]))
        if argv[0] == "--revert" and len(argv) == 4:
            from .running import revert

            return revert(argv[1], argv[2], int(argv[3]))
    if argv:
        return _say({"ok": False, "error": Refused("bad-request", "act", "the hand takes no arguments").told()})
    return _say(answer(sys.stdin.buffer.read(MAX_REQUEST + 1)))


def _say(told: Json) -> int:
    sys.stdout.write(dumped(told) + "\n")
    sys.stdout.flush()
    return 0 if told["ok"] else 1
