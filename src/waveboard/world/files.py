"""The workspace directory on disk: found, distrusted when others can write to it, read whole, written by temp + rename.

Configuration is never taken from the current directory by accident: the nearest `waveboard.yaml` upward counts only when it and
its directory belong to this user or root and nobody else may write to them.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from waveboard.model.contract import Unreadable, Wanted
from waveboard.model.errors import ContractError, UsageError, WaveboardError

MARK = "waveboard.yaml"
_MATCHES_MAX = 10_000
_NAMED_MAX_BYTES = 64 * 2**20


def find_workspace(named: str | None, start: Path | None = None) -> Path:
    """The workspace directory. named: what --workspace or the environment said. Raises: UsageError, ContractError."""
    if named:
        directory = Path(named).expanduser().resolve()
        if not (directory / MARK).is_file():
            raise UsageError(
                "open the workspace", f"{directory} holds no {MARK}", "name a directory that holds one with --workspace"
            )
    else:
        here = (start or Path.cwd()).resolve()
        directory = next((d for d in (here, *here.parents) if (d / MARK).is_file()), here)
        if not (directory / MARK).is_file():
            raise UsageError(
                "open the workspace", f"neither {here} nor a directory above it holds a {MARK}", "use --workspace DIR"
            )
    for path in (directory, directory / MARK):
        found = path.stat()
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_uid not in (0, os.getuid()):
            raise ContractError(
                "trust the workspace",
                f"{path} can be written by others (owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o})",
                f"chmod go-w {path}",
            )
    return directory


def read_files(directory: Path, wanted: Iterable[Wanted]) -> Mapping[str, bytes | Unreadable]:
    """Every wanted file by relative path, or why its bytes could not be had. A glob that matches nothing gives nothing; one that
    cannot be looked up in full stands for itself, and why."""
    found: dict[str, bytes | Unreadable] = {}
    for one in wanted:
        if Path(one.pattern).is_absolute() or ".." in Path(one.pattern).parts:
            found[one.pattern] = Unreadable("leaves the workspace")
            continue
        matches = sorted(directory.glob(one.pattern)) if one.glob else [directory / one.pattern]
        if one.glob and (why := _unlisted(directory, Path(one.pattern).parts, len(matches))):
            found[one.pattern] = Unreadable(why)
        for path in matches[:_MATCHES_MAX]:
            name = str(path.relative_to(directory))
            try:
                name.encode()
            except UnicodeEncodeError:  # nothing that is written down or signed can hold such a name
                found[name.encode(errors="backslashreplace").decode()] = Unreadable("its name is not UTF-8")
                continue
            found[name] = _bytes(directory, path, one.limit_bytes)
    return dict(sorted(found.items()))


def _unlisted(directory: Path, parts: tuple[str, ...], matches: int) -> str:
    """Why some of what a glob means was not seen; "" when all was. The glob itself passes over directories it may not list."""
    if matches > _MATCHES_MAX:
        return f"more than {_MATCHES_MAX} files match"
    fixed = list(takewhile(lambda part: not set(part) & set("*?["), parts[:-1]))
    failed: list[OSError] = []
    for at, below, _ in os.walk(directory.joinpath(*fixed), onerror=failed.append):
        if len(Path(at).relative_to(directory).parts) >= len(parts) - 1 and "**" not in parts:
            below.clear()  # deeper than the glob looks
    told = next((error for error in failed if not isinstance(error, FileNotFoundError | NotADirectoryError)), None)
    return f"{told.filename} cannot be listed: {told.strerror}" if told else ""


def _bytes(directory: Path, path: Path, limit: int) -> bytes | Unreadable:
    try:
        if not path.resolve().is_relative_to(directory):
            return Unreadable("leaves the workspace through a symbolic link")
        if path.is_dir():
            return Unreadable("is a directory")
        if not path.is_file():
            return Unreadable("no such file" if not path.exists() else "is not a plain file")
        if path.stat().st_size > limit:
            return Unreadable(f"is larger than {limit} bytes")
        return path.read_bytes()
    except (OSError, RuntimeError, ValueError) as error:
        return Unreadable(getattr(error, "strerror", None) or str(error))


def state_dir(directory: Path) -> Path:
    """`.waveboard/` of the workspace, made 0700; never followed through a link, never believed once others could write to it."""
    state = directory / ".waveboard"
    if state.is_symlink():
        raise ContractError("open the state directory", f"{state} is a symbolic link", "make it a real directory")
    try:
        state.mkdir(mode=0o700, exist_ok=True)
        mode = stat.S_IMODE(state.stat().st_mode)
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            because = f"others could write to it (mode {mode:04o}): {state}"
            raise ContractError("open the state directory", because, f"look who did; when nobody has: chmod go-w {state}")
        if mode != 0o700:  # where nothing can be written, this one can still be read
            state.chmod(0o700)
    except OSError as error:
        raise ContractError(
            "open the state directory",
            f"{error.strerror or error}: {state}",
            "waveboard keeps its state there: make it a directory of yours that can be written to",
        ) from error
    return state


def instance_of(state: Path, fresh: str) -> str:
    """The workspace's own id, made once from `fresh` (random text given by the caller)."""
    path = state / "instance"
    with suppress(FileNotFoundError):
        told = path.read_bytes().removesuffix(b"\n")
        if not re.fullmatch(rb"[!-~]{1,128}", told):
            raise _no_instance(f"{path} holds no id of a workspace")
        return told.decode()
    if any((state / "receipts").glob("*.json")):
        raise _no_instance(f"{path} is gone, and the receipts of this workspace bear the id that stood there")
    write_whole(path, (fresh + "\n").encode())
    return fresh


