#!/usr/bin/python3 -IBS
"""wb-ro: what only root can read, told to an auditor who is not. Installed root-owned as /usr/local/libexec/waveboard/wb-ro.

It takes no arguments, no environment and no input; it opens nothing for writing, speaks GET only, and to fixed paths. Whoever may
run it learns what it prints and nothing else: environment values, arguments, secrets and free labels never leave the host.
Output is JSON lines, `{"doc", "ok", "body" | "error"}`; the last is `end`. docs/evidence.md has every document.
"""

# Exact system calls on purpose, so no pathlib; typing is not imported: it costs more than the rest of this program's start.
# ruff: noqa: PTH110, PTH112, PTH115, PTH208
from __future__ import annotations

import errno
import fcntl
import functools
import hashlib
import json
import os
import re
import resource
import signal
import socket
import stat
import struct
import sys
import time

MYPY = False
if MYPY:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, BinaryIO

TOTAL_S = 20
BODY_MAX = 6 * 2**20
FILE_MAX = 256 * 1024
ENTRIES_MAX = 20000
LINKS_MAX = 1000
TMP_FLOOR = 1_000_000
SOCKET = "/var/run/docker.sock"
SETTINGS = "/etc/waveboard/reader.json"
DROPINS = tuple(f"/etc/systemd/system/{unit}.service.d/10-waveboard-data.conf" for unit in ("containerd", "docker"))
LABELS = ("com.docker.compose.", "com.docker.volume.", "com.docker.swarm.", "waveboard.")
MOUNT_OPTIONS = {"addr", "bind", "dir_mode", "file_mode", "gid", "hard", "mode", "nfsvers", "nolock", "port", "proto", "rbind",
                 "retrans", "ro", "rw", "sec", "size", "soft", "timeo", "uid", "vers"}  # fmt: skip
RISKY_FS = re.compile(
    r"nfs4?|cifs|smb3|smbfs|ceph|glusterfs|lustre|afs|9p|virtiofs|ocfs2|gfs2|vboxsf|fuse|fuseblk|fuse[.].*|autofs"
)
SECRET = re.compile(r"(?i)passw|pwd|secret|token|credential|auth|private|://[^/\s\"']*@|key[\"']?\s*[:=]")
ID = re.compile(r"[0-9a-f]{64}")
DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
LOOKED_INTO = ("/", "/data", "/home", "/mnt", "/opt", "/srv", "/var", "/var/lib")
COMPOSE_SAFE = re.compile(
    r"""\s*(?:[\w.-]+:|-\s+["']?[\w./${}-]*:/[\w./-]*(?::[a-z,]+)?["']?
    |(?:-\s+)?(?:type|source|target|read_only|image|container_name|restart|name|driver|external|pull_policy|stop_signal
    |stop_grace_period|device|o|create_host_path|version):\s*["']?[\w./:@ -]*["']?)?\s*""",
    re.VERBOSE,
)
# A command line of redis-server made of these options alone: what cannot hold a password may be told.
REDIS_OPTIONS = (
    "appendonly|appendfsync|save|dir|dbfilename|appenddirname|appendfilename|port|bind|protected-mode|maxmemory|maxmemory-policy"
    "|databases|loglevel|timeout|tcp-keepalive"
)
REDIS_WORDS = re.compile(
    rf"""(?:[\w./-]*/)?redis-server(?:\ (?:/[\w./-]+\.conf))?(?:\ --(?:{REDIS_OPTIONS})(?:\ (?!-)[\w.:/*-]{{0,64}})*)*""",
    re.VERBOSE,
)
started = time.monotonic()


# -- telling -----------------------------------------------------------------------------------------------------------


def tell(doc: str, body: object) -> None:
    line = json.dumps({"doc": doc, "ok": True, "body": body}, separators=(",", ":"))
    if len(line) > BODY_MAX:
        refuse(doc, "the answer is too large")
    else:
        sys.stdout.write(line + "\n")


def refuse(doc: str, why: object) -> None:
    sys.stdout.write(json.dumps({"doc": doc, "ok": False, "error": str(why)[:200]}, separators=(",", ":")) + "\n")


