"""What the order of work asks of the world. `world` satisfies these by shape; wiring and mypy prove it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from waveboard.model.change import Action, Approval, Event, Lease
from waveboard.model.contract import HostTarget
from waveboard.model.document import CommandAnswer, CommandAsk, FileAsk, Found
from waveboard.model.errors import HostError
from waveboard.model.evidence import Answer, Ask, Bundle
from waveboard.model.history import BundleRecord, CapRun, DispatchRecord, Hold, PackRun, PlanRecord, RunEnd, RunRecord, Snapshot
from waveboard.model.opening import Opening
from waveboard.model.receipt import Signature
from waveboard.model.register import Change, Claim


class Reader(Protocol):
    """Reads hosts. Has no verb that changes one."""

    def collect(self, asks: Sequence[Ask], targets: Mapping[str, HostTarget]) -> Mapping[str, Answer | HostError]:
        """An answer for every ask, all hosts at once; a host that fails costs only its own."""
        ...


class Hand(Protocol):
    """Talks to the program on a host that performs typed verbs. One JSON request, one JSON answer (docs/hand.md)."""

    def call(self, target: HostTarget, request: Mapping[str, object], timeout_s: float) -> Mapping[str, object]:
        """Raises: HostError when no answer came: the outcome is then unknown, never failed."""
        ...


class Documents(Protocol):
    """Reads documents for declared gates: below the workspace and its sibling checkouts, nowhere else."""

    def read(self, asks: Sequence[FileAsk]) -> Mapping[FileAsk, Found]:
        """What each ask found, in path order; why bytes could not be had as Unreadable. A glob that names nothing finds nothing."""
        ...


class Commands(Protocol):
    """Runs the commands that the workspace allows its gates."""

    def run(self, ask: CommandAsk) -> CommandAnswer:
        """Never raises for anything a command does; an answer that cannot be used says why."""
        ...


class Store(Protocol):
    """Durable memory. Every append is on disk when it returns; two instances over one database obey the same rules together."""

    def put_object(self, raw: bytes) -> str:
        """The content address; storing the same bytes twice is one object."""
        ...

    def get_object(self, digest: str) -> bytes:
        """Raises: UsageError when unknown, EvidenceError when the bytes kept are no longer those of the digest."""
        ...

    def save_bundle(self, bundle: Bundle, digest: str) -> None: ...

    def bundles(self, host: str, limit: int) -> tuple[BundleRecord, ...]:
        """Newest first."""
        ...

    def collected(self, digests: Iterable[str]) -> frozenset[str]:
        """Those of these under which a bundle was saved: what a host said to us, and not bytes that somebody brought."""
        ...

    def save_snapshot(self, snapshot: Snapshot) -> None: ...

    def snapshots(self, limit: int) -> tuple[Snapshot, ...]:
        """Newest first."""
        ...

    def save_cap_run(self, run: CapRun) -> None: ...

    def cap_runs(self, limit: int) -> tuple[CapRun, ...]:
        """Newest first."""
        ...

    def save_pack_run(self, run: PackRun) -> None: ...

    def pack_runs(self, pack: str, limit: int) -> tuple[PackRun, ...]:
        """Newest first."""
        ...

    def save_plan(self, raw: bytes, wave: str, kind: str, at: datetime) -> str:
        """The plan's digest; get_object gives the exact bytes back. Saving the same plan again changes nothing."""
        ...

    def plans(self, wave: str = "") -> tuple[PlanRecord, ...]:
        """Newest first; of every wave when none is named."""
        ...

    def open_wave(self, event: Event, nonces: Sequence[str], opening: Opening | None = None) -> None:
        """Consume every nonce, append `opened` and put the wave on the board in one transaction (I1, I4): all of it or nothing.

        Raises: RefusedError naming another plan under way, a wave in the way, the plan that used a nonce and when, or the plan
        already opened.
        """
        ...

    def begin_wave(self, opening: Opening) -> None:
        """Open a wave that has no plan to open it. Raises: RefusedError naming the wave in the way, its rule and its opener."""
        ...

    def end_wave(self, wave: str, at: datetime, by: str, outcome: str) -> None:
        """Raises: RefusedError when it is not open."""
        ...

    def board(self) -> tuple[Opening, ...]:
        """Waves open now, oldest first; one whose plan was rolled back is not, one that halted still is."""
        ...

    def append_event(self, event: Event) -> None:
        """Append exactly this seq: what was decided on a journal that has grown since is refused.

        Raises: RefusedError when seq is not the next one, a newer fence has been issued for the plan, or a person has asked to
        take the wave back and this line goes forward.
        """
        ...

    def record(
        self, plan: str, kind: str, step: str, attempt: int, at: datetime, fence: int, detail: Mapping[str, object]
    ) -> Event:
        """Append at whatever seq comes next: for outcomes, and for `undo-asked` by a person (fence 0).

        Raises: RefusedError when a newer fence has been issued for the plan.
        """
        ...

    def events(self, plan: str) -> tuple[Event, ...]: ...

    def open_plans(self) -> tuple[str, ...]:
        """Plans opened and neither done nor rolled back; one asked to be undone, or halted, counts until it has come to its end."""
        ...

    def save_approval(self, approval: Approval) -> None:
        """Raises: RefusedError when the nonce already belongs to another approval."""
        ...

    def approvals(self, plan: str) -> tuple[Approval, ...]: ...

    def consume_nonce(self, nonce: str, plan: str, at: datetime) -> bool:
        """True for exactly one caller, for ever."""
        ...

    def acquire_lease(self, plan: str, hosts: Sequence[str], owner: str, at: datetime, ttl_s: int) -> Lease:
        """All hosts or none. The same owner takes its own plan over at once, with a higher fence.

        Raises: RefusedError naming the holder, since when, and the way out, while another live lease covers one of the hosts.
        """
        ...

    def renew_lease(self, lease: Lease, at: datetime, ttl_s: int) -> Lease:
        """Raises: RefusedError naming the new holder when somebody took over; late but untaken is granted."""
        ...

    def release_lease(self, lease: Lease) -> None:
        """Releasing what is no longer held changes nothing."""
        ...

    def holds(self, at: datetime) -> tuple[Hold, ...]:
        """Live holds, by host."""
        ...

    def save_dispatch(self, made: DispatchRecord, excludes: Sequence[str]) -> None:
        """Give the wave to one worker. excludes: waves that may not be in anybody's hands at the same time.

        Raises: RefusedError naming the worker, since when and until when, while this wave or an excluded one is dispatched.
        """
        ...

    def end_dispatch(self, task: str, at: datetime) -> None:
        """From now on it is nobody's; ending it twice changes nothing. Raises: UsageError for an unknown task."""
        ...

    def dispatches(self, wave: str = "") -> tuple[DispatchRecord, ...]:
        """Newest first; of every wave when none is named."""
        ...

    def append_receipt(self, envelope: bytes, digest: str, kind: str, run_key: str, at: datetime, seq: int | None = None) -> int:
        """The receipt's seq: 1, 2, 3 … without a gap. seq: the number inside the signed envelope, when it has one.

        Raises: RefusedError when that number is not the next one (another receipt came in between: sign again).
        """
        ...

    def receipt_head(self) -> tuple[int, str]:
        """(seq, digest) of the newest receipt; (0, "") before the first."""
        ...

    def receipts(self) -> tuple[tuple[int, str, bytes], ...]:
        """(seq, digest, exact envelope bytes), oldest first."""
        ...

    def receipted(self, run_key: str) -> bool:
        """Whether a receipt of that run is in the chain."""
        ...

    def append_changes(self, changes: Sequence[Change], head: int) -> bool:
        """Append all of them to the register, numbered from head + 1. False, and nothing is appended, when it has grown past `head`:
        what was decided on an older register is decided anew."""
        ...

    def changes(self) -> tuple[Change, ...]:
        """The whole register, oldest first."""
        ...

    def claim(self, subject: str, owner: str, at: datetime, ttl_s: int) -> Claim:
        """One live owner a subject; the same owner's second claim prolongs the first. Raises: RefusedError naming the holder."""
        ...

    def release_claim(self, subject: str, owner: str) -> bool:
        """False when that owner holds no such claim: somebody else's is never taken away."""
        ...

    def claims(self, at: datetime) -> tuple[Claim, ...]:
        """Live claims, by subject."""
        ...


