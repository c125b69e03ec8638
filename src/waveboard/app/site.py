"""One workspace with its ports: what every verb is given. Holds things; does nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from waveboard.app.ports import (
    ApprovalVerifier,
    Archive,
    Clock,
    Commands,
    Documents,
    Engine,
    Hand,
    Progress,
    Reader,
    Signer,
    Store,
)
from waveboard.model.bounded import Runner
from waveboard.model.contract import WORKSPACE_HOST, Contract, HostTarget
from waveboard.model.errors import RefusedError, UsageError
from waveboard.model.receipt import Actor, ActorKind


@dataclass(frozen=True, slots=True)
class Site:
    """engine is made on first use: starting it costs more than most verbs do. gates: digest of the gates' code. runner: keeps
    pure work within its limit of time. run: the key of the one run this site is opened for, "" where every verb makes its own. contract:
    as it was read when the verb began, for all it does; reread: the files as they stand now, None where nothing can change under the verb.
    """

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
    documents: Documents
    commands: Commands
    runner: Runner
    run: str = ""
    reread: Callable[[], Contract] | None = None

    def today(self) -> Contract:
        """The contracts as they stand now. Raises: ContractError when they cannot be used."""
        return self.reread() if self.reread else self.contract

    @property
    def four_eyes(self) -> bool:
        """As the contracts say; a workspace without approvals asks for four eyes."""
        return self.contract.approvals.four_eyes if self.contract.approvals else True

    def person(self, name: str) -> str:
        """The person who goes by that name (`approvals.people`), or the name itself when nobody declared does."""
        return (self.contract.approvals.person(name) if self.contract.approvals else None) or name

    def acting(self, verb: str) -> str:
        """Who acts at this door, as four_eyes counts people. verb: what for, such as `plan W8B`.

        Under four_eyes a human name that stands for nobody declared is refused: under another name it might be the signer's. An
        agent is never a signer, so it stands for itself unless `people` says whose it is. Raises: RefusedError.
        """
        name = self.actor.principal
        approvals = self.contract.approvals
        known = approvals.person(name) if approvals else None
        if known is None and self.four_eyes and self.actor.kind is ActorKind.HUMAN:
            raise RefusedError(
                verb,
                f"four_eyes compares persons, and {name} is nobody that approvals.people names",
                f"add {name} to a person's names under approvals.people in waveboard.yaml, or set WAVEBOARD_ACTOR to a name that is there",
            )
        return known or name

    def targets(self) -> Mapping[str, HostTarget]:
        """Every target by id."""
        return {t.id: t for t in self.contract.targets}

    def target(self, host: str) -> HostTarget:
        """One target, or a hypervisor as one. Raises: UsageError with the known ids."""
        found = HostTarget(host, "", None, None) if host == WORKSPACE_HOST else self.contract.target(host)
        if found is None and host in self.contract.hypervisors:
            found = HostTarget(host, self.contract.hypervisors[host].url or "", None, None)
        if found is None:
            raise UsageError(
                f"reach {host}", "the contracts name no such host", f"known: {', '.join(t.id for t in self.contract.targets)}"
            )
        return found
