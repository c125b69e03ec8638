#!/usr/bin/python3 -I
"""The hand of waveboard: performs the typed verbs of a signed plan on this host, journals them and can undo them.

Installed as /usr/local/libexec/waveboard/wb-hand and reached only through sudo without arguments; docs/hand.md is its
protocol. It runs no command it is given, removes a tree only if it set that tree aside itself, and an image or a build cache
record only by the id a signed plan lists; nothing is pruned by rule.
Standard library only, Python >= 3.9, one file on purpose: whoever owns a host can read all that may ever change it.
"""

# File descriptors and exact system calls on purpose, so no pathlib:
# ruff: noqa: PTH100, PTH101, PTH102, PTH103, PTH104, PTH106, PTH108, PTH110, PTH112, PTH113, PTH114, PTH115, PTH116, PTH120, PTH123, PTH208, RUF012, SIM905
from __future__ import annotations

import base64
import contextlib
import fcntl
import gzip
import hashlib
import hmac
import html
import http.client
import json
import os
import re
import selectors
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

VERSION = 1
INSTALLED = "/usr/local/libexec/waveboard/wb-hand"
NAMESPACE = "waveboard-approval@v1"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
STATE = "/var/lib/waveboard"
RUNTIME = "/run/waveboard"
MAX_REQUEST = 4 << 20
MAX_OUTPUT = 32 << 20
MAX_LINE = 1 << 20
UNDO_ATTEMPTS = 5
UNDO_TIMER_S = 600
GIB = 1 << 30
ROOT = ""  # not empty only under --test-root

Json = dict[str, Any]


class Refused(Exception):
    """The hand says no, or a step failed. `fix` is the way out for a person."""

    def __init__(self, code: str, cannot: str, because: str, fix: str = "") -> None:
        super().__init__(f"cannot {cannot}: {because}")
        self.code, self.cannot, self.because, self.fix = code, cannot, because, fix

    def told(self) -> Json:
        return {"code": self.code, "cannot": self.cannot, "because": self.because[:4000], "fix": self.fix}


# ---------------------------------------------------------------------------------------------- running tools, files


class Ran(NamedTuple):
    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "replace")

    @property
    def said(self) -> str:
        """The end of what it complained, for a message."""
        return (self.err or self.out).decode("utf-8", "replace").strip()[-800:]


def environment() -> dict[str, str]:
    path = f"{ROOT}/stubs:{PATH}" if ROOT else PATH
    return {"PATH": path, "LC_ALL": "C", "LANG": "C", "HOME": "/root", "TZ": "UTC"}


def tool(name: str) -> str:
    found = shutil.which(name, path=environment()["PATH"])
    if not found:
        raise Refused("tool-missing", f"run {name}", "it is not installed on this host", f"install the package that holds {name}")
    return found


