"""Which lab this is: its name, directories and loopback addresses, from the environment; it creates nothing."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

DEFAULT_NAME = "wblab"
SSH_PORT = 2222
REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Settings:
    """One lab instance. Two instances with different names share only the image cache."""

    name: str
    state: Path
    cache: Path
    octet: int  # hosts answer on 127.0.<octet>.<vmid>

    @property
    def run(self) -> Path:
        return self.state / "run"

    @property
    def disks(self) -> Path:
        return self.state / "disks"

    @property
    def keys(self) -> Path:
        return self.state / "keys"

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def known_hosts(self) -> Path:
        return self.state / "known_hosts"

    @property
    def mark(self) -> str:
        """The value every process of this instance carries in WAVEBOARD_LAB_ID; sweeping looks for it."""
        return f"{self.name}:{self.state}"

    def address(self, vmid: int) -> str:
        return f"127.0.{self.octet}.{vmid}"


def from_environment(env: Mapping[str, str] | None = None) -> Settings:
    """Read WAVEBOARD_LAB_NAME, _STATE, _CACHE and _OCTET; only the name's default is ever shared with another lab."""
    env = os.environ if env is None else env
    name = env.get("WAVEBOARD_LAB_NAME", DEFAULT_NAME)
    if not re.fullmatch(r"[a-z][a-z0-9]{1,11}", name):
        raise LabError(f"cannot use the lab name {name!r}: because it must be 2 to 12 of a-z and 0-9, letter first")
    own = name == DEFAULT_NAME
    state = env.get("WAVEBOARD_LAB_STATE", "/var/lib/waveboard-lab" + ("" if own else f".{name}"))
    octet = env.get("WAVEBOARD_LAB_OCTET", "77" if own else str(78 + zlib.crc32(name.encode()) % 150))
    if not octet.isdigit() or not 1 <= int(octet) <= 254:
        raise LabError(f"cannot use the lab octet {octet!r}: because 127.0.<octet>.0 needs a number from 1 to 254")
    cache = env.get("WAVEBOARD_LAB_CACHE", "/var/cache/waveboard-lab")
    return Settings(name, Path(state).resolve(), Path(cache).resolve(), int(octet))
