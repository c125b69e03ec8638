"""A throw-away PostgreSQL server on loopback, run as an unprivileged user; None where no server program is installed."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 60


def programs() -> Path | None:
    """The newest server's directory of programs (Debian keeps them off PATH)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The address prefix of a running server: append a database name. folder: empty, below a directory others may enter."""
    bin_dir = programs()
    assert bin_dir is not None
    prefix: list[str] = []
    if os.geteuid() == 0:
        prefix = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"

    def run(*argv: str) -> None:
        subprocess.run(
            [*prefix, *argv], check=True, timeout=LIMIT_S, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    run(str(bin_dir / "initdb"), "-D", str(data), "-A", "trust", "-U", "wb", "--no-sync", "-E", "UTF8", "--locale=C")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c max_connections=60"
    run(str(bin_dir / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w", "-t", "30", "-o", options, "start")
    try:
        yield f"postgresql+psycopg://wb@127.0.0.1:{port}/"
    finally:
        run(str(bin_dir / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "-t", "30", "stop")
