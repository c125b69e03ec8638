"""What the order of work asks of the world. `world` satisfies these by shape; wiring and mypy prove it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from waveboard.model.change import Approval, Event, Lease
from waveboard.model.contract import HostTarget
from waveboard.model.evidence import Bundle
from waveboard.model.receipt import Signature


@dataclass(frozen=True, slots=True)
class Ask:
    """What to collect from one host: the constant program's text and its parameters (absolute paths, declared containers)."""

    host: str
    program: str
    paths: tuple[str, ...] = ()


class Reader(Protocol):
    """Reads hosts. Has no verb that changes one."""

    def collect(self, asks: Sequence[Ask], targets: Mapping[str, HostTarget]) -> Mapping[str, bytes | Exception]:
        """Raw frames by host, all hosts at once; a host that fails costs only its own answer (HostError)."""
        ...


class Hand(Protocol):
    """Talks to the program on a host that performs typed verbs. One JSON request, one JSON answer (docs/hand.md)."""

    def call(self, target: HostTarget, request: Mapping[str, object], timeout_s: float) -> Mapping[str, object]:
        """Raises: HostError when no answer came: the outcome is then unknown, never failed."""
        ...


class Store(Protocol):
    """Durable memory. Every append is on disk when it returns."""

    def put_object(self, raw: bytes) -> str: ...

    def get_object(self, digest: str) -> bytes: ...

    def save_bundle(self, bundle: Bundle, digest: str) -> None: ...

    def append_event(self, event: Event) -> None: ...

    def events(self, plan: str) -> tuple[Event, ...]: ...

    def save_approval(self, approval: Approval) -> None: ...

    def approvals(self, plan: str) -> tuple[Approval, ...]: ...

    def consume_nonce(self, nonce: str, plan: str, at: datetime) -> bool:
        """True for exactly one caller, for ever."""
        ...

    def acquire_lease(self, plan: str, hosts: Sequence[str], owner: str, at: datetime, ttl_s: int) -> Lease:
        """Raises: RefusedError naming the holder while another live lease covers one of the hosts."""
        ...

    def renew_lease(self, lease: Lease, at: datetime, ttl_s: int) -> Lease: ...

    def release_lease(self, lease: Lease) -> None: ...

    def append_receipt(self, envelope: bytes, digest: str, kind: str, run_key: str, at: datetime) -> int: ...

    def receipts(self) -> tuple[tuple[int, str, bytes], ...]: ...


class Signer(Protocol):
    """The controller's own receipt key (Ed25519), never an approval key."""

    @property
    def keyid(self) -> str: ...

    def sign(self, message: bytes) -> Signature: ...


class Clock(Protocol):
    """Now, and waiting."""

    def now(self) -> datetime: ...

    def sleep(self, seconds: float) -> None: ...

    def token(self, characters: int) -> str:
        """Fresh random text, [0-9a-z]."""
        ...


class ApprovalVerifier(Protocol):
    """Checks an SSHSIG against allowed_signers exactly as `ssh-keygen -Y verify` does."""

    def principal_of(self, message: bytes, signature: str, allowed_signers: str, at: datetime) -> str:
        """The principal whose key made the signature. Raises: ApprovalNeeded."""
        ...


Progress = Callable[[str], None]
