"""Named places where the fault programme may end this process as `kill -9` would. Silent unless test hooks are switched on."""

import os
from collections import Counter

_seen: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """End the process with status 137 when WAVEBOARD_CRASH_AT names this place and WAVEBOARD_TEST_HOOKS is 1.

    name: `<what>.<before|after>:<step>`, as `intent.after:W8B-03`. WAVEBOARD_CRASH_AT is a whole name, or the part before the
    colon for any step; `#n` at its end means the n-th time, counted from 1.
    """
    if os.environ.get("WAVEBOARD_TEST_HOOKS") != "1":
        return
    wanted, _, times = os.environ.get("WAVEBOARD_CRASH_AT", "").partition("#")
    if not wanted or wanted not in (name, name.partition(":")[0]):
        return
    _seen[wanted] += 1
    if _seen[wanted] == int(times or 1):
        os._exit(137)


def no_crash(name: str) -> None:
    """The port's other shape: goes on."""
