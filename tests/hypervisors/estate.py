"""One VM to be made, the workspace that asks for it, and a hypervisor in memory; all through the real hand, fold and receipts."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.app.stage import Desk
from tests.receipts.estate import ALLOWED, RONNY
from tests.waves import estate as E
from waveboard.app import provision as app
from waveboard.app.approve import approve
from waveboard.app.plans import Known
from waveboard.app.ports_vms import Hypervisor as Port
from waveboard.model.contract import ApprovalPolicy, HostPolicy, HostTarget, Overrun, Window
from waveboard.model.units import GIB
from waveboard.model.vm import DataDisk, Hypervisor, Network, Pool, Shape, VmSpec
from waveboard.receipts import sshsig
from waveboard.vms.kit import Kit
from waveboard.world.hypervisors.hand import HypervisorHand, RoutedHand
from waveboard.world.hypervisors.memory import MemoryHypervisor
from waveboard.world.ssh_keygen import SshKeygen

DISK = DataDisk("tank", 8 * GIB, "scsi", "new-1-data", "ext4", "new-1", "/mnt/data", True)
SPEC = VmSpec(
    host="new-1", vmid=212, hypervisor="hv", node="pve1", template="9000", profile="data-v1", cores=2, memory_bytes=2 * GIB,
    boot_pool="local-lvm", boot_bytes=16 * GIB, network=Network("vmbr0", "192.0.2.12/24", "192.0.2.1", "192.0.2.1", "shop.lan"),
    ci_user="ubuntu", ssh_keys=("ssh-ed25519 AAAAC3Nz operator",), tier="tank-vms", data=DISK,
)  # fmt: skip
SHAPE = Shape(2, 2 * GIB, "vmbr0", True, True)
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostKeyOfNewOne"
KIT = Kit(
    "i",
    "wbaudit",
    "ssh-ed25519 AAAAaudit c",
    "wbhand",
    "ssh-ed25519 AAAAhand c",
    "ronny …\n",
    ApprovalPolicy("trust/allowed_signers", 2, True, {"ronny": ("ronny@desk",)}),
    PUBLIC,
    b"#!hand\n",
    b"#!ro\n",
    ("cache",),
)


def memory() -> MemoryHypervisor:
    pools = {n: Pool(n, 100 * GIB, 60 * GIB, True) for n in ("local-lvm", "tank")} | {"local": Pool("local", GIB, GIB, False)}
    return MemoryHypervisor("pve1", pools, {"9000": 8 * GIB})


class SimGround:
    """The controller's side in memory. answers: the host key the guest shows once it runs."""

    def __init__(self, makes: MemoryHypervisor, answers: str = PUBLIC) -> None:
        self.makes, self.answers, self.lines = makes, answers, []  # type: ignore[var-annotated]

    def private_key(self, host: str, public: str) -> str:
        return "-----BEGIN KEY-----\nsecret\n-----END KEY-----\n"

    def pinned(self, host: str, line: str) -> bool:
        return line in self.lines

    def pin(self, host: str, line: str) -> None:
        self.lines.append(line)

    def unpin(self, host: str, line: str) -> None:
        self.lines.remove(line)

    def presented(self, address: str, port: int) -> str:
        return self.answers if any(vm.status == "running" for vm in self.makes.vms.values()) else ""


def inline(work: Callable[[], None]) -> None:
    work()


class Yard(Desk):
    """The operator's desk with a hypervisor `hv` and the contract of one VM to be made on it."""

    def __init__(self, tmp: Path, makes: MemoryHypervisor | None = None, spec: VmSpec = SPEC) -> None:
        super().__init__(tmp)
        self.makes = makes or memory()
        self.ground = SimGround(self.makes)
        self.tmp = tmp
        window = Window("w", "allow", ("hv",), E.AT, E.AT + timedelta(hours=6), overrun=Overrun("rollback"))
        pools = {"boot": "local-lvm", "tank-vms": "tank", "seed": "local"}
        contract = replace(
            self.site.contract, windows=(window,), vms={spec.host: spec}, hypervisors={"hv": Hypervisor("hv", "proxmox", "pve1", pools)},
            targets=(*self.site.contract.targets, HostTarget(spec.host, "192.0.2.12", "wbaudit", 22)),
            policies={**self.site.contract.policies, spec.host: HostPolicy(spec.host)},
        )  # fmt: skip
        self.site = replace(self.site, contract=contract)
        self.born()

    def born(self, signers: str = ALLOWED, person: Callable[[str], str] | None = None) -> None:
        """A new process: the hand starts from what its directory holds. signers: its allowed_signers; person: whose name one is."""
        verifier = SshKeygen(sshsig.parse, sshsig.NAMESPACE)
        directory = self.tmp / "hypervisors" / "hv"
        self.hand = HypervisorHand(
            "hv",
            "i",
            directory,
            self.makes,
            self.ground,
            verifier,
            lambda: signers,
            self.site.clock,
            person or self.site.person,
            inline,
        )
        self.site = replace(self.site, hand=RoutedHand(self.fleet, {"hv": lambda: self.hand}))

    @property
    def makers(self) -> app.Makers:
        def hypervisor(name: str) -> Port:
            return self.makes

        return app.Makers(hypervisor, lambda target: KIT)

    def proposed(self, disposable: bool = False) -> Known:
        return app.plan(self.site, "new-1", self.makers, disposable)

    def signed(self, disposable: bool = False) -> Known:
        known = self.proposed(disposable)
        approve(self.site, known, "ronny", ALLOWED, lambda message: sshsig.sign(RONNY, message), 4)
        return known

    def verbs(self, known: Known) -> list[str]:
        return [step.verb for step in known.plan.steps]

    def applied(self, known: Known) -> None:
        from waveboard.app.apply import apply

        fresh = not self.site.store.events(known.digest)
        apply(self.site, known, ALLOWED, app.looked(self.site, known, self.makers) if fresh else None)


def answered(hand: HypervisorHand, request: Mapping[str, object]) -> Mapping[str, object]:
    return hand.call(HostTarget("hv", "", None, None), request, 60)
