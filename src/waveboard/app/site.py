"""One workspace with its ports: what every verb is given. Holds things; does nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from waveboard.app.ports import ApprovalVerifier, Archive, Clock, Engine, Hand, Progress, Reader, Signer, Store
from waveboard.model.contract import Contract, HostTarget
from waveboard.model.errors import UsageError
from waveboard.model.receipt import Actor


@dataclass(frozen=True, slots=True)
class Site:
    """engine is made on first use: starting it costs more than most verbs do. gates: digest of the gates' code."""

    contract: Contract
    instance: str
    actor: Actor
    reader: Reader
    hand: Hand
    store: Store
    archive: Archive
    engine: Callable[[], Engine]
    signer: Signer
    verifier: ApprovalVerifier
    clock: Clock
    gates: str
    say: Progress
    crash: Callable[[str], None]

    @property
    def four_eyes(self) -> bool:
        """As the contracts say; a workspace without approvals asks for four eyes."""
        return self.contract.approvals.four_eyes if self.contract.approvals else True

    def targets(self) -> Mapping[str, HostTarget]:
        """Every target by id."""
        return {t.id: t for t in self.contract.targets}

    def target(self, host: str) -> HostTarget:
        """One target. Raises: UsageError with the known ids."""
        found = self.contract.target(host)
        if found is None:
            raise UsageError(
                f"reach {host}", "the contracts name no such host", f"known: {', '.join(t.id for t in self.contract.targets)}"
            )
        return found
