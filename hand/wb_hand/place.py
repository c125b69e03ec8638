"""Where things are on a host: the state, the tools, and the root, which only a test moves."""

from __future__ import annotations

import os
import sys

INSTALLED = "/usr/local/libexec/waveboard/wb-hand"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
STATE = "/var/lib/waveboard"
RUNTIME = "/run/waveboard"
ROOT = ""  # not empty only under --test-root


def environment() -> dict[str, str]:
    path = f"{ROOT}/stubs:{PATH}" if ROOT else PATH
    return {"PATH": path, "LC_ALL": "C", "LANG": "C", "HOME": "/root", "TZ": "UTC"}


def program() -> str:
    """The file that is this hand, never one of its modules."""
    return os.path.abspath(str(sys.modules["__main__"].__file__))


def at(path: str) -> str:
    """Where a host path really is: itself, or below the root of a test."""
    return ROOT + path
