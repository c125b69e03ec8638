"""The one place that picks real hands for the ports. Decides nothing else."""

import json
import os
import socket
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING

from waveboard.app import paper_files
from waveboard.app.ports import Engine, Hand
from waveboard.app.read import collect, one
from waveboard.app.receipting import belongs
from waveboard.app.site import Site
from waveboard.audit import bundle as bundles
from waveboard.contracts.expiry import expired
from waveboard.contracts.load import Loaded, estate_of, load, wanted
from waveboard.contracts.nodes import Document
from waveboard.model.contract import Complaint, Contract, Known, Unreadable
from waveboard.model.document import Recorded
from waveboard.model.errors import ContractError, EvidenceError, UsageError
from waveboard.model.evidence import Bundle, digest_of
from waveboard.model.receipt import Actor, ActorKind
from waveboard.receipts import bundle as receipt_bundle
from waveboard.receipts import sshsig
from waveboard.receipts.verify import Proven, verify
from waveboard.world import forked
from waveboard.world.archive import FileArchive
from waveboard.world.clock import SystemClock
from waveboard.world.commands import LocalCommands
from waveboard.world.crash import crash_point
from waveboard.world.documents import FileDocuments
from waveboard.world.files import MARK, find_workspace, instance_of, read_files, read_named, state_dir
from waveboard.world.keys import ReceiptKey
from waveboard.world.receipt_files import read_bundle, write_bundle
from waveboard.world.ssh_keygen import SshKeygen

if TYPE_CHECKING:
    from waveboard.contracts.bring import Brought


def locate(named: str | None) -> Path:
    """The workspace directory the caller means."""
    return find_workspace(named)


def load_contracts(directory: Path) -> Loaded:
    """Every contract of the workspace, checked against the shelves that exist in this code."""
    return load(*workspace_bytes(directory))


def workspace_bytes(directory: Path) -> tuple[bytes, Mapping[str, bytes | Unreadable], Known]:
    """waveboard.yaml, every file it asks for, and the shelves they are checked against."""
    text = read_named(str(directory / MARK), "workspace file")
    return text, read_files(directory, wanted(text)), shelves()


def gap_files(directory: Path) -> tuple[Document, ...]:
    """The usable files of the gap register, in their order."""
    estate = estate_of(*workspace_bytes(directory))
    return tuple(read.document for read in estate.gaps) if estate else ()


@cache
def shelves() -> Known:
    """The gates, checks and kinds of step that exist, and which storage rules they leave to nobody."""
    from waveboard.audit.probe import sections
    from waveboard.gates import shelf
    from waveboard.vms.parity import parity
    from waveboard.waves.shelf import shapes

    gates = {gate_id: tuple(gate.codes) for gate_id, gate in shelf.gates().items()}
    kinds = {name: kind.shape for name, kind in shelf.kinds().items()}
    known = Known(gates, shapes(), kinds, evidence=sections())
    told = parity(known)
    return replace(known, holes=told.holes, parity=told.digest)


def expired_waivers(loaded: Loaded) -> tuple[Complaint, ...]:
    """What `contracts check` says of the clock: waivers past their end."""
    return expired(loaded.contract, SystemClock().now()) if loaded.contract else ()


