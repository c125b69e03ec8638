"""A whole workspace in memory: real fold, real receipts and signatures, a simulated host. No network, no clock of this machine."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.receipts.estate import ALLOWED, RONNY
from tests.sim.fleet import Fleet, SimHost
from tests.waves import estate as E
from waveboard.app.approve import approve
from waveboard.app.plans import Known, from_bytes
from waveboard.app.read import Reading
from waveboard.app.site import Site
from waveboard.model.bounded import inline
from waveboard.model.contract import ApprovalPolicy, Contract, HostTarget
from waveboard.model.receipt import Actor, ActorKind
from waveboard.receipts import sshsig
from waveboard.waves import plan as planner
from waveboard.waves import plan_json
from waveboard.world.archive import FileArchive
from waveboard.world.engine_direct import DirectEngine
from waveboard.world.keys import ReceiptKey
from waveboard.world.ssh_keygen import SshKeygen
from waveboard.world.store.memory import MemoryStore

PEOPLE = ApprovalPolicy("trust/allowed_signers", 1, True, {"ronny": ("ronny@desk",), "sam": (), "control": ()})


class StillClock:
    """The Clock port: time passes only by waiting; tokens count up."""

    def __init__(self) -> None:
        self.at, self._given = E.AT + timedelta(minutes=1), 0

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def token(self, characters: int) -> str:
        self._given += 1
        return f"{self._given:0{characters}d}"


class Desk:
    """One operator's desk before the simulated host `shop-1`."""

    def __init__(self, tmp: Path, policy: ApprovalPolicy = PEOPLE, actor: str = "control") -> None:
        key, archive = ReceiptKey.open(tmp / "keys"), FileArchive(tmp / "receipts")
        archive.file("receipts.pub", key.public_pem())
        self.host = SimHost("shop-1")
        self.fleet = Fleet(self.host)
        self.calls: list[Mapping[str, object]] = []
        self.fleet.witness = self.calls.append
        contract: Contract = E.contract(approvals=policy, targets=(HostTarget("shop-1", "127.0.0.1", None, None),))
        nothing, engine = object(), DirectEngine()
        self.site = Site(
            contract, "i", Actor(actor, ActorKind.AGENT if actor.startswith("agent:") else ActorKind.HUMAN), nothing, self.fleet,  # type: ignore[arg-type]
            MemoryStore(), archive, lambda: engine, key, SshKeygen(sshsig.parse, sshsig.NAMESPACE), StillClock(),
            "sha256:" + "9" * 64, lambda text: None, lambda place: None,
            documents=nothing, commands=nothing, runner=inline,  # type: ignore[arg-type]
        )  # fmt: skip

    def acting(self, actor: str) -> Site:
        """The same workspace with somebody else at the door."""
        return replace(self.site, actor=Actor(actor, ActorKind.AGENT if actor.startswith("agent:") else ActorKind.HUMAN))

    def reading(self) -> Reading:
        return Reading(
            "CAP-20260226-030000__host.audit__Rtest0000", E.AT, {"shop-1": E.facts()}, {}, {"shop-1": E.facts().bundle}
        )

    def planned(self, wave: str = "M1", proposer: str = "control") -> Known:
        made = planner.make(
            E.wave(E.MOUNT, E.ROOT, E.DB, id=wave), self.site.contract, self.reading().facts,
            instance="i", proposer=proposer, gates=self.site.gates, at=E.AT,
        )  # fmt: skip
        known = from_bytes(plan_json.to_bytes(made))
        self.site.store.save_plan(known.raw, wave, "wave", E.AT)
        return known

    def approved(self, wave: str = "M1", proposer: str = "control") -> Known:
        known = self.planned(wave, proposer)
        approve(self.site, known, "ronny", ALLOWED, lambda message: sshsig.sign(RONNY, message), 4)
        return known

    def kinds(self, known: Known) -> list[str]:
        return [event.kind for event in self.site.store.events(known.digest)]