def attempt(doc: str, action: Callable[[], Any]) -> Any:
    """Tell what action returns, or why it could not."""
    try:
        body = action()
    except TimeoutError:
        refuse(doc, "timed out")
    except OSError as error:
        refuse(doc, error.strerror or type(error).__name__)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        refuse(doc, f"{type(error).__name__}: {error}")
    else:
        tell(doc, body)
        return body
    return None


def remaining(limit_s: float) -> float:
    left = min(limit_s, TOTAL_S - (time.monotonic() - started))
    if left <= 0:
        raise TimeoutError(110, "timed out")
    return left


# -- files -------------------------------------------------------------------------------------------------------------


def contents(path: str, limit: int = FILE_MAX) -> bytes:
    """Bytes of a plain file, never through a final symlink."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError(f"{path} is not a plain file")
        parts: list[bytes] = []
        size = 0
        while size <= limit and (part := os.read(fd, 65536)):
            parts.append(part)
            size += len(part)
        if size > limit:
            raise ValueError(f"{path} has more than {limit} bytes")
        return b"".join(parts)
    finally:
        os.close(fd)


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def named(name: str) -> str:
    return text(os.fsencode(name))


def config_file(path: str, safe: Callable[[str], bool]) -> dict[str, Any]:
    """The file with its digest; only lines that `safe` knows to be harmless are told."""
    try:
        raw = contents(path)
    except FileNotFoundError:
        return {"path": path, "absent": True}
    lines = text(raw).split("\n")
    if lines[-1] == "":
        lines.pop()
    return {"path": path, "sha256": hashlib.sha256(raw).hexdigest(), "lines": [line if safe(line) else None for line in lines]}


def daemon_json() -> str:
    try:
        found = text(contents("/etc/docker/daemon.json"))
    except FileNotFoundError:
        return ""
    if SECRET.search(found):
        raise ValueError("daemon.json may hold a secret")
    return found


def fstab_safe(line: str) -> bool:
    return not line.lstrip().startswith("#") and not SECRET.search(line)


def dropin_safe(line: str) -> bool:
    return bool(re.fullmatch(r"\[Unit\]|(?:RequiresMountsFor|AssertPathIsMountPoint)=[^\s\\\"']+", line))


def containerd_safe(line: str) -> bool:
    return bool(re.fullmatch(r"""\s*root\s*=\s*["'][^\s"']+["']\s*""", line))


def compose_safe(line: str) -> bool:
    return (bool(COMPOSE_SAFE.fullmatch(line)) and not SECRET.search(line)) or redis_line(line)


def redis_line(line: str) -> bool:
    """`command:` of one line that is redis_command, as plain text or as a JSON list."""
    key, sign, value = line.strip().partition(":")
    words: Any = value.split()
    if value.strip().startswith("["):
        try:
            words = json.loads(value)
        except ValueError:
            return False
    return key == "command" and bool(sign) and redis_command(words) is not None


def redis_command(words: Any) -> list[str] | None:
    """The words of a command that only starts redis-server with options known to hold no secret, else None."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return words if REDIS_WORDS.fullmatch(" ".join(words)) else None


def loops() -> dict[str, str]:
    """Loop device -> number of the device its file lies on. LOOP_GET_STATUS64, loop(4)."""
    found = {}
    for name in os.listdir("/sys/block"):
        if name.startswith("loop") and os.path.exists(f"/sys/block/{name}/loop/backing_file"):
            fd = os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                (device,) = struct.unpack_from("Q", fcntl.ioctl(fd, 0x4C05, bytes(232)))
                found[name] = f"{os.major(device)}:{os.minor(device)}"
            finally:
                os.close(fd)
    return found


def dockerd_table() -> str:
    """dockerd's own mount table when it lives in another namespace than pid 1, else nothing."""
    pid = int(contents("/run/docker.pid", 32))
    if os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/1/ns/mnt"):
        return ""
    return text(contents(f"/proc/{pid}/mountinfo", BODY_MAX))


def mounts(table: str) -> Iterator[tuple[str, str, str]]:
    """Target, type and super options of every mountinfo line; targets as the kernel escapes them."""
    for line in table.splitlines():
        row = line.split(" ")
        dash = row.index("-", 6)
        yield row[4], row[dash + 1], row[-1]


