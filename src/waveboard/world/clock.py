"""Now, waiting and fresh random text."""

import secrets
import time
from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class SystemClock:
    """The machine's clock; implements the Clock port."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def token(self, characters: int) -> str:
        return "".join(secrets.choice(_ALPHABET) for _ in range(characters))
