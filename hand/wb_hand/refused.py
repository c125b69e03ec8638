"""The one error of the hand, and what it means by JSON."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class Refused(Exception):
    """The hand says no, or a step failed. `fix` is the way out for a person."""

    def __init__(self, code: str, cannot: str, because: str, fix: str = "") -> None:
        super().__init__(f"cannot {cannot}: {because}")
        self.code, self.cannot, self.because, self.fix = code, cannot, because, fix

    def told(self) -> Json:
        return {"code": self.code, "cannot": self.cannot, "because": self.because[:4000], "fix": self.fix}