def site_of(directory: Path, say: Callable[[str], None]) -> Site:
    """The workspace with real hands. Raises: ContractError when its contracts cannot be used, ReceiptError when its store lost receipts."""
    from waveboard.world.hosts.hand_ssh import SshHand
    from waveboard.world.hosts.hand_workspace import HandRouter
    from waveboard.world.hosts.ssh import SshReader
    from waveboard.world.store.sql import open_store

    contract = _rooted(usable(load_contracts(directory)), directory)
    state, clock = state_dir(directory), SystemClock()
    key = ReceiptKey.open(state / "keys")
    archive, instance = FileArchive(state / "receipts"), instance_of(state, clock.token(16))
    archive.file(receipt_bundle.KEY, key.public_pem())
    site = Site(
        contract=contract,
        instance=instance,
        actor=actor(),
        reader=SshReader(),
        hand=_hand(HandRouter(SshHand(), directory), contract, directory, instance),
        store=open_store(contract.store, directory),
        archive=archive,
        engine=cache(lambda: _engine(contract.store, directory)),
        signer=key,
        verifier=_ssh_keygen(),
        clock=clock,
        gates=gates_digest(),
        say=say,
        crash=crash_point,
        documents=FileDocuments(directory, contract.siblings),
        commands=LocalCommands(directory, contract.commands.allow, contract.commands.pass_env, clock.now),
        runner=forked.run,
        reread=lambda: _rooted(usable(load_contracts(directory)), directory),
    )
    belongs(site)
    return site


def _hand(hosts: Hand, contract: Contract, directory: Path, instance: str) -> Hand:
    """The hosts' hands, and where the workspace names hypervisors, theirs."""
    if not contract.hypervisors:
        return hosts
    from waveboard import making
    from waveboard.world.hypervisors.hand import HypervisorHand, RoutedHand

    def of(name: str) -> HypervisorHand:
        makes, ground = making.hypervisor(contract, directory, name), making.ground(contract, directory)
        at = state_dir(directory) / "hypervisors" / name
        person = contract.approvals.person if contract.approvals else lambda who: None
        signers = lambda: workspace_signers(str(directory), contract)  # noqa: E731
        return HypervisorHand(
            name, instance, at, makes, ground, _ssh_keygen(), signers, SystemClock(), lambda who: person(who) or who
        )

    return RoutedHand(hosts, {name: cache(partial(of, name)) for name in contract.hypervisors})


def usable(loaded: Loaded) -> Contract:
    """Raises: ContractError naming the first error and how many there are."""
    if loaded.contract is None:
        errors = [c for c in loaded.complaints if c.level == "error"]
        first = errors[0]
        raise ContractError(
            "use the contracts", f"{first.place}: {first.message} ({len(errors)} in all)", "waveboard contracts check"
        )
    return loaded.contract


def _rooted(contract: Contract, directory: Path) -> Contract:
    """The same contract with key and known_hosts paths made absolute: nothing depends on where the command was typed."""

    def rooted(path: str | None) -> str | None:
        return None if path is None else str(directory / Path(path).expanduser())

    targets = tuple(
        replace(t, known_hosts=rooted(t.known_hosts), key_file=rooted(t.key_file), mutate_key_file=rooted(t.mutate_key_file))
        for t in contract.targets
    )
    return replace(contract, targets=targets)


def actor() -> Actor:
    """Who is at this door: WAVEBOARD_ACTOR (an `agent:` name is an agent), else the user at this machine."""
    named = os.environ.get("WAVEBOARD_ACTOR") or f"{getuser()}@{socket.gethostname()}"
    return Actor(named, ActorKind.AGENT if named.casefold().startswith("agent:") else ActorKind.HUMAN)


@cache
def gates_digest() -> str:
    """Digest of the code that judges: every source file of the gates, in name order."""
    from waveboard import gates

    sources = sorted(Path(gates.__path__[0]).rglob("*.py"))
    return digest_of(b"".join(digest_of(path.read_bytes()).encode() for path in sources))


def ssh_signer(key: str) -> Callable[[bytes], str]:
    """Signs approval messages with the person's own SSH key."""
    keygen = _ssh_keygen()
    return lambda message: keygen.sign(message, Path(key).expanduser())


def workspace_signers(directory: str, contract: Contract) -> str:
    """The text of the workspace's allowed_signers. Raises: UsageError when it is not there, or no text."""
    if contract.approvals is None:
        raise UsageError("check an approval", "the workspace names no approvals", "add `approvals:` to waveboard.yaml")
    path = str(Path(directory) / contract.approvals.allowed_signers)
    try:
        return read_named(path, "allowed signers").decode()
    except UnicodeDecodeError as error:
        because = f"{path}: byte {error.start} is not UTF-8"
        raise UsageError("check an approval", because, "write its comments in UTF-8, or leave them out") from None