def risky_targets(table: str) -> set[str]:
    """Mount points that may hang or must not be triggered, with their escapes undone."""
    escaped = (target for target, fstype, _ in mounts(table) if RISKY_FS.fullmatch(fstype))
    return {re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), target) for target in escaped}


class Walk:
    """A bounded walk by descriptors: no symlink is followed, no filesystem that may hang is entered."""

    def __init__(self, risky: Iterable[str] = ()) -> None:
        self.left, self.risky, self.complete = ENTRIES_MAX, frozenset(risky), True

    def entries(self, fd: int) -> Iterator[os.DirEntry[str]]:
        with os.scandir(fd) as found:
            for entry in found:
                self.left -= 1
                if self.left < 0 or time.monotonic() - started > TOTAL_S - 4:
                    self.complete = False
                    return
                yield entry

    def descend(self, fd: int, name: str, path: str) -> int | None:
        """A descriptor of a real directory below fd, None when it is none or must not be entered."""
        if path in self.risky:
            return None
        try:
            return os.open(name, DIR_FLAGS, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self.complete = self.complete and error.errno == errno.ELOOP  # a symlink is nothing missed, anything else is
            return None

    def reach(self, root: int, path: str) -> int | None:
        fd, at = os.open(".", os.O_PATH | os.O_CLOEXEC, dir_fd=root), ""
        for part in [part for part in path.split("/") if part]:
            at += "/" + part
            below = self.descend(fd, part, at)
            os.close(fd)
            if below is None:
                return None
            fd = below
        try:
            return os.open(".", DIR_FLAGS, dir_fd=fd)
        finally:
            os.close(fd)

    def links(self, fd: int, path: str, depth: int, found: dict[str, str]) -> None:
        for entry in self.entries(fd):
            at = f"{path.rstrip('/')}/{named(entry.name)}"
            if at in self.risky:
                continue
            if entry.is_symlink():
                if len(found) >= LINKS_MAX:
                    self.complete = False
                    return
                found[at] = named(os.readlink(entry.name, dir_fd=fd))
            elif depth > 1 and entry.is_dir(follow_symlinks=False) and (below := self.descend(fd, entry.name, at)) is not None:
                try:
                    self.links(below, at, depth - 1, found)
                finally:
                    os.close(below)

    def sizes(self, fd: int, path: str, device: int, depth: int, dirs: list[list[Any]], files: list[list[Any]]) -> int:
        """Allocated bytes below fd on one device; directories down to depth into dirs, large files into files."""
        total = 0
        for entry in self.entries(fd):
            at = f"{path}/{named(entry.name)}"
            if at in self.risky:
                continue
            seen = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(seen.st_mode):
                total += seen.st_blocks * 512
                if depth > 0 and seen.st_size >= TMP_FLOOR:
                    files.append([at, seen.st_size])
            elif stat.S_ISDIR(seen.st_mode) and seen.st_dev == device and (below := self.descend(fd, entry.name, at)) is not None:
                try:
                    size = self.sizes(below, at, device, depth - 1, dirs, files)
                finally:
                    os.close(below)
                if depth > 0:
                    dirs.append([at, size])
                total += size
        return total


def host_tmp() -> dict[str, Any]:
    """Files of 1 MB and more, as find -xdev -maxdepth 2 would see them."""
    walk = Walk(risky_targets(text(contents("/proc/1/mountinfo", BODY_MAX))))
    files: list[list[Any]] = []
    if "/tmp" in walk.risky:
        raise ValueError("/tmp is on a network filesystem")
    fd = os.open("/tmp", DIR_FLAGS)
    try:
        walk.sizes(fd, "/tmp", os.fstat(fd).st_dev, 2, [], files)
    finally:
        os.close(fd)
    return {"files": sorted(files), "complete": walk.complete}


# -- docker ------------------------------------------------------------------------------------------------------------


class Gone(Exception):
    """The engine knows no such thing (any more)."""


def get(path: str, limit_s: float) -> Any:
    """One GET. HTTP/1.0, so that the answer ends where the connection does."""
    deadline = time.monotonic() + remaining(limit_s)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as link:
        link.settimeout(remaining(limit_s))
        link.connect(SOCKET)
        link.sendall(b"GET " + path.encode("ascii") + b" HTTP/1.0\r\nHost: docker\r\n\r\n")
        parts: list[bytes] = []
        size = 0
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or size > BODY_MAX:
                raise TimeoutError(110, "timed out" if left <= 0 else "the answer is too large")
            link.settimeout(left)
            if not (part := link.recv(65536)):
                break
            parts.append(part)
            size += len(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    if re.match(rb"HTTP/1\.[01] 404 ", head):
        raise Gone(path)
    if not re.match(rb"HTTP/1\.[01] 200 ", head):
        raise ValueError(f"the engine answered {head[:40]!r}")
    return json.loads(body)


def pick(value: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value.get(key) for key in keys}


def labels(value: dict[str, str] | None) -> dict[str, str]:
    return {key: item for key, item in (value or {}).items() if key.startswith(LABELS)}


def container(body: dict[str, Any]) -> dict[str, Any]:
    config, host, state, network = (body.get(key) or {} for key in ("Config", "HostConfig", "State", "NetworkSettings"))
    graph, log = body.get("GraphDriver") or {}, host.get("LogConfig")
    return {
        **pick(body, "Id", "Name", "Created", "Image", "RestartCount"),
        "State": pick(state, "Status", "Pid", "ExitCode", "StartedAt"),
        "Config": {
            "Image": config.get("Image"),
            "User": config.get("User"),
            "Command": redis_command(config.get("Cmd")),
            "EnvNames": sorted(item.partition("=")[0] for item in config.get("Env") or ()),
            "Volumes": sorted(config.get("Volumes") or ()),
            "Labels": labels(config.get("Labels")),
        },
        "HostConfig": {
            **pick(host, "RestartPolicy", "Tmpfs", "NetworkMode"),
            "ReadonlyRootfs": host.get("ReadonlyRootfs"),
            "LogConfig": log and {"Type": log.get("Type"), "Config": pick(log.get("Config") or {}, "max-size", "max-file")},
        },
        "GraphDriver": {"Name": graph.get("Name"), "Data": pick(graph.get("Data") or {}, "UpperDir")},
        "Mounts": [pick(item, "Type", "Name", "Source", "Destination", "Driver", "RW") for item in body.get("Mounts") or ()],
        "Addresses": [ip for item in (network.get("Networks") or {}).values() if (ip := (item or {}).get("IPAddress"))],
    }


def volume(body: dict[str, Any]) -> dict[str, Any]:
    options = dict.fromkeys(body.get("Options") or {}, "")
    for key, value in (body.get("Options") or {}).items():
        if key in ("type", "size"):
            options[key] = value
        elif key == "device":
            options[key] = re.sub(r"://[^/@]*@|//[^/@]*@", "//", value)
        elif key == "o":
            parts = (part.partition("=") for part in value.split(","))
            options[key] = ",".join(name + (sign + told if name in MOUNT_OPTIONS else sign) for name, sign, told in parts)
    return {**pick(body, "Name", "Driver", "Mountpoint", "Scope"), "Options": options, "Labels": labels(body.get("Labels"))}


def usage(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "LayersSize": body.get("LayersSize"),
        "Images": [pick(item, "Id", "Containers", "SharedSize") for item in body.get("Images") or ()],
        "Volumes": [{"Name": item.get("Name"), "UsageData": item.get("UsageData")} for item in body.get("Volumes") or ()],
        "BuildCache": [cache_record(item) for item in body.get("BuildCache") or ()],
    }


def cache_record(item: dict[str, Any]) -> dict[str, Any]:
    """Never its description, which holds build commands. Engine 26 spells the key of the parents with a space before it."""
    parents = item.get("Parents") or item.get(" Parents") or []
    return {**pick(item, "ID", "Type", "Size", "InUse", "Shared", "CreatedAt", "LastUsedAt"), "Parents": parents}


def containerd_root(info: dict[str, Any]) -> str:
    address = (info.get("Containerd") or {}).get("Address") or ""
    if address.startswith(("/var/run/docker/", "/run/docker/")):
        return str(info["DockerRootDir"]) + "/containerd/daemon"
    try:
        found = re.search(r"(?m)^\s*root\s*=\s*[\"']([^\"']+)[\"']", text(contents("/etc/containerd/config.toml")))
    except FileNotFoundError:
        found = None
    if found:
        return found[1]
    if os.path.isdir("/var/lib/containerd"):
        return "/var/lib/containerd"
    raise ValueError("containerd does not say where its root is")


def inside(one: dict[str, Any]) -> None:
    """What can be seen of one container from outside it: its mount table, its symlinks, what its writable layer holds in /tmp."""
    pid, upper = one["State"].get("Pid") or 0, one["GraphDriver"]["Data"].get("UpperDir")
    who = {"id": one["Id"], "name": (one.get("Name") or "").lstrip("/")}
    if pid:
        table = attempt("container.mountinfo", lambda: {**who, "text": text(contents(f"/proc/{pid}/mountinfo", BODY_MAX))})
        if table:
            attempt("container.links", lambda: {**who, **container_links(pid, one, risky_targets(table["text"]))})
            if upper is None:
                options = next(
                    (options for target, fstype, options in mounts(table["text"]) if (target, fstype) == ("/", "overlay")), ""
                )
                upper = next((part[9:] for part in options.split(",") if part.startswith("upperdir=")), None)
    if upper:
        attempt("container.tmp", lambda: {**who, **container_tmp(upper)})


def container_links(pid: int, one: dict[str, Any], risky: set[str]) -> dict[str, Any]:
    walk = Walk(risky)
    found: dict[str, str] = {}
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        below = {item["Destination"]: 2 for item in one["Mounts"] if item["Type"] in ("bind", "volume")}
        for path, depth in {**dict.fromkeys(LOOKED_INTO, 1), **below}.items():
            if path not in walk.risky and (fd := walk.reach(root, path)) is not None:
                try:
                    walk.links(fd, path, depth, found)
                finally:
                    os.close(fd)
    finally:
        os.close(root)
    return {"links": found, "complete": walk.complete}


def container_tmp(upper: str) -> dict[str, Any]:
    walk = Walk()
    dirs: list[list[Any]] = []
    top = os.open(upper, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = walk.reach(top, "/tmp")
        if fd is not None:
            try:
                walk.sizes(fd, "/tmp", os.fstat(fd).st_dev, 2, dirs, [])
            finally:
                os.close(fd)
    finally:
        os.close(top)
    return {"dirs": sorted(dirs), "complete": walk.complete}


# -- redis -------------------------------------------------------------------------------------------------------------


def resp(stream: BinaryIO) -> Any:
    line = stream.readline(65536)
    kind, rest = line[:1], line[1:].strip()
    if kind == b"-":
        raise ValueError(text(rest))
    if kind == b"$" and 0 <= int(rest) <= FILE_MAX:
        return text(stream.read(int(rest) + 2)[:-2])
    if kind == b"*" and 0 <= int(rest) <= 256:
        return [resp(stream) for _ in range(int(rest))]
    raise ValueError(f"not an answer of redis: {line[:40]!r}")


def redis(name: str, containers: list[dict[str, Any]]) -> dict[str, Any]:
    """CONFIG GET of six parameters and INFO persistence, over TCP; never inside the container."""
    one = next((item for item in containers if item.get("Name") == "/" + name), None)
    if one is None or one["State"].get("Status") != "running":
        raise ValueError(f"{name}: no such container is running")
    address = "127.0.0.1" if one["HostConfig"].get("NetworkMode") == "host" else next(iter(one["Addresses"]), None)
    if address is None:
        raise ValueError(f"{name}: it has no address")
    values: dict[str, str] = {}
    with socket.create_connection((address, 6379), timeout=remaining(2)) as link, link.makefile("rb") as stream:
        for key in ("dir", "save", "appendonly", "appenddirname", "dbfilename", "appendfsync"):
            link.sendall(b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key.encode()))
            answer = resp(stream)
            values.update({answer[i]: answer[i + 1] for i in range(0, len(answer) - 1, 2)})
        link.sendall(b"*2\r\n$4\r\nINFO\r\n$11\r\npersistence\r\n")
        values.update(line.split(":", 1) for line in resp(stream).splitlines() if ":" in line)
    return {"name": name, "values": values}


def allowed() -> list[str]:
    """reader.json, believed only when root alone can write it."""
    seen = os.lstat(SETTINGS)
    if seen.st_uid != 0 or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError(f"{SETTINGS} can be written by others than root")
    names = json.loads(contents(SETTINGS)).get("redis", [])
    return [name for name in names if isinstance(name, str)][:16]


# -- the order ---------------------------------------------------------------------------------------------------------


def host() -> None:
    attempt("host.mountinfo1", lambda: text(contents("/proc/1/mountinfo", BODY_MAX)))
    attempt("host.loops", loops)
    attempt("host.tmp", host_tmp)
    attempt("host.file", lambda: config_file("/etc/fstab", fstab_safe))
    for path in DROPINS:
        attempt("host.file", functools.partial(config_file, path, dropin_safe))
    attempt("host.file", lambda: config_file("/etc/containerd/config.toml", containerd_safe))
    whole = attempt("host.daemon_json", daemon_json)
    attempt("host.file", lambda: config_file("/etc/docker/daemon.json", lambda line: whole is not None))


def docker() -> None:
    if attempt("docker.version", lambda: pick(get("/version", 3), "Version", "ApiVersion", "MinAPIVersion")) is None:
        return
    info = attempt("docker.info", lambda: pick(get("/info", 5), "DockerRootDir", "Driver", "DriverStatus", "SecurityOptions",
        "ServerVersion", "LiveRestoreEnabled", "LoggingDriver", "CgroupVersion", "Containerd"))  # fmt: skip
    if info:
        attempt("containerd.root", lambda: containerd_root(info))
    try:
        ids = [item["Id"] for item in get("/containers/json?all=1", 5) if ID.fullmatch(item["Id"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        refuse("docker.container", f"{type(error).__name__}: {error}")
        return
    containers = []
    for one in ids:
        try:
            containers.append(inspect(one))
        except (OSError, ValueError, TypeError) as error:
            refuse("docker.container", f"{type(error).__name__}: {error}")
    containers = [one for one in containers if one]
    attempt("docker.volumes", lambda: {"Volumes": [volume(item) for item in get("/volumes", 5).get("Volumes") or ()]})
    attempt(
        "docker.images",
        lambda: [
            pick(item, "Id", "ParentId", "RepoTags", "RepoDigests", "Size", "Created", "Containers")
            for item in get("/images/json", 5)
        ],
    )
    attempt("host.dockerd_mountinfo", dockerd_table)
    for one in containers:
        inside(one)
    files = sorted({path for one in containers for path in compose_files(one)})[:20]
    for path in files:
        attempt("host.file", functools.partial(config_file, path, compose_safe))
    if os.path.exists(SETTINGS):
        for name in attempt("reader.allowed", allowed) or ():
            attempt("redis", functools.partial(redis, name, containers))
    attempt("docker.sizes", lambda: [pick(item, "Id", "SizeRw") for item in get("/containers/json?all=1&size=1", 5)])
    attempt("docker.df", lambda: usage(get("/system/df", 6)))


def inspect(identifier: str) -> dict[str, Any]:
    """Told at once; a container that went away since the list was made is not missed."""
    try:
        body = get(f"/containers/{identifier}/json", 5)
    except Gone:
        return {}
    found: dict[str, Any] = attempt("docker.container", lambda: container(body)) or {}
    return found


def compose_files(one: dict[str, Any]) -> list[str]:
    named_files = one["Config"]["Labels"].get("com.docker.compose.project.config_files", "").split(",")
    return [path for path in named_files if path.startswith("/") and path.endswith((".yml", ".yaml"))]


def main() -> int:
    if len(sys.argv) != 1:
        sys.stderr.write("wb-ro takes no arguments\n")
        return 2
    os.environ.clear()
    os.umask(0o077)
    os.chdir("/")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(TOTAL_S + 3)  # whatever hangs in the kernel: a fatal signal ends even a wait on a dead server
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
    if not stat.S_ISREG(os.fstat(1).st_mode):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file of this host can grow by it
    tell("reader", {"version": 1, "uid": os.getuid()})
    host()
    if os.path.exists(SOCKET):
        docker()
    else:
        refuse("docker.info", f"no socket at {SOCKET}")
    tell("end", None)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
