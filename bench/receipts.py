"""Receipts: sign and append, and verify, each beside the raw work below it. `python bench/receipts.py [ROUNDS]`

Medians over interleaved rounds. Appends are wall time in a temporary directory (TMPDIR decides on which disk), the rest CPU time.
"""

import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from waveboard.model.receipt import GENESIS, Actor, ActorKind, Head, Receipt, Subject
from waveboard.receipts import bundle, chain, verify
from waveboard.world.archive import FileArchive
from waveboard.world.keys import ReceiptKey
from waveboard.world.store.connect import pragmas
from waveboard.world.store.sql import open_store

AT = datetime(2026, 2, 26, 3, 38, 31, tzinfo=UTC)
APPENDS, CHAIN = 60, 1000
RAW = "raw SQLite commit, the store's own pragmas"
BODY = {"pack": "mint", "summary": "18 gates: 15 pass, 1 fail, 1 unknown, 1 not-applicable, 2 waived", "complete": False}
SUBJECTS = (Subject("report/mint", "a" * 64), Subject("bundle/mint-data", "b" * 64))


def draft(number: int) -> Receipt:
    key = f"CAP-20260226-033831__verify.pack.run__R{number}"
    return Receipt("verify", key, "bench", Actor("bench", ActorKind.MACHINE), AT, True, SUBJECTS, BODY)


def per_second(work: Callable[[], int], clock: Callable[[], float]) -> float:
    """work returns how many it did."""
    start = clock()
    done = work()
    return done / (clock() - start)


def appends(directory: Path, key: ReceiptKey) -> dict[str, Callable[[], int]]:
    """Each appends APPENDS receipts durably, one at a time."""
    store, archive = open_store("sqlite:///bench.db", directory), FileArchive(directory / "receipts")
    raw = sqlite3.connect(directory / "raw.db", isolation_level=None)
    for pragma in pragmas():
        raw.execute(f"PRAGMA {pragma}")
    raw.execute("CREATE TABLE receipts (seq INTEGER PRIMARY KEY, digest TEXT UNIQUE, envelope BLOB)")
    sample = chain.append(GENESIS, draft(0), key.sign).raw
    count = [0]

    def raw_commit() -> int:
        for _ in range(APPENDS):
            count[0] += 1
            raw.execute("INSERT INTO receipts (digest, envelope) VALUES (?, ?)", (str(count[0]), sample))
        return APPENDS

    def one(filed: bool) -> None:
        seq, digest = store.receipt_head()
        head = Head(seq, digest.removeprefix("sha256:")) if seq else GENESIS
        count[0] += 1
        link = chain.append(head, draft(count[0]), key.sign)
        store.append_receipt(link.raw, f"sha256:{link.sha256}", "verify", link.receipt.run_key, AT, link.head.seq)
        if filed:
            archive.file(bundle.RECEIPTS + link.name, link.raw)
            archive.file(bundle.CHECKPOINT, chain.checkpoint(link.head, "bench", AT, key.sign))

    def stored() -> int:
        for _ in range(APPENDS):
            one(filed=False)
        return APPENDS

    def filed() -> int:
        for _ in range(APPENDS):
            one(filed=True)
        return APPENDS

    return {RAW: raw_commit, "sign, append to the store": stored, "the same, and file it": filed}


def checks(key: ReceiptKey) -> dict[str, Callable[[], int]]:
    """Each verifies CHAIN receipts in memory."""
    head, links = GENESIS, []
    for number in range(CHAIN):
        links.append(chain.append(head, draft(number), key.sign))
        head = links[-1].head
    raws = [link.raw for link in links]
    files = bundle.files(raws, key.public, chain.checkpoint(head, "bench", AT, key.sign), {})
    signed = [(key.sign(link.payload).sig, link.payload) for link in links]
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public = Ed25519PublicKey.from_public_bytes(key.public)

    def raw_verify() -> int:
        for sig, payload in signed:
            public.verify(sig, payload)
        return CHAIN

    def hashes() -> int:
        for raw in raws:
            sha256(raw).hexdigest()
        return CHAIN

    def refuse(*_: object) -> str:
        raise AssertionError("the bench has no approvals")

    return {
        "raw sha256": hashes,
        "raw Ed25519 verify": raw_verify,
        "follow the chain": lambda: len(list(chain.follow(raws, key.public))),
        "verify a whole bundle": lambda: verify.verify(files, refuse).head.seq,
        "sign only (chain.append)": lambda: len([chain.append(GENESIS, link.receipt, key.sign) for link in links]),
    }


def table(title: str, work: dict[str, Callable[[], int]], beside: str, rounds: int, clock: Callable[[], float]) -> None:
    """Medians of interleaved rounds; the ratio is of each round's own pair."""
    rates: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            rates[name].append(per_second(run, clock))
    print(f"\n| {title} | per second, median | min..max | time beside {beside} |\n|---|---:|---|---:|")
    for name, found in rates.items():
        ratio = statistics.median(b / r for b, r in zip(rates[beside], found, strict=True))
        print(f"| {name} | {statistics.median(found):,.0f} | {min(found):,.0f}..{max(found):,.0f} | {ratio:.2f}x |")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory() as scratch:
        key = ReceiptKey.open(Path(scratch, "keys"))
        table("append, durable, one at a time (wall)", appends(Path(scratch), key), RAW, rounds, time.perf_counter)
        table(f"verify {CHAIN:,} receipts (CPU, one core)", checks(key), "raw Ed25519 verify", rounds, time.process_time)


if __name__ == "__main__":
    main()