def read_host(site: Site, host: str, paths: tuple[str, ...]) -> Bundle:
    """One fresh bundle of one host, with these paths probed."""
    return collect(site, (host,), paths)[host]


def read_bundle_file(path: str) -> Bundle:
    """The bundle in a file. Raises: UsageError, EvidenceError naming the file."""
    try:
        return bundles.from_json(read_named(path, "evidence"))
    except EvidenceError as error:
        raise EvidenceError(f"read the evidence bundle {path}", error.because, error.fix) from None


def read_papers(path: str) -> Recorded | None:
    """The recorded documents and command answers in a file; None when the file is no such evidence."""
    raw = read_named(path, "evidence")
    return paper_files.from_bytes(raw) if _schema(raw) == paper_files.SCHEMA else None


def _schema(raw: bytes) -> object:
    with suppress(ValueError, RecursionError):
        told = json.loads(raw)
        return told.get("schema") if isinstance(told, dict) else None
    return None


def brought_from(paths: Sequence[str]) -> tuple[Mapping[str, bytes], "Brought"]:
    """Register files from elsewhere: those named, and of a directory its loop files. Raises: UsageError."""
    from waveboard.contracts.bring import bring
    from waveboard.gates import shelf

    found = [one for path in map(Path, paths) for one in (sorted(path.rglob("*.scope.md")) if path.is_dir() else [path])]
    files = {str(path): read_named(str(path), "register") for path in found}
    if not files:
        raise UsageError("import the registers", f"{', '.join(paths)} holds no *.scope.md", "name the files themselves")
    return files, bring(files, Known({gate_id: tuple(gate.codes) for gate_id, gate in shelf.gates().items()}, {}))


def read_sysroot(directory: str, paths: tuple[str, ...]) -> Bundle:
    """The bundle of a recorded tree: the same constant program, told a root."""
    from waveboard.audit.placement_boot import BESIDE_ROOT
    from waveboard.world.hosts.local import LocalReader

    root, clock = str(Path(directory).resolve()), SystemClock()
    return one(LocalReader(), clock, Path(root).name, None, root, (*BESIDE_ROOT, *paths))


def verify_receipts(directory: str | None, context: MutableMapping[str, object]) -> Proven:
    """Judge an exported directory, or the workspace's own."""
    named = context.get("workspace")
    if directory is None:
        files = dict(FileArchive(locate(named if isinstance(named, str) else None) / ".waveboard" / "receipts").all())
    else:
        files = read_bundle(Path(directory))
    keygen = _ssh_keygen()
    return verify(files, keygen.principal_of)


def export_receipts(site: Site, directory: str) -> int:
    """The workspace's receipts with every object they name that the store still holds; returns how many files."""
    files: dict[str, bytes] = dict(site.archive.all())
    named = {d for _, _, raw in site.store.receipts() for d in receipt_bundle.digests_named(_payload(raw))}
    for digest in sorted(named):
        try:
            files[receipt_bundle.EVIDENCE + digest] = site.store.get_object("sha256:" + digest)
        except UsageError:
            continue  # a digest of something that was never ours to keep: a plan's host key, a file on a host
    write_bundle(Path(directory), files)
    return len(files)


def _payload(raw: bytes) -> bytes:
    from waveboard.receipts import envelope

    return envelope.from_bytes(raw).payload


def _ssh_keygen() -> SshKeygen:
    return SshKeygen(sshsig.parse, sshsig.NAMESPACE)


def _engine(store: str, directory: Path) -> Engine:
    from waveboard.world.engine import DbosEngine

    return DbosEngine(store, directory)
