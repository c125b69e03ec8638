"""Answers from recorded bundles: DIR/HOST.json, or one named file for one host. Never falls back to a live host."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from waveboard.model.contract import HostTarget
from waveboard.model.errors import HostError, UsageError
from waveboard.model.evidence import Answer, Ask

_BYTES_MAX = 32 * 2**20
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


class ReplayReader:
    """A Reader over a directory of bundle files, or over one file."""

    def __init__(self, place: Path) -> None:
        if not place.exists():
            raise UsageError(f"read the evidence in {place}", "there is no such file or directory", "name what `audit -o` wrote")
        self._place = place

    def close(self) -> None:
        """Nothing is kept open."""

    def hosts(self) -> tuple[str, ...]:
        """Hosts that have a bundle here, by file name; for a single file its stem."""
        files = [self._place] if self._place.is_file() else sorted(self._place.glob("*.json"))
        return tuple(file.stem for file in files if _HOST.fullmatch(file.stem))

    def collect(self, asks: Sequence[Ask], targets: Mapping[str, HostTarget]) -> Mapping[str, Answer | HostError]:
        """The recorded bundle of every host asked for; what was recorded is what there is, whatever the program asks."""
        return {ask.host: self._recorded(ask.host) for ask in asks}

    def _recorded(self, host: str) -> Answer | HostError:
        file = self._place if self._place.is_file() else self._place / f"{host}.json"
        if not _HOST.fullmatch(host) or not file.is_file():
            return HostError(f"read {host}", f"{self._place} holds no evidence of it", "audit it, or leave it out")
        if file.stat().st_size > _BYTES_MAX:
            return HostError(f"read {host}", f"{file} has more than {_BYTES_MAX} bytes")
        return Answer(file.read_bytes(), bundled=True)