def run(
    argv: Sequence[str],
    *,
    seconds: float = 60,
    stdin: bytes = b"",
    check: bool = True,
    env: Mapping[str, str] | None = None,
    watch: Callable[[bytes], None] | None = None,
) -> Ran:
    """Run one fixed tool with a deadline and a cap on its output; `watch` sees stdout as it comes instead of keeping it."""
    words = [tool(argv[0]), *argv[1:]]
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment(), **(env or {})},
        cwd="/",
    )
    kept: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
    feeder = threading.Thread(target=_feed, args=(process, stdin), daemon=True)
    feeder.start()
    deadline = time.monotonic() + seconds
    try:
        with selectors.DefaultSelector() as selector:
            for name, pipe in (("out", process.stdout), ("err", process.stderr)):
                assert pipe is not None
                selector.register(pipe, selectors.EVENT_READ, name)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Refused("timeout", f"run {argv[0]}", f"it took longer than {seconds:.0f} s")
                for key, _ in selector.select(min(left, 5)):
                    chunk = os.read(key.fd, 65536)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif key.data == "out" and watch is not None:
                        watch(chunk)
                    else:
                        kept[key.data] += chunk
                        if len(kept[key.data]) > MAX_OUTPUT:
                            raise Refused("tool-failed", f"run {argv[0]}", f"it printed more than {MAX_OUTPUT} bytes")
        code = process.wait(timeout=max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise Refused("timeout", f"run {argv[0]}", f"it took longer than {seconds:.0f} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        feeder.join(5)
    ran = Ran(code, bytes(kept["out"]), bytes(kept["err"]))
    if check and code != 0:
        raise Refused("tool-failed", f"run {' '.join(argv[:3])}", f"status {code}: {ran.said}")
    return ran


def _feed(process: subprocess.Popen[bytes], stdin: bytes) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.write(stdin)
        with contextlib.suppress(OSError):
            process.stdin.close()


def at(path: str) -> str:
    """Where a host path really is: itself, or below the root of a test."""
    return ROOT + path


def sha_of(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def read_bytes(path: str, limit: int = 8 << 20) -> bytes:
    """A regular file's bytes; never through a symbolic link."""
    handle = os.open(at(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Refused("precondition", f"read {path}", "it is not a regular file")
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise Refused("precondition", f"read {path}", f"it is larger than {limit} bytes")
    return raw


def read_or_none(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except FileNotFoundError:
        return None


def text_of(path: str) -> str:
    """A small kernel or configuration file, "" when it is absent."""
    try:
        with open(at(path), "rb") as file:
            return file.read(1 << 20).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def sync_directory(path: str) -> None:
    handle = os.open(at(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: str, raw: bytes, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Temporary file, fsync, rename, fsync of the directory: after a crash the file is the old one or the new one."""
    directory, name = os.path.split(path)
    temporary = f"{directory}/.{name}.wb-{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(at(temporary))
    handle = os.open(at(temporary), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(raw)
        file.flush()
        os.fchmod(file.fileno(), mode)
        if owner is not None:
            os.fchown(file.fileno(), *owner)
        os.fsync(file.fileno())
    os.rename(at(temporary), at(path))
    sync_directory(directory)


def swap(path: str, before: str | None, after: bytes | None, mode: int = 0o644) -> bool:
    """Compare-and-swap of a whole file; `before` is its sha256 or None for absent, `after` None removes it. False: already so."""
    now = read_or_none(path)
    if now == after:
        return False
    if (sha_of(now) if now is not None else None) != before:
        raise Refused(
            "changed", f"change {path}", "its content is not what the plan was made from", "audit again and make a new plan"
        )
    if after is None:
        os.unlink(at(path))
        sync_directory(os.path.dirname(path))
        return True
    owner = None
    if now is not None:
        status = os.stat(at(path), follow_symlinks=False)
        mode, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
    write_atomic(path, after, mode, owner)
    return True


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Json:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key appears twice")
    return made


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def parse_json(raw: bytes | str, what: str) -> Json:
    """One JSON object; duplicate keys, NaN and deep nesting are refused."""
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        if _depth(value) > 24:
            raise ValueError("it is nested too deeply")
    except (ValueError, RecursionError) as why:
        raise Refused("bad-request", f"read {what}", f"it is not strict JSON ({why})") from None
    if not isinstance(value, dict):
        raise Refused("bad-request", f"read {what}", "it is not a JSON object")
    return value


def _depth(value: Any, level: int = 0) -> int:
    if level > 30:
        return level
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((_depth(one, level + 1) for one in inner), default=level)


def dumped(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def now_text() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: UP017 (3.9)


# ---------------------------------------------------------------------------------------------- grammar of arguments

Check = Callable[[Any], bool]
HOST = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
STEP = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
FORBIDDEN = "/bin /boot /dev /etc /lib /lib32 /lib64 /proc /root /run /sbin /sys /tmp /usr /var/lib/waveboard".split()


def word(pattern: str | re.Pattern[str], longest: int = 512) -> Check:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and len(value) <= longest and compiled.fullmatch(value) is not None


def integer(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def one_of(*values: Any) -> Check:
    return lambda value: any(value is one or (type(value) is type(one) and value == one) for one in values)


def list_of(check: Check, longest: int = 2000) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= longest and all(check(one) for one in value)


def shape(keys: Mapping[str, Check]) -> Check:
    return lambda value: isinstance(value, dict) and set(value) == set(keys) and all(keys[key](value[key]) for key in keys)


def content(longest: int = 1 << 19) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= longest and "\0" not in value


def is_path(value: Any) -> bool:
    """Absolute, normalised, of tame characters, and outside what the hand never touches."""
    if not isinstance(value, str) or not re.fullmatch(r"(/[A-Za-z0-9._@+:-]+)+", value) or len(value) > 512:
        return False
    if any(part in (".", "..") for part in value.split("/")):
        return False
    return not any(value == bad or value.startswith(bad + "/") for bad in FORBIDDEN)


truth = one_of(True, False)


def demand_keys(value: Json, keys: Mapping[str, Check], what: str) -> None:
    """Raises: Refused(bad-request) naming the first key that is missing, unknown or not of the agreed form."""
    for key in [*keys, *value]:
        if key not in value:
            raise Refused("bad-request", f"accept {what}", f"{key!r} is missing")
        if key not in keys:
            raise Refused("bad-request", f"accept {what}", f"{key[:60]!r} is not a key of it")
        if not keys[key](value[key]):
            raise Refused("bad-request", f"accept {what}", f"{key!r} is not of the agreed form (docs/hand.md)")


def plain_path(path: str) -> None:
    """Raises: Refused when any existing component of path is a symbolic link."""
    grown = ""
    for part in path.strip("/").split("/"):
        grown += "/" + part
        try:
            status = os.lstat(at(grown))
        except FileNotFoundError:
            return
        if stat.S_ISLNK(status.st_mode):
            raise Refused("precondition", f"use {path}", f"{grown} is a symbolic link")


# ---------------------------------------------------------------------------------------------- journal, fence, locks


class Journal:
    """Append-only, hash-chained JSON lines. A line is on disk when `append` returns."""

    def __init__(self) -> None:
        self.path = f"{STATE}/journal.jsonl"

    def append(self, kind: str, **fields: Any) -> Json:
        handle = os.open(at(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last, torn = self._tail(file)
            if torn:
                last = self._put(file, last, "repaired", {"detail": {"cut_bytes": torn}})
            return parse_json(self._put(file, last, kind, fields), "journal line")

    def _put(self, file: Any, last: bytes, kind: str, fields: Json) -> bytes:
        seq = parse_json(last, "journal line")["seq"] + 1 if last else 1
        entry = {"seq": seq, "at": now_text(), "kind": kind, "prev": sha_of(last) if last else None, **fields}
        line = dumped(entry).encode()
        if len(line) > MAX_LINE:
            raise Refused("internal", "journal a line", f"it has {len(line)} bytes")
        file.seek(0, os.SEEK_END)
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
        if not last:
            sync_directory(STATE)
        return line

    def _tail(self, file: Any) -> tuple[bytes, int]:
        """The last whole line, and how many bytes of a torn one were cut off after it."""
        end = file.seek(0, os.SEEK_END)
        start = max(0, end - 2 * MAX_LINE - 2)
        file.seek(start)
        raw: bytes = file.read()
        whole = raw.rfind(b"\n") + 1
        torn = len(raw) - whole
        if torn:
            file.truncate(start + whole)
        lines = raw[:whole].rstrip(b"\n").rsplit(b"\n", 1)
        return lines[-1], torn

    def lines(self) -> list[bytes]:
        """Every whole line, chain checked. Raises: Refused(state-damaged)."""
        try:
            with open(at(self.path), "rb") as file:
                raw = file.read()
        except FileNotFoundError:
            return []
        lines = raw.split(b"\n")[:-1]
        before: bytes | None = None
        for number, line in enumerate(lines, 1):
            try:
                entry = parse_json(line, "journal line")
                good = entry["seq"] == number and entry["prev"] == (sha_of(before) if before is not None else None)
            except (Refused, KeyError):
                good = False
            if not good:
                raise Refused(
                    "state-damaged", "trust the journal", f"line {number} of {self.path} does not follow the one before"
                )
            before = line
        return lines

    def entries(self) -> list[Json]:
        return [parse_json(line, "journal line") for line in self.lines()]


@dataclass
class StepRecord:
    """What the journal says of one step of one plan. state: none applying applied failed undoing undone undo-failed."""

    state: str = "none"
    attempts: dict[str, int] = field(default_factory=lambda: {"do": 0, "undo": 0})
    forgiven: int = 0  # undo attempts before a person settled the step
    worded: bool = False  # its state is a person's word, not what this hand did
    outcomes: dict[tuple[str, int], Json] = field(default_factory=dict)


@dataclass
class PlanRecord:
    steps: dict[str, StepRecord] = field(default_factory=dict)
    opened: bool = False
    closed: str = ""
    undone: bool = False  # an undo has begun: this plan never goes forward again
    settled: list[str] = field(default_factory=list)  # nonces of the words that led it out of a halt

    def step(self, name: str) -> StepRecord:
        return self.steps.setdefault(name, StepRecord())


def history(entries: Sequence[Json]) -> dict[str, PlanRecord]:
    """The pure fold of the journal: plan digest -> what happened."""
    plans: dict[str, PlanRecord] = {}
    for entry in entries:
        plan = plans.setdefault(entry.get("plan", ""), PlanRecord())
        if entry["kind"] == "opened":
            plan.opened = True
        elif entry["kind"] == "closed":
            plan.closed = entry["detail"]["result"]
        elif entry["kind"] == "settled":
            plan.closed, plan.undone = "", True
            plan.settled.append(entry["detail"]["nonce"])
            for name, word_ in entry["detail"]["steps"].items():
                step = plan.step(name)
                step.state, step.forgiven = ("applied" if word_ == "done" else "undone"), step.attempts["undo"]
                step.worded = True
        elif entry["kind"] in ("intent", "outcome"):
            step, phase, attempt = plan.step(entry["step"]), entry["phase"], entry["attempt"]
            if entry["kind"] == "intent":
                step.attempts[phase] = attempt
                step.state, step.worded = ("applying" if phase == "do" else "undoing"), False
                plan.undone = plan.undone or phase == "undo"
            else:
                done = entry["detail"]["result"] == "done"
                step.outcomes[(phase, attempt)] = entry["detail"]
                step.state = ("applied" if done else "failed") if phase == "do" else ("undone" if done else "undo-failed")
    plans.pop("", None)
    return plans


@contextlib.contextmanager
def locked(name: str, wait_s: float = 20) -> Iterator[None]:
    """An exclusive flock. Raises: Refused(busy) when somebody else keeps it longer than wait_s."""
    handle = os.open(at(f"{STATE}/{name}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= deadline:
                    raise Refused("busy", "act", f"another call holds {name}", "ask again in a moment") from None
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)


def highest_fence() -> int:
    raw = text_of(f"{STATE}/fence")
    if raw and not re.fullmatch(r"[0-9]{1,18}", raw):
        raise Refused("state-damaged", "trust the fence", f"{STATE}/fence holds no number")
    return int(raw or "0")


def raise_fence(fence: int, cannot: str) -> None:
    """Refuse a lower fence than any seen; remember a higher one on disk before anything else happens."""
    highest = highest_fence()
    if fence < highest:
        because = f"fence {fence} is lower than {highest}, which this host has already seen"
        raise Refused("fence-lower", cannot, because, "another worker took over; take the lease again")
    if fence > highest:
        write_atomic(f"{STATE}/fence", str(fence).encode())


def load_state(name: str, empty: Any) -> Any:
    raw = read_or_none(f"{STATE}/{name}")
    if raw is None:
        return empty
    try:
        return json.loads(raw)
    except ValueError:
        raise Refused("state-damaged", f"read {STATE}/{name}", "it is not JSON") from None


def save_state(name: str, value: Any) -> None:
    write_atomic(f"{STATE}/{name}", dumped(value).encode())


def make_state() -> None:
    for path in (STATE, f"{STATE}/plans"):
        os.makedirs(at(path), mode=0o700, exist_ok=True)
        status = os.lstat(at(path))
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise Refused("state-damaged", f"use {path}", "it is not a directory of root alone (0700)")
    os.makedirs(at(f"{RUNTIME}/progress"), mode=0o700, exist_ok=True)


# ---------------------------------------------------------------------------------------------- what was set aside


class Aside:
    """The register of everything this hand set aside: the only things `retire` may ever remove."""

    @staticmethod
    def all() -> list[Json]:
        entries: list[Json] = load_state("aside.json", [])
        return entries

    @staticmethod
    def _change(change: Callable[[list[Json]], None]) -> None:
        with locked("aside.lock"):
            entries = Aside.all()
            change(entries)
            save_state("aside.json", entries)

    @staticmethod
    def add(entry: Json) -> None:
        """Registering the same thing again (a resumed step) keeps the first entry."""
        key = (entry["plan"], entry["kind"], entry["path"], entry["volume"])

        def change(entries: list[Json]) -> None:
            if not any(
                (one["plan"], one["kind"], one["path"], one["volume"]) == key and one["state"] == "aside" for one in entries
            ):
                entries.append({**entry, "id": len(entries) + 1, "at": now_text(), "state": "aside"})

        Aside._change(change)

    @staticmethod
    def mark(number: int, state: str) -> None:
        def change(entries: list[Json]) -> None:
            for one in entries:
                if one["id"] == number:
                    one["state"] = state

        Aside._change(change)

    @staticmethod
    def find(*, path: str | None = None, volume: str | None = None) -> Json | None:
        """The newest live entry for a path or a volume."""
        for one in reversed(Aside.all()):
            if one["state"] == "aside" and ((path and one["path"] == path) or (volume and one["volume"] == volume)):
                return one
        return None

    @staticmethod
    def still_needed(entry: Json, plans: Mapping[str, PlanRecord]) -> str:
        """Why the step that set this aside, as it stands, may yet want it back; "" when it does not."""
        step = plans.get(entry["plan"], PlanRecord()).step(entry["step"])
        if step.state not in ("applied", "undone"):  # undone and still aside: what was written since was carried back beside it
            return f"the step that set it aside is {step.state}, neither applied nor undone"
        if step.state == "undone" and step.worded:
            return "the step that set it aside is undone by a person's word and not by this hand: it may be the only copy"
        return ""


# ---------------------------------------------------------------------------------------------- plan and approval

REVERSIBILITY = one_of("exact", "restorable", "compensable", "none")
STEP_KEYS: Mapping[str, Check] = {
    "id": word(STEP),
    "verb": word(NAME),
    "host": word(HOST),
    "title": content(2000),
    "args": lambda value: isinstance(value, dict),
    "reversibility": REVERSIBILITY,
    "commands": list_of(content()),
    "undo_commands": list_of(content()),
    "copy_bytes": integer(0, 1 << 60),
    "downtime_s": integer(0, 10**7),
    "loss_window_s": integer(0, 10**7),
    "stops": list_of(content(300)),
    "deletes": list_of(content(700)),
    "evidence": list_of(content(2000)),
    "limit_s": integer(1, 86400),
    "attempts": integer(1, 10),
}
MESSAGE_KEYS: Mapping[str, Check] = {
    "schema": one_of("waveboard.approval/1"),
    "instance": word(NAME),
    "plan": word(DIGEST),
    "wave": word(NAME),
    "hosts": list_of(word(HOST)),
    "principal": word(PRINCIPAL),
    "nonce": word("[0-9a-f]{32}"),
    "not_before": content(40),
    "not_after": content(40),
    "deletes": list_of(content(700)),
    "downtime_s": integer(0, 10**9),
    "max_uses": one_of(1),
}


def instant(value: Any, what: str) -> float:
    """Seconds since the epoch from RFC 3339 with a zone."""
    try:
        parsed = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        if parsed.tzinfo is None:
            raise ValueError
    except ValueError:
        raise Refused("bad-request", f"read {what}", "it is not an RFC 3339 instant with a time zone") from None
    return parsed.timestamp()


def in_window(holder: Json, what: str) -> None:
    now = time.time()
    begins, ends = (instant(holder[key], f"{key} of {what}") for key in ("not_before", "not_after"))
    if not begins <= now < ends:
        because = f"this host's clock says {now_text()}, {what} allows {holder['not_before']} to {holder['not_after']}"
        raise Refused("outside-window", "start", because, "wait for the window, or make and sign a new plan")


def in_slot(plan: Json, fresh: bool) -> None:
    """Nothing begins outside the plan's own change windows; with overrun `finish`, what is under way may, until the plan's end."""
    now = time.time()
    spans = [[instant(slot[key], f"{key} of a slot") for key in ("not_before", "not_after")] for slot in plan["slots"]]
    if not any(begins <= now < ends for begins, ends in spans) and (fresh or plan["overrun"] != "finish"):
        because = f"this host's clock says {now_text()}, and none of the plan's {len(spans)} change windows is open"
        raise Refused("outside-window", "start", because, "wait for the next one, or make and sign a new plan")


def slot_form(one: Any) -> bool:
    return isinstance(one, dict) and set(one) == {"not_before", "not_after"} and all(content(40)(value) for value in one.values())


class Identity(NamedTuple):
    instance: str
    hostname: str
    machine_id: str


def identity() -> Identity:
    raw = read_or_none("/etc/waveboard/hand.json")
    if raw is None:
        raise Refused("not-installed", "act", "/etc/waveboard/hand.json is absent", "install the hand on this host")
    settings = parse_json(raw, "/etc/waveboard/hand.json")
    demand_keys(settings, {"instance": word(NAME), "hostname": word(HOST)}, "/etc/waveboard/hand.json")
    machine = text_of("/etc/machine-id")
    if not re.fullmatch(r"[0-9a-f]{32}", machine):
        raise Refused("not-installed", "act", "/etc/machine-id holds no machine id")
    return Identity(settings["instance"], settings["hostname"], machine)


@dataclass(frozen=True)
class Opened:
    """A plan as this host keeps it."""

    digest: str
    body: Json
    host: str

    @property
    def short(self) -> str:
        return self.digest[7:15]

    @property
    def directory(self) -> str:
        return f"{STATE}/plans/{self.digest[7:]}"

    @property
    def steps(self) -> list[Json]:
        """This host's steps, in order."""
        return [one for one in self.body["steps"] if one["host"] == self.host]

    def step(self, name: str) -> Json:
        for one in self.steps:
            if one["id"] == name:
                return one
        raise Refused("unknown-step", f"find step {name!r}", "the plan has no such step for this host")


def judge_plan(text: str, digest: str, me: Identity) -> Opened:
    """Everything about a plan that does not depend on who signed it or when. Raises: Refused."""
    if sha_of(text.encode()) != digest:
        raise Refused("plan-differs", "open the plan", "its bytes do not have the digest that was named")
    plan = parse_json(text, "the plan")
    need = "schema instance wave kind hosts read_only_hosts not_before not_after quorum four_eyes proposer steps slots overrun".split()
    for key in need:
        if key not in plan:
            raise Refused("bad-request", "open the plan", f"it has no {key!r}")
    wave, steps = word("[A-Za-z0-9][A-Za-z0-9._-]{0,31}"), list_of(lambda one: isinstance(one, dict), 500)
    host = list_of(
        lambda one: isinstance(one, dict) and word(HOST)(one.get("host")) and isinstance(one.get("machine_id"), str), 100
    )
    forms: Mapping[str, Check] = {
        "schema": one_of("waveboard.plan/1"),
        "instance": word(NAME),
        "wave": wave,
        "kind": one_of("wave", "retire"),
        "hosts": host,
        "read_only_hosts": list_of(word(HOST)),
        "quorum": integer(1, 20),
        "four_eyes": truth,
        "proposer": content(200),
        "steps": steps,
        "slots": list_of(slot_form, 500),
        "overrun": one_of("finish", "pause", "rollback"),
    }
    for key, check in forms.items():
        if not check(plan[key]):
            raise Refused("bad-request", "open the plan", f"{key!r} is not of the agreed form")
    if plan["instance"] != me.instance:
        raise Refused("wrong-instance", "open the plan", f"it belongs to {plan['instance']!r}, this host to {me.instance!r}")
    mine = [one for one in plan["hosts"] if one["machine_id"] == me.machine_id]
    if len(mine) != 1 or mine[0]["host"] != me.hostname:
        raise Refused(
            "wrong-host", "open the plan", f"{me.hostname} with its machine id is not one of the plan's hosts", "audit again"
        )
    if me.hostname in plan["read_only_hosts"]:
        raise Refused("read-only-host", "open the plan", f"{me.hostname} is read-only in it")
    _judge_steps(plan)
    return Opened(digest, plan, me.hostname)


def _judge_steps(plan: Json) -> None:
    names = {one["host"] for one in plan["hosts"]} - set(plan["read_only_hosts"])
    seen: set[str] = set()
    for step in plan["steps"]:
        what = f"step {str(step.get('id'))[:40]!r}"
        demand_keys(step, STEP_KEYS, what)
        if step["id"] in seen:
            raise Refused("bad-request", f"accept {what}", "its id is used twice")
        seen.add(step["id"])
        if step["host"] not in names:
            raise Refused("read-only-host", f"accept {what}", f"{step['host']} may not be changed by this plan")
        verb = VERBS.get(step["verb"])
        if verb is None:
            raise Refused(
                "bad-request", f"accept {what}", f"{step['verb']!r} is no verb of this hand", f"it has {', '.join(VERBS)}"
            )
        if (step["verb"] == "retire") != (plan["kind"] == "retire"):
            raise Refused("bad-request", f"accept {what}", "only a retire plan retires, and it does nothing else")
        demand_keys(step["args"], verb.keys, f"the arguments of {what}")
        verb.judge(step)


def canonical_armor(signature: str) -> str:
    """SSHSIG armor as ssh-keygen writes it. `ssh-keygen -Y verify` accepts altered armor, so any other text is refused."""
    begin, end = "-----BEGIN SSH SIGNATURE-----\n", "\n-----END SSH SIGNATURE-----\n"
    inner = signature[len(begin) : -len(end)] if signature.startswith(begin) and signature.endswith(end) else ""
    try:
        encoded = base64.b64encode(base64.b64decode(inner.replace("\n", ""), validate=True)).decode()
    except ValueError:
        return ""
    return begin + "\n".join(encoded[n : n + 70] for n in range(0, len(encoded), 70)) + end if encoded else ""


def verify_signature(principal: str, message: str, signature: str, directory: str) -> None:
    """Raises: Refused unless `principal` of /etc/waveboard/allowed_signers signed exactly these bytes for approvals."""
    cannot, signers = "accept an approval", "/etc/waveboard/allowed_signers"
    try:
        status = os.lstat(at(signers))
    except FileNotFoundError:
        raise Refused("not-installed", cannot, f"{signers} is absent") from None
    if not stat.S_ISREG(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise Refused("not-installed", cannot, f"{signers} is not root's alone to write")
    if canonical_armor(signature) != signature:
        raise Refused("approval-void", cannot, "the signature's armor is not the one ssh-keygen writes")
    file = f"{directory}/.signature-{os.getpid()}"
    write_atomic(file, signature.encode())
    try:
        argv = ["ssh-keygen", "-Y", "verify", "-f", at(signers), "-I", principal, "-n", NAMESPACE, "-s", at(file)]
        ran = run(argv, seconds=20, stdin=message.encode(), check=False)
    finally:
        os.unlink(at(file))
    if ran.code != 0:
        raise Refused(
            "approval-void", cannot, f"ssh-keygen does not accept it for {principal}: {ran.said}", "sign this plan again"
        )


def judge_approval(plan: Opened, approval: Json) -> Json:
    """The parsed message of one approval that counts for this plan now (nonces aside). Raises: Refused."""
    demand_keys(approval, {"message": content(1 << 16), "signature": content(1 << 14)}, "an approval")
    message = parse_json(approval["message"], "an approval")
    demand_keys(message, MESSAGE_KEYS, "an approval")
    body, steps = plan.body, plan.body["steps"]
    agreed = {
        "plan": plan.digest,
        "instance": body["instance"],
        "wave": body["wave"],
        "hosts": sorted(one["host"] for one in body["hosts"]),
        "deletes": [path for step in steps for path in step["deletes"]],
        "downtime_s": sum(step["downtime_s"] for step in steps),
    }
    for key, value in agreed.items():
        if message[key] != value:
            raise Refused("approval-void", "accept an approval", f"its {key!r} is not the plan's", "sign this plan again")
    in_window(message, f"the approval of {message['principal']}")
    verify_signature(message["principal"], approval["message"], approval["signature"], plan.directory)
    return message


def op_open(request: Json) -> Json:
    checks = {"op": content(), "plan": word(DIGEST), "text": content(MAX_REQUEST), "fence": integer(1, 10**15)}
    demand_keys(request, {**checks, "approvals": list_of(lambda one: isinstance(one, dict), 20)}, "the request")
    me = identity()
    plan = judge_plan(request["text"], request["plan"], me)
    in_window(plan.body, "the plan")
    past = history(Journal().entries())
    record = past.get(plan.digest, PlanRecord())
    in_slot(plan.body, fresh=not record.opened)
    if record.closed:
        raise Refused("plan-closed", "open the plan", f"it was closed as {record.closed}", "make and sign a new plan")
    for digest, other in past.items():
        if other.opened and other.closed in ("", "halted") and digest != plan.digest:
            how = "halted" if other.closed else "still open"
            raise Refused(
                "already-open", "open the plan", f"plan {digest} is {how} on this host", "bring that one to its end first"
            )
    os.makedirs(at(plan.directory), mode=0o700, exist_ok=True)
    messages = [judge_approval(plan, one) for one in request["approvals"]]
    principals = sorted({message["principal"] for message in messages})
    _judge_signers(plan.body, principals)
    nonces: dict[str, str] = load_state("nonces.json", {})
    for message in messages:
        if nonces.get(message["nonce"], plan.digest) != plan.digest:
            raise Refused("approval-replayed", "open the plan", "its approval was already used for another plan")
    raise_fence(request["fence"], "open the plan")
    save_state("nonces.json", {**nonces, **{message["nonce"]: plan.digest for message in messages}})
    for name in ("backup", "manifests", "steps"):
        os.makedirs(at(f"{plan.directory}/{name}"), mode=0o700, exist_ok=True)
    write_atomic(f"{plan.directory}/plan.json", request["text"].encode())
    write_atomic(f"{plan.directory}/approvals.json", dumped(request["approvals"]).encode())
    if not record.opened:
        detail = {"principals": principals, "nonces": [message["nonce"] for message in messages], "wave": plan.body["wave"]}
        Journal().append("opened", plan=plan.digest, fence=request["fence"], detail=detail)
    steps = [step["id"] for step in plan.steps]
    return {"plan": plan.digest, "principals": principals, "steps": steps, "resumed": record.opened}


def _judge_signers(body: Json, principals: Sequence[str]) -> None:
    if body["four_eyes"] and body["proposer"] in principals:
        raise Refused(
            "approval-void", "open the plan", f"{body['proposer']} proposed it and may not approve it", "another person must sign"
        )
    if len(principals) < body["quorum"]:
        because = f"{len(principals)} of {body['quorum']} needed persons have signed"
        raise Refused("approval-missing", "open the plan", because, "waveboard approve")


def stored_plan(digest: str) -> Opened:
    """A plan this host opened before, re-checked against its digest."""
    raw = read_or_none(f"{STATE}/plans/{digest[7:]}/plan.json")
    if raw is None or not history(Journal().entries()).get(digest, PlanRecord()).opened:
        raise Refused("unknown-plan", "find the plan", "this host has never opened it")
    return judge_plan(raw.decode(), digest, identity())


# ---------------------------------------------------------------------------------------------- steps as units


def unit_name(plan: Opened, step: str, phase: str, attempt: int) -> str:
    return f"wb-{plan.short}-{step}-{phase}-{attempt}"


def start_unit(name: str, argv: Sequence[str], limit_s: int) -> None:
    """Start a unit that nobody can start a second time under the same name until the next boot."""
    if ROOT:  # a test root has no systemd: a detached child of the same form, its name taken by a file
        marker = os.open(at(f"{RUNTIME}/{name}.pid"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        words = [sys.executable, os.path.abspath(__file__), "--test-root", ROOT, *argv]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        child = subprocess.Popen(words, start_new_session=True, env=environment(), **quiet)  # type: ignore[call-overload]
        os.write(marker, str(child.pid).encode())
        os.close(marker)
        return
    words = [
        "systemd-run",
        "--quiet",
        f"--unit={name}",
        "--property=RemainAfterExit=yes",
        f"--property=RuntimeMaxSec={limit_s + 60}",
    ]
    words += ["--property=TimeoutStopSec=30", "--property=UMask=0077", "--property=OOMScoreAdjust=-500"]
    run([*words, sys.executable, "-I", INSTALLED, *argv], seconds=30)


def unit_state(name: str) -> Json | None:
    """{"active", "result", "exit"} of a unit, None when systemd (no longer) knows it. active: "running" only while it runs."""
    if ROOT:
        pid = text_of(f"{RUNTIME}/{name}.pid")
        if not pid:
            return None
        stat_line = ""
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
            stat_line = file.read()
        alive = bool(stat_line) and stat_line.rpartition(")")[2].split()[0] not in "ZX"
        return {"active": "running" if alive else "exited", "result": "", "exit": 0}
    keys = "LoadState,ActiveState,SubState,Result,ExecMainStatus"
    ran = run(["systemctl", "show", f"{name}.service", f"--property={keys}"], seconds=20, check=False)
    shown = dict(line.split("=", 1) for line in ran.text.splitlines() if "=" in line)
    if shown.get("LoadState") != "loaded":
        return None
    running = shown.get("SubState") in ("running", "start", "start-pre", "start-post", "stop", "stop-sigterm", "final-sigterm")
    active = "running" if running else shown.get("SubState", "")
    return {"active": active, "result": shown.get("Result", ""), "exit": int(shown.get("ExecMainStatus") or 0)}


class Ctx:
    """What a verb gets: its step, its arguments, durable notes, backups, the journal and a place to say how far it is."""

    def __init__(self, plan: Opened, step: Json, phase: str, attempt: int, fence: int) -> None:
        self.plan, self.step, self.phase_of, self.attempt, self.fence = plan, step, phase, attempt, fence
        self.args: Json = step["args"]
        self.wave: str = plan.body["wave"]
        self.short = plan.short
        self.phases: list[str] = []
        self.copied = 0
        self.down_since: float | None = None
        self.downtime = 0.0
        self._said = 0.0
        self._progress: Json = {"phase": "start", "bytes_done": 0, "bytes_total": 0, "rate": 0, "eta_s": None, "message": ""}
        self._notes_file = f"{plan.directory}/steps/{step['id']}.json"
        raw = read_or_none(self._notes_file)
        self.notes: Json = json.loads(raw) if raw else {}

    def note(self, **facts: Any) -> None:
        """Remember facts of this step durably, before the effect they describe."""
        self.notes.update(facts)
        write_atomic(self._notes_file, dumped(self.notes).encode())

    def keep(self, name: str, raw: bytes) -> str:
        """Back a file's bytes up once; later calls never overwrite the first copy."""
        path = f"{self.plan.directory}/backup/{self.step['id']}-{name}"
        if read_or_none(path) is None:
            write_atomic(path, raw)
        return path

    def kept(self, name: str) -> bytes | None:
        return read_or_none(f"{self.plan.directory}/backup/{self.step['id']}-{name}")

    def phase(self, name: str, **detail: Any) -> None:
        """Journal that a phase begins. Every phase may be begun again."""
        self.phases.append(name)
        self.record("phase", {"phase": name, **detail})
        self.progress(phase=name, bytes_done=0, bytes_total=0, rate=0, eta_s=None, message="")

    def record(self, kind: str, detail: Json) -> None:
        where = {"plan": self.plan.digest, "step": self.step["id"], "phase": self.phase_of, "attempt": self.attempt}
        Journal().append(kind, **where, fence=self.fence, detail=detail)

    def progress(self, **fields: Any) -> None:
        """Written at most twice a second, except when the phase changes."""
        self._progress.update(fields, at=now_text())
        if "phase" in fields or time.monotonic() - self._said > 0.5:
            self._said = time.monotonic()
            name = unit_name(self.plan, self.step["id"], self.phase_of, self.attempt)
            with contextlib.suppress(OSError):
                write_atomic(f"{RUNTIME}/progress/{name}.json", dumped(self._progress).encode())

    def down(self) -> None:
        self.down_since = self.down_since or time.monotonic()

    def up(self) -> None:
        if self.down_since is not None:
            self.downtime += time.monotonic() - self.down_since
            self.down_since = None

    def aside_name(self, path: str) -> str:
        return f"{path}.wb-{self.wave}-{self.short}"

    def set_aside(self, old: str, new: str, why: str) -> None:
        """Rename a directory and register it; the entry comes first, since one without a path is harmless after a crash."""
        if os.path.lexists(at(new)):
            raise Refused("precondition", f"set {old} aside", f"{new} exists already")
        status = os.lstat(at(old))
        measured = tree_size(old)
        entry = {
            "kind": "path",
            "path": new,
            "volume": "",
            "origin": old,
            "bytes": measured.allocated,
            "why": why,
            "wave": self.wave,
        }
        entry.update(plan=self.plan.digest, step=self.step["id"], dev=status.st_dev, ino=status.st_ino)
        Aside.add(entry)
        os.rename(at(old), at(new))
        sync_directory(os.path.dirname(new))
        self.record("aside", {"path": new, "origin": old, "bytes": measured.allocated, "why": why})

    def keep_aside(self, path: str, origin: str, why: str) -> None:
        """Register a copy this step made of what it is about to replace or remove; `retire` may give it back later."""
        status = os.lstat(at(path))
        measured = tree_size(path).allocated
        entry = {"kind": "path", "path": path, "volume": "", "origin": origin, "bytes": measured, "why": why, "wave": self.wave}
        entry.update(plan=self.plan.digest, step=self.step["id"], dev=status.st_dev, ino=status.st_ino)
        Aside.add(entry)
        self.record("aside", {"path": path, "origin": origin, "bytes": measured, "why": why})

    def set_volume_aside(self, volume: str, path: str, why: str = "old-copy") -> None:
        status = os.lstat(at(path))
        measured = tree_size(path)
        entry = {"kind": "volume", "path": "", "volume": volume, "origin": path, "bytes": measured.allocated, "why": why}
        entry.update(wave=self.wave, plan=self.plan.digest, step=self.step["id"], dev=status.st_dev, ino=status.st_ino)
        Aside.add(entry)
        self.record("aside", {"volume": volume, "origin": path, "bytes": measured.allocated, "why": why})

    def take_back(self, *, path: str | None = None, volume: str | None = None, origin: str = "") -> None:
        """Put a directory that was set aside back to its place (or a volume back into use)."""
        entry = Aside.find(path=path, volume=volume)
        if path:
            os.rename(at(path), at(origin))
            sync_directory(os.path.dirname(origin))
        if entry:
            Aside.mark(entry["id"], "restored")
            self.record("restored", {"path": path, "volume": volume, "origin": origin})

    def retire_undone(self, path: str) -> str | None:
        """Set the copy that an undo leaves behind aside as PATH.wb-undone-SHORT (never deleted); None when there is none."""
        if not os.path.lexists(at(path)):
            return None
        if not mine(self, path):
            return None
        new = f"{path}.wb-undone-{self.short}"
        self.set_aside(path, new, "undone-copy")
        return new


class Verb:
    """One typed verb. prepare: looks and returns the undo data for the journal; do, undo: idempotent; holds: looks."""

    keys: Mapping[str, Check] = {}

    def judge(self, step: Json) -> None:
        """What the grammar of single arguments cannot say. Raises: Refused."""
        if step["deletes"]:
            raise Refused("bad-request", f"accept step {step['id']!r}", "only retire may list deletes")

    def prepare(self, ctx: Ctx) -> Json:
        raise NotImplementedError

    def do(self, ctx: Ctx) -> Json:
        raise NotImplementedError

    def undo(self, ctx: Ctx) -> Json:
        raise NotImplementedError

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        raise NotImplementedError


VERBS: dict[str, Verb] = {}


def verdict(facts: Mapping[str, bool], untouched: bool) -> tuple[str, list[str]]:
    """DONE when every fact is true, NOT_DONE when the host is untouched, else PARTIAL with what is missing."""
    missing = [name for name, good in facts.items() if not good]
    if not missing:
        return "DONE", list(facts)
    return ("NOT_DONE" if untouched else "PARTIAL"), [f"not: {name}" for name in missing]


RUN_KEYS: Mapping[str, Check] = {
    "op": content(),
    "plan": word(DIGEST),
    "step": word(STEP),
    "attempt": integer(1, 100),
    "fence": integer(1, 10**15),
}


def op_do(request: Json) -> Json:
    demand_keys(request, RUN_KEYS, "the request")
    plan, entries = stored_plan(request["plan"]), Journal().entries()
    past = history(entries)
    record, cannot = past[plan.digest], f"start {request['step']}"
    step = plan.step(request["step"])
    if record.closed:
        raise Refused("not-open", cannot, f"the plan was closed as {record.closed}")
    raise_fence(request["fence"], cannot)
    if record.undone:
        raise Refused("plan-undone", cannot, "an undo of this plan has begun; it never goes forward again", "finish the undo")
    in_window(plan.body, "the plan")
    in_slot(plan.body, fresh=False)
    for approval in json.loads(read_bytes(f"{plan.directory}/approvals.json")):
        in_window(parse_json(approval["message"], "an approval"), "its approval")
    mine = record.step(step["id"])
    if mine.state == "applied":
        raise Refused("already-applied", cannot, "the journal says it is applied", "ask status")
    for earlier in plan.steps:
        if earlier["id"] == step["id"]:
            break
        if record.step(earlier["id"]).state != "applied":
            raise Refused("out-of-order", cannot, f"{earlier['id']} is {record.step(earlier['id']).state}, not applied")
    return _start(plan, step, "do", request, mine, past, step["attempts"])


def op_undo(request: Json) -> Json:
    demand_keys(request, RUN_KEYS, "the request")
    plan, entries = stored_plan(request["plan"]), Journal().entries()
    past = history(entries)
    record, cannot = past[plan.digest], f"undo {request['step']}"
    step = plan.step(request["step"])
    raise_fence(request["fence"], cannot)
    if record.closed == "halted":
        raise Refused(
            "plan-halted", cannot, "the plan is halted", "a person says how its unresolved steps stand: waveboard settle"
        )
    mine = record.step(step["id"])
    if mine.state in ("none", "undone"):
        because = "it was never begun" if mine.state == "none" else "the journal says it is undone"
        raise Refused("nothing-to-undo", cannot, because)
    for later in reversed(plan.steps):
        if later["id"] == step["id"]:
            break
        if record.step(later["id"]).state not in ("none", "undone"):
            raise Refused(
                "out-of-order", cannot, f"{later['id']}, a later step, is {record.step(later['id']).state}", "undo that first"
            )
    _refuse_below_newer(past, plan, entries, cannot)
    return _start(plan, step, "undo", request, mine, past, mine.forgiven + UNDO_ATTEMPTS)


def _refuse_below_newer(past: Mapping[str, PlanRecord], plan: Opened, entries: Sequence[Json], cannot: str) -> None:
    """An older plan is not undone from under a newer wave that changed this host since."""
    since = False
    for entry in entries:
        if entry["kind"] != "opened":
            continue
        if since and any(one.state not in ("none", "undone") for one in past[entry["plan"]].steps.values()):
            if stored_plan(entry["plan"]).body["kind"] == "retire":
                continue  # what it removed is looked for by the undo itself
            raise Refused(
                "out-of-order", cannot, f"a newer plan ({entry['plan']}) has changed this host since", "undo that one first"
            )
        since = since or entry["plan"] == plan.digest


def refuse_running(past: Mapping[str, PlanRecord], cannot: str) -> None:
    """One running step a host, whatever plan it belongs to."""
    for other, digest in ((one, key) for key, past_plan in past.items() for one in past_plan.steps.items()):
        if other[1].state in ("applying", "undoing"):
            side = "do" if other[1].state == "applying" else "undo"
            name = f"wb-{digest[7:15]}-{other[0]}-{side}-{other[1].attempts[side]}"
            state = unit_state(name)
            if state is not None and state["active"] == "running":
                raise Refused("still-running", cannot, f"{name} is still running on this host", "ask status")


def _start(
    plan: Opened, step: Json, phase: str, request: Json, record: StepRecord, past: Mapping[str, PlanRecord], most: int
) -> Json:
    attempt, cannot = request["attempt"], f"start {phase} of {step['id']}"
    refuse_running(past, cannot)
    if attempt <= record.attempts[phase]:
        raise Refused(
            "already-started", cannot, f"attempt {attempt} was begun before", "ask status and holds, then use the next attempt"
        )
    if attempt > most:  # a gap is fine: the controller counts requests, and one that never arrived did nothing here
        raise Refused("bad-request", cannot, f"attempt {attempt} is more than {most}")
    ctx = Ctx(plan, step, phase, attempt, request["fence"])
    with locked("run.lock", 2):
        detail = VERBS[step["verb"]].prepare(ctx) if phase == "do" else {"backup": ctx.notes}
    name = unit_name(plan, step["id"], phase, attempt)
    ctx.record("intent", {"verb": step["verb"], "unit": name, "args": sha_of(dumped(step["args"]).encode()), "undo": detail})
    try:
        start_unit(name, ["--run", plan.digest, step["id"], phase, str(attempt), str(request["fence"])], step["limit_s"])
    except (Refused, OSError) as why:
        raise Refused("cannot-start", cannot, f"its unit {name} did not start ({why})", "ask status and holds") from None
    return {"state": "started", "unit": name}


def op_status(request: Json) -> Json:
    keys = {"op": content(), "plan": word(DIGEST), "step": word(STEP), "phase": one_of("do", "undo"), "attempt": integer(1, 100)}
    demand_keys(request, keys, "the request")
    plan = stored_plan(request["plan"])
    step, phase, attempt = plan.step(request["step"])["id"], request["phase"], request["attempt"]
    name = unit_name(plan, step, phase, attempt)
    unit = unit_state(name)  # before the journal: an outcome written between the two is then seen
    record = history(Journal().entries())[plan.digest].step(step)
    answer: Json = {"unit": unit, "outcome": record.outcomes.get((phase, attempt)), "progress": None, "why": ""}
    raw = read_or_none(f"{RUNTIME}/progress/{name}.json")
    with contextlib.suppress(ValueError):
        answer["progress"] = json.loads(raw) if raw else None
    if answer["outcome"] is not None:
        answer["state"] = answer["outcome"]["result"]
    elif attempt > record.attempts[phase]:
        answer["state"] = "absent"
    elif unit is not None and unit["active"] == "running":
        answer["state"] = "running"
    else:
        answer["state"], answer["why"] = "unknown", "it was begun, left no outcome and is not running: killed or rebooted"
    return answer


def op_holds(request: Json) -> Json:
    demand_keys(request, {"op": content(), "plan": word(DIGEST), "step": word(STEP)}, "the request")
    plan = stored_plan(request["plan"])
    step = plan.step(request["step"])
    held, reasons = VERBS[step["verb"]].holds(Ctx(plan, step, "do", 0, 0))
    return {"holds": held, "reasons": reasons}


def op_fence(request: Json) -> Json:
    """Remember a newer fence and do nothing else: what an undo sends first, since it may come when `open` is no longer allowed."""
    demand_keys(request, {"op": content(), "plan": word(DIGEST), "fence": integer(1, 10**15)}, "the request")
    plan = stored_plan(request["plan"])
    raise_fence(request["fence"], "take the plan over")
    return {"plan": plan.digest, "fence": request["fence"]}


SETTLE_KEYS: Mapping[str, Check] = {
    "schema": one_of("waveboard.settlement/1"),
    "instance": word(NAME),
    "plan": word(DIGEST),
    "wave": word(NAME),
    "principal": word(PRINCIPAL),
    "nonce": word("[0-9a-f]{32}"),
    "line": integer(1, 10**9),
    "steps": lambda value: (
        isinstance(value, dict) and all(word(STEP)(k) and one_of("done", "undone")(v) for k, v in value.items())
    ),
    "not_before": content(40),
    "not_after": content(40),
}


def op_settle(request: Json) -> Json:
    """A person's signed word on how the unresolved steps of a halted plan stand. It is believed, and what `holds` sees is kept beside it."""
    keys = {"op": content(), "plan": word(DIGEST), "fence": integer(1, 10**15)}
    demand_keys(request, {**keys, "message": content(1 << 16), "signature": content(1 << 14)}, "the request")
    plan, past, cannot = stored_plan(request["plan"]), history(Journal().entries()), "settle the plan"
    record, message = past[plan.digest], parse_json(request["message"], "a settlement")
    demand_keys(message, SETTLE_KEYS, "a settlement")
    for key, value in {"plan": plan.digest, "instance": plan.body["instance"], "wave": plan.body["wave"]}.items():
        if message[key] != value:
            raise Refused("approval-void", cannot, f"its {key!r} is not the plan's", "sign it for this plan")
    if record.closed not in ("", "halted"):
        raise Refused("plan-closed", cannot, f"it was closed as {record.closed}")
    in_window(message, f"the word of {message['principal']}")
    verify_signature(message["principal"], request["message"], request["signature"], plan.directory)
    nonces: dict[str, str] = load_state("nonces.json", {})
    if message["nonce"] in nonces and message["nonce"] not in record.settled:
        raise Refused("approval-replayed", cannot, "what was signed was already used", "sign it again")
    said = {one["id"]: message["steps"][one["id"]] for one in plan.steps if one["id"] in message["steps"]}
    _judge_word(plan, record, message, said)
    raise_fence(request["fence"], cannot)
    refuse_running(past, cannot)
    saw = {name: _seen(plan, name) for name in said}
    if message["nonce"] not in record.settled:
        save_state("nonces.json", {**nonces, message["nonce"]: plan.digest})
        write_atomic(f"{plan.directory}/settlement-{message['nonce']}.json", dumped(request).encode())
        detail = {"principal": message["principal"], "nonce": message["nonce"], "steps": said, "saw": saw}
        Journal().append("settled", plan=plan.digest, fence=request["fence"], detail=detail)
    return {"plan": plan.digest, "principal": message["principal"], "saw": saw}


def _seen(plan: Opened, name: str) -> str:
    """What `holds` says of a step; UNKNOWN when it cannot look, which is why a person is asked at all."""
    try:
        return VERBS[plan.step(name)["verb"]].holds(Ctx(plan, plan.step(name), "do", 0, 0))[0]
    except Exception:
        return "UNKNOWN"


def _judge_word(plan: Opened, record: PlanRecord, message: Json, said: Json) -> None:
    known = {one["id"] for one in plan.body["steps"]}
    if not set(message["steps"]) <= known:
        raise Refused("unknown-step", "settle the plan", f"it has no step {min(set(message['steps']) - known)}")
    if message["nonce"] in record.settled:
        return
    for one in plan.steps:
        state = record.step(one["id"]).state
        if one["id"] not in said and state in ("applying", "undoing", "failed", "undo-failed"):
            raise Refused(
                "approval-void", "settle the plan", f"it says nothing of {one['id']}, which is {state} here", "sign it again"
            )
        if said.get(one["id"]) == "done" and state == "none":
            raise Refused("approval-void", "settle the plan", f"{one['id']} was never begun here", "sign it again")


def op_close(request: Json) -> Json:
    keys = {"op": content(), "plan": word(DIGEST), "fence": integer(1, 10**15), "result": one_of("done", "rolled-back", "halted")}
    demand_keys(request, keys, "the request")
    plan = stored_plan(request["plan"])
    raise_fence(request["fence"], "close the plan")
    record = history(Journal().entries())[plan.digest]
    if request["result"] == "done" and any(record.step(one["id"]).state != "applied" for one in plan.steps):
        raise Refused("out-of-order", "close the plan as done", "not every step of this host is applied")
    if request["result"] == "rolled-back" and any(record.step(one["id"]).state not in ("none", "undone") for one in plan.steps):
        raise Refused("out-of-order", "close the plan as rolled back", "not every begun step of this host is undone")
    if record.closed != request["result"]:
        Journal().append("closed", plan=plan.digest, fence=request["fence"], detail={"result": request["result"]})
    return {"plan": plan.digest, "result": request["result"]}


def op_journal(request: Json) -> Json:
    demand_keys(
        {"after": 0, "plan": None, **request}, {"op": content(), "after": integer(0, 10**12), "plan": or_null(word(DIGEST))}, "it"
    )
    lines, after, plan = Journal().lines(), request.get("after", 0), request.get("plan")
    chosen = [line for line in lines[after:] if plan is None or parse_json(line, "journal line").get("plan") == plan]
    kept, size = [], 0
    for line in chosen[:2000]:
        size += len(line)
        if size > 3 << 20:
            break
        kept.append(line.decode())
    return {"lines": kept, "head": sha_of(lines[-1]) if lines else None, "more": len(kept) < len(chosen)}


def op_aside(request: Json) -> Json:
    demand_keys(request, {"op": content()}, "the request")
    shown = "id kind path volume origin bytes plan wave step why at state".split()
    plans = history(Journal().entries())

    def needed(one: Json) -> str:
        return Aside.still_needed(one, plans) if one["state"] == "aside" else ""

    return {"aside": [{**{key: one[key] for key in shown}, "needed": needed(one)} for one in Aside.all()]}


def run_step(digest: str, name: str, phase: str, attempt: int, fence: int) -> int:
    """The unit's whole life: perform the verb, write the outcome. Reached by --run only, never through sudo."""
    os.umask(0o022)  # directories and drop-ins on the host are as a person would make them; our own state names its modes
    with locked("run.lock", 30):
        plan = stored_plan(digest)
        ctx = Ctx(plan, plan.step(name), phase, attempt, fence)
        record = history(Journal().entries())[digest].step(name)
        if record.attempts[phase] != attempt or (phase, attempt) in record.outcomes:
            raise Refused("already-started", "run the step", "the journal does not await this attempt")
        begun, error, facts = time.monotonic(), None, {}
        verb = VERBS[ctx.step["verb"]]
        try:
            facts = verb.do(ctx) if phase == "do" else verb.undo(ctx)
        except Refused as why:
            error = why.told()
        except Exception as why:
            error = Refused("internal", f"{phase} {name}", f"{type(why).__name__}: {why}").told()
        ctx.up()
        outcome: Json = {"result": "failed" if error else "done", "phases": ctx.phases, "error": error, "facts": facts}
        outcome.update(bytes_copied=ctx.copied, downtime_s=round(ctx.downtime, 3), seconds=round(time.monotonic() - begun, 3))
        ctx.record("outcome", outcome)
        return 1 if error else 0


# ---------------------------------------------------------------------------------------------- trees: size, copy, proof


class Size(NamedTuple):
    allocated: int
    apparent: int
    inodes: int


def tree_size(path: str) -> Size:
    """Bytes and inodes below path on its own filesystem; hard links counted once."""
    allocated = apparent = inodes = 0
    seen: set[int] = set()
    top = os.lstat(at(path))
    waiting = [os.fsencode(at(path))]
    while waiting:
        directory = waiting.pop()
        try:
            found = list(os.scandir(directory))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in found:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if status.st_dev != top.st_dev or (
                status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode) and status.st_ino in seen
            ):
                continue
            seen.add(status.st_ino)
            inodes += 1
            allocated += status.st_blocks * 512
            apparent += status.st_size if stat.S_ISREG(status.st_mode) else 0
            if stat.S_ISDIR(status.st_mode):
                waiting.append(entry.path)
    return Size(allocated + top.st_blocks * 512, apparent, inodes + 1)


def demand_space(
    src: str, directory: str, factor: float = 1.2, spare: int = GIB, told: str = "1.2 times its size and 1 GiB"
) -> Size:
    """Raises: Refused(no-space) unless `factor` times src plus `spare` bytes (and its inodes) fit where `directory` is.

    A move forward leaves room to grow; the way back asks only for what it needs, since a full disk may be why one goes back.
    """
    size = tree_size(src)
    there = os.statvfs(at(directory))
    free, need = there.f_bavail * there.f_frsize, int(size.allocated * factor) + spare
    if need > free:
        because = f"{directory} has {free} bytes free, {src} needs {need} ({told})"
        raise Refused("no-space", f"copy {src}", because, "enlarge the data disk or free space on it")
    if there.f_files and int(size.inodes * 1.2) + 1000 > there.f_favail:
        raise Refused("no-space", f"copy {src}", f"{directory} has too few free inodes ({there.f_favail}) for {size.inodes}")
    return size


def mine(ctx: Ctx, path: str) -> bool:
    """Whether this step made this very directory."""
    made = ctx.notes.get("made", {}).get(path)
    try:
        status = os.lstat(at(path))
    except FileNotFoundError:
        return False
    if made == "about-to":  # killed between the note and the note of the inode
        return not os.listdir(at(path))
    return bool(made == [status.st_dev, status.st_ino])


def make_directory(ctx: Ctx, path: str) -> None:
    """A fresh directory (0700 root) that this step owns; it may be there only if this step made it. Parents: root 0755."""
    plain_path(path)
    parents, parent = [], os.path.dirname(path)
    while not os.path.lexists(at(parent)):
        parents.append(parent)
        parent = os.path.dirname(parent)
    for one in reversed(parents):
        os.mkdir(at(one), 0o755)
        os.chmod(at(one), 0o755)
    if os.path.lexists(at(path)):
        if not mine(ctx, path):
            raise Refused(
                "precondition",
                f"create {path}",
                "it exists and this step did not make it",
                "move it away or choose another place",
            )
    else:
        ctx.note(made={**ctx.notes.get("made", {}), path: "about-to"})
        os.mkdir(at(path), 0o700)
    status = os.lstat(at(path))
    ctx.note(made={**ctx.notes.get("made", {}), path: [status.st_dev, status.st_ino]})
    sync_directory(os.path.dirname(path))


def own_directory(path: str) -> None:
    """A directory of root alone that may outlive the step: where the hand keeps what it set aside. Parents: root 0755."""
    plain_path(path)
    missing: list[str] = []
    while not os.path.lexists(at(path if not missing else os.path.dirname(missing[-1]))):
        missing.append(path if not missing else os.path.dirname(missing[-1]))
    for one in reversed(missing):
        os.mkdir(at(one), 0o700 if one == path else 0o755)
        os.chmod(at(one), 0o700 if one == path else 0o755)
        sync_directory(os.path.dirname(one))
    status = os.lstat(at(path))
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise Refused("precondition", f"keep things in {path}", "it is not a directory that only root may write", "name another")


def existing(path: str) -> str:
    """The nearest directory at or above path that is there."""
    while not os.path.lexists(at(path)):
        path = os.path.dirname(path)
    return path


PROGRESS = re.compile(rb"\s*([0-9,]+)\s+([0-9]+)%")


def copy_tree(ctx: Ctx, src: str, dst: str, *, live: bool, seconds: float, skip: str = "") -> None:
    """rsync src/ into dst/, which this step made; --delete reaches nothing else. live: files may vanish meanwhile (status 24).
    skip: a directory below src, as "/tmp/x", that is left out."""
    if not mine(ctx, dst):
        raise Refused("precondition", f"copy into {dst}", "this step did not make that directory")
    if os.stat(at(src)).st_dev == os.stat(at(dst)).st_dev and (dst + "/").startswith(src + "/"):
        raise Refused("precondition", f"copy into {dst}", "it lies inside its source")
    total = tree_size(src).apparent
    begun = time.monotonic()

    def watch(chunk: bytes) -> None:
        found = PROGRESS.findall(chunk)
        if found:
            done = int(found[-1][0].replace(b",", b""))
            rate = done / max(0.2, time.monotonic() - begun)
            left = max(0, total - done) / rate if rate > 0 and live else None
            ctx.progress(bytes_done=done, bytes_total=total, rate=int(rate), eta_s=int(left) if left is not None else None)
            ctx.latest = done  # type: ignore[attr-defined]

    ctx.latest = 0  # type: ignore[attr-defined]
    flags = ["-aHAXSx", "--numeric-ids", "--delete", "--delete-excluded", "--info=progress2", "--no-inc-recursive", "--outbuf=L"]
    flags += [f"--exclude={skip}"] if skip else []
    ran = run(["rsync", *flags, at(src) + "/", at(dst) + "/"], seconds=seconds, check=False, watch=watch)
    if ran.code not in ((0, 24) if live else (0,)):
        code = "no-space" if "No space left" in ran.said else "tool-failed"
        raise Refused(code, f"copy {src} to {dst}", f"rsync ended with {ran.code}: {ran.said}")
    if not live:
        match_directory_times(src, dst)
    ctx.copied += ctx.latest  # type: ignore[attr-defined]


def match_directory_times(src: str, dst: str) -> None:
    """rsync 3.4 leaves a directory's own mtime behind where it both deleted and updated files in it; set them as in src."""
    top, there = os.fsencode(at(src)), os.fsencode(at(dst))
    for directory, _, _ in os.walk(top, topdown=False):
        status, copy = os.lstat(directory), there + directory[len(top) :]
        if os.path.lexists(copy) and os.lstat(copy).st_mtime_ns != status.st_mtime_ns:
            os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


Known = dict[bytes, tuple[int, int, int, int, str]]


class Manifest:
    """Every entry of a tree as a line of JSON in a fixed order; `digest` covers all of them.

    Line: path, type, mode, uid, gid, size, mtime in ns, name of its hard-link group, xattrs (ACLs are among them), link
    target, device number, sha256. `known` lets a second look skip files that cannot have changed since the first.
    """

    def __init__(
        self,
        path: str,
        *,
        known: Known | None = None,
        since_ns: int = 0,
        tick: Callable[[int], None] | None = None,
        skip: str = "",
    ) -> None:
        self.skip = os.fsencode(skip.strip("/"))
        self.root = os.fsencode(at(path))
        self.known = known or {}
        self.since_ns = since_ns
        self.tick = tick or (lambda size: None)
        self.seen: Known = {}
        self.links: dict[int, str] = {}
        self.digest = ""
        self.entries = self.bytes = 0

    def write(self, file: str) -> None:
        whole = hashlib.sha256()
        with gzip.GzipFile(at(file), "wb", compresslevel=1, mtime=0) as out:
            for line in self.lines():
                whole.update(line)
                out.write(line)
                self.entries += 1
        self.digest = "sha256:" + whole.hexdigest()

    def lines(self) -> Iterator[bytes]:
        self.device = os.lstat(self.root).st_dev
        waiting = [(self.root, b".")]
        while waiting:
            path, name = waiting.pop()
            status = os.lstat(path)
            if status.st_dev != self.device:
                raise Refused("not-equal", "prove the copy", f"another filesystem is mounted at {os.fsdecode(path)}")
            yield self.line(path, name, status)
            if stat.S_ISDIR(status.st_mode):
                children = sorted(os.listdir(path), reverse=True)
                below = [(path + b"/" + child, child if name == b"." else name + b"/" + child) for child in children]
                waiting += [one for one in below if one[1] != self.skip]

    def line(self, path: bytes, name: bytes, status: os.stat_result) -> bytes:
        kind = stat.S_IFMT(status.st_mode)
        shown = name.decode("utf-8", "surrogateescape")
        link, target, device, digest, size = "", "", 0, "", 0
        if status.st_nlink > 1 and kind != stat.S_IFDIR:
            link = self.links.setdefault(status.st_ino, shown)
        if kind == stat.S_IFREG:
            size = status.st_size
            digest = self.hash(path, status)
        elif kind == stat.S_IFLNK:
            target = os.readlink(path).decode("utf-8", "surrogateescape")
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            device = status.st_rdev
        attributes = [
            (key, os.getxattr(path, key, follow_symlinks=False).hex())
            for key in sorted(os.listxattr(path, follow_symlinks=False))
        ]
        mode = stat.S_IMODE(status.st_mode)
        entry = [
            shown,
            kind,
            mode,
            status.st_uid,
            status.st_gid,
            size,
            status.st_mtime_ns,
            link,
            attributes,
            target,
            device,
            digest,
        ]
        return json.dumps(entry, separators=(",", ":")).encode() + b"\n"

    def hash(self, path: bytes, status: os.stat_result) -> str:
        rel = path[len(self.root) :]
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        before = self.known.get(rel)
        self.bytes += status.st_size
        known = before is not None and before[:4] == stamp and status.st_ctime_ns < self.since_ns
        digest = before[4] if known and before is not None else hash_file(path)
        self.seen[rel] = (*stamp, digest)
        self.tick(status.st_size)
        return digest


def hash_file(path: bytes) -> str:
    whole = hashlib.sha256()
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as file:
        while chunk := file.read(1 << 20):
            whole.update(chunk)
    return whole.hexdigest()


@dataclass
class Proof:
    """Hashes taken while everything still runs, so that the proof with writers stopped reads only what changed."""

    src: Known = field(default_factory=dict)
    dst: Known = field(default_factory=dict)
    since_ns: int = 0


def read_ahead(ctx: Ctx, src: str, dst: str) -> Proof:
    """Hash both sides live. A hash counts later only if the inode's ctime is older than the sync that came before it.

    sync cleans every dirty page, so a later write, also through mmap, must move ctime.
    """
    os.sync()
    since = time.time_ns() - 2 * 10**9
    sides = [Manifest(src), Manifest(dst)]

    def look(side: Manifest) -> None:
        with contextlib.suppress(OSError, Refused):  # files come and go meanwhile: what was not seen is read again later
            for _ in side.lines():
                ctx.progress(message="reading ahead for the proof")

    _both(sides, look)
    return Proof(sides[0].seen, sides[1].seen, since)


def prove_equal(ctx: Ctx, src: str, dst: str, name: str, proof: Proof | None = None, skip: str = "") -> Json:
    """Both manifests, taken now with writers stopped, are equal line by line. Raises: Refused(not-equal) naming differences."""
    proof = proof or Proof()
    total, done, begun = tree_size(src).apparent * 2, [0], time.monotonic()

    def tick(size: int) -> None:
        done[0] += size
        rate = done[0] / max(0.2, time.monotonic() - begun)
        ctx.progress(bytes_done=done[0], bytes_total=total, rate=int(rate), message="comparing both copies")

    left = Manifest(src, known=proof.src, since_ns=proof.since_ns, tick=tick, skip=skip)
    right = Manifest(dst, known=proof.dst, since_ns=proof.since_ns, tick=tick, skip=skip)
    one, two = (f"{ctx.plan.directory}/manifests/{ctx.step['id']}-{name}-{side}.gz" for side in ("src", "dst"))
    _both([left, right], lambda side: side.write(one if side is left else two))
    if left.digest != right.digest:
        raise Refused("not-equal", f"prove that {dst} equals {src}", "; ".join(differences(one, two)) or "the manifests differ")
    return {"manifest": left.digest, "entries": left.entries, "bytes": left.bytes}


def _both(sides: list[Manifest], work: Callable[[Manifest], None]) -> None:
    """Work on both sides at once (hashing leaves Python's lock); the first failure is raised."""
    failures: list[BaseException] = []

    def guarded(side: Manifest) -> None:
        try:
            work(side)
        except BaseException as why:
            failures.append(why)

    threads = [threading.Thread(target=guarded, args=(side,)) for side in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def differences(left: str, right: str, most: int = 8) -> list[str]:
    """The first differing entries of two manifest files, as text."""
    with gzip.open(at(left)) as one, gzip.open(at(right)) as two:
        mine_, theirs = ({json.loads(line)[0]: line for line in file} for file in (one, two))
    told = []
    for path in sorted({*mine_, *theirs}):
        if mine_.get(path) != theirs.get(path):
            how = "only in the source" if path not in theirs else "only in the copy" if path not in mine_ else "differs"
            told.append(f"{path!r} {how}")
            if len(told) >= most:
                break
    return told


# ---------------------------------------------------------------------------------------------- mounts, guards, systemd


class Mount(NamedTuple):
    devno: str
    target: str
    fstype: str


def mounts() -> list[Mount]:
    """This namespace's mounts, in order, from /proc/self/mountinfo."""
    found = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file.read().decode("utf-8", "surrogateescape").splitlines():
            words = line.split(" ")
            target = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), words[4])
            found.append(Mount(words[2], target, words[words.index("-") + 1]))
    return found


def mounted_below(path: str) -> list[str]:
    return [one.target for one in mounts() if one.target == at(path) or one.target.startswith(at(path) + "/")]


def mounted_uuid(target: str) -> str | None:
    """UUID of the filesystem on top of target, None when nothing is mounted there or it has none."""
    here = [one for one in mounts() if one.target == at(target)]
    if not here:
        return None
    name = re.search(r"^DEVNAME=(.+)$", text_of(f"/sys/dev/block/{here[-1].devno}/uevent"), re.M)
    if not name:
        return None
    return device_uuid(f"/dev/{name.group(1)}")


def device_uuid(device: str) -> str | None:
    ran = run(["blkid", "-p", "-s", "UUID", "-o", "value", device], check=False)
    return ran.text.strip().lower() or None if ran.code == 0 else None


MOUNT = shape({"target": is_path, "uuid": word(UUID)})


def demand_mount(place: Json, path: str) -> None:
    """Raises: Refused unless the planned filesystem is mounted at its place and path lies on it."""
    target = place["target"]
    if not path.startswith(target + "/"):
        raise Refused("bad-request", f"use {path}", f"it is not below {target}")
    found = mounted_uuid(target)
    if found != place["uuid"]:
        raise Refused(
            "precondition", f"use {path}", f"{target} holds filesystem {found}, not {place['uuid']}", "mount the data disk first"
        )
    plain_path(path)
    existing = path
    while not os.path.lexists(at(existing)):
        existing = os.path.dirname(existing)
    if os.lstat(at(existing)).st_dev != os.stat(at(target)).st_dev:
        raise Refused("precondition", f"use {path}", f"{existing} is not on the filesystem of {target}")


FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IMMUTABLE_FL = 0x80086601, 0x40086602, 0x10


def immutable(path: str, wanted: bool | None = None) -> bool:
    """Whether a directory is immutable (chattr +i); sets it when asked to. Filesystems without the flag: False."""
    handle = os.open(at(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags: int = struct.unpack("i", fcntl.ioctl(handle, FS_IOC_GETFLAGS, b"\0" * 4))[0]
        if wanted is not None:
            flags = flags | FS_IMMUTABLE_FL if wanted else flags & ~FS_IMMUTABLE_FL
            fcntl.ioctl(handle, FS_IOC_SETFLAGS, struct.pack("i", flags))
        return bool(flags & FS_IMMUTABLE_FL)
    except OSError:
        return False
    finally:
        os.close(handle)


def is_guard(path: str) -> bool:
    """An empty directory that nothing is mounted on: what the hand leaves where data used to be."""
    return os.path.isdir(at(path)) and not os.path.islink(at(path)) and not os.listdir(at(path)) and not os.path.ismount(at(path))


def leave_guard(path: str) -> None:
    """An empty immutable directory, so that nothing can silently begin afresh at the old place."""
    if not os.path.lexists(at(path)):
        os.mkdir(at(path), 0o755)
        sync_directory(os.path.dirname(path))
    if is_guard(path):
        immutable(path, True)


def lift_guard(path: str) -> None:
    if os.path.lexists(at(path)):
        if not is_guard(path):
            raise Refused("changed", f"put {path} back", "something new is there", "move it away by hand, then undo again")
        immutable(path, False)
        os.rmdir(at(path))
        sync_directory(os.path.dirname(path))


def systemctl(*argv: str, seconds: float = 180, check: bool = True) -> Ran:
    return run(["systemctl", *argv], seconds=seconds, check=check)


def active(unit: str) -> bool:
    return systemctl("is-active", "--quiet", unit, check=False).code == 0


def arm_undo_timer(ctx: Ctx) -> None:
    name = f"wb-{ctx.short}-{ctx.step['id']}-timer"
    if ROOT:
        return
    disarm_undo_timer(ctx)
    argv = [
        "systemd-run",
        "--quiet",
        f"--unit={name}",
        f"--on-active={UNDO_TIMER_S}",
        "--timer-property=AccuracySec=1s",
        "--collect",
    ]
    run([*argv, sys.executable, "-I", INSTALLED, "--revert", ctx.plan.digest, ctx.step["id"], str(ctx.fence)], seconds=30)


def disarm_undo_timer(ctx: Ctx) -> None:
    if not ROOT:
        systemctl("stop", f"wb-{ctx.short}-{ctx.step['id']}-timer.timer", check=False)


def revert(digest: str, name: str, fence: int) -> int:
    """The undo timer fired: nobody confirmed the step. Reached by --revert only, never through sudo."""
    with locked("run.lock", 3600):
        plan = stored_plan(digest)
        record = history(Journal().entries())[digest].step(name)
        if record.state not in ("applying", "failed"):
            return 0
        attempt = record.attempts["undo"] + 1
        ctx = Ctx(plan, plan.step(name), "undo", attempt, fence)
        ctx.record("intent", {"verb": ctx.step["verb"], "unit": "undo timer", "args": "", "undo": {"backup": ctx.notes}})
    return run_step(digest, name, "undo", attempt, fence)


# ---------------------------------------------------------------------------------------------- docker


def docker(*argv: str, seconds: float = 120, check: bool = True, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ran:
    return run(["docker", *argv], seconds=seconds, check=check, stdin=stdin, env=env)


class Engine(http.client.HTTPConnection):
    """dockerd by its own socket: what the command line cannot ask for one thing by its id."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(at("/var/run/docker.sock"))


def engine(method: str, path: str, query: Mapping[str, str] | None = None, *, seconds: float = 120) -> tuple[int, Any]:
    """Status and JSON of one request. Raises: Refused when the engine does not answer."""
    cannot = f"ask the engine {method} {path}"
    if not active("docker.service"):
        raise Refused("precondition", cannot, "docker does not run", "start docker, then look again")
    with contextlib.closing(Engine("docker", timeout=seconds)) as link:
        try:
            link.request(method, path + (f"?{urlencode(query)}" if query else ""), headers={"Content-Length": "0"})
            response = link.getresponse()
            raw = response.read(MAX_OUTPUT + 1)
            if len(raw) > MAX_OUTPUT:
                raise Refused("tool-failed", cannot, f"it answered more than {MAX_OUTPUT} bytes")
            return response.status, json.loads(raw) if raw.strip() else None
        except (OSError, http.client.HTTPException, ValueError) as why:
            raise Refused("tool-failed", cannot, f"{type(why).__name__}: {why}") from None


def asked(path: str, query: Mapping[str, str] | None = None) -> Any:
    status, body = engine("GET", path, query)
    if status != 200:
        raise Refused("tool-failed", f"ask the engine for {path}", said_by(status, body))
    return body


def said_by(status: int, body: Any) -> str:
    return f"it answered {status}: {str((body or {}).get('message', '') if isinstance(body, dict) else '')[:600]}"


def docker_root() -> str | None:
    """The live DockerRootDir, None when the daemon does not answer. Never wakes a stopped daemon through its socket unit."""
    if not active("docker.service"):
        return None
    ran = docker("info", "--format", "{{json .DockerRootDir}}", check=False, seconds=60)
    found = json.loads(ran.text) if ran.code == 0 else None
    return found if isinstance(found, str) and found else None


def inspect(name: str) -> Json | None:
    ran = docker("container", "inspect", name, check=False)
    if ran.code != 0:
        if "no such container" in ran.said.lower():
            return None
        raise Refused("tool-failed", f"inspect container {name}", ran.said)
    found: Json = json.loads(ran.out)[0]
    return found


def demand_container(name: str) -> Json:
    found = inspect(name)
    if found is None:
        raise Refused("precondition", f"use container {name}", "there is none of that name")
    return found


def containers() -> list[Json]:
    """Every container's inspect document."""
    ids = docker("ps", "-aq", "--no-trunc").text.split()
    return list(json.loads(docker("container", "inspect", *ids).out)) if ids else []


def name_of(container: Json) -> str:
    return str(container["Name"]).lstrip("/")


def mounted_at(container: Json, destination: str) -> Json | None:
    for one in container["Mounts"]:
        if os.path.normpath(one["Destination"]) == os.path.normpath(destination):
            return dict(one)
    return None


def volume_path(name: str) -> str | None:
    ran = docker("volume", "inspect", name, check=False)
    return str(json.loads(ran.out)[0]["Mountpoint"]) if ran.code == 0 else None


def volume_device(name: str) -> str | None:
    """The directory a local volume is bound to by its own options; None for one that docker keeps itself."""
    ran = docker("volume", "inspect", name, check=False)
    found = json.loads(ran.out)[0] if ran.code == 0 else {}
    options = found.get("Options") or {}
    bound = found.get("Driver") == "local" and options.get("type") == "none" and "bind" in options.get("o", "").split(",")
    return str(options["device"]) if bound and options.get("device") else None


def setting(container: Json, name: str) -> str | None:
    """An environment variable of the container's configuration."""
    for one in container["Config"].get("Env") or []:
        key, _, value = one.partition("=")
        if key == name:
            return str(value)
    return None


def wait_for(what: str, seconds: float, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    why = "it did not happen"
    while True:
        try:
            if ready():
                return
        except (Refused, OSError, http.client.HTTPException) as failed:
            why = str(failed)
        if time.monotonic() >= deadline:
            raise Refused("timeout", f"see {what} within {seconds:.0f} s", why)
        time.sleep(0.25)


def start_docker(containerd: bool) -> None:
    for unit in (["containerd.service"] if containerd else []) + ["docker.socket", "docker.service"]:
        systemctl("reset-failed", unit, check=False)
    if containerd:
        systemctl("start", "containerd.service")
    ran = systemctl("start", "docker.service", check=False)
    if ran.code != 0:
        tail = run(["journalctl", "-u", "docker.service", "-n", "5", "--no-pager", "-o", "cat"], check=False).text.strip()
        raise Refused("tool-failed", "start docker", f"{ran.said}; its log ends: {tail[-700:]}")
    wait_for("docker answer", 60, lambda: docker_root() is not None)


def stop_docker(containerd: bool, tree: str) -> None:
    """Stop socket, daemon and containerd, then see that no mount and no open file is left below `tree`."""
    systemctl("stop", "docker.socket", "docker.service")
    if containerd:
        systemctl("stop", "containerd.service")

    def quiet() -> bool:
        left = mounted_below(tree) or users_of(tree)
        if left:
            raise Refused("precondition", f"have {tree} to itself", f"still in use: {', '.join(left[:5])}")
        return True

    wait_for(f"{tree} at rest", 30, quiet)


def users_of(tree: str) -> list[str]:
    """Processes with an open file, working directory or root below tree, as "pid name"."""
    found = []
    for pid in (one for one in os.listdir("/proc") if one.isdigit() and int(one) != os.getpid()):
        links = [f"/proc/{pid}/cwd", f"/proc/{pid}/root"]
        with contextlib.suppress(OSError):
            links += [f"/proc/{pid}/fd/{one}" for one in os.listdir(f"/proc/{pid}/fd")]
        for link in links:
            with contextlib.suppress(OSError):
                if (os.readlink(link) + "/").startswith(at(tree) + "/"):
                    found.append(f"{pid} {text_of_real(f'/proc/{pid}/comm')}")
                    break
    return found


def text_of_real(path: str) -> str:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(4096).decode("utf-8", "replace").strip()
    return ""


def start_containers(names: Sequence[str]) -> None:
    """Start what is not running, in this order, waiting for each to run."""
    for name in names:
        found = demand_container(name)
        if not found["State"]["Running"]:
            docker("start", name, seconds=180)
        wait_for(f"container {name} run", 60, lambda name=name: bool(demand_container(name)["State"]["Running"]))  # type: ignore[misc]


def healthy(names: Sequence[str]) -> list[str]:
    """Those whose health check is green."""
    return [name for name in names if (demand_container(name)["State"].get("Health") or {}).get("Status") == "healthy"]


def demand_well(names: Sequence[str], were_healthy: Sequence[str], seconds: float = 180) -> None:
    """Each is running; one that was healthy is healthy again; one without a health check has not restarted for 3 s."""

    def well(name: str) -> bool:
        state = demand_container(name)["State"]
        if not state["Running"] or state["Restarting"]:
            raise Refused("tool-failed", f"see {name} well", f"it is {state['Status']} with exit status {state['ExitCode']}")
        if name in were_healthy:
            return (state.get("Health") or {}).get("Status") == "healthy"
        begun = datetime.fromisoformat(state["StartedAt"][:19] + "+00:00").timestamp()
        return time.time() - begun > 3

    for name in names:
        wait_for(f"{name} well", seconds, lambda name=name: well(name))  # type: ignore[misc]


def demand_pausable(name: str) -> None:
    """A running redis must hold writes back between its save and its stop: one acknowledged in between would be lost."""
    found = inspect(name)
    if found is None or not found["State"]["Running"]:
        return
    told = re.search(r"^redis_version:([0-9]+)\.([0-9]+)", redis_cli(found, "INFO", "server"), re.M)
    if told is None or (int(told[1]), int(told[2])) < (6, 2):
        version = f"redis {told[1]}.{told[2]}" if told else "a redis of unknown version"
        fix = "upgrade it first, or stop its writers and it yourself and plan again"
        raise Refused("precondition", f"stop {name}", f"{version} cannot hold writes back (CLIENT PAUSE WRITE, since 6.2)", fix)


def stop_containers(names: Sequence[str], engines: Mapping[str, str]) -> None:
    for name in names:
        if engines.get(name) == "redis":
            demand_pausable(name)
    for name in names:
        stop_container(name, engines.get(name, "other"))


def save_redis(name: str, found: Json) -> str:
    """Hold its writes back and save. Raises: Refused when it does neither; its clients then write on."""
    demand_pausable(name)
    held = redis_cli(found, "CLIENT", "PAUSE", "180000", "WRITE", check=False).strip()
    if held != "OK":
        because = f"it does not hold writes back ({held[:200]}): what it acknowledges between its save and its stop would be lost"
        raise Refused("precondition", f"stop {name}", because, "allow it CLIENT PAUSE, or stop its writers and it yourself")
    try:
        saved = redis_cli(found, "SAVE", seconds=600).strip()
        if saved != "OK":
            raise Refused("tool-failed", f"save {name} before it stops", saved[:300])
    except Refused:
        redis_cli(found, "CLIENT", "UNPAUSE", check=False)
        raise
    return saved


def stop_container(name: str, engine: str) -> Json:
    """Stop so that nothing acknowledged is lost; says how. Raises: Refused when it had to be killed."""
    found = inspect(name)
    if found is None or not found["State"]["Running"]:
        return {"container": name, "was": "not running"}
    how: Json = {"container": name, "was": "running"}
    argv = ["stop", "-t", "120"]
    if engine == "redis":
        how["save"] = save_redis(name, found)
    if engine == "postgres" and found["Config"].get("StopSignal") not in ("SIGINT", "2"):
        argv += ["--signal", "SIGINT"]  # fast shutdown; SIGTERM would wait for every client
    docker(*argv, name, seconds=240)
    state = demand_container(name)["State"]
    how["exit"] = state["ExitCode"]
    if state["Running"] or (state["ExitCode"] == 137 and engine != "other"):
        raise Refused("tool-failed", f"stop {name} cleanly", f"it ended with {state['ExitCode']}")
    return how


# ---------------------------------------------------------------------------------------------- what a service holds


@dataclass(frozen=True)
class S3Access:
    port: int
    access_env: str
    secret_env: str


def digest_service(name: str, engine: str, s3: S3Access | None = None) -> Json | None:
    """The service's own answer to "what do you hold": {"digest", …counts}. None where only files can be compared."""
    found = demand_container(name)
    if not found["State"]["Running"]:
        raise Refused("precondition", f"read {name}", "it is not running")
    if engine == "postgres":
        held = postgres_holds(found)
    elif engine == "redis":
        held = redis_holds(found)
    elif engine == "s3" and s3 is not None:
        held = s3_holds(found, s3)
    else:
        return None
    return {**held.pop("summary"), "digest": sha_of(dumped(held).encode())}


def ready_digest(name: str, engine: str, s3: S3Access | None = None, seconds: float = 120) -> Json | None:
    """The same once the service is ready: it may need a moment after its start."""
    answer: list[Json | None] = []

    def ask() -> bool:
        answer.append(digest_service(name, engine, s3))
        return True

    wait_for(f"{name} ready", seconds, ask)
    return answer[-1]


SETTINGS = """SET TimeZone='UTC'; SET DateStyle='ISO, YMD'; SET IntervalStyle='postgres';
SET bytea_output='hex'; SET extra_float_digits=1;"""
TABLES = """SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast' ORDER BY 1;"""
SEQUENCES = """SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) || ' ' || coalesce(last_value::text, '')
FROM pg_sequences ORDER BY 1;"""
CLUSTER = """SELECT system_identifier FROM pg_control_system();
SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1;"""


def psql(container: Json, database: str, script: str, seconds: float = 3600) -> list[str]:
    user = setting(container, "POSTGRES_USER") or "postgres"
    argv = ["exec", "-i", container["Id"], "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database, "-f", "-"]
    script = f"{SETTINGS} BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n{script}\nCOMMIT;\n"
    return docker(*argv, stdin=script.encode(), seconds=seconds).text.splitlines()


def postgres_holds(container: Json) -> Json:
    """System identifier, and per database every table's count and order-free hash of rows, and the sequences."""
    system, *databases = psql(container, setting(container, "POSTGRES_DB") or "postgres", CLUSTER, 60)
    held: Json = {"system_identifier": system, "databases": {}}
    rows = tables = 0
    for database in databases[:200]:
        names = psql(container, database, TABLES, 60)
        ask = []
        for number, name in enumerate(names):
            sums = (f"coalesce(sum(('x' || substr(wb_h, {start}, 15))::bit(60)::bigint), 0)" for start in (1, 16))
            part = f"SELECT md5(wb_row::text) AS wb_h FROM ONLY {name} AS wb_row"
            ask.append(f"SELECT {number}, count(*), {', '.join(sums)} FROM ({part}) AS wb_all;")
        answers = psql(container, database, "\n".join(ask)) if ask else []
        if len(answers) != len(names):
            raise Refused("tool-failed", "read postgres", f"{len(answers)} answers for {len(names)} tables")
        content = {name: answer.split("|")[1:] for name, answer in zip(names, answers)}  # noqa: B905 (3.9; equal lengths above)
        held["databases"][database] = {"tables": content, "sequences": psql(container, database, SEQUENCES, 60)}
        rows += sum(int(one[0]) for one in content.values())
        tables += len(content)
    held["summary"] = {
        "engine": "postgres",
        "system_identifier": system,
        "databases": len(databases),
        "tables": tables,
        "rows": rows,
    }
    return held


REDIS_LOOK = """local r = redis.call('SCAN', ARGV[1], 'COUNT', 2000)
local out = {r[1]}
local function add(h, v)
  if type(v) == 'table' then for _, x in ipairs(v) do h = add(h, x) end return redis.sha1hex(h .. ']') end
  return redis.sha1hex(h .. tostring(v))
end
for _, k in ipairs(r[2]) do
  local name = redis.sha1hex(k)
  if redis.call('PTTL', k) ~= -1 then out[#out + 1] = name .. ' ttl'
  else
    local t = redis.call('TYPE', k).ok
    local v
    if t == 'string' then v = {redis.call('GET', k)}
    elseif t == 'list' then v = redis.call('LRANGE', k, 0, -1)
    elseif t == 'set' then v = redis.call('SMEMBERS', k) table.sort(v)
    elseif t == 'zset' then v = redis.call('ZRANGE', k, 0, -1, 'WITHSCORES')
    elseif t == 'stream' then v = redis.call('XRANGE', k, '-', '+')
    elseif t == 'hash' then
      local f = redis.call('HGETALL', k) v = {}
      for i = 1, #f, 2 do v[#v + 1] = redis.sha1hex(f[i]) .. redis.sha1hex(f[i + 1]) end
      table.sort(v)
    else v = {redis.call('DUMP', k)} end
    out[#out + 1] = name .. ' ' .. add(t, v)
  end
end
return out"""


def redis_access(container: Json) -> tuple[list[str], dict[str, str]]:
    """Words and environment for `docker exec` that let redis-cli in: the password never stands in an argument or a message."""
    words = command_of(container)
    secret = setting(container, "REDIS_PASSWORD") or next(
        iter(re.findall(r"--requirepass[\s\"']+([^\s\"'$]+)", " ".join(words))), None
    )
    file = next((one for one in words[1:] if one.startswith("/") and one.endswith(".conf")), None)
    if secret is None and file is not None:
        text = docker("exec", container["Id"], "cat", file, check=False).text
        secret = next(iter(re.findall(r"(?mi)^\s*requirepass\s+[\"']?([^\s\"']+)", text)), None)
    return (["-e", "REDISCLI_AUTH"], {"REDISCLI_AUTH": secret}) if secret else ([], {})


def command_of(container: Json) -> list[str]:
    """Entry point and command the container was made with."""
    config = container["Config"]
    return [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]


def redis_cli(container: Json, *argv: str, database: str = "0", seconds: float = 60, check: bool = True) -> str:
    """redis-cli inside the container; its password, when the container has one, travels in the environment only."""
    given, env = redis_access(container)
    ran = docker(
        "exec", *given, container["Id"], "redis-cli", "-n", database, "--raw", *argv, seconds=seconds, check=check, env=env
    )
    text = ran.text
    if check and re.match(r"(ERR|NOAUTH|NOPERM|LOADING|MISCONF|WRONGPASS|BUSY)\b", text):
        raise Refused("tool-failed", f"ask redis {argv[0]}", text.strip()[:300])
    return text


def redis_holds(container: Json) -> Json:
    """Per database every key without expiry with a hash of its typed content; keys with expiry are only counted."""
    databases = re.findall(r"^db([0-9]+):keys=([0-9]+)", redis_cli(container, "INFO", "keyspace"), re.M)
    held: Json = {"databases": {}}
    keys = volatile = 0
    for number, _ in databases:
        found: dict[str, str] = {}
        cursor = "0"
        for _turn in range(100_000):
            cursor, *lines = redis_cli(container, "EVAL", REDIS_LOOK, "0", cursor, database=number).splitlines()
            found.update(line.split(" ") for line in lines if line)  # type: ignore[misc]
            if cursor == "0":
                break
        lasting = {key: value for key, value in found.items() if value != "ttl"}
        keys, volatile = keys + len(lasting), volatile + len(found) - len(lasting)
        held["databases"][number] = sorted(lasting.items())
    held["summary"] = {"engine": "redis", "keys": keys, "keys_with_expiry": volatile}
    return held


def s3_holds(container: Json, access: S3Access) -> Json:
    """Every bucket's keys with size and sha256 of the content, read through the service."""
    reader = S3(container, access)
    buckets = re.findall(r"<Bucket>.*?<Name>(.*?)</Name>.*?</Bucket>", reader.get("/", {})[0].decode(), re.S)
    held: Json = {"buckets": {}}
    objects = size = 0
    for bucket in sorted(html.unescape(one) for one in buckets):
        found = []
        for key in reader.keys(bucket):
            digest, length = reader.hash(bucket, key)
            found.append([key, length, digest])
            objects, size = objects + 1, size + length
        held["buckets"][bucket] = found
    held["summary"] = {"engine": "s3", "buckets": len(held["buckets"]), "objects": objects, "bytes": size}
    return held


class S3:
    """GET requests to one container's S3 port, signed with the key pair of its own environment (AWS signature version 4)."""

    def __init__(self, container: Json, access: S3Access) -> None:
        networks = container["NetworkSettings"]["Networks"] or {}
        addresses = [one["IPAddress"] for one in networks.values() if one.get("IPAddress")]
        self.host = addresses[0] if addresses else "127.0.0.1"
        self.port = access.port
        self.key, self.secret = setting(container, access.access_env) or "", setting(container, access.secret_env) or ""

    def open(self, path: str, query: Mapping[str, str]) -> http.client.HTTPResponse:
        now = datetime.now(timezone.utc)  # noqa: UP017 (3.9)
        day, moment = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
        where, asked = (
            quote(path, safe="/-_.~"),
            "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(query.items())),
        )
        host, empty = f"{self.host}:{self.port}", hashlib.sha256(b"").hexdigest()
        headers = f"host:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{moment}\n"
        names, scope = "host;x-amz-content-sha256;x-amz-date", f"{day}/us-east-1/s3/aws4_request"
        canonical = f"GET\n{where}\n{asked}\n{headers}\n{names}\n{empty}"
        to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = ("AWS4" + self.secret).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        proof = f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={signature}"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        sent = {"Host": host, "x-amz-content-sha256": empty, "x-amz-date": moment, "Authorization": proof}
        connection.request("GET", where + ("?" + asked if asked else ""), headers=sent)
        response = connection.getresponse()
        if response.status != 200:
            raise Refused("tool-failed", f"read {path} from the S3 service", f"HTTP {response.status}")
        return response

    def get(self, path: str, query: Mapping[str, str]) -> tuple[bytes, str]:
        with contextlib.closing(self.open(path, query)) as response:
            raw = response.read(MAX_OUTPUT)
        return raw, path

    def keys(self, bucket: str) -> Iterator[str]:
        token = ""
        for _page in range(100_000):
            more = {"continuation-token": token} if token else {}
            text = self.get(f"/{bucket}", {"list-type": "2", "max-keys": "1000", **more})[0].decode()
            yield from (html.unescape(one) for one in re.findall(r"<Contents>.*?<Key>(.*?)</Key>.*?</Contents>", text, re.S))
            found = re.search(r"<NextContinuationToken>(.*?)</NextContinuationToken>", text)
            if found is None or "<IsTruncated>true</IsTruncated>" not in text:
                return
            token = html.unescape(found.group(1))

    def hash(self, bucket: str, key: str) -> tuple[str, int]:
        whole, size = hashlib.sha256(), 0
        with contextlib.closing(self.open(f"/{bucket}/{key}", {})) as response:
            while chunk := response.read(1 << 20):
                whole.update(chunk)
                size += len(chunk)
        return whole.hexdigest(), size


def postgres_directory(tree: str) -> str | None:
    """Where PG_VERSION is: the tree itself or at most two levels below."""
    for pattern in ("", "*", "*/*"):
        parts = [tree] if not pattern else sorted(_below(tree, pattern.count("/") + 1))
        for one in parts:
            if os.path.isfile(at(f"{one}/PG_VERSION")) and os.path.isfile(at(f"{one}/global/pg_control")):
                return one
    return None


def _below(tree: str, levels: int) -> list[str]:
    found = [
        f"{tree}/{name}"
        for name in os.listdir(at(tree))
        if os.path.isdir(at(f"{tree}/{name}")) and not os.path.islink(at(f"{tree}/{name}"))
    ]
    return found if levels == 1 else [deep for one in found[:200] for deep in _below(one, levels - 1)]


def demand_marker(tree: str, engine: str) -> Json:
    """The engine's own files are there and at rest, so that it cannot begin afresh. Raises: Refused."""
    cannot = f"take {tree} for {engine}'s data at rest"
    if engine == "postgres":
        home = postgres_directory(tree)
        if home is None:
            raise Refused("precondition", cannot, "it holds no PG_VERSION and pg_control")
        # struct ControlFileData: uint64 system identifier, two uint32 versions, enum DBState (1 = shut down)
        with open(at(f"{home}/global/pg_control"), "rb") as file:
            system, _, _, state = struct.unpack("=QIII", file.read(20))
        if state != 1 or os.path.exists(at(f"{home}/postmaster.pid")):
            raise Refused("precondition", cannot, f"pg_control says state {state}, not 1 (shut down), or postmaster.pid is there")
        return {"engine": engine, "system_identifier": str(system)}
    names = os.listdir(at(tree))
    if engine == "redis" and not any(name.endswith(".rdb") or name.startswith("appendonly") for name in names):
        raise Refused("precondition", cannot, "it holds neither a dump nor an append-only file")
    if not names:
        raise Refused("precondition", cannot, "it is empty")
    return {"engine": engine, "names": len(names)}


# ---------------------------------------------------------------------------------------------- what redis keeps

REDIS_SETTINGS = ("dir", "save", "appendonly", "appenddirname", "appendfilename", "dbfilename")
# INFO persistence, redis 7: what each must say before redis could be started from its append-only log
AOF_SOUND = {
    "aof_enabled": "1",
    "aof_rewrite_in_progress": "0",
    "aof_rewrite_scheduled": "0",
    "aof_last_bgrewrite_status": "ok",
    "aof_last_write_status": "ok",
}


class RedisNow(NamedTuple):
    """A running server's own word: some CONFIG GET parameters and INFO."""

    settings: dict[str, str]
    info: dict[str, str]

    @property
    def live(self) -> bool:
        return self.info.get("aof_enabled") == "1"

    def told(self) -> Json:
        """What the evidence before and after a change shows."""
        return {key: self.settings.get(key) for key in ("dir", "save", "appendonly")}


def redis_now(container: Json) -> RedisNow:
    """One connection's answers. A parameter that the server does not tell is absent. Raises: Refused when it does not let us ask."""
    given, env = redis_access(container)
    asked = "".join(f"CONFIG GET {name}\n" for name in REDIS_SETTINGS) + "INFO\n"
    ran = docker("exec", "-i", *given, container["Id"], "redis-cli", "--raw", stdin=asked.encode(), env=env)
    lines = ran.text.replace("\r", "").split("\n")
    if re.search(r"^(NOAUTH|WRONGPASS|AUTH failed|NOPERM)", ran.text + ran.err.decode("utf-8", "replace"), re.M):
        fix = "let the container have it as REDIS_PASSWORD, or in the command or configuration file redis starts with"
        raise Refused("precondition", f"ask {name_of(container)}", "redis wants a password that its container does not tell", fix)
    settings = {one: lines[n + 1] for n, one in enumerate(lines[:-1]) if one in REDIS_SETTINGS}
    info = dict(line.split(":", 1) for line in lines if re.match(r"[a-z_0-9]+:", line))
    if "redis_version" not in info:
        raise Refused("precondition", f"ask {name_of(container)}", f"redis did not answer: {ran.text.strip()[:200]}")
    return RedisNow(settings, info)


def aof_at_start(container: Json, now: RedisNow, command: Sequence[str] | None = None) -> bool:
    """Whether redis would start with its append-only log on: the last word has its command line, then its configuration file."""
    words = command_of(container) if command is None else [*(container["Config"].get("Entrypoint") or []), *command]
    given = re.findall(r"--appendonly[\s=\"']+(yes|no)\b", " ".join(words))
    if given:
        return str(given[-1]) == "yes"
    if not now.info.get("config_file"):
        return False
    text = docker("exec", container["Id"], "cat", now.info["config_file"]).text
    if re.search(r"(?mi)^\s*include\s", text):
        because = "its configuration file includes others, which were not read"
        raise Refused("precondition", f"say how {name_of(container)} starts", because, "name appendonly in its command")
    found = re.findall(r"(?mi)^\s*appendonly\s+[\"']?(yes|no)\b", text)
    return bool(found) and found[-1].lower() == "yes"


def redis_tree(container: Json, now: RedisNow) -> str:
    """The host directory behind the server's own data directory. Raises: Refused when it lies in no writable mount."""
    directory, cannot = now.settings.get("dir") or "", f"find the data of {name_of(container)}"
    if not directory:
        raise Refused("precondition", cannot, "redis does not tell CONFIG GET dir", "let CONFIG be asked on this server")
    covering = [one for one in container["Mounts"] if (directory + "/").startswith(one["Destination"].rstrip("/") + "/")]
    mount = max(covering, key=lambda one: len(one["Destination"]), default=None)
    if mount is None or mount["Type"] not in ("volume", "bind") or not mount["RW"]:
        raise Refused(
            "precondition", cannot, f"{directory} is not a writable mount: a recreate would lose it", "give it one first"
        )
    top = (volume_device(mount["Name"]) if mount["Type"] == "volume" else None) or mount["Source"]
    return str(top) + directory[len(mount["Destination"].rstrip("/")) :]


def aof_on_disk(tree: str, now: RedisNow) -> Json:
    """The log as its manifest names it, on the host's disk: one base that is not empty, and every later part. Raises: Refused."""
    directory, cannot = f"{tree}/{now.settings.get('appenddirname')}", f"find the append-only log in {tree}"
    raw = read_or_none(f"{directory}/{now.settings.get('appendfilename')}.manifest") if os.path.isdir(at(directory)) else None
    parts = re.findall(r"^file (\S+) seq [0-9]+ type ([bhi])$", (raw or b"").decode("utf-8", "replace"), re.M)
    sizes = {name: os.lstat(at(f"{directory}/{name}")).st_size for name, _ in parts if os.path.isfile(at(f"{directory}/{name}"))}
    bases = [name for name, kind in parts if kind == "b"]
    missing = [name for name, kind in parts if kind != "h" and name not in sizes]
    if len(bases) != 1 or missing or not sizes[bases[0]]:
        because = f"{', '.join(missing)} is missing" if missing else "its manifest names no base" if raw else "there is none"
        raise Refused("precondition", cannot, f"{because}: redis would start empty from it and ignore its dump")
    return {"base": bases[0], "base_bytes": sizes[bases[0]], "parts": len(sizes)}


def demand_log(container: Json, now: RedisNow) -> Json:
    """Raises: Refused unless the append-only log is on and whole, so that redis could be started from it this moment."""
    wrong = [f"{key}:{now.info.get(key)}" for key, wanted in AOF_SOUND.items() if now.info.get(key) != wanted]
    if wrong:
        because = f"its append-only log is not on and sound ({', '.join(wrong)}): redis would start empty or old from it"
        raise Refused(
            "refused", f"start {name_of(container)} with appendonly yes", because, "turn it on live first: redis_aof_live"
        )
    return aof_on_disk(redis_tree(container, now), now)


def demand_log_soon(container: Json, seconds: float = 60) -> Json:
    """The same, once a rewrite that redis began by itself has ended."""
    deadline = time.monotonic() + seconds
    while True:
        now = redis_now(container)
        busy = "1" in (now.info.get("aof_rewrite_in_progress"), now.info.get("aof_rewrite_scheduled"))
        if not (now.live and busy) or time.monotonic() > deadline:
            return demand_log(container, now)
        time.sleep(0.5)


def demand_restart_keeps(name: str, command: Sequence[str] | None = None) -> None:
    """Raises: Refused when a restart (with another command, if given) would make redis read a log that is missing or old."""
    container = demand_container(name)
    now = redis_now(container)
    words = None if command is None else [one.replace("$$", "$") for one in command]
    if words is not None and words != (container["Config"].get("Cmd") or []):
        because = "its compose file gives it another command than the one it runs with"
        raise Refused(
            "precondition", f"recreate {name}", because, "run `docker compose up -d` for it, see that it keeps its data"
        )
    if aof_at_start(container, now, words):
        demand_log_soon(container)
    elif now.live:
        because = (
            "its append-only log is on and the settings it starts with say no: the log would miss what is written afterwards"
        )
        raise Refused("refused", f"restart {name}", because, "make the setting last first: redis_aof_persist")


def wait_snapshot(ctx: Ctx, container: Json, seconds: float) -> None:
    """A snapshot begun now and ended well, while redis goes on serving. Raises: Refused when redis says that it failed."""
    wait_for("no snapshot running", seconds, lambda: redis_now(container).info.get("rdb_bgsave_in_progress") == "0")
    begun, asked = int(time.time()), time.monotonic()
    redis_cli(container, "BGSAVE", "SCHEDULE")
    while True:
        ctx.progress(message="waiting for a snapshot")
        info = redis_now(container).info
        waited, good = time.monotonic() - asked, info.get("rdb_last_bgsave_status") == "ok"
        if info.get("rdb_bgsave_in_progress") == "0":
            if good and int(info.get("rdb_last_save_time", "0")) >= begun:
                return
            if not good and waited > 3:  # at first it may still tell of an earlier one
                because = "redis says its background save failed"
                raise Refused(
                    "tool-failed", f"snapshot {name_of(container)}", because, "read its log; look for disk and memory limits"
                )
        if waited > seconds:
            raise Refused("timeout", f"see the snapshot of {name_of(container)} end", f"it did not within {seconds:.0f} s")
        time.sleep(0.25)


def wait_log(ctx: Ctx, container: Json, seconds: float, failing: float = 30) -> Json:
    """Until the log is whole. Raises: Refused when its rewrite keeps failing or takes too long."""
    deadline = time.monotonic() + seconds
    failed: float | None = None
    while True:
        now = redis_now(container)
        with contextlib.suppress(Refused):
            return demand_log(container, now)
        bad = now.info.get("aof_last_bgrewrite_status") != "ok" and now.info.get("aof_rewrite_in_progress") == "0"
        failed = (failed or time.monotonic()) if bad else None
        if failed is not None and time.monotonic() - failed > failing:
            raise Refused(
                "tool-failed", f"write the log of {name_of(container)}", "redis says its rewrite failed", "read its log"
            )
        if time.monotonic() > deadline:
            raise Refused("timeout", f"see the log of {name_of(container)} whole", f"it was not within {seconds:.0f} s")
        ctx.progress(message="waiting for the append-only log's base")
        time.sleep(0.25)


# ---------------------------------------------------------------------------------------------- disks


def disk_names() -> list[str]:
    return sorted(
        name for name in os.listdir(at("/sys/class/block")) if not os.path.exists(at(f"/sys/class/block/{name}/partition"))
    )


def disk_serials(name: str) -> set[str]:
    """Everything that counts as the disk's serial or wwid."""
    base = f"/sys/class/block/{name}"
    found = {text_of(f"{base}/{leaf}") for leaf in ("serial", "device/serial", "wwid", "device/wwid")}
    with contextlib.suppress(OSError), open(at(f"{base}/device/vpd_pg80"), "rb") as file:
        found.add(file.read(256)[4:].decode("ascii", "replace").strip("\0 "))
    udev = text_of(f"/run/udev/data/b{text_of(f'{base}/dev')}")
    found |= set(re.findall(r"^E:(?:ID_SERIAL|ID_SERIAL_SHORT|ID_SCSI_SERIAL|ID_WWN)=(.+)$", udev, re.M))
    return {one for one in found if one}


def disk_links(name: str) -> list[str]:
    directory = "/dev/disk/by-id"
    with contextlib.suppress(OSError):
        return sorted(
            one for one in os.listdir(at(directory)) if os.path.realpath(at(f"{directory}/{one}")) == at(f"/dev/{name}")
        )
    return []


def disk_bytes(name: str) -> int:
    return int(text_of(f"/sys/class/block/{name}/size") or "0") * 512


def find_disk(args: Json) -> str:
    """The kernel name, now, of the one disk that is meant. Raises: Refused."""
    told = args["serial"] or args["by_id"]
    if args["serial"]:
        found = [name for name in disk_names() if args["serial"] in disk_serials(name)]
    else:
        found = [name for name in disk_names() if args["by_id"] in disk_links(name)]
    if len(found) != 1:
        raise Refused("precondition", f"find disk {told}", f"{len(found)} disks carry that name", "audit the host's disks again")
    if disk_bytes(found[0]) != args["size_bytes"]:
        because = f"{found[0]} has {disk_bytes(found[0])} bytes, the plan says {args['size_bytes']}"
        raise Refused("precondition", f"use disk {told}", because)
    return found[0]


def signatures(device: str) -> str:
    """What wipefs and blkid see on a device: "" only if both see nothing and say so."""
    seen = run(["wipefs", "-n", device]).text.strip()
    probed = run(["blkid", "-p", device], check=False)
    if probed.code == 0:
        return probed.text.strip() or "something"
    if probed.code != 2 or seen:
        return seen or f"blkid ended with {probed.code}: {probed.said}"
    return ""


def why_not_blank(name: str) -> str:
    """ "" when the disk is provably blank, else what speaks against it. Reads only."""
    base, device = f"/sys/class/block/{name}", f"/dev/{name}"
    parts = [one for one in os.listdir(at(base)) if os.path.exists(at(f"{base}/{one}/partition"))]
    holders = os.listdir(at(f"{base}/holders")) if os.path.isdir(at(f"{base}/holders")) else []
    if parts or holders:
        return f"it has partitions or holders: {', '.join(parts + holders)}"
    devno = text_of(f"{base}/dev")
    if any(one.devno == devno for one in mounts()) or any(
        line.split()[:1] == [device] for line in text_of("/proc/swaps").splitlines()
    ):
        return "it is mounted or used as swap"
    try:
        handle = os.open(at(device), os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    except OSError as why:
        return f"it cannot be had exclusively ({why.strerror})"
    try:
        status = os.fstat(handle)
        if not stat.S_ISBLK(status.st_mode) or f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" != devno:
            return f"{device} is not the device sysfs calls {name}"
        size, mib = os.lseek(handle, 0, os.SEEK_END), 1 << 20
        if any(os.pread(handle, mib, place).strip(b"\0") for place in (0, max(0, size - mib))):
            return "its first or last MiB holds bytes"
    finally:
        os.close(handle)
    seen = signatures(device)
    return f"it carries {seen}" if seen else ""


class DiskFormat(Verb):
    """An ext4 filesystem with a planned uuid on one provably blank disk."""

    keys = {
        "serial": or_null(word(r"[A-Za-z0-9._:+-]+", 128)),
        "by_id": or_null(word(r"[A-Za-z0-9._:+-]+", 255)),
        "size_bytes": integer(1 << 24, 1 << 56),
        "fstype": one_of("ext4"),
        "label": word(r"[A-Za-z0-9._-]{1,16}"),
        "uuid": word(UUID),
    }

    def judge(self, step: Json) -> None:
        super().judge(step)
        if (step["args"]["serial"] is None) == (step["args"]["by_id"] is None):
            raise Refused("bad-request", f"accept step {step['id']!r}", "exactly one of serial and by_id names the disk")

    def prepare(self, ctx: Ctx) -> Json:
        name = find_disk(ctx.args)
        if device_uuid(f"/dev/{name}") != ctx.args["uuid"]:
            self._demand_blank(ctx, name)
        return {"disk": name, "undo": "the filesystem stays; nothing of it is destroyed"}

    def _demand_blank(self, ctx: Ctx, name: str) -> None:
        why = why_not_blank(name)
        torn = ctx.notes.get("formatting") == ctx.args["uuid"] and not signatures(f"/dev/{name}")
        if why and not torn:  # torn: our own mkfs was cut off on the disk that was proven blank before it
            raise Refused(
                "precondition", f"format {ctx.args['serial'] or ctx.args['by_id']}", why, "the disk must be blank; look at it"
            )

    def do(self, ctx: Ctx) -> Json:
        name, uuid = find_disk(ctx.args), ctx.args["uuid"]
        device = f"/dev/{name}"
        ctx.phase("blank")
        if device_uuid(device) != uuid or run(["e2fsck", "-fn", device], check=False, seconds=1800).code != 0:
            if device_uuid(device) != uuid:
                self._demand_blank(ctx, name)
            elif ctx.notes.get("formatting") != uuid:
                raise Refused("precondition", f"use {device}", "it carries the planned uuid but its filesystem is not sound")
            ctx.note(formatting=uuid)
            ctx.phase("mkfs", disk=name)
            run(["mkfs.ext4", "-q", "-m", "1", "-U", uuid, "-L", ctx.args["label"], device], seconds=3600)
            run(["udevadm", "settle", "--timeout=30"], check=False)
        ctx.phase("verify")
        if device_uuid(device) != uuid or run(["e2fsck", "-fn", device], check=False, seconds=1800).code != 0:
            raise Refused("not-equal", f"verify {device}", "it does not carry a sound filesystem with the planned uuid")
        return {"disk": name, "uuid": uuid}

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("leave")
        return {"left": "the filesystem stays on the disk; nothing was destroyed"}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        name = find_disk(ctx.args)
        if device_uuid(f"/dev/{name}") == ctx.args["uuid"]:
            return "DONE", [f"{name} carries {ctx.args['uuid']}"]
        why = why_not_blank(name)
        return ("PARTIAL", [why]) if why else ("NOT_DONE", [f"{name} is blank"])


# ---------------------------------------------------------------------------------------------- mounting


FSTAB = "/etc/fstab"


def fstab_fields(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def fstab_with(text: str, line: str) -> str:
    """fstab with one more line at its end. Raises: Refused when its mount point or source is named already."""
    source, target = line.split()[:2]
    for fields in fstab_fields(text):
        if fields[0] == source or (len(fields) > 1 and os.path.normpath(fields[1]) == target):
            raise Refused(
                "precondition",
                "add the fstab line",
                f"{' '.join(fields)[:200]} is there already",
                "plan again from fresh evidence",
            )
    return text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"


def fstab_without(text: str, line: str) -> str:
    """fstab without exactly our line; everything else byte for byte."""
    return "".join(one for one in text.splitlines(keepends=True) if one.rstrip("\n") != line)


def fstab_complaints(verified: str, target: str) -> list[str]:
    """What `findmnt --verify` says below the heading of one target; warnings count."""
    found, ours = [], False
    for line in verified.splitlines():
        if line and not line[0].isspace():
            ours = line.strip() == target
        elif ours and re.match(r"\s+\[[EW]\]", line):
            found.append(line.strip())
    return found


DROPIN = "/etc/systemd/system/{unit}.service.d/10-waveboard-data.conf"


class MountData(Verb):
    """One fstab line by uuid, really mounted, with docker unable to start without it."""

    keys = {
        "uuid": word(UUID),
        "target": is_path,
        "fstype": one_of("ext4", "xfs"),
        "options": word(r"[A-Za-z0-9_=.,:-]+", 200),
        "fstab_before_sha256": word(DIGEST),
        "docker_dropin": truth,
        "containerd_dropin": truth,
    }

    def line(self, args: Json) -> str:
        return f"UUID={args['uuid']} {args['target']} {args['fstype']} {args['options']} 0 2"

    def dropins(self, args: Json) -> dict[str, bytes]:
        text = f"[Unit]\nRequiresMountsFor={args['target']}\nAssertPathIsMountPoint={args['target']}\n".encode()
        return {DROPIN.format(unit=unit): text for unit in ("docker", "containerd") if args[f"{unit}_dropin"]}

    def _texts(self, ctx: Ctx) -> tuple[bytes, bytes]:
        """fstab before and after; before is the backup once there is one."""
        before = ctx.kept("fstab") or read_bytes(FSTAB)
        return before, fstab_with(before.decode(), self.line(ctx.args)).encode()

    def prepare(self, ctx: Ctx) -> Json:
        now = read_bytes(FSTAB)
        if ctx.kept("fstab") is None:
            if sha_of(now) != ctx.args["fstab_before_sha256"]:
                raise Refused(
                    "changed",
                    "mount the data disk",
                    "/etc/fstab is not what the plan was made from",
                    "audit again and plan again",
                )
            self._bare_target(ctx.args["target"])
            for path in self.dropins(ctx.args):
                if read_or_none(path) is not None:
                    raise Refused("precondition", f"write {path}", "it exists already")
            fstab_with(now.decode(), self.line(ctx.args))
            ctx.keep("fstab", now)
        return {
            "fstab": sha_of(ctx.kept("fstab") or b""),
            "line": self.line(ctx.args),
            "target_existed": os.path.lexists(at(ctx.args["target"])),
        }

    def _bare_target(self, target: str) -> None:
        plain_path(target)
        if os.path.lexists(at(target)) and not is_guard(target):
            raise Refused(
                "precondition",
                f"mount at {target}",
                "it is not an empty directory",
                "data may lie under it: look before anything else",
            )

    def do(self, ctx: Ctx) -> Json:
        args, target = ctx.args, ctx.args["target"]
        before, after = self._texts(ctx)
        ctx.phase("point")
        if not self._mounted(args):
            self._bare_target(target)
            if "made_target" not in ctx.notes:
                ctx.note(made_target=not os.path.lexists(at(target)))
            if not os.path.lexists(at(target)):
                os.makedirs(at(target), 0o755)
            leave_guard(target)
        arm_undo_timer(ctx)
        ctx.phase("try")
        if read_bytes(FSTAB) != after:
            self._try_line(ctx, after)
        ctx.phase("fstab")
        swap(FSTAB, sha_of(before), after)
        systemctl("daemon-reload")
        ctx.phase("mount")
        if not self._mounted(args):
            run(["mount", at(target)], seconds=120)
        ctx.phase("dropins")
        for path, raw in self.dropins(args).items():
            os.makedirs(at(os.path.dirname(path)), 0o755, exist_ok=True)
            swap(path, None, raw)
        systemctl("daemon-reload")
        ctx.phase("verify")
        facts = dict(self._facts(args, after))
        bad = [name for name, good in facts.items() if not good]
        if bad:
            raise Refused("not-equal", "verify the mount", f"not: {', '.join(bad)}")
        self._write_probe(ctx, target)
        disarm_undo_timer(ctx)
        return {"fstab": sha_of(after), "target": target, "uuid": args["uuid"]}

    def _mounted(self, args: Json) -> bool:
        found = mounted_uuid(args["target"])
        if found not in (None, args["uuid"]):
            raise Refused("precondition", f"mount at {args['target']}", f"filesystem {found} is mounted there")
        return found is not None

    def _try_line(self, ctx: Ctx, after: bytes) -> None:
        """The new table is verified, and that very line really mounted and read back, before /etc/fstab changes."""
        target, table = ctx.args["target"], f"{ctx.plan.directory}/fstab.try"
        write_atomic(table, after, 0o600)
        verified = run(["findmnt", "--verify", "--tab-file", at(table)], check=False)
        complaints = fstab_complaints(verified.text + verified.err.decode("utf-8", "replace"), target)
        if complaints:
            raise Refused("precondition", "add the fstab line", f"findmnt --verify says {'; '.join(complaints)}")
        if self._mounted(ctx.args):
            return
        run(["mount", "-T", at(table), at(target)], seconds=120)
        try:
            if mounted_uuid(target) != ctx.args["uuid"]:
                raise Refused("not-equal", "add the fstab line", f"mounting it gave filesystem {mounted_uuid(target)}")
        finally:
            run(["umount", at(target)], seconds=120)

    def _write_probe(self, ctx: Ctx, target: str) -> None:
        path = f"{target}/.wb-probe-{ctx.short}"
        write_atomic(path, b"waveboard\n")
        good = read_bytes(path) == b"waveboard\n"
        os.unlink(at(path))
        if not good:
            raise Refused("not-equal", f"write to {target}", "what was written did not come back")

    def _facts(self, args: Json, after: bytes) -> Iterator[tuple[str, bool]]:
        yield "fstab holds the line", self.line(args) in read_bytes(FSTAB).decode("utf-8", "replace").splitlines()
        yield f"{args['uuid']} is mounted at {args['target']}", mounted_uuid(args["target"]) == args["uuid"]
        for path, raw in self.dropins(args).items():
            yield f"{path} is in place", read_or_none(path) == raw

    def undo(self, ctx: Ctx) -> Json:
        args, target = ctx.args, ctx.args["target"]
        before, after = self._texts(ctx)
        ctx.phase("dropins")
        for path, raw in self.dropins(args).items():
            if read_or_none(path) == raw:
                os.unlink(at(path))
                with contextlib.suppress(OSError):  # the directory goes only if it is empty
                    os.rmdir(at(os.path.dirname(path)))
        systemctl("daemon-reload")  # before umount: else docker would be stopped along with its mount
        ctx.phase("umount")
        if mounted_uuid(target) == args["uuid"]:
            ran = run(["umount", at(target)], seconds=120, check=False)
            if ran.code != 0:
                raise Refused("refused", f"unmount {target}", ran.said, "stop what still uses it, then undo again")
        ctx.phase("fstab")
        now = read_bytes(FSTAB)
        exact = now in (before, after)
        if now != before:
            wanted = before if exact else fstab_without(now.decode(), self.line(args)).encode()
            swap(FSTAB, sha_of(now), wanted)
        systemctl("daemon-reload")
        ctx.phase("point")
        if os.path.lexists(at(target)) and is_guard(target):
            immutable(target, False)
            if ctx.notes.get("made_target"):
                os.rmdir(at(target))
        disarm_undo_timer(ctx)
        return {"fstab_exact": exact}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        facts, target = dict(self._facts(ctx.args, b"")), ctx.args["target"]
        bare = not os.path.lexists(at(target)) or not (is_guard(target) and immutable(target))
        return verdict(facts, not any(facts.values()) and bare)


# ---------------------------------------------------------------------------------------------- docker's data-root

DAEMON_JSON = "/etc/docker/daemon.json"
ENGINE = one_of("postgres", "redis", "s3", "other")
WRITERS = one_of("stopped", "live")


def demand_same(before: Json | None, after: Json | None, writers: str, what: str) -> None:
    """Raises: Refused(not-equal) when a service holds something else than before. live: only its identity must be the same."""
    if before is None or after is None:
        return
    if writers == "stopped" and before["digest"] != after["digest"]:
        raise Refused("not-equal", f"verify {what}", f"it held {dumped(before)}, now {dumped(after)}")
    if before.get("system_identifier") != after.get("system_identifier"):
        raise Refused("not-equal", f"verify {what}", "it is another database cluster")


class DockerRootMove(Verb):
    """Docker's whole data-root on another disk; the old tree stays aside."""

    keys = {
        "src": is_path,
        "dst": is_path,
        "dst_mount": MOUNT,
        "daemon_json_before_sha256": or_null(word(DIGEST)),
        "daemon_json_after": content(1 << 16),
        "containerd": truth,
        "stop_containers": list_of(word(NAME)),
        "start_order": list_of(word(NAME)),
        "services": list_of(shape({"container": word(NAME), "engine": ENGINE})),
        "writers": WRITERS,
        "expected": shape(
            {
                "containers": list_of(shape({"id": word("[0-9a-f]{64}"), "name": word(NAME), "running": truth})),
                "volumes": list_of(word(NAME)),
            }
        ),
    }

    def judge(self, step: Json) -> None:
        super().judge(step)
        args = step["args"]
        after = parse_json(args["daemon_json_after"], "daemon_json_after")
        running = sorted(one["name"] for one in args["expected"]["containers"] if one["running"])
        problem = ""
        if after.get("data-root") != args["dst"]:
            problem = "daemon_json_after does not name dst as data-root"
        elif (args["dst"] + "/").startswith(args["src"] + "/") or (args["src"] + "/").startswith(args["dst"] + "/"):
            problem = "src and dst lie inside each other"
        elif sorted(args["stop_containers"]) != running or sorted(args["start_order"]) != running:
            problem = "stop_containers and start_order must both name exactly the containers expected to run"
        elif not {one["container"] for one in args["services"]} <= set(running):
            problem = "services names a container that is not expected to run"
        if problem:
            raise Refused("bad-request", f"accept step {step['id']!r}", problem)

    def engines(self, args: Json) -> dict[str, str]:
        return {one["container"]: one["engine"] for one in args["services"]}

    def switched(self, ctx: Ctx) -> bool:
        wanted: str = ctx.args["daemon_json_after"]
        return read_or_none(DAEMON_JSON) == wanted.encode()

    def aside(self, ctx: Ctx) -> str:
        return ctx.aside_name(str(ctx.args["src"]))

    def prepare(self, ctx: Ctx) -> Json:
        now = read_or_none(DAEMON_JSON)
        if not self.switched(ctx):
            if (sha_of(now) if now is not None else None) != ctx.args["daemon_json_before_sha256"]:
                raise Refused(
                    "changed", "move docker's data-root", f"{DAEMON_JSON} is not what the plan was made from", "plan again"
                )
            if now is not None:
                ctx.keep("daemon.json", now)
        return {"daemon_json": ctx.args["daemon_json_before_sha256"], "aside": self.aside(ctx)}

    def do(self, ctx: Ctx) -> Json:
        args, facts = ctx.args, {}
        if not self.switched(ctx):
            facts = self._copy_and_switch(ctx)
        ctx.phase("aside")
        if os.path.lexists(at(args["src"])) and not is_guard(args["src"]):
            ctx.set_aside(args["src"], self.aside(ctx), "old-copy")
        leave_guard(args["src"])
        ctx.phase("start")
        start_docker(args["containerd"])
        start_containers(args["start_order"])
        ctx.up()
        ctx.phase("verify")
        demand_well(args["start_order"], ctx.notes.get("healthy") or [])
        self._expect(args, args["dst"])
        digests = self._digests(ctx, args["services"])
        for name, before in (ctx.notes.get("baseline") or {}).items():
            demand_same(before, digests.get(name), args["writers"], name)
        ctx.note(after=digests)
        return {**facts, "root": args["dst"], "aside": self.aside(ctx), "before": ctx.notes.get("baseline"), "after": digests}

    def _copy_and_switch(self, ctx: Ctx) -> Json:
        args, src, dst = ctx.args, ctx.args["src"], ctx.args["dst"]
        ctx.phase("preflight")
        if docker_root() is None:  # an earlier attempt may have been cut off while docker was stopped
            start_docker(args["containerd"])
        start_containers(args["start_order"])
        self._expect(args, src)
        self._refuse_traps()
        for name in (one for one, engine in self.engines(args).items() if engine == "redis"):
            demand_restart_keeps(name)
        demand_mount(args["dst_mount"], dst)
        plain_path(src)
        if not mine(ctx, dst):
            demand_space(src, args["dst_mount"]["target"])
        make_directory(ctx, dst)
        ctx.phase("copy")
        copy_tree(ctx, src, dst, live=True, seconds=ctx.step["limit_s"])
        proof = read_ahead(ctx, src, dst)
        ctx.phase("baseline")
        ctx.note(baseline=self._digests(ctx, args["services"]), healthy=healthy(args["start_order"]))
        ctx.phase("stop")
        ctx.down()
        stop_containers(args["stop_containers"], self.engines(args))
        stop_docker(args["containerd"], src)
        ctx.phase("final-copy")
        copy_tree(ctx, src, dst, live=False, seconds=ctx.step["limit_s"])
        ctx.phase("prove")
        proven = prove_equal(ctx, src, dst, "do", proof)
        ctx.phase("switch", **proven)
        trial = f"{ctx.plan.directory}/daemon.json.try"
        write_atomic(trial, args["daemon_json_after"].encode())
        run(["dockerd", "--validate", "--config-file", at(trial)])
        swap(DAEMON_JSON, args["daemon_json_before_sha256"], args["daemon_json_after"].encode())
        return proven

    def _refuse_traps(self) -> None:
        status = docker("info", "--format", "{{json .DriverStatus}} {{json .LiveRestoreEnabled}}").text
        if "io.containerd.snapshotter" in status:
            raise Refused(
                "precondition", "move docker's data-root", "images live in containerd's own store, which data-root does not move"
            )
        if status.strip().endswith("true"):
            raise Refused(
                "precondition", "move docker's data-root", "live-restore keeps containers running", "turn live-restore off first"
            )
        pid = systemctl("show", "docker.service", "--property=MainPID").text.strip().partition("=")[2]
        with open(f"/proc/{int(pid)}/cmdline", "rb") as file:
            flags = file.read().split(b"\0")
        if any(flag.split(b"=")[0] in (b"--data-root", b"-g", b"--graph") for flag in flags):
            raise Refused(
                "precondition", "move docker's data-root", "dockerd gets its data-root as a flag, which daemon.json cannot change"
            )

    def _expect(self, args: Json, root: str) -> None:
        """Docker works on `root` and has exactly the planned containers and at least the planned volumes."""
        cannot = f"find docker as planned on {root}"
        if docker_root() != root:
            raise Refused("precondition", cannot, f"its data-root is {docker_root()}")
        found = {one["Id"]: one for one in containers()}
        for wanted in args["expected"]["containers"]:
            one = found.pop(wanted["id"], None)
            if one is None or name_of(one) != wanted["name"] or (wanted["running"] and not one["State"]["Running"]):
                raise Refused(
                    "precondition",
                    cannot,
                    f"container {wanted['name']} is not what or as it was",
                    "plan again from fresh evidence",
                )
        if found:
            raise Refused(
                "precondition", cannot, f"containers unknown to the plan: {', '.join(name_of(one) for one in found.values())}"
            )
        missing = set(args["expected"]["volumes"]) - set(docker("volume", "ls", "-q").text.split())
        if missing:
            raise Refused("precondition", cannot, f"volumes missing: {', '.join(sorted(missing))}")

    def _digests(self, ctx: Ctx, services: Sequence[Json]) -> dict[str, Json | None]:
        ctx.progress(message="reading what the services hold")
        return {one["container"]: ready_digest(one["container"], one["engine"]) for one in services}

    def undo(self, ctx: Ctx) -> Json:
        args, src, dst, aside = ctx.args, ctx.args["src"], ctx.args["dst"], self.aside(ctx)
        carried: list[str] = []
        old = aside if os.path.lexists(at(aside)) else src
        if not os.path.isdir(at(old)) or is_guard(old):
            because = f"neither {aside} nor {src} holds the old tree"
            raise Refused(
                "not-undoable", "put docker's data-root back", because, "it was retired: make a plan that moves the root instead"
            )
        if self.switched(ctx) or old == aside:
            ctx.phase("look")
            now = self._writes_now(ctx)
            ctx.phase("stop")
            ctx.down()
            if now["running"]:
                stop_containers([*args["stop_containers"], *now["running"]], self.engines(args))
            stop_docker(args["containerd"], dst)
            ctx.phase("carry")
            carried = self._carry(ctx, f"{dst}/volumes", f"{old}/volumes", now["unchanged"])
            ctx.phase("restore")
            if self.switched(ctx):
                swap(DAEMON_JSON, sha_of(args["daemon_json_after"].encode()), ctx.kept("daemon.json"))
            if old == aside:
                lift_guard(src)
                ctx.take_back(path=aside, origin=src)
        elif read_or_none(DAEMON_JSON) != ctx.kept("daemon.json"):
            raise Refused(
                "changed", f"restore {DAEMON_JSON}", "somebody else changed it since", "restore it by hand, then undo again"
            )
        ctx.phase("start")
        if docker_root() is None:
            start_docker(args["containerd"])
        start_containers(args["start_order"])
        ctx.up()
        ctx.phase("keep")
        left = ctx.retire_undone(dst)
        ctx.phase("verify")
        self._expect(args, src)
        self._digests(ctx, args["services"])
        return {"root": src, "left": left, "carried": carried}

    def _writes_now(self, ctx: Ctx) -> Json:
        """Which containers run now, and the volumes of services that hold exactly what they held at the switch."""
        if docker_root() is None:
            with contextlib.suppress(Refused):
                start_docker(ctx.args["containerd"])
        if docker_root() is None:
            return {"running": [], "unchanged": []}
        unchanged: list[str] = []
        before = ctx.notes.get("after") or ctx.notes.get("baseline") or {}
        for name, engine in self.engines(ctx.args).items():
            found = inspect(name)
            with contextlib.suppress(Refused):
                if (
                    found
                    and before.get(name)
                    and (ready_digest(name, engine, seconds=60) or {}).get("digest") == before[name]["digest"]
                ):
                    unchanged += [one["Name"] for one in found["Mounts"] if one["Type"] == "volume"]
        running = [name_of(one) for one in containers() if one["State"]["Running"]]
        return {"running": running, "unchanged": unchanged}

    def _carry(self, ctx: Ctx, new: str, old: str, unchanged: Sequence[str]) -> list[str]:
        """Bring volumes written since the switch back into the old tree; what they held there stays beside them."""
        carried: list[str] = []
        for name in sorted(os.listdir(at(new))) if os.path.isdir(at(new)) else []:
            source, target = f"{new}/{name}/_data", f"{old}/{name}/_data"
            if name in unchanged or not os.path.isdir(at(source)):
                continue
            if os.path.isdir(at(target)) and not mine(ctx, target):
                same = Manifest(source), Manifest(target)
                sides = [f"{ctx.plan.directory}/manifests/{ctx.step['id']}-undo-{side}.gz" for side in ("new", "old")]
                _both(list(same), lambda one, same=same, sides=sides: one.write(sides[0] if one is same[0] else sides[1]))  # type: ignore[misc]
                if same[0].digest == same[1].digest:
                    continue
                kept = f"{target}.wb-before-{ctx.short}"
                ctx.set_aside(target, kept, "before-undo")
            demand_space(source, os.path.dirname(old), 1.05, 64 << 20, "a twentieth more than its size and 64 MiB")
            make_directory(ctx, target)
            copy_tree(ctx, source, target, live=False, seconds=ctx.step["limit_s"])
            prove_equal(ctx, source, target, f"carry-{len(carried)}")
            carried.append(name)
        return carried

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args, root = ctx.args, docker_root()
        running = {name_of(one) for one in containers() if one["State"]["Running"]} if root else set()
        facts = {
            "daemon.json is the planned one": self.switched(ctx),
            f"docker works on {args['dst']}": root == args["dst"],
            f"{args['src']} is an empty guard": is_guard(args["src"]),
            f"{self.aside(ctx)} holds the old tree": os.path.isdir(at(self.aside(ctx))),
            "the planned containers run": set(args["start_order"]) <= running,
        }
        started = any(
            [facts["daemon.json is the planned one"], os.path.lexists(at(args["dst"])), os.path.lexists(at(self.aside(ctx)))]
        )
        back = root == args["src"] and set(args["start_order"]) <= running
        return verdict(facts, not started and back)


# ---------------------------------------------------------------------------------------------- one service's data


def edited(raw: bytes, edits: Sequence[Json], path: str) -> bytes:
    """The file's bytes with whole lines replaced; every line named must read exactly as planned."""
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    for edit in sorted(edits, key=lambda one: -one["line"]):
        number, new = edit["line"], edit["new"]
        if number > len(lines) or lines[number - 1] != edit["old"] or any("\n" in line for line in new):
            raise Refused("changed", f"edit {path}", f"line {number} does not read as planned", "plan again")
        lines[number - 1 : number] = new
    return "\n".join(lines).encode("utf-8", "surrogateescape")


COMPOSE_KEYS: Mapping[str, Check] = {
    "container": word(NAME),
    "project": word(NAME),
    "service": word(NAME),
    "compose_file": is_path,
    "compose_before_sha256": word(DIGEST),
    "compose_edited_by": or_null(word(STEP)),
    "compose_edits": list_of(
        shape({"line": integer(1, 1 << 20), "old": content(1 << 12), "new": list_of(content(1 << 12), 64)}), 64
    ),
    "data_path": word(r"(/[A-Za-z0-9._-]+)+", 256),
    "writers": WRITERS,
}


class ComposeService(Verb):
    """What changes one service by whole-line edits of its one compose file."""

    def text_after(self, ctx: Ctx) -> bytes | None:
        """The compose file as this step leaves it: its kept copy with the planned line edits; None before a copy was kept."""
        before = ctx.kept("compose")
        return None if before is None else edited(before, ctx.args["compose_edits"], ctx.args["compose_file"])

    def demanded(self, ctx: Ctx) -> str:
        """Digest the file must have before the switch: the plan's, or what the earlier step of this plan left."""
        by = ctx.args["compose_edited_by"]
        if by is None:
            return str(ctx.args["compose_before_sha256"])
        left = self.text_after(Ctx(ctx.plan, ctx.plan.step(by), "do", 1, ctx.fence))
        if left is None:
            raise Refused("out-of-order", f"edit {ctx.args['compose_file']}", f"step {by} has not edited it")
        return sha_of(left)

    def switched(self, ctx: Ctx) -> bool:
        after = self.text_after(ctx)
        return after is not None and read_or_none(ctx.args["compose_file"]) == after

    def compose(self, args: Json, *argv: str, files: Sequence[str] = (), seconds: float = 300) -> Ran:
        file = args["compose_file"]
        given = [word_ for one in (files or [file]) for word_ in ("-f", at(one))]
        place = ["--project-directory", at(os.path.dirname(file))]
        return docker("compose", "-p", args["project"], *place, *given, *argv, seconds=seconds)

    def rendered(self, args: Json, file: str) -> Json:
        return parse_json(self.compose(args, "config", "--format", "json", files=[file]).out, "compose config")

    def up(self, args: Json, *argv: str, files: Sequence[str] = ()) -> None:
        flags = ["--no-deps", "--no-build", "--pull", "never", *argv]
        self.compose(args, "up", *(flags if "--no-start" in argv else ["-d", *flags]), args["service"], files=files)

    def prepare(self, ctx: Ctx) -> Json:
        args, now = ctx.args, read_bytes(ctx.args["compose_file"])
        plain_path(args["compose_file"])
        if not self.switched(ctx):
            if sha_of(now) != self.demanded(ctx):
                raise Refused(
                    "changed",
                    f"change {args['container']}",
                    f"{args['compose_file']} is not what the plan was made from",
                    "plan again",
                )
            edited(now, args["compose_edits"], args["compose_file"])
            ctx.keep("compose", now)
        return {"compose": sha_of(now), **({"source": args["source"]} if "source" in args else {})}

    def demand_labels(self, args: Json, container: Json, cannot: str) -> None:
        """Raises: Refused unless compose made the container from the planned file and from nothing else."""
        labels = container["Config"].get("Labels") or {}
        agreed = {"project": args["project"], "service": args["service"], "project.config_files": args["compose_file"]}
        for label, value in agreed.items():
            if labels.get(f"com.docker.compose.{label}") != value:
                raise Refused(
                    "precondition",
                    cannot,
                    f"compose's label {label} is {labels.get(f'com.docker.compose.{label}')!r}, not {value!r}",
                )

    def demand_file(self, ctx: Ctx) -> bytes:
        """The kept copy of the compose file, which now is either that copy or what this step made of it. Raises: Refused."""
        before, file = ctx.kept("compose"), ctx.args["compose_file"]
        if before is None:
            raise Refused("not-undoable", f"undo {ctx.args['container']}", "the compose file was never backed up")
        if not self.switched(ctx) and read_bytes(file) != before:
            raise Refused("changed", f"restore {file}", "somebody else changed it since", "restore it by hand, then undo again")
        return before

    def trial(self, ctx: Ctx) -> tuple[Json, Json]:
        """The compose file as it is and as it will be, both as compose itself reads them."""
        trial = f"{ctx.plan.directory}/{ctx.step['id']}.compose.yml"
        write_atomic(trial, self.text_after(ctx) or b"")
        return self.rendered(ctx.args, ctx.args["compose_file"]), self.rendered(ctx.args, trial)

    def switch(self, ctx: Ctx) -> None:
        before, after = ctx.kept("compose"), self.text_after(ctx)
        if before is None or after is None:
            raise Refused("precondition", f"switch {ctx.args['container']}", "the compose file was never backed up")
        swap(ctx.args["compose_file"], sha_of(before), after)
        ctx.note(compose=sha_of(after))

    def hold_down(self, ctx: Ctx, container: Json) -> None:
        """Nothing but us starts it again. The policy it had is remembered once: a second attempt would only see ours."""
        if "restart" not in ctx.notes:
            ctx.note(restart=container["HostConfig"]["RestartPolicy"])
        docker("update", "--restart", "no", name_of(container))

    def start_unchanged(self, ctx: Ctx) -> None:
        """Start the container that was only stopped, with the restart policy it had."""
        policy, name = ctx.notes.get("restart") or {}, ctx.args["container"]
        if policy.get("Name"):
            most = policy.get("MaximumRetryCount")
            docker("update", "--restart", policy["Name"] + (f":{most}" if policy["Name"] == "on-failure" and most else ""), name)
        start_containers([name])


class ServiceRelocate(ComposeService):
    """One compose service's data in a directory of the data disk, mounted by bind."""

    keys = {
        **COMPOSE_KEYS,
        "engine": ENGINE,
        "source": lambda value: (
            shape({"kind": one_of("volume"), "name": word(NAME)})(value)
            or shape({"kind": one_of("bind"), "path": is_path})(value)
        ),
        "dst": is_path,
        "dst_mount": MOUNT,
        "s3": or_null(shape({"port": integer(1, 65535), "access_env": word("[A-Z0-9_]+"), "secret_env": word("[A-Z0-9_]+")})),
    }

    def judge(self, step: Json) -> None:
        super().judge(step)
        if step["args"]["s3"] is not None and step["args"]["engine"] != "s3":
            raise Refused("bad-request", f"accept step {step['id']!r}", "s3 is for engine s3 only")

    def access(self, args: Json) -> S3Access | None:
        return S3Access(**args["s3"]) if args["s3"] else None

    def digest(self, args: Json, seconds: float = 120) -> Json | None:
        return ready_digest(args["container"], args["engine"], self.access(args), seconds)

    def uses(self, args: Json, where: str) -> bool:
        """Whether the container mounts its planned source ("source") or destination ("dst") at data_path."""
        found = inspect(args["container"])
        mount = mounted_at(found, args["data_path"]) if found else None
        if mount is None:
            return False
        if where == "dst":
            return bool(mount["Type"] == "bind" and mount["Source"] == args["dst"])
        source = args["source"]
        if source["kind"] == "volume":
            return bool(mount["Type"] == "volume" and mount["Name"] == source["name"])
        return bool(mount["Type"] == "bind" and mount["Source"] == source["path"])

    def source_path(self, args: Json) -> str:
        if args["source"]["kind"] == "bind":
            return str(args["source"]["path"])
        found = volume_device(args["source"]["name"]) or volume_path(args["source"]["name"])
        if found is None:
            raise Refused("precondition", f"find volume {args['source']['name']}", "docker has none of that name")
        return found

    def do(self, ctx: Ctx) -> Json:
        args, facts = ctx.args, {}
        if not self.switched(ctx):
            facts = self._copy_and_switch(ctx)
        ctx.phase("aside")
        self.source_aside(ctx)
        ctx.phase("start")
        self.up(args)
        wait_for(f"{args['container']} run", 90, lambda: bool(demand_container(args["container"])["State"]["Running"]))
        if not self.uses(args, "dst"):
            raise Refused("not-equal", f"verify {args['container']}", f"it does not mount {args['dst']} at {args['data_path']}")
        ctx.phase("verify")
        after = self.digest(args)
        ctx.up()
        demand_well([args["container"]], ctx.notes.get("healthy") or [])
        demand_same(ctx.notes.get("baseline"), after, args["writers"], args["container"])
        ctx.note(after=after)
        return {**facts, "before": ctx.notes.get("baseline"), "after": after, "dst": args["dst"]}

    def source_aside(self, ctx: Ctx) -> None:
        """The old directory renamed and a guard in its place; an old volume stays where it is and is registered."""
        src = ctx.args["source"].get("path")
        if src is None:
            ctx.set_volume_aside(ctx.args["source"]["name"], self.source_path(ctx.args))
            return
        if os.path.lexists(at(src)) and not is_guard(src):
            ctx.set_aside(src, ctx.aside_name(src), "old-copy")
        leave_guard(src)

    def _copy_and_switch(self, ctx: Ctx) -> Json:
        args, dst = ctx.args, ctx.args["dst"]
        ctx.phase("preflight")
        container = self._preflight(ctx)
        src = self.source_path(args)
        plain_path(src)
        self._refuse_shared(args, src)
        demand_mount(args["dst_mount"], dst)
        if not mine(ctx, dst):
            demand_space(src, args["dst_mount"]["target"])
        make_directory(ctx, dst)
        ctx.phase("copy")
        copy_tree(ctx, src, dst, live=True, seconds=ctx.step["limit_s"])
        proof = read_ahead(ctx, src, dst)
        ctx.phase("baseline")
        ctx.note(baseline=self.digest(args), healthy=healthy([args["container"]]))
        ctx.phase("stop")
        ctx.down()
        self.hold_down(ctx, container)
        stopped = stop_container(args["container"], args["engine"])
        left = mounted_below(src) or users_of(src)
        if left:
            raise Refused("precondition", f"have {src} to itself", f"still in use: {', '.join(left[:5])}")
        marker = demand_marker(src, args["engine"])
        ctx.phase("final-copy", **stopped)
        copy_tree(ctx, src, dst, live=False, seconds=ctx.step["limit_s"])
        ctx.phase("prove")
        proven = prove_equal(ctx, src, dst, "do", proof)
        if demand_marker(dst, args["engine"]) != marker:
            raise Refused("not-equal", f"prove {dst}", "its engine files are not those of the source")
        ctx.note(manifest=proven["manifest"])
        ctx.phase("switch", **proven)
        self.switch(ctx)
        return {**proven, "marker": marker}

    def _preflight(self, ctx: Ctx) -> Json:
        """The container is the planned compose service on its planned source, and the new file changes only its volumes."""
        args, cannot = ctx.args, f"relocate {ctx.args['container']}"
        container = demand_container(args["container"])
        if not container["State"]["Running"]:  # an earlier attempt may have been cut off after the stop
            if "restart" not in ctx.notes:
                raise Refused("precondition", cannot, "it is not running", "start it and see that it works before it is moved")
            docker("start", args["container"])
            wait_for(f"{args['container']} run", 60, lambda: bool(demand_container(args["container"])["State"]["Running"]))
        self.demand_labels(args, container, cannot)
        if not self.uses(args, "source"):
            raise Refused("precondition", cannot, f"at {args['data_path']} it mounts {mounted_at(container, args['data_path'])}")
        before, after = self.trial(ctx)
        self.demand_mounts_only(args, before, after, cannot)
        if args["engine"] == "redis":
            demand_restart_keeps(args["container"], after["services"][args["service"]].get("command"))
        return container

    def demand_mounts_only(self, args: Json, before: Json, after: Json, cannot: str) -> None:
        for one in (before, after):
            one["services"][args["service"]].pop("volumes", None)
            one.pop("volumes", None)
        if before != after:
            raise Refused("precondition", cannot, "the new compose file changes more than this service's volumes", "plan again")

    def _refuse_shared(self, args: Json, src: str) -> None:
        """Another running container on the same data would keep writing to the old copy."""
        for one in containers():
            if not one["State"]["Running"] or name_of(one) == args["container"]:
                continue
            written = [mount for mount in one["Mounts"] if mount["Type"] in ("bind", "volume") and mount.get("RW")]
            bound = [volume_device(mount["Name"]) for mount in written if mount["Type"] == "volume"]
            found = [str(place).rstrip("/") + "/" for place in (*(mount.get("Source") for mount in written), *bound) if place]
            if any(place.startswith(src + "/") or (place != "/" and (src + "/").startswith(place)) for place in found):
                because = f"{name_of(one)} mounts the same data"
                raise Refused("precondition", f"relocate {args['container']}", because, "plan both together")

    def undo(self, ctx: Ctx) -> Json:
        args, name = ctx.args, ctx.args["container"]
        ctx.phase("look")
        before = self.demand_file(ctx)
        written, carried = False, False
        if self.switched(ctx) or self.uses(args, "dst"):
            written = self._written_since(ctx)
            if written:  # before anything stops: a service must not be left down for want of room
                self._demand_room_back(args)
            ctx.phase("stop")
            ctx.down()
            with contextlib.suppress(Refused):
                docker("update", "--restart", "no", name)
            stop_container(name, args["engine"])
        ctx.phase("data")
        carried = self._data_back(ctx, written)
        ctx.phase("restore")
        if self.switched(ctx):
            swap(args["compose_file"], sha_of(read_bytes(args["compose_file"])), before)
        ctx.phase("start")
        self._start_old(ctx)
        ctx.phase("verify")
        if not self.uses(args, "source"):
            raise Refused("not-equal", f"verify {name}", "it does not mount its old data")
        after = self.digest(args)
        ctx.up()
        demand_same(ctx.notes.get("undo_baseline"), after, args["writers"], name)
        ctx.phase("keep")
        left = ctx.retire_undone(args["dst"])
        return {"carried": carried, "left": left, "after": after}

    def _written_since(self, ctx: Ctx) -> bool:
        """Whether the service holds anything else than at the switch. Where it cannot say, its files decide."""
        args = ctx.args
        held = None
        with contextlib.suppress(Refused):
            if demand_container(args["container"])["State"]["Running"]:
                held = self.digest(args, 60)
        then = ctx.notes.get("after") or ctx.notes.get("baseline")
        if held is not None and then is not None:
            ctx.note(undo_baseline=held)
            fleeting = held.get("keys_with_expiry") or then.get("keys_with_expiry")  # whose values the digest leaves out
            return bool(held["digest"] != then["digest"] or fleeting)
        with contextlib.suppress(Refused):
            stop_container(args["container"], args["engine"])
        look = Manifest(args["dst"])
        look.write(f"{ctx.plan.directory}/manifests/{ctx.step['id']}-undo.gz")
        return look.digest != ctx.notes.get("manifest")

    def _demand_room_back(self, args: Json) -> None:
        src = args["source"].get("path") or volume_path(args["source"]["name"]) or f"{docker_root()}/volumes"
        demand_space(args["dst"], os.path.dirname(src), 1.05, 64 << 20, "a twentieth more than its size and 64 MiB")

    def _data_back(self, ctx: Ctx, written: bool) -> bool:
        """The old data at its place. Written since the switch: carried back into a fresh directory, the old kept beside it."""
        args, src = ctx.args, ctx.args["source"].get("path")
        if src is None:
            if volume_path(args["source"]["name"]) is None:  # somebody pruned it; what it held is in dst
                docker("volume", "create", args["source"]["name"])
                written = True
            src = self.source_path(args)
            if not written:
                ctx.take_back(volume=args["source"]["name"])
                return False
            if not mine(ctx, src):
                ctx.take_back(volume=args["source"]["name"])
                ctx.set_aside(src, f"{src}.wb-before-{ctx.short}", "before-undo")
        else:
            aside = ctx.aside_name(src)
            if not mine(ctx, src) and is_guard(src):
                lift_guard(src)
            if not written:
                if os.path.lexists(at(aside)) and not os.path.lexists(at(src)):
                    ctx.take_back(path=aside, origin=src)
                return False
            if os.path.lexists(at(src)) and not mine(ctx, src):
                ctx.set_aside(src, f"{src}.wb-before-{ctx.short}", "before-undo")
        self._demand_room_back(args)
        make_directory(ctx, src)
        copy_tree(ctx, args["dst"], src, live=False, seconds=ctx.step["limit_s"])
        prove_equal(ctx, args["dst"], src, "undo")
        return True

    def _start_old(self, ctx: Ctx) -> None:
        """The container as it was. Compose would let it inherit the new bind where its image declares a volume that the
        old file does not name, so an anonymous volume is first mounted by an override and then inherited by compose itself."""
        args, name = ctx.args, ctx.args["container"]
        if self.uses(args, "source"):  # never recreated: only its restart policy was changed
            self.start_unchanged(ctx)
            return
        if args["source"]["kind"] == "volume" and not self._declared(args):
            keep = {"type": "volume", "source": "wb_old", "target": args["data_path"]}
            volumes = {"wb_old": {"external": True, "name": args["source"]["name"]}}
            override = f"{ctx.plan.directory}/{ctx.step['id']}.override.json"
            write_atomic(override, dumped({"services": {args["service"]: {"volumes": [keep]}}, "volumes": volumes}).encode())
            self.up(args, "--no-start", files=[args["compose_file"], override])
        self.up(args)
        wait_for(f"{name} run", 90, lambda: bool(demand_container(name)["State"]["Running"]))

    def _declared(self, args: Json) -> bool:
        """Whether the compose file itself mounts something at data_path."""
        listed = self.rendered(args, args["compose_file"])["services"][args["service"]].get("volumes") or []
        return any(one.get("target") == args["data_path"] and one.get("source") for one in listed)

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args = ctx.args
        found = inspect(args["container"])
        running = bool(found and found["State"]["Running"])
        facts = {
            "the compose file is the planned one": self.switched(ctx),
            f"{args['container']} mounts {args['dst']}": self.uses(args, "dst"),
            f"{args['container']} runs": running,
        }
        src = args["source"].get("path")
        if src is not None:
            facts[f"{src} is an empty guard"] = is_guard(src)
        begun = (
            self.switched(ctx)
            or os.path.lexists(at(args["dst"]))
            or (src is not None and os.path.lexists(at(ctx.aside_name(src))))
        )
        return verdict(facts, not begun and running and self.uses(args, "source"))


# ---------------------------------------------------------------------------------------------- redis durability


class RedisAofLive(Verb):
    """The append-only log turned on in the running server, its base on disk before the step ends. Nothing is restarted."""

    keys = {"container": word(NAME), "data_path": COMPOSE_KEYS["data_path"]}

    def prepare(self, ctx: Ctx) -> Json:
        return self._ask(ctx)[1].told()

    def _ask(self, ctx: Ctx) -> tuple[Json, RedisNow, str]:
        """The running container, its server's word and its data directory on the host. Raises: Refused when it cannot keep a log."""
        args, cannot = ctx.args, f"let {ctx.args['container']} keep an append-only log"
        container = demand_container(args["container"])
        if not container["State"]["Running"]:
            raise Refused("precondition", cannot, "it is not running", "start it and see that it works first")
        now = redis_now(container)
        if not {"dir", "save", "appendonly", "appenddirname", "appendfilename"} <= set(now.settings):
            because = (
                f"redis {now.info['redis_version']} does not tell these settings: a server before 7, or CONFIG is not allowed"
            )
            raise Refused("precondition", cannot, because, "use redis 7 or later and allow CONFIG to its own administrator")
        if not (now.settings["dir"] + "/").startswith(args["data_path"].rstrip("/") + "/"):
            raise Refused("precondition", cannot, f"its data is in {now.settings['dir']}, the contract says {args['data_path']}")
        return container, now, redis_tree(container, now)

    def do(self, ctx: Ctx) -> Json:
        seconds = ctx.step["limit_s"]
        ctx.phase("look")
        container, now, tree = self._ask(ctx)
        if "before" not in ctx.notes:
            ctx.note(before=now.told(), was_on=now.live)
        if not now.live:
            self._demand_clear(ctx, tree, now)
            self._demand_room(tree, now)
            ctx.phase("snapshot")
            wait_snapshot(ctx, container, seconds)
            ctx.phase("enable")
            ctx.note(enabled=True)
            self.tell(container, "yes")
        ctx.phase("rewrite")
        log = wait_log(ctx, container, seconds)
        ctx.phase("verify")
        return {"before": ctx.notes["before"], "after": redis_now(container).told(), "log": log}

    def tell(self, container: Json, value: str) -> None:
        said = redis_cli(container, "CONFIG", "SET", "appendonly", value, seconds=120).strip()
        if said != "OK":
            raise Refused("tool-failed", f"set appendonly {value}", said[:300])

    def _demand_clear(self, ctx: Ctx, tree: str, now: RedisNow) -> None:
        """No log of an earlier time lies there; one that this step began, and a restart made old, is set aside."""
        if not os.path.lexists(at(f"{tree}/{now.settings['appenddirname']}")):
            return
        if not ctx.notes.get("enabled"):
            raise Refused(
                "precondition",
                f"turn the log of {ctx.args['container']} on",
                f"{tree}/{now.settings['appenddirname']} is there although its log is off: an old log that redis would overwrite",
                "look at it and move it away by hand",
            )
        self.log_aside(ctx, tree, now)

    def log_aside(self, ctx: Ctx, tree: str, now: RedisNow) -> str | None:
        """Rename the log's directory out of redis's sight, beside its data. Only while the log is off."""
        name = now.settings["appenddirname"]
        if not os.path.lexists(at(f"{tree}/{name}")):
            return None
        beside = os.lstat(at(tree)).st_dev == os.lstat(at(os.path.dirname(tree))).st_dev
        new, number = ctx.aside_name(f"{tree}.{name}" if beside else f"{tree}/old-{name}"), 1
        while os.path.lexists(at(new)):
            number += 1
            new = f"{ctx.aside_name(f'{tree}.{name}' if beside else f'{tree}/old-{name}')}-{number}"
        ctx.set_aside(f"{tree}/{name}", new, "old-log")
        return new

    def _demand_room(self, tree: str, now: RedisNow) -> None:
        there, held = os.statvfs(at(tree)), int(now.info.get("used_memory", "0"))
        free, need = there.f_bavail * there.f_frsize, 2 * held + (64 << 20)
        if need > free:
            because = f"{tree} has {free} bytes free; a snapshot and the log's base may need {need} (twice its memory and 64 MiB)"
            raise Refused("no-space", "write an append-only log", because, "enlarge the data disk or free space on it")

    def undo(self, ctx: Ctx) -> Json:
        if not ctx.notes.get("enabled"):
            ctx.phase("leave")
            return {"left": "the log was on before this step, or was never turned on"}
        ctx.phase("look")
        start_containers([ctx.args["container"]])
        wait_for(
            f"{ctx.args['container']} answer",
            120,
            lambda: redis_now(demand_container(ctx.args["container"])).info["loading"] == "0",
        )
        container, now, tree = self._ask(ctx)
        if aof_at_start(container, now):
            because = "it starts with appendonly yes now: without its log it would start empty"
            raise Refused("changed", f"turn the log of {ctx.args['container']} off", because, "take that setting back first")
        if now.live:
            ctx.phase("snapshot")
            wait_snapshot(ctx, container, ctx.step["limit_s"])
            ctx.phase("disable")
            self.tell(container, "no")
        ctx.phase("aside")
        aside = self.log_aside(ctx, tree, now)
        ctx.phase("verify")
        return {"before": ctx.notes["before"], "after": redis_now(container).told(), "aside": aside}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        try:
            container, now, tree = self._ask(ctx)
        except Refused as why:  # not running after a power cut, say: undo starts it, and knows what to do with its log
            return "PARTIAL", [str(why)]
        whole = False
        with contextlib.suppress(Refused):
            whole = bool(demand_log(container, now))
        facts = {"the append-only log is on": now.live, "it has a base on disk": whole}
        return verdict(facts, not now.live and not os.path.lexists(at(f"{tree}/{now.settings['appenddirname']}")))


class RedisAofPersist(ComposeService):
    """`--appendonly yes` in the command that compose starts redis with. Only with a live log whose base is proven."""

    keys = {**COMPOSE_KEYS}

    def without(self, words: Sequence[str]) -> list[str]:
        """A command less its --appendonly option."""
        found, number = [], 0
        while number < len(words):
            if words[number] == "--appendonly":
                number += 2
            else:
                found.append(words[number])
                number += 1
        return found

    def recreated(self, container: Json, ctx: Ctx) -> bool:
        return bool(ctx.notes.get("old")) and container["Id"] != ctx.notes["old"]

    def prepare(self, ctx: Ctx) -> Json:
        if not ctx.notes.get("rest"):  # else an earlier attempt stopped it; what lies there is looked at before it starts
            container = demand_container(ctx.args["container"])
            demand_log_soon(container, 20)
        return super().prepare(ctx)

    def do(self, ctx: Ctx) -> Json:
        args, name = ctx.args, ctx.args["container"]
        if not self.switched(ctx):
            self._stop(ctx)
            ctx.phase("switch")
            self.switch(ctx)
        ctx.phase("start")
        if not self.recreated(demand_container(name), ctx):
            self._demand_rest(ctx)
        ctx.down()
        self.up(args)
        wait_for(f"{name} run", 90, lambda: bool(demand_container(name)["State"]["Running"]))
        ctx.phase("verify")
        after = ready_digest(name, "redis")
        ctx.up()
        container = demand_container(name)
        log, now = wait_log(ctx, container, 600), redis_now(container)
        if not aof_at_start(container, now) or not self.same_place(ctx, container):
            raise Refused("not-equal", f"verify {name}", "it does not start with appendonly yes on the data it had")
        demand_kept(ctx.notes.get("baseline"), after, args["writers"], name)
        demand_well([name], ctx.notes.get("healthy") or [])
        ctx.note(after=after)
        return {
            "before": {**ctx.notes["before"], "held": ctx.notes["baseline"]},
            "after": {**now.told(), "held": after},
            "log": log,
        }

    def same_place(self, ctx: Ctx, container: Json) -> bool:
        mount = mounted_at(container, ctx.args["data_path"]) or {}
        return [mount.get("Type"), mount.get("Name") or mount.get("Source")] == ctx.notes.get("place")

    def _stop(self, ctx: Ctx) -> None:
        """Everything is judged while redis serves; then it is stopped cleanly, and what it left on disk is written down."""
        args, name = ctx.args, ctx.args["container"]
        ctx.phase("preflight")
        container = demand_container(name)
        if not container["State"]["Running"]:
            self._demand_rest(ctx)  # an earlier attempt stopped it; nothing has started it since
            return
        cannot = f"make appendonly last for {name}"
        self.demand_labels(args, container, cannot)
        before, after = self.trial(ctx)
        mount = mounted_at(container, args["data_path"])
        was = [
            one.replace("$$", "$")
            for one in before["services"][args["service"]].pop("command", None) or container["Config"]["Cmd"]
        ]
        now = [one.replace("$$", "$") for one in after["services"][args["service"]].pop("command", None) or []]
        told = redis_now(container)
        if before != after or self.without(now) != self.without(was) or not aof_at_start(container, told, now):
            raise Refused(
                "precondition", cannot, "the new compose file changes more than --appendonly in its command", "plan again"
            )
        if was != container["Config"]["Cmd"]:
            raise Refused(
                "precondition", cannot, "its compose file gives it another command than the one it runs with", "settle that"
            )
        if mount is None:
            raise Refused("precondition", cannot, f"{args['data_path']} has no mount: a recreate would lose the data")
        if not (redis_tree(container, told) + "/").startswith(self.host_place(mount) + "/"):
            raise Refused("precondition", cannot, f"its data is in {told.settings['dir']}, not below {args['data_path']}")
        demand_log_soon(container)
        ctx.phase("baseline")
        ctx.note(before=told.told(), old=container["Id"])
        ctx.note(place=[mount["Type"], mount.get("Name") or mount["Source"]], healthy=healthy([name]))
        ctx.note(baseline=digest_service(name, "redis"))
        ctx.phase("stop")
        ctx.down()
        self.hold_down(ctx, container)
        demand_log_soon(container)
        tree = redis_tree(container, told)
        ctx.note(rest={"started": container["State"]["StartedAt"], "tree": tree, "settings": told.settings, "log": None})
        stop_container(name, "redis")
        aof_on_disk(tree, told)
        ctx.note(rest={**ctx.notes["rest"], "log": self._log_digest(ctx)})

    def host_place(self, mount: Json) -> str:
        return str((volume_device(mount["Name"]) if mount["Type"] == "volume" else None) or mount["Source"])

    def _log_digest(self, ctx: Ctx) -> str:
        rest = ctx.notes["rest"]
        log = Manifest(f"{rest['tree']}/{rest['settings']['appenddirname']}")
        return sha_of(b"".join(log.lines()))

    def _demand_rest(self, ctx: Ctx) -> None:
        """The old container is stopped since we stopped it and its log is what it left: only then may redis start from that log."""
        rest, cannot = ctx.notes.get("rest"), f"start {ctx.args['container']} with appendonly yes"
        container = demand_container(ctx.args["container"])
        if not rest:
            raise Refused(
                "precondition", cannot, "it is not running, and this step did not stop it", "start it and see that it works"
            )
        if container["State"]["Running"] or container["State"]["StartedAt"] != rest["started"]:
            because = "somebody started it with its old settings meanwhile: its log misses what was written since"
            raise Refused("refused", cannot, because, "undo, then begin again with redis_aof_live")
        if rest["log"] is None:  # cut off between the stop and the look: it ended by itself, so its log is whole or it is not
            aof_on_disk(rest["tree"], RedisNow(rest["settings"], {}))
            if container["State"]["ExitCode"] != 0:
                raise Refused(
                    "refused", cannot, f"it ended with {container['State']['ExitCode']}, so its log may lack its end", "undo"
                )
            ctx.note(rest={**rest, "log": self._log_digest(ctx)})
        elif rest["log"] != self._log_digest(ctx):
            raise Refused("refused", cannot, "its log on disk is not the one it left when it was stopped", "undo")

    def undo(self, ctx: Ctx) -> Json:
        args, name = ctx.args, ctx.args["container"]
        ctx.phase("look")
        before = self.demand_file(ctx)
        container = demand_container(name)
        held = self._stop_new(ctx, container) if self.recreated(container, ctx) else None
        ctx.phase("restore")
        if self.switched(ctx):
            swap(args["compose_file"], sha_of(read_bytes(args["compose_file"])), before)
        ctx.phase("start")
        if "old" not in ctx.notes:
            return {"left": "nothing was stopped"}
        if self.recreated(container, ctx):
            self.up(args)
        else:
            self.start_unchanged(ctx)
        wait_for(f"{name} run", 90, lambda: bool(demand_container(name)["State"]["Running"]))
        after = ready_digest(name, "redis")
        ctx.up()
        ctx.phase("verify")
        container = demand_container(name)
        if not self.same_place(ctx, container):
            raise Refused("not-equal", f"verify {name}", "it does not mount the data it had")
        demand_kept(held, after, args["writers"], name)
        ctx.phase("enable")  # as it was before this step: on, in the running server only
        if not redis_now(container).live:
            RedisAofLive().tell(container, "yes")
        log, now = wait_log(ctx, container, ctx.step["limit_s"]), redis_now(container)
        return {"before": ctx.notes["before"], "after": {**now.told(), "held": after}, "log": log}

    def _stop_new(self, ctx: Ctx, container: Json) -> Json | None:
        """Stop the recreated container so that its dump holds everything: without the log, the dump is what it starts from."""
        name = ctx.args["container"]
        if not container["State"]["Running"] and self._log_digest(ctx) == ctx.notes["rest"]["log"]:
            return None  # it never wrote: the dump from before the switch is current
        if not self.switched(ctx) and not container["State"]["Running"]:
            return None  # this undo stopped it already
        start_containers([name])
        held = ready_digest(name, "redis")
        ctx.phase("stop")
        ctx.down()
        docker("update", "--restart", "no", name)
        stop_container(name, "redis")
        return held

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        container = inspect(ctx.args["container"])
        running = container is not None and bool(container["State"]["Running"])
        starts = whole = False
        if container is not None and running:
            with contextlib.suppress(Refused):
                now = redis_now(container)
                starts = aof_at_start(container, now)
                whole = bool(demand_log(container, now))
        facts = {
            "the compose file is the planned one": self.switched(ctx),
            "redis runs and starts with appendonly yes": starts,
            "its append-only log is on and whole": whole,
        }
        return verdict(facts, running and not self.switched(ctx) and not ctx.notes.get("rest"))


def demand_kept(before: Json | None, after: Json | None, writers: str, what: str) -> None:
    """As `demand_same`; and with live writers at least: what held keys does not come back empty."""
    demand_same(before, after, writers, what)
    if before and after and before["keys"] + before["keys_with_expiry"] and not after["keys"] + after["keys_with_expiry"]:
        raise Refused("not-equal", f"verify {what}", f"it held {dumped(before)} and came back empty")


class NameVolume(ServiceRelocate):
    """One compose service's data in a volume with a name, bound to a directory of the data disk."""

    keys = {**ServiceRelocate.keys, "volume": word(NAME)}

    def judge(self, step: Json) -> None:
        super().judge(step)
        if re.fullmatch("[0-9a-f]{64}", step["args"]["volume"]):
            raise Refused("bad-request", f"accept step {step['id']!r}", "64 hex digits are the name of a volume nobody named")

    def in_place(self, args: Json) -> bool:
        """The data already lies where the volume is bound to: only its name is new."""
        return bool(args["source"].get("path") == args["dst"])

    def uses(self, args: Json, where: str) -> bool:
        if where != "dst":
            return super().uses(args, where)
        found = inspect(args["container"])
        mount = mounted_at(found, args["data_path"]) if found else None
        named = mount is not None and mount["Type"] == "volume" and mount["Name"] == args["volume"]
        return named and volume_device(args["volume"]) == args["dst"]

    def demand_mounts_only(self, args: Json, before: Json, after: Json, cannot: str) -> None:
        """Beside the one mount only the declaration of the one volume is new."""
        service, wanted = (
            args["service"],
            {"driver": "local", "driver_opts": {"device": args["dst"], "o": "bind", "type": "none"}},
        )
        made = {key: one for key, one in (after.get("volumes") or {}).items() if one.get("name") == args["volume"]}
        told = [{key: value for key, value in one.items() if key != "name"} for one in made.values()]
        sides = []
        for one in (before, after):
            listed = one["services"][service].pop("volumes", None) or []
            sides.append([mount for mount in listed if mount.get("target") != args["data_path"]])
        mount = [one for one in listed if one.get("target") == args["data_path"]]
        known = before.pop("volumes", None) or {}
        others = {key: one for key, one in (after.pop("volumes", None) or {}).items() if key not in made}
        good = told == [wanted] and len(mount) == 1 and mount[0].get("type") == "volume" and mount[0].get("source") in made
        if not good or before != after or sides[0] != sides[1] or any(known.get(key) != one for key, one in others.items()):
            because = f"the new compose file changes more than to mount volume {args['volume']}, bound to {args['dst']}"
            raise Refused("precondition", cannot, because, "plan again")
        found = volume_path(args["volume"])
        if found is not None and (volume_device(args["volume"]) != args["dst"] or not Aside.find(volume=args["volume"])):
            because = f"there is a volume {args['volume']} that this hand did not make for {args['dst']}"
            raise Refused("precondition", cannot, because, "choose another name, or look at it and settle it by hand")

    def _copy_and_switch(self, ctx: Ctx) -> Json:
        args, dst = ctx.args, ctx.args["dst"]
        if not self.in_place(args):
            return super()._copy_and_switch(ctx)
        ctx.phase("preflight")
        container = self._preflight(ctx)
        plain_path(dst)
        self._refuse_shared(args, dst)
        demand_mount(args["dst_mount"], dst)
        ctx.phase("baseline")
        ctx.note(baseline=self.digest(args), healthy=healthy([args["container"]]))
        ctx.phase("stop")
        ctx.down()
        self.hold_down(ctx, container)
        stopped = stop_container(args["container"], args["engine"])
        left = mounted_below(dst) or users_of(dst)
        if left:
            raise Refused("precondition", f"have {dst} to itself", f"still in use: {', '.join(left[:5])}")
        marker = demand_marker(dst, args["engine"])
        ctx.phase("switch", **stopped)
        self.switch(ctx)
        return {"marker": marker}

    def do(self, ctx: Ctx) -> Json:
        args, facts = ctx.args, {}
        before = redis_now(demand_container(args["container"])).told() if self._asks(args) else None
        if "before" not in ctx.notes:
            ctx.note(before=before)
        if not self.switched(ctx):
            facts = self._copy_and_switch(ctx)
        ctx.phase("aside")
        if not self.in_place(args):
            self.source_aside(ctx)
        ctx.phase("start")
        if "made_volume" not in ctx.notes:
            ctx.note(made_volume=True)
        self.up(args)
        wait_for(f"{args['container']} run", 90, lambda: bool(demand_container(args["container"])["State"]["Running"]))
        ctx.take_back(volume=args["volume"])
        self._demand_bound(args)
        ctx.phase("verify")
        after = self.digest(args)
        ctx.up()
        demand_well([args["container"]], ctx.notes.get("healthy") or [])
        demand_same(ctx.notes.get("baseline"), after, args["writers"], args["container"])
        if args["engine"] == "redis":
            demand_kept(ctx.notes.get("baseline"), after, args["writers"], args["container"])
        ctx.note(after=after)
        settings = redis_now(demand_container(args["container"])).told() if args["engine"] == "redis" else {}
        told = {
            "before": {**(ctx.notes["before"] or {}), "held": ctx.notes.get("baseline")},
            "after": {**settings, "held": after},
        }
        return {**facts, **told, "volume": args["volume"], "dst": args["dst"]}

    def _asks(self, args: Json) -> bool:
        found = inspect(args["container"])
        return args["engine"] == "redis" and found is not None and bool(found["State"]["Running"])

    def _demand_bound(self, args: Json) -> None:
        """The container mounts the volume, and behind the volume is that very directory."""
        place = volume_path(args["volume"])
        there, wanted = os.stat(at(place or args["dst"])), os.stat(at(args["dst"]))
        bound = place is not None and (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino)
        if not self.uses(args, "dst") or not bound:
            because = f"it does not mount {args['dst']} by volume {args['volume']} at {args['data_path']}"
            raise Refused("not-equal", f"verify {args['container']}", because)

    def undo(self, ctx: Ctx) -> Json:
        args = ctx.args
        facts = super().undo(ctx)
        place = volume_path(args["volume"])
        if ctx.notes.get("made_volume") and place is not None and not Aside.find(volume=args["volume"]):
            if mounted_below(place):
                raise Refused(
                    "precondition", f"set volume {args['volume']} aside", "something still mounts it", "stop that first"
                )
            ctx.set_volume_aside(args["volume"], place, "undone-volume")
        return {**facts, "volume_left": args["volume"] if place is not None else None}

    def _written_since(self, ctx: Ctx) -> bool:
        if not self.in_place(ctx.args):
            return super()._written_since(ctx)
        with contextlib.suppress(Refused):  # a container that cannot answer is stopped all the same: its data stays where it is
            ctx.note(undo_baseline=self.digest(ctx.args, 60))
        return False

    def _data_back(self, ctx: Ctx, written: bool) -> bool:
        return False if self.in_place(ctx.args) else super()._data_back(ctx, written)

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args = ctx.args
        if not self.in_place(args):
            return super().holds(ctx)
        found = inspect(args["container"])
        running = bool(found and found["State"]["Running"])
        facts = {
            "the compose file is the planned one": self.switched(ctx),
            f"{args['container']} mounts {args['dst']} by volume {args['volume']}": self.uses(args, "dst"),
            f"{args['container']} runs": running,
        }
        return verdict(facts, not self.switched(ctx) and running and self.uses(args, "source"))


# ---------------------------------------------------------------------------------------------- files, retiring


class WriteFile(Verb):
    """One of a few configuration files, whole, by compare-and-swap."""

    keys = {
        "path": word(r"/etc/docker/daemon\.json|/etc/systemd/system/(docker|containerd)\.service\.d/[a-z0-9][a-z0-9-]*\.conf"),
        "before_sha256": or_null(word(DIGEST)),
        "after": content(1 << 16),
        "mode": one_of(0o644, 0o600),
    }

    def prepare(self, ctx: Ctx) -> Json:
        now, args = read_or_none(ctx.args["path"]), ctx.args
        plain_path(args["path"])
        if now != args["after"].encode():
            if (sha_of(now) if now is not None else None) != args["before_sha256"]:
                raise Refused("changed", f"write {args['path']}", "its content is not what the plan was made from", "plan again")
            if now is not None:
                ctx.keep("file", now)
        return {"before": args["before_sha256"]}

    def do(self, ctx: Ctx) -> Json:
        args, raw = ctx.args, ctx.args["after"].encode()
        ctx.phase("validate")
        if args["path"] == DAEMON_JSON:
            parse_json(raw, "daemon.json")
            trial = f"{ctx.plan.directory}/daemon.json.try"
            write_atomic(trial, raw)
            run(["dockerd", "--validate", "--config-file", at(trial)])
        ctx.phase("write")
        os.makedirs(at(os.path.dirname(args["path"])), 0o755, exist_ok=True)
        if read_or_none(args["path"]) != raw:
            ctx.note(writing=True)
            swap(args["path"], args["before_sha256"], raw, args["mode"])
        return {"sha256": sha_of(raw)}

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("restore")
        if not ctx.notes.get("writing"):
            return {"left": "this step never wrote it"}
        before = ctx.kept("file")
        if read_or_none(ctx.args["path"]) != before:
            swap(ctx.args["path"], sha_of(ctx.args["after"].encode()), before)
        return {"sha256": ctx.args["before_sha256"]}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        now, args = read_or_none(ctx.args["path"]), ctx.args
        untouched = (sha_of(now) if now is not None else None) == args["before_sha256"]
        return verdict({f"{args['path']} is the planned one": now == args["after"].encode()}, untouched)


class DirectoriesMake(Verb):
    """Empty directories on the data disk; those that exist are left as they are."""

    keys = {"paths": list_of(is_path, 200), "dst_mount": MOUNT}

    def prepare(self, ctx: Ctx) -> Json:
        for path in ctx.args["paths"]:
            demand_mount(ctx.args["dst_mount"], path)
        return {"there": [path for path in ctx.args["paths"] if os.path.isdir(at(path))]}

    def do(self, ctx: Ctx) -> Json:
        ctx.phase("make")
        for path in ctx.args["paths"]:
            demand_mount(ctx.args["dst_mount"], path)
            if not os.path.isdir(at(path)) or mine(ctx, path):
                make_directory(ctx, path)
                os.chmod(at(path), 0o755)
        return {"made": sorted(ctx.notes.get("made", {}))}

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("remove")
        left = []
        for path in reversed(ctx.args["paths"]):
            if mine(ctx, path):
                try:
                    os.rmdir(at(path))
                except OSError:
                    left.append(path)  # something lies in it: it is nobody's to remove
        return {"left": left}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        facts = {f"{path} is there": os.path.isdir(at(path)) for path in ctx.args["paths"]}
        return verdict(facts, not any(mine(ctx, path) for path in ctx.args["paths"]))


# ---------------------------------------------------------------------------------------------- docker's first start

STOCK_ROOT = "/var/lib/docker"
DOCKER_UNITS = ("containerd.service", "docker.service", "docker.socket")


class DockerPrepare(Verb):
    """Docker's settings before it first starts, and that first start. Only where docker holds nothing."""

    keys = {
        "dst": is_path,
        "dst_mount": MOUNT,
        "daemon_json_before_sha256": or_null(word(DIGEST)),
        "daemon_json_after": content(1 << 16),
    }

    def prepare(self, ctx: Ctx) -> Json:
        args, now = ctx.args, read_or_none(DAEMON_JSON)
        demand_mount(args["dst_mount"], args["dst"])
        if now != args["daemon_json_after"].encode():
            if (sha_of(now) if now is not None else None) != args["daemon_json_before_sha256"]:
                raise Refused("changed", "prepare docker", f"{DAEMON_JSON} is not what the plan was made from", "plan again")
            self._demand_unused(args)
            if now is not None:
                ctx.keep("daemon.json", now)
        if "units" not in ctx.notes:
            states = {unit: run(["systemctl", "is-enabled", unit], check=False).text.strip() for unit in DOCKER_UNITS}
            ctx.note(units=states)
        return {"units": ctx.notes["units"]}

    def _demand_unused(self, args: Json) -> None:
        for path in (STOCK_ROOT, args["dst"]):
            if os.path.isdir(at(path)) and os.listdir(at(path)):
                because = f"{path} is not empty: docker may hold data"
                raise Refused("precondition", "prepare docker", because, "start docker, audit again, and plan its move")
        if active("docker.service"):
            raise Refused("precondition", "prepare docker", "docker runs already", "audit again and plan again")

    def do(self, ctx: Ctx) -> Json:
        args, raw = ctx.args, ctx.args["daemon_json_after"].encode()
        demand_mount(args["dst_mount"], args["dst"])
        ctx.phase("settings")
        trial = f"{ctx.plan.directory}/daemon.json.try"
        write_atomic(trial, raw)
        run(["dockerd", "--validate", "--config-file", at(trial)])
        if read_or_none(DAEMON_JSON) != raw:
            self._demand_unused(args)
            make_directory(ctx, args["dst"])
            os.makedirs(at(os.path.dirname(DAEMON_JSON)), 0o755, exist_ok=True)
            swap(DAEMON_JSON, args["daemon_json_before_sha256"], raw, 0o644)
        ctx.phase("start")
        systemctl("unmask", *DOCKER_UNITS, check=False)
        systemctl("enable", *DOCKER_UNITS)
        start_docker(True)
        ctx.phase("verify")
        if docker_root() != args["dst"]:
            raise Refused("not-equal", "verify docker's data-root", f"docker works on {docker_root()}")
        return {"root": args["dst"]}

    def undo(self, ctx: Ctx) -> Json:
        args, raw = ctx.args, ctx.args["daemon_json_after"].encode()
        ctx.phase("stop")
        if docker_root() == args["dst"] and containers():
            because = "docker has containers since"
            raise Refused("refused", "take docker's data-root back", because, "remove what was started on it, then undo again")
        systemctl("stop", "docker.socket", "docker.service", "containerd.service", check=False)
        ctx.phase("settings")
        if read_or_none(DAEMON_JSON) == raw:
            swap(DAEMON_JSON, sha_of(raw), ctx.kept("daemon.json"), 0o644)
        for unit, before in ctx.notes.get("units", {}).items():
            if before != "enabled":
                systemctl("disable", unit, check=False)
            if before == "masked":
                systemctl("mask", unit, check=False)
        ctx.phase("root")
        return {"left": ctx.retire_undone(args["dst"])}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args, now = ctx.args, read_or_none(DAEMON_JSON)
        facts = {
            "daemon.json is the planned one": now == args["daemon_json_after"].encode(),
            f"docker works on {args['dst']}": docker_root() == args["dst"],
        }
        return verdict(facts, not any(facts.values()) and not os.path.lexists(at(args["dst"])))


# ---------------------------------------------------------------------------------------------- a restart


def boot_now() -> str:
    return text_of("/proc/sys/kernel/random/boot_id").strip()


class Restart(Verb):
    """The host restarted: proven by a boot id that is another than before, and by nothing else."""

    keys: Mapping[str, Check] = {}

    def prepare(self, ctx: Ctx) -> Json:
        if "boot_before" not in ctx.notes:
            ctx.note(boot_before=boot_now())
        return {"boot_before": ctx.notes["boot_before"]}

    def do(self, ctx: Ctx) -> Json:
        before = ctx.notes["boot_before"]
        if boot_now() == before:
            ctx.phase("restart")
            ctx.note(asked=True)
            systemctl("--no-block", "reboot")
            time.sleep(ctx.step["limit_s"])  # the restart ends this process; outliving it is the failure
            raise Refused("tool-failed", "restart the host", f"it still runs {ctx.step['limit_s']} s after it was told to")
        return {"boot_before": before, "boot_after": boot_now()}

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("leave")
        return {"left": "a restart cannot be taken back"}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        before, until = ctx.notes.get("boot_before"), time.monotonic() + 50
        while ctx.notes.get("asked") and boot_now() == before and time.monotonic() < until:
            if run(["systemctl", "is-system-running"], check=False).text.strip() != "stopping":
                break
            time.sleep(1)  # going down: the restart ends this answer, and the next one comes from the new boot
        done = before is not None and boot_now() != before
        return verdict({f"it runs another boot than {before} ({boot_now()})": done}, not done)


# ---------------------------------------------------------------------------------------------- retiring


class Retire(Verb):
    """Gives space back: removes exactly what this hand set aside and a person listed."""

    keys = {"paths": list_of(is_path), "volumes": list_of(word(NAME))}

    def judge(self, step: Json) -> None:
        if step["deletes"] != step["args"]["paths"] + [f"volume:{name}" for name in step["args"]["volumes"]]:
            raise Refused("bad-request", f"accept step {step['id']!r}", "its deletes are not exactly its paths and volumes")

    def prepare(self, ctx: Ctx) -> Json:
        return {"entries": [one["id"] for one in self._entries(ctx)], "undo": "none: what is removed is gone"}

    def _entries(self, ctx: Ctx) -> list[Json]:
        """The live register entries that are meant, each checked on the spot. Raises: Refused."""
        found = []
        for path in ctx.args["paths"]:
            entry = Aside.find(path=path)
            found += [self._checked(entry, path, path)] if entry or os.path.lexists(at(path)) else []
        for name in ctx.args["volumes"]:
            entry, place = Aside.find(volume=name), volume_path(name)
            found += [self._checked(entry, place, f"volume {name}")] if entry or place else []
        return found

    def _checked(self, entry: Json | None, path: str | None, what: str) -> Json:
        cannot = f"remove {what}"
        if entry is None:
            raise Refused(
                "refused", cannot, "this hand did not set it aside (or it was put back)", "it is not the hand's to remove"
            )
        if path is None or not os.path.lexists(at(path)):
            return entry  # gone already: an earlier attempt removed it
        plain_path(path)
        status = os.lstat(at(path))
        if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)) or status.st_ino != entry["ino"]:
            raise Refused("refused", cannot, "it is not the directory or file that was set aside")
        if because := Aside.still_needed(entry, history(Journal().entries())):
            raise Refused("refused", cannot, because)
        if mounted_below(path):
            raise Refused("refused", cannot, f"mounted below it: {', '.join(mounted_below(path)[:5])}")
        self._refuse_used(entry, path, cannot)
        return entry

    def _refuse_used(self, entry: Json, path: str, cannot: str) -> None:
        root = docker_root()
        if root is None:
            raise Refused("precondition", cannot, "docker does not answer, so nobody can say whether a container uses it")
        used = [(root, "docker's data-root")]
        used += [(mount.get("Source") or "", name_of(one)) for one in containers() for mount in one["Mounts"]]
        used += [
            (path, name_of(one))
            for one in containers()
            for mount in one["Mounts"]
            if entry["volume"] and mount.get("Name") == entry["volume"]
        ]
        for place, who in used:
            if place and ((place + "/").startswith(path + "/") or (not entry["volume"] and place == path)):
                raise Refused("refused", cannot, f"{who} uses {place}")

    def do(self, ctx: Ctx) -> Json:
        freed = 0
        for entry in self._entries(ctx):
            ctx.phase("remove", path=entry["path"], volume=entry["volume"], bytes=entry["bytes"])
            if entry["kind"] == "path":
                if os.path.lexists(at(entry["path"])):
                    if stat.S_ISDIR(os.lstat(at(entry["path"])).st_mode):
                        shutil.rmtree(at(entry["path"]))
                    else:
                        os.unlink(at(entry["path"]))
                    sync_directory(os.path.dirname(entry["path"]))
            elif volume_path(entry["volume"]) is not None:
                docker("volume", "rm", entry["volume"])
            freed += entry["bytes"]
            Aside.mark(entry["id"], "retired")
            ctx.record("retired", {"path": entry["path"], "volume": entry["volume"], "bytes": entry["bytes"]})
        return {"bytes": freed}

    def undo(self, ctx: Ctx) -> Json:
        raise Refused("not-undoable", "undo retire", "what was removed is gone")

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        gone = {path: not os.path.lexists(at(path)) for path in ctx.args["paths"]}
        gone.update({f"volume {name}": volume_path(name) is None for name in ctx.args["volumes"]})
        return verdict({f"{what} is gone": good for what, good in gone.items()}, not any(gone.values()))


# ---------------------------------------------------------------------------------------------- write surfaces


class Layer(NamedTuple):
    """A container's own writable layer and the layers below it, topmost first, as directories of this host."""

    upper: str
    lower: tuple[str, ...]


def layer_of(container: Json) -> Layer:
    """Raises: Refused where docker does not keep layers as plain directories."""
    graph = container.get("GraphDriver") or {}
    told = graph.get("Data") or {}
    if graph.get("Name") != "overlay2" or not told.get("UpperDir"):
        cannot = f"reach the writable layer of {name_of(container)}"
        raise Refused("precondition", cannot, f"its storage driver is {graph.get('Name') or 'not told'}, not overlay2")
    return Layer(str(told["UpperDir"]), tuple(one for one in str(told.get("LowerDir") or "").split(":") if one))


def inside_layers(layer: Layer, path: str, cannot: str) -> str:
    """The one directory whose content is all a container sees at path. Raises: Refused when layers are mixed there."""
    found = []
    for root in (layer.upper, *layer.lower):
        grown = root
        for part in path.strip("/").split("/"):
            grown += "/" + part
            if os.path.islink(at(grown)):
                raise Refused("precondition", cannot, f"{path} leads through a symbolic link in the container")
        if os.path.lexists(at(root + path)):
            if not os.path.isdir(at(root + path)):
                raise Refused("precondition", cannot, f"{path} is no directory in the container")
            if root != layer.upper and os.listdir(at(root + path)):
                raise Refused("precondition", cannot, f"the image itself keeps files at {path}", "a bind mount would hide them")
            found.append(root + path)
    if not found:
        raise Refused("precondition", cannot, f"the container has no {path}")
    return found[0]


class SurfaceGovern(ComposeService):
    """A directory that a container writes in its own layer becomes a bind mount.

    A container that is made anew loses its layer. Here the whole layer is first copied aside, proven equal and registered, and
    the new container begins with it: only the governed directory moves, and nothing else the application wrote is lost.
    """

    keys = {
        **{key: check for key, check in COMPOSE_KEYS.items() if key != "writers"},
        "dst": is_path,
        "dst_mount": or_null(MOUNT),  # null: the directory lies on the root filesystem
    }

    def uses(self, args: Json, where: str) -> bool:
        found = inspect(args["container"])
        mount = mounted_at(found, args["data_path"]) if found else None
        if where == "dst":
            return mount is not None and mount["Type"] == "bind" and mount["Source"] == args["dst"]
        return found is not None and mount is None

    def kept_layer(self, ctx: Ctx, what: str = "layer") -> str:
        return f"{ctx.args['dst']}.wb-{what}-{ctx.short}"

    def do(self, ctx: Ctx) -> Json:
        args, facts = ctx.args, {}
        if not self.switched(ctx):
            facts = self._copy_and_switch(ctx)
        ctx.phase("recreate")
        self._recreate(ctx, "filled", self.kept_layer(ctx), "dst")
        ctx.up()
        ctx.phase("verify")
        demand_well([args["container"]], ctx.notes.get("healthy") or [])
        return {**facts, "dst": args["dst"], "layer": self.kept_layer(ctx)}

    def _copy_and_switch(self, ctx: Ctx) -> Json:
        args, dst, kept = ctx.args, ctx.args["dst"], self.kept_layer(ctx)
        ctx.phase("preflight")
        container = self._preflight(ctx)
        self._refuse_other_image(args, container["Image"])
        layer = layer_of(container)
        src = inside_layers(layer, args["data_path"], f"govern {args['data_path']} of {args['container']}")
        self._demand_place(args)
        if not mine(ctx, dst):
            demand_space(src, existing(dst))
            demand_space(layer.upper, existing(dst))
        make_directory(ctx, dst)
        ctx.phase("copy")
        copy_tree(ctx, src, dst, live=True, seconds=ctx.step["limit_s"])
        ctx.phase("stop")
        were_healthy = ctx.notes.get("healthy") or healthy([args["container"]])
        ctx.note(container=container["Id"], image=container["Image"], healthy=were_healthy)
        ctx.down()
        self.hold_down(ctx, container)
        stop_container(args["container"], "other")
        src = inside_layers(layer, args["data_path"], f"govern {args['data_path']}")  # the first write may have come meanwhile
        ctx.phase("final-copy")
        copy_tree(ctx, src, dst, live=False, seconds=ctx.step["limit_s"])
        ctx.phase("prove")
        proven = prove_equal(ctx, src, dst, "do")
        ctx.phase("keep")
        self._keep_layer(ctx, layer.upper, kept, "layer-copy")
        ctx.note(manifest=proven["manifest"])
        ctx.phase("switch", **proven)
        self.switch(ctx)
        return {**proven, "files": count_files(dst)}

    def _preflight(self, ctx: Ctx) -> Json:
        """The container is the planned compose service, nothing covers the path, and the new file changes only its volumes."""
        args, cannot = ctx.args, f"govern {ctx.args['data_path']} of {ctx.args['container']}"
        container = demand_container(args["container"])
        if not container["State"]["Running"]:
            if "restart" not in ctx.notes:  # else an earlier attempt was cut off after the stop
                raise Refused("precondition", cannot, "it is not running", "start it and see that it works first")
            start_containers([args["container"]])
        self.demand_labels(args, container, cannot)
        if not self.uses(args, "source"):
            raise Refused("precondition", cannot, f"at {args['data_path']} it mounts {mounted_at(container, args['data_path'])}")
        before, after = self.trial(ctx)
        for one in (before, after):
            one["services"][args["service"]].pop("volumes", None)
        if before != after:
            raise Refused("precondition", cannot, "the new compose file changes more than this service's volumes", "plan again")
        return container

    def _refuse_other_image(self, args: Json, image: str) -> None:
        """A layer fits only the image it was written on; compose takes whatever image has the name now."""
        named = str(self.rendered(args, args["compose_file"])["services"][args["service"]].get("image") or "")
        ran = docker("image", "inspect", "--format", "{{.Id}}", named, check=False)
        if ran.code != 0 or ran.text.strip() != image:
            because = f"{named or 'its service'} is no longer the image {args['container']} runs"
            raise Refused("precondition", f"recreate {args['container']}", because, "deploy that image first, then plan again")

    def _demand_place(self, args: Json) -> None:
        if args["dst_mount"] is not None:
            demand_mount(args["dst_mount"], args["dst"])
            return
        plain_path(args["dst"])
        if os.lstat(at(existing(args["dst"]))).st_dev != os.stat(at("/")).st_dev:
            raise Refused("precondition", f"use {args['dst']}", "it is not on the root filesystem, as the plan says")

    def _keep_layer(self, ctx: Ctx, upper: str, kept: str, why: str) -> None:
        make_directory(ctx, kept)
        copy_tree(ctx, upper, kept, live=False, seconds=ctx.step["limit_s"])
        prove_equal(ctx, upper, kept, why)
        ctx.keep_aside(kept, upper, why)

    def _recreate(self, ctx: Ctx, done: str, layer: str, side: str) -> None:
        """A container as the compose file says, with `layer` (but for the governed directory) as its own; then start it."""
        args, name = ctx.args, ctx.args["container"]
        self.up(args, "--no-start")
        fresh = demand_container(name)
        if not self.uses(args, side):
            raise Refused(
                "not-equal", f"make {name} anew", f"at {args['data_path']} it has {mounted_at(fresh, args['data_path'])}"
            )
        if ctx.notes.get(done) != fresh["Id"]:
            if fresh["State"]["Running"] or fresh["Id"] == ctx.notes.get("container"):
                raise Refused("not-equal", f"make {name} anew", "compose left the old container, or somebody started the new one")
            self._fill(ctx, fresh, layer, side)
            ctx.note(**{done: fresh["Id"]})
        start_containers([name])

    def _fill(self, ctx: Ctx, fresh: Json, layer: str, side: str) -> None:
        upper, path = layer_of(fresh).upper, ctx.args["data_path"]
        status = os.lstat(at(upper))
        ctx.note(made={**ctx.notes.get("made", {}), upper: [status.st_dev, status.st_ino]})
        copy_tree(ctx, layer, upper, live=False, seconds=ctx.step["limit_s"], skip=path)
        prove_equal(ctx, layer, upper, f"fill-{side}", skip=path)
        if side == "source":  # the way back: what lies in the mounted directory now belongs in the layer again
            make_directory(ctx, upper + path)
            copy_tree(ctx, ctx.args["dst"], upper + path, live=False, seconds=ctx.step["limit_s"])
            prove_equal(ctx, ctx.args["dst"], upper + path, "undo")

    def undo(self, ctx: Ctx) -> Json:
        args, name = ctx.args, ctx.args["container"]
        ctx.phase("look")
        before, found = self.demand_file(ctx), inspect(name)
        untouched = found is not None and found["Id"] == ctx.notes.get("container", found["Id"])
        if not untouched and "undo_layer" not in ctx.notes:
            self._refuse_other_image(args, ctx.notes["image"])
            self._stop_and_keep(ctx, found)
        ctx.phase("restore")
        ctx.down()
        if self.switched(ctx):
            swap(args["compose_file"], sha_of(read_bytes(args["compose_file"])), before)
        ctx.phase("start")
        if untouched:
            self.start_unchanged(ctx)
        else:
            self._recreate(ctx, "refilled", ctx.notes["undo_layer"], "source")
        ctx.up()
        ctx.phase("verify")
        if not self.uses(args, "source"):
            raise Refused("not-equal", f"verify {name}", f"something is mounted at {args['data_path']}")
        demand_well([name], ctx.notes.get("healthy") or [])
        ctx.phase("keep")
        return {"left": ctx.retire_undone(args["dst"]), "recreated": not untouched}

    def _stop_and_keep(self, ctx: Ctx, found: Json | None) -> None:
        """What the new container wrote into its own layer since goes back as well; before it was filled, the kept layer does."""
        layer = self.kept_layer(ctx)
        ctx.phase("stop")
        ctx.down()
        if found is not None and found["Id"] == ctx.notes.get("filled"):
            upper = layer_of(found).upper
            demand_space(upper, existing(ctx.args["dst"]), 1.05, 64 << 20, "a twentieth more than its size and 64 MiB")
            docker("update", "--restart", "no", ctx.args["container"])
            stop_container(ctx.args["container"], "other")
            layer = self.kept_layer(ctx, "undo-layer")
            self._keep_layer(ctx, upper, layer, "undo-layer-copy")
        elif found is not None and not found["State"]["StartedAt"].startswith("0001-"):
            because = "somebody made it anew since, and what it wrote into its own layer would be lost"
            raise Refused("changed", f"undo {ctx.args['container']}", because, "save what it wrote, then settle by hand")
        ctx.note(undo_layer=layer)

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        args = ctx.args
        found = inspect(args["container"])
        running = bool(found and found["State"]["Running"])
        facts = {
            "the compose file is the planned one": self.switched(ctx),
            f"{args['container']} mounts {args['dst']}": self.uses(args, "dst"),
            f"{args['container']} runs": running,
        }
        begun = self.switched(ctx) or os.path.lexists(at(args["dst"]))
        return verdict(facts, not begun and running and self.uses(args, "source"))


def count_files(path: str) -> int:
    return sum(len(files) for _, _, files in os.walk(at(path)))


class TmpAside(Verb):
    """Large files nobody owns leave the host's /tmp: renamed, each by its name, into a directory of root's. Nothing is removed."""

    keys = {
        "files": list_of(shape({"path": word(r"/tmp(/[A-Za-z0-9._@+:%=,-]+){1,2}"), "bytes": integer(0, 1 << 60)}), 500),
        "to": is_path,
    }

    def judge(self, step: Json) -> None:
        super().judge(step)
        names = [self._name(one["path"]) for one in step["args"]["files"]]
        dots = any(part in (".", "..") for one in step["args"]["files"] for part in one["path"].split("/"))
        if dots or len(set(names)) != len(names):
            raise Refused("bad-request", f"accept step {step['id']!r}", "two files are, or would become, the same")

    def _name(self, path: str) -> str:
        return path[len("/tmp/") :].replace("/", "+")

    def aside(self, ctx: Ctx, path: str) -> str:
        return ctx.aside_name(f"{ctx.args['to']}/{self._name(path)}")

    def prepare(self, ctx: Ctx) -> Json:
        for one in ctx.args["files"]:
            self._look(ctx, one)
        return {"back": {self.aside(ctx, one["path"]): one["path"] for one in ctx.args["files"]}}

    def _look(self, ctx: Ctx, one: Json) -> bool:
        """Whether it is still to be moved. Raises: Refused unless it is the planned file, whole and at rest."""
        path, cannot = one["path"], f"set {one['path']} aside"
        if os.path.lexists(at(self.aside(ctx, path))):
            if path in ctx.notes.get("moving", {}):
                return False
            raise Refused("precondition", cannot, f"{self.aside(ctx, path)} exists already")
        plain_path(path)
        try:
            status = os.lstat(at(path))
        except FileNotFoundError:
            raise Refused("changed", cannot, "it is not there any more", "plan again") from None
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_size != one["bytes"]:
            raise Refused("changed", cannot, f"it is no longer the one file of {one['bytes']} bytes the plan names", "plan again")
        if status.st_dev != os.stat(at(existing(ctx.args["to"]))).st_dev:
            because = f"{ctx.args['to']} is on another filesystem: a move would be a copy and a removal"
            raise Refused("precondition", cannot, because, "name a directory on the filesystem of /tmp")
        users = open_by(status)
        if users:
            raise Refused("refused", cannot, f"{', '.join(users[:3])} has it open", "settle who writes it, then plan again")
        return True

    def do(self, ctx: Ctx) -> Json:
        moved = []
        ctx.phase("look")
        waiting = [one["path"] for one in ctx.args["files"] if self._look(ctx, one)]
        own_directory(ctx.args["to"])
        for path in waiting:
            new, status = self.aside(ctx, path), os.lstat(at(path))
            ctx.phase("aside", path=path, to=new)
            ctx.note(moving={**ctx.notes.get("moving", {}), path: [status.st_dev, status.st_ino]})
            move_between(path, new)
            if not self._ours(ctx, path, new):
                move_between(new, path)
                raise Refused("changed", f"set {path} aside", "another file took its name in that moment", "plan again")
            ctx.keep_aside(new, path, "tmp-file")
        for one in ctx.args["files"]:
            new = self.aside(ctx, one["path"])
            if Aside.find(path=new) is None:  # killed between the rename and the register
                ctx.keep_aside(new, one["path"], "tmp-file")
            moved.append({"from": one["path"], "to": new, "bytes": one["bytes"]})
        return {"moved": moved}

    def _ours(self, ctx: Ctx, path: str, place: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(at(place))
            return bool(ctx.notes.get("moving", {}).get(path) == [status.st_dev, status.st_ino])
        return False

    def undo(self, ctx: Ctx) -> Json:
        back = []
        ctx.phase("back")
        for path in ctx.notes.get("moving", {}):
            new = self.aside(ctx, path)
            if self._ours(ctx, path, path):
                continue
            if not self._ours(ctx, path, new):
                raise Refused("not-undoable", f"put {path} back", f"{new} is not what was set aside", "look at it by hand")
            if os.path.lexists(at(path)):
                raise Refused("changed", f"put {path} back", "something new is there", "move it away by hand, then undo again")
            move_between(new, path)
            entry = Aside.find(path=new)
            if entry:
                Aside.mark(entry["id"], "restored")
            ctx.record("restored", {"path": new, "volume": None, "origin": path})
            back.append(path)
        return {"back": back}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        paths = [one["path"] for one in ctx.args["files"]]
        facts = {f"{path} is set aside": self._ours(ctx, path, self.aside(ctx, path)) for path in paths}
        return verdict(facts, not any(facts.values()) and all(os.path.lexists(at(path)) for path in paths))


def move_between(old: str, new: str) -> None:
    """rename(2) between two directories held open, so that nobody can swap a directory of /tmp for a link meanwhile."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    held: list[int] = []
    try:
        for path in (old, new):
            parts = os.path.dirname(path).strip("/").split("/")
            grown = os.open(at("/"), flags)
            for part in parts:
                held.append(grown)
                grown = os.open(part, flags, dir_fd=grown)
            held.append(grown)
            if path == old:
                source = grown
        with contextlib.suppress(FileNotFoundError):
            os.stat(new.rpartition("/")[2], dir_fd=held[-1], follow_symlinks=False)
            raise Refused("changed", f"rename {old}", f"{new} exists already")
        os.rename(old.rpartition("/")[2], new.rpartition("/")[2], src_dir_fd=source, dst_dir_fd=held[-1])
        os.fsync(source)
        os.fsync(held[-1])
    finally:
        for handle in held:
            os.close(handle)


def open_by(status: os.stat_result) -> list[str]:
    """Processes that have this very file open, as "pid name"."""
    found = []
    for pid in (one for one in os.listdir("/proc") if one.isdigit() and int(one) != os.getpid()):
        with contextlib.suppress(OSError):
            for one in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    seen = os.stat(f"/proc/{pid}/fd/{one}")
                    if (seen.st_dev, seen.st_ino) == (status.st_dev, status.st_ino):
                        found.append(f"{pid} {text_of_real(f'/proc/{pid}/comm')}")
                        break
    return found


# ---------------------------------------------------------------------------------------------- images and build cache

TAG = word(r"[a-z0-9][A-Za-z0-9._/:-]{0,250}:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
PULLABLE = word(r"[a-z0-9][A-Za-z0-9._/:-]{0,250}@sha256:[0-9a-f]{64}")


def images_now() -> dict[str, list[str]]:
    """Every image the engine shows: id -> its tags, sorted."""
    listed = asked("/images/json")
    return {one["Id"]: sorted(tag for tag in one["RepoTags"] or [] if tag != "<none>:<none>") for one in listed}


def saved_images(path: str) -> dict[str, list[str]]:
    """What an archive of `docker image save` holds, each layer's bytes checked against the image: id -> tags. Raises: Refused."""
    digests: dict[str, str] = {}
    small: dict[str, bytes] = {}
    with tarfile.open(at(path), "r:") as archive:
        for member in archive:
            if member.issym():  # older engines share a layer by a link
                digests[member.name] = "link:" + os.path.normpath(f"{os.path.dirname(member.name)}/{member.linkname}")
                continue
            file = archive.extractfile(member) if member.isfile() else None
            whole = hashlib.sha256()
            while file is not None and (chunk := file.read(1 << 20)):
                whole.update(chunk)
                if member.size <= 4 << 20:
                    small[member.name] = small.get(member.name, b"") + chunk
            digests[member.name] = "sha256:" + whole.hexdigest()
    held = {}
    for one in json.loads(small.get("manifest.json") or b"[]"):
        layers = [digests.get(name, "") for name in one["Layers"]]
        layers = [digests.get(found[5:], "") if found.startswith("link:") else found for found in layers]
        if layers == json.loads(small[one["Config"]])["rootfs"]["diff_ids"]:
            held[digests[one["Config"]]] = sorted(one["RepoTags"] or [])
    return held


def hash_of(path: str) -> str:
    return "sha256:" + hash_file(os.fsencode(at(path)))


class ImageRemove(Verb):
    """Exactly the listed images, each by its id and never by force; saved to one proven archive first where the plan says so."""

    keys = {
        "images": list_of(
            shape({"id": word(DIGEST), "tags": list_of(TAG, 64), "digests": list_of(PULLABLE, 64), "bytes": integer(0, 1 << 60)}),
            500,
        ),
        "save_to": or_null(is_path),
    }

    def judge(self, step: Json) -> None:
        images, cannot = step["args"]["images"], f"accept step {step['id']!r}"
        if not images or step["deletes"] != [f"image:{one['id']}" for one in images]:
            raise Refused("bad-request", cannot, "its deletes are not exactly its images")
        honest = "compensable" if all(one["digests"] for one in images) else "none"
        honest = "restorable" if step["args"]["save_to"] else honest
        if step["reversibility"] != honest:
            raise Refused("bad-request", cannot, f"it calls itself {step['reversibility']}; what it removes is {honest}")

    def archive(self, ctx: Ctx) -> str:
        return ctx.aside_name(f"{ctx.args['save_to']}/images") + ".tar"

    def _check(self, one: Json, now: Mapping[str, list[str]], used: Mapping[str, str], touched: bool) -> None:
        """Raises: Refused unless a listed image that is there is the planned one and free."""
        cannot, tags = f"remove image {one['id']}", now[one["id"]]
        if one["id"] in used:
            raise Refused("refused", cannot, f"container {used[one['id']]} uses it", "plan again: what is in use stays")
        if tags != sorted(one["tags"]) and not (touched and set(tags) <= set(one["tags"])):
            raise Refused("changed", cannot, f"its tags are {', '.join(tags) or 'none'} now, not as planned", "plan again")

    def _free(self, ctx: Ctx) -> dict[str, list[str]]:
        """The images now, after every listed one was found as planned, or gone. Raises: Refused."""
        now = images_now()
        used = {one["Image"]: f"{name_of(one)} ({one['State']['Status']})" for one in containers()}
        for one in ctx.args["images"]:
            if one["id"] in now:
                self._check(one, now, used, one["id"] in ctx.notes.get("removing", []))
        return now

    def prepare(self, ctx: Ctx) -> Json:
        now = self._free(ctx)
        if ctx.args["save_to"] and "saved" not in ctx.notes:
            self._demand_room(ctx)
        there = [one for one in ctx.args["images"] if one["id"] in now]
        return {"images": there, "archive": self.archive(ctx) if ctx.args["save_to"] else None}

    def _demand_room(self, ctx: Ctx) -> None:
        place = existing(ctx.args["save_to"])
        there = os.statvfs(at(place))
        free, need = there.f_bavail * there.f_frsize, int(1.05 * sum(one["bytes"] for one in ctx.args["images"])) + (256 << 20)
        if need > free:
            because = f"{place} has {free} bytes free; the archive needs {need} (a twentieth more than the images and 256 MiB)"
            raise Refused("no-space", f"save images to {ctx.args['save_to']}", because, "name a directory with more room")

    def do(self, ctx: Ctx) -> Json:
        ctx.phase("look")
        now = self._free(ctx)
        ctx.note(before=ctx.notes.get("before") or now)
        there = [one for one in ctx.args["images"] if one["id"] in now]
        if ctx.args["save_to"] and there and "saved" not in ctx.notes:
            ctx.phase("save", path=self.archive(ctx))
            self._save(ctx, there)
        unsaved = [one["id"] for one in there if "saved" in ctx.notes and one["id"] not in ctx.notes["saved"]["images"]]
        if unsaved:
            because = "it was not there when the others were saved, so nothing could bring it back"
            raise Refused("changed", f"remove image {unsaved[0]}", because, "plan again")
        if "saved" in ctx.notes and Aside.find(path=self.archive(ctx)) is None:
            ctx.keep_aside(self.archive(ctx), "docker images", "saved-images")
        ctx.phase("remove", images=[one["id"] for one in there])
        for one in there:
            self._remove(ctx, one)
        ctx.phase("verify")
        after, listed = images_now(), {one["id"] for one in ctx.args["images"]}
        if left := sorted(listed & set(after)):
            raise Refused("not-equal", "see the images gone", f"{', '.join(left)} came back")
        before = ctx.notes["before"]
        facts = {"before": sorted(before), "removed": sorted(ctx.notes.get("removing", [])), "after": sorted(after)}
        gone_already = sorted(listed - set(ctx.notes.get("removing", [])))
        return {**facts, "gone_already": gone_already, "saved": ctx.notes.get("saved")}

    def _save(self, ctx: Ctx, there: Sequence[Json]) -> None:
        """One archive of them all, written beside its place, read back and compared with the images, then named."""
        path = self.archive(ctx)
        part = path + ".part"
        own_directory(ctx.args["save_to"])
        if os.path.lexists(at(path)):
            os.rename(at(path), at(part))  # its name is this plan's own: an attempt that was cut off before it said so
        with contextlib.suppress(FileNotFoundError):
            os.unlink(at(part))
        names = [name for one in there for name in (one["tags"] or [one["id"]])]
        docker("image", "save", "-o", at(part), *names, seconds=ctx.step["limit_s"])
        handle = os.open(at(part), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(handle, 0o600)
            os.fsync(handle)
        finally:
            os.close(handle)
        held = saved_images(part)
        wrong = [one["id"] for one in there if held.get(one["id"]) != sorted(one["tags"])]
        if wrong:
            raise Refused("not-equal", f"prove {part}", f"it does not hold {', '.join(wrong)} whole, with their tags")
        digest, status = hash_of(part), os.lstat(at(part))
        os.rename(at(part), at(path))
        sync_directory(ctx.args["save_to"])
        ctx.note(saved={"path": path, "sha256": digest, "bytes": status.st_size, "images": sorted(held)})

    def _remove(self, ctx: Ctx, one: Json) -> None:
        self._free(ctx)
        ctx.note(removing=sorted({*ctx.notes.get("removing", []), one["id"]}))
        said: list[Json] = []
        for name in [*images_now().get(one["id"], [])[1:], one["id"]]:  # by its id goes only what has one name left
            if name != one["id"] and asked(f"/images/{quote(name, safe='/:')}/json")["Id"] != one["id"]:
                raise Refused("changed", f"remove image {one['id']}", f"{name} names another image now", "plan again")
            status, body = engine("DELETE", f"/images/{quote(name, safe='/:')}", {"force": "0", "noprune": "1"}, seconds=600)
            if status != 200:
                raise Refused("refused", f"remove image {one['id']}", said_by(status, body), "plan again: what is in use stays")
            said += body or []
        ctx.record("removed", {"image": one["id"], "tags": one["tags"], "bytes": one["bytes"], "engine": said[:200]})

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("look")
        wanted = [one for one in ctx.args["images"] if one["id"] in ctx.notes.get("removing", [])]
        now = images_now()
        missing = [one for one in wanted if one["id"] not in now]
        holders = {tag: one for one, tags in now.items() for tag in tags}
        newer = {tag: holders[tag] for one in wanted for tag in one["tags"] if holders.get(tag, one["id"]) != one["id"]}
        newer = {**{tag: one for tag, one in ctx.notes.get("newer", {}).items() if one in now}, **newer}
        ctx.note(newer=newer)  # before anything comes back: a load takes its names from whoever has them
        if missing and "saved" in ctx.notes:
            ctx.phase("load", **ctx.notes["saved"])
            self._load(ctx)
        for one in missing if "saved" not in ctx.notes else []:
            ctx.phase("pull", image=one["id"])
            if not one["digests"]:
                raise Refused("not-undoable", f"bring image {one['id']} back", "it was not saved and no registry has it")
            docker("pull", "--quiet", one["digests"][0], seconds=ctx.step["limit_s"])
        ctx.phase("verify")
        after = images_now()
        if lost := [one["id"] for one in wanted if one["id"] not in after]:
            raise Refused("not-equal", "bring the images back", f"{', '.join(lost)} did not come back under that id")
        for one in wanted:
            for tag in one["tags"]:
                docker("image", "tag", newer.get(tag, one["id"]), tag)  # a name given to a newer image since stays with it
        after = images_now()
        return {"restored": sorted(one["id"] for one in wanted), "after": sorted(after), "names_kept_by_newer": newer}

    def _load(self, ctx: Ctx) -> None:
        saved = ctx.notes["saved"]
        cannot = f"load {saved['path']}"
        plain_path(saved["path"])
        if not os.path.lexists(at(saved["path"])):
            raise Refused("not-undoable", cannot, "it is gone (retired, or removed by somebody)")
        if hash_of(saved["path"]) != saved["sha256"]:
            raise Refused("not-undoable", cannot, "its bytes are not what was saved", "somebody changed it; look at it by hand")
        docker("image", "load", "--quiet", "--input", at(saved["path"]), seconds=ctx.step["limit_s"])

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        now, images = images_now(), ctx.args["images"]
        gone = {f"image {one['id']} is gone": one["id"] not in now for one in images}
        as_planned = [one["id"] in now and set(one["tags"]) <= {*now[one["id"]], *self._elsewhere(now, one)} for one in images]
        return verdict(gone, all(as_planned))

    def _elsewhere(self, now: Mapping[str, list[str]], one: Json) -> set[str]:
        return {tag for other, tags in now.items() if other != one["id"] for tag in tags}


class CacheRemove(Verb):
    """Exactly the listed records of the build cache, one request a record. Nothing brings a record back but the next build."""

    keys = {"records": list_of(word("[a-z0-9]{10,64}"), 1000)}

    def judge(self, step: Json) -> None:
        records, cannot = step["args"]["records"], f"accept step {step['id']!r}"
        if not records or len(set(records)) != len(records) or step["deletes"] != [f"build-cache:{one}" for one in records]:
            raise Refused("bad-request", cannot, "its deletes are not exactly its records")
        if step["reversibility"] not in ("compensable", "none"):
            raise Refused("bad-request", cannot, f"it calls itself {step['reversibility']}; a record never comes back")

    def _now(self) -> dict[str, Json]:
        return {one["ID"]: one for one in asked("/system/df", {"type": "build-cache"}).get("BuildCache") or []}

    def _free(self, ctx: Ctx) -> dict[str, Json]:
        """The records now, after no listed one was found in use or below an unlisted one. Raises: Refused."""
        now, listed = self._now(), set(ctx.args["records"])
        for name, one in now.items():
            if name in listed and one.get("InUse"):
                raise Refused("refused", f"remove cache record {name}", "a build uses it", "wait for the build, then plan again")
            for parent in one.get("Parents") or one.get(" Parents") or []:  # engine 26 spells the key with a space before it
                if parent in listed and name not in listed:
                    because = f"{name}, which the plan does not list, was built on it since"
                    raise Refused("changed", f"remove cache record {parent}", because, "plan again")
        return now

    def prepare(self, ctx: Ctx) -> Json:
        now = self._free(ctx)
        there = [one for one in ctx.args["records"] if one in now]
        return {"records": there, "undo": "none of them comes back; the next build makes what it needs"}

    def do(self, ctx: Ctx) -> Json:
        ctx.phase("look")
        now = self._free(ctx)
        ctx.note(before=ctx.notes.get("before") or sorted(now))
        ctx.phase("remove")
        for name in ctx.args["records"]:
            if name in now:
                ctx.note(removing=sorted({*ctx.notes.get("removing", []), name}))
                self._remove(ctx, name)
        ctx.phase("verify")
        after, listed = self._now(), set(ctx.args["records"])
        if left := sorted(listed & set(after)):
            raise Refused("not-equal", "see the records gone", f"the engine keeps {', '.join(left[:5])}")
        gone_already = sorted(listed - set(ctx.notes.get("removing", [])))
        facts = {"before": ctx.notes["before"], "removed": sorted(ctx.notes.get("removing", [])), "after": sorted(after)}
        return {**facts, "gone_already": gone_already}

    def _remove(self, ctx: Ctx, name: str) -> None:
        """The engine's prune with a filter that only this one id matches (the engine reads the filter as an expression)."""
        cannot = f"remove cache record {name}"
        query = {"all": "1", "filters": dumped({"id": [f"^{name}$"]})}
        status, body = engine("POST", "/build/prune", query, seconds=600)
        gone = (body or {}).get("CachesDeleted") or [] if isinstance(body, dict) else []
        if status != 200:
            raise Refused("tool-failed", cannot, said_by(status, body))
        if others := [one for one in gone if one != name]:
            raise Refused("not-equal", cannot, f"the engine removed {', '.join(others[:5])} instead or as well")
        if not gone and name in self._now():
            raise Refused("refused", cannot, "the engine keeps it: something still rests on it", "plan again")
        ctx.record("removed", {"cache": name, "bytes": (body or {}).get("SpaceReclaimed", 0)})

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("leave")
        return {"gone": ctx.notes.get("removing", []), "left": "nothing to put back: the next build makes what it needs"}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        now = self._now()
        gone = {f"cache record {name} is gone": name not in now for name in ctx.args["records"]}
        return verdict(gone, not any(gone.values()))


VERBS.update(
    directories_make=DirectoriesMake(),
    docker_prepare=DockerPrepare(),
    reboot=Restart(),
    disk_format=DiskFormat(),
    mount_data=MountData(),
    docker_root_move=DockerRootMove(),
    service_relocate=ServiceRelocate(),
    redis_aof_live=RedisAofLive(),
    redis_aof_persist=RedisAofPersist(),
    name_volume=NameVolume(),
    write_file=WriteFile(),
    retire=Retire(),
    surface_govern=SurfaceGovern(),
    tmp_aside=TmpAside(),
    image_remove=ImageRemove(),
    cache_remove=CacheRemove(),
)


# ---------------------------------------------------------------------------------------------- hello, main


def version_of(*argv: str) -> str | None:
    with contextlib.suppress(Refused):
        ran = run(argv, seconds=20, check=False)
        return (ran.text.splitlines() or [""])[0].strip()[:200] if ran.code == 0 else None
    return None


def disk_content(name: str) -> str:
    why = why_not_blank(name)
    if not why:
        return "blank"
    kind = run(["blkid", "-p", "-s", "TYPE", "-o", "value", f"/dev/{name}"], check=False).text.strip()
    if kind:
        return kind
    for told, word_ in (("partitions", "partitioned"), ("mounted", "in-use"), ("exclusively", "in-use"), ("holds bytes", "data")):
        if told in why:
            return word_
    return "unknown"


def op_hello(request: Json) -> Json:
    demand_keys(request, {"op": content()}, "the request")
    me = identity()
    disks = []
    for name in disk_names():
        if disk_bytes(name) and not re.match(r"loop|ram|zram|dm-|md|sr", name):
            devno = text_of(f"/sys/class/block/{name}/dev")
            one = {"name": name, "serial": text_of(f"/sys/class/block/{name}/serial") or min(disk_serials(name), default=None)}
            one["wwid"] = text_of(f"/sys/class/block/{name}/wwid") or text_of(f"/sys/class/block/{name}/device/wwid") or None
            mounted = any(mount.devno == devno for mount in mounts())
            disks.append(
                {
                    **one,
                    "by_id": disk_links(name),
                    "size_bytes": disk_bytes(name),
                    "content": disk_content(name),
                    "mounted": mounted,
                }
            )
    still_open = [key for key, plan in history(Journal().entries()).items() if plan.opened and plan.closed in ("", "halted")]
    with open(os.path.abspath(__file__), "rb") as file:
        own = hashlib.sha256(file.read()).hexdigest()
    answer = {"version": VERSION, "sha256": own, "instance": me.instance, "hostname": me.hostname, "machine_id": me.machine_id}
    answer.update(boot_id=text_of("/proc/sys/kernel/random/boot_id"), now=now_text(), fence=highest_fence(), disks=disks)
    answer.update(plan=still_open[0] if still_open else None, rsync=version_of("rsync", "--version"))
    answer.update(
        docker=version_of("docker", "version", "--format", "{{.Server.Version}}"),
        compose=version_of("docker", "compose", "version", "--short"),
    )
    return answer


LOOKS: Mapping[str, Callable[[Json], Json]] = {
    "hello": op_hello,
    "status": op_status,
    "holds": op_holds,
    "journal": op_journal,
    "aside": op_aside,
}
ACTS: Mapping[str, Callable[[Json], Json]] = {
    "open": op_open,
    "fence": op_fence,
    "settle": op_settle,
    "do": op_do,
    "undo": op_undo,
    "close": op_close,
}


def answer(raw: bytes) -> Json:
    """One request's answer; nothing escapes as a traceback."""
    try:
        if len(raw) > MAX_REQUEST:
            raise Refused("bad-request", "read the request", f"it is larger than {MAX_REQUEST} bytes")
        request = parse_json(raw, "the request")
        op = request.get("op")
        make_state()
        if isinstance(op, str) and op in LOOKS:
            return {"ok": True, **LOOKS[op](request)}
        if isinstance(op, str) and op in ACTS:
            with locked("lock"):
                return {"ok": True, **ACTS[op](request)}
        raise Refused("bad-request", "act", "op is none of " + ", ".join([*LOOKS, *ACTS]))
    except Refused as why:
        return {"ok": False, "error": why.told()}
    except Exception as why:
        return {"ok": False, "error": Refused("internal", "act", f"{type(why).__name__}: {why}").told()}


def main(argv: list[str]) -> int:
    global ROOT
    os.umask(0o077)
    installed = os.path.realpath(__file__) == INSTALLED
    if len(argv) >= 2 and argv[0] == "--test-root" and not installed and "SUDO_UID" not in os.environ:
        ROOT, argv = os.path.abspath(argv[1]), argv[2:]
    if os.geteuid() != 0:
        return _say({"ok": False, "error": Refused("not-installed", "act", "the hand must run as root").told()})
    if argv and "SUDO_UID" not in os.environ:
        make_state()
        if argv[0] == "--run" and len(argv) == 6:
            return run_step(argv[1], argv[2], argv[3], int(argv[4]), int(argv[5]))
        if argv[0] == "--revert" and len(argv) == 4:
            return revert(argv[1], argv[2], int(argv[3]))
    if argv:
        return _say({"ok": False, "error": Refused("bad-request", "act", "the hand takes no arguments").told()})
    return _say(answer(sys.stdin.buffer.read(MAX_REQUEST + 1)))


def _say(told: Json) -> int:
    sys.stdout.write(dumped(told) + "\n")
    sys.stdout.flush()
    return 0 if told["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
