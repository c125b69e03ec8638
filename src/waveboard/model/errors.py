"""The errors, each saying whose turn it is to act. A finding is a value and never one of these.

Every message reads `cannot <do>: <because>`; `fix` says the way out. `exit_code` is the documented code of DESIGN section 8.
"""

from typing import ClassVar


class WaveboardError(Exception):
    """Root of every error a person sees."""

    exit_code: ClassVar[int] = 1

    def __init__(self, cannot: str, because: str, fix: str = "") -> None:
        super().__init__(f"cannot {cannot}: {because}")
        self.cannot, self.because, self.fix = cannot, because, fix


class ContractError(WaveboardError):
    """The policy's author must act: a contract is absent, broken or contradictory."""


class UsageError(WaveboardError):
    """The caller must act: unknown wave, pack, host or gate, or arguments that do not fit."""


class HostError(WaveboardError):
    """The network or the host: unreachable, changed host key, deadline. Retryable; the answer is unknown."""

    exit_code = 5


class EvidenceError(WaveboardError):
    """Output that cannot be read as what it claims to be: the fact is unknown."""

    exit_code = 5


class RefusedError(WaveboardError):
    """A rule says no: gate, window, lock, lease, fence, scope, changed facts."""

    exit_code = 3


class ApprovalNeeded(WaveboardError):
    """A person must sign: no approval, or one that does not count."""

    exit_code = 4


class StepError(WaveboardError):
    """A step failed and the wave was rolled back."""

    exit_code = 6


class HaltedError(WaveboardError):
    """An undo failed or the truth cannot be told: nothing further is touched, a person is needed."""

    exit_code = 7


class ReceiptError(WaveboardError):
    """A receipt or an envelope does not verify."""

    exit_code = 8
