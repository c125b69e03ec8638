"""Which Debian mirror this machine already uses, and how its apt reaches it; it downloads nothing itself."""

from __future__ import annotations

from lab.command import run
from lab.errors import LabError

_FORMAT = "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)"


def debian_mirror() -> str:
    """URI of the first configured Debian main archive."""
    for line in run(["apt-get", "indextargets", "--format", _FORMAT]).stdout.splitlines():
        uri, origin, label, component = line.split("|")
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return uri
    raise LabError("cannot find a Debian mirror: because apt knows no Debian archive with `main`; run apt-get update")


def apt_options() -> list[str]:
    """The machine's apt settings for proxies and certificates, as options for mmdebstrap."""
    wanted = ("Acquire::http", "Acquire::https")
    lines = run(["apt-config", "dump", "--format", '%f "%v";%n', *wanted]).stdout.splitlines()
    return [f"--aptopt={line}" for line in lines if not line.endswith('"";')]
