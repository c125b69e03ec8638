"""docker's limits on what containers print: what the daemon gives new ones, what each was made with, and what may be asked.

Drivers that rotate files below docker's data-root are `json-file`, without a limit unless one is set, and `local`, with 20 MB in
five files unless others are. Every other driver hands the lines on. Source: docker's logging drivers.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from waveboard.model.place import Place
from waveboard.model.units import MB
from waveboard.model.vm import LogRotation

STOCK = {"local": (20 * MB, 5)}


@dataclass(frozen=True, slots=True)
class LogSettings:
    """One logging driver and its two limits as docker's text says them, None where they are not set."""

    driver: str
    max_size: str | None = None
    max_file: str | None = None

    def above(self, wanted: LogRotation) -> Iterator[str]:
        """Each limit that lets logs grow beyond what is wanted, as a sentence's end."""
        if self.driver not in ("json-file", *STOCK):
            return
        stock_size, stock_files = STOCK.get(self.driver, (None, None))
        size = stock_size if self.max_size is None else size_bytes(self.max_size)
        if size is None or size > wanted.max_bytes:
            yield f"max-size is {self.max_size or 'not set'}; {wanted.max_bytes} bytes are asked for"
        files = str(stock_files) if self.max_file is None and stock_files else self.max_file or ""
        if not files.isdigit() or int(files) > wanted.files:
            yield f"max-file is {self.max_file or 'not set'}; {wanted.files} is asked for"


@dataclass(frozen=True, slots=True)
class LogRule:
    """That docker's logs are limited. asked: where a guard says so; limits: the profile's, None where no profile gives any."""

    asked: Place
    limits: LogRotation | None = None


def daemon_settings(text: str) -> LogSettings | None:
    """What daemon.json gives to new containers; None when it is no JSON object."""
    try:
        told = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    options = told.get("log-opts")
    return settings(str(told.get("log-driver") or "json-file"), options if isinstance(options, dict) else {})


def settings(driver: str, options: Mapping[str, object]) -> LogSettings:
    """The driver with the options that limit it."""
    size, files = (None if (value := options.get(key)) in (None, "") else str(value) for key in ("max-size", "max-file"))
    return LogSettings(driver, size, files)


def size_bytes(text: str) -> int | None:
    """`10m`, `10000k`: decimal, as docker counts its own log sizes. None when it is no such size."""
    found = re.fullmatch(r"([0-9]{1,15})\s*([kmgt]?)b?", text.casefold())
    return int(found[1]) * 1000 ** " kmgt".index(found[2] or " ") if found else None