class Work(Protocol):
    """What an engine drives: the fold over one plan's journal, and the acting. Both are app's; the journal is the truth."""

    def next_action(self) -> Action:
        """decide over the journal as it stands now."""
        ...

    def perform(self, action: Action) -> None:
        """Act and journal it. Safe to be called again for the same action after a crash.

        APPLY, UNDO: append_event the intent at the seq after the journal that was decided on, act, record the outcome; no
        answer from the host: record nothing and return (the next action is then a probe). PROBE, PROBE_UNDO: wait while it
        runs, record `probed`. FINISH, ROLLED_BACK, HALT: append_event the closing line unless the journal has it.
        Raises: WaveboardError to suspend the run (host unreachable, window closed, lease lost); resume goes on from the journal.
        """
        ...


class Engine(Protocol):
    """Drives one wave at a time, turn by turn, and goes on after a crash. Knows nothing of plans."""

    def claim(self, run: str) -> None:
        """Make this process the run's only driver until close or another claim. Before the lease: a second terminal must be sent
        away before it takes the lease over from the first. start and resume claim by themselves.

        Raises: RefusedError naming the process that drives it, or the run that this process drives.
        """
        ...

    def start(self, run: str, spec: Mapping[str, object], work: Work, limit: int) -> str:
        """A handle. run: stable name of the plan ([a-z0-9-]); spec: JSON-ready, for history; limit: most turns in one drive.

        Raises: RefusedError while another process drives the same run, or an unfinished drive waits to be resumed.
        """
        ...

    def resume(self, run: str, work: Work, limit: int) -> str:
        """Go on with an unfinished drive, or begin another one from the journal when none is.

        Raises: UsageError when the run was never started; RefusedError while another process drives it.
        """
        ...

    def wait(self, handle: str, timeout_s: float | None = None) -> RunEnd:
        """Raises: what perform raised; TimeoutError, and the run goes on."""
        ...

    def cancel(self, run: str) -> bool:
        """Stop between two actions, from any process; False when nothing was running."""
        ...

    def history(self, run: str) -> tuple[RunRecord, ...]:
        """Oldest first."""
        ...

    def close(self) -> None: ...


CrashPoint = Callable[[str], None]  # named places where the fault programme may end the process


class Signer(Protocol):
    """The controller's own receipt key (Ed25519), never an approval key."""

    @property
    def keyid(self) -> str: ...

    def sign(self, message: bytes) -> Signature: ...


class Archive(Protocol):
    """Receipts as files: what a stranger verifies, whatever became of the store."""

    def file(self, name: str, raw: bytes) -> None:
        """Written whole and durable; `checkpoint.json` replaces the one before, a receipt's name never comes twice."""
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """Held while a receipt is appended and filed, so that checkpoints are filed in order."""
        ...

    def has(self, name: str) -> bool: ...

    def read(self, name: str) -> bytes | None:
        """None when nothing is filed under that name."""
        ...

    def capture(self, name: str, raw: bytes) -> str:
        """A copy of a receipt under a name people look for, beside the archive; a newer one replaces it. The path, to be told."""
        ...

    def all(self) -> Mapping[str, bytes]:
        """Every filed name with its exact bytes."""
        ...


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
