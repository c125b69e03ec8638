"""`waveboard lab`: real hosts on one machine. The lab itself lives in the checkout's `lab/`; an installed wheel has none."""

import importlib

import click

from waveboard.model.errors import UsageError

try:
    lab: click.Group = importlib.import_module("lab.cli").lab
except ModuleNotFoundError as missing:
    if missing.name not in ("lab", "lab.cli"):
        raise
    raise UsageError(
        "run the lab", "this is not a checkout of waveboard", "clone the project and use ./bin/waveboard lab"
    ) from None