def _no_instance(because: str) -> ContractError:
    return ContractError("open the state directory", because, "put it back: every receipt names it as `instance`")


def write_whole(path: Path, raw: bytes, mode: int = 0o600) -> None:
    """All or nothing, durable when it returns: temporary file, fsync, rename, fsync of the directory."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise _unwritten(path, error) from error


def write_named(path: Path, raw: bytes, over: bytes = b"") -> None:
    """As `write_whole`, at a place that a person named: what stands there stays, unless `free` lets it go. Raises: UsageError, as it does."""
    free(path, raw, over)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))  # the name first, so no other terminal takes it now
        made = True
    except FileExistsError:
        free(path, raw, over)
        made = False
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        write_whole(path, raw, 0o644)
    except WaveboardError:
        if made:
            path.unlink(missing_ok=True)
        raise


def free(path: Path, raw: bytes | None = None, over: bytes = b"") -> None:
    """Raises: UsageError when something stands at that place already, other than a file of exactly these bytes, or one with `over` in it."""
    if not path.exists() and not path.is_symlink():
        return
    with suppress(OSError):
        if path.is_file() and not path.is_symlink():
            there = path.read_bytes()
            if there in (raw, b"") or (over and over in there):
                return
    kind = "it exists already, and is not what this command writes" if over else "it exists already"
    raise UsageError(f"write {path}", kind, "name another place; what somebody else wrote is never written over")


def _unwritten(path: Path, error: OSError) -> WaveboardError:
    return WaveboardError(
        f"write {path}", error.strerror or str(error), "free space or fix permissions; nothing was half-written"
    )


def read_named(path: str, what: str) -> bytes:
    """A file the caller named on the command line. Raises: UsageError saying which and why; for one that never ends, too."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_NAMED_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"read the {what} {path}", error.strerror or str(error), f"name an existing {what}") from error
    if len(raw) > _NAMED_MAX_BYTES:
        raise UsageError(f"read the {what} {path}", f"it is larger than {_NAMED_MAX_BYTES} bytes", f"name a smaller {what}")
    return raw


def write_tree(directory: Path, files: Mapping[str, bytes]) -> None:
    """A new directory with these files, whole or not at all. Raises: UsageError when something is there already."""
    if directory.exists():
        raise UsageError(f"write {directory}", "it is there already", "name a directory that does not exist yet")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as made:
        for name, raw in files.items():
            path = Path(made) / "tree" / name
            if not path.resolve().is_relative_to((Path(made) / "tree").resolve()):
                raise UsageError(f"write {directory}", f"{name} leads out of it", "name files below it")
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            write_whole(path, raw, 0o644)
        (Path(made) / "tree").rename(directory)
