"""A Proxmox VE of the tests: fakepve in its own process, one a test, on loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from waveboard.world.hypervisors.proxmox import Proxmox
from waveboard.world.hypervisors.pve_api import PveApi

SECRET = "11111111-2222-3333-4444-555555555555"


class Patience:
    """Time that passes only by waiting; a real moment goes by so that the other process gets on."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Pve:
    """The process, and how to tell it what befalls it."""

    process: "subprocess.Popen[str]"
    url: str
    tmp: Path

    def tell(self, **words: object) -> object:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def api(self, who: str = "root@pam!wb", fingerprint: str | None = None, secret: str = SECRET) -> PveApi:
        token = self.tmp / "token"
        token.write_text(f"{who}={secret}\n")
        token.chmod(0o600)
        return PveApi(self.url, token, fingerprint or self.fingerprint(), Patience())

    def fingerprint(self) -> str:
        import hashlib
        import ssl
        from urllib.parse import urlsplit

        where = urlsplit(self.url)
        pem = ssl.get_server_certificate((str(where.hostname), where.port or 0))
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
        return ":".join(digest[n : n + 2] for n in range(0, 64, 2))

    def makes(self, who: str = "root@pam!wb") -> Proxmox:
        return Proxmox(self.api(who), "pve1", ("local-lvm", "tank"), "local")


@pytest.fixture
def pve(tmp_path: Path) -> Iterator[Pve]:
    argv = [sys.executable, str(Path(__file__).with_name("pve_process.py"))]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        yield Pve(process, url, tmp_path)
        process.kill()
