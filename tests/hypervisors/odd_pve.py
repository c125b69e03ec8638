"""An HTTPS server that answers as it is told, for what no fake of Proxmox VE answers: half answers, strange ones, none."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from fakepve.certs import make_cert

from tests.hypervisors.conftest import SECRET, Patience, Pve
from waveboard.world.hypervisors.proxmox import Proxmox
from waveboard.world.hypervisors.pve_api import PveApi

UPID = "UPID:pve1:00001A2B:0000C3D4:69A2F000:qmclone:9000:root@pam!wb:"
CONFIG: dict[str, object] = {
    "name": "debian",
    "scsi0": "local-lvm:base-9000-disk-0,size=8G",
    "boot": "order=scsi0",
    "template": 1,
}


@dataclass
class Answer:
    """One answer. data: of a well-formed one; raw: sent as it is instead; drop: the connection is cut in place of it."""

    data: object = None
    status: int = 200
    raw: bytes | None = None
    kind: str = "application/json"
    drop: bool = False
    message: str = ""

    def bytes(self) -> bytes:
        told = {"data": self.data} | ({"message": self.message} if self.message else {})
        return self.raw if self.raw is not None else json.dumps(told).encode()


Say = Answer | Callable[[dict[str, str]], Answer]


@dataclass
class Odd:
    """`METHOD /path` -> its answers, the last one for ever; asked: every request, with what came in it."""

    url: str
    tmp: Path
    stop: Callable[[], None]
    says: dict[str, list[Say]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def makes(self) -> Proxmox:
        (self.tmp / "token").write_text(f"root@pam!wb={SECRET}\n")
        (self.tmp / "token").chmod(0o600)
        pin = Pve.fingerprint(self)  # type: ignore[arg-type]
        return Proxmox(PveApi(self.url, self.tmp / "token", pin, Patience()), "pve1", ("local-lvm", "tank"), "local")

    def calls(self, request: str) -> list[dict[str, str]]:
        return [fields for name, fields in self.asked if name == request]

    def answer(self, request: str, fields: dict[str, str]) -> Answer:
        self.asked.append((request, fields))
        answers = self.says.get(request)
        if not answers:
            return Answer(status=501, message=f"nobody said what {request} answers")
        one = answers.pop(0) if len(answers) > 1 else answers[0]
        return one(fields) if callable(one) else one


def usual() -> dict[str, list[Say]]:
    """A node with one template and room for more."""
    stores = [
        {"storage": "local-lvm", "content": "images,rootdir", "active": 1, "total": 2**37, "avail": 2**36},
        {"storage": "tank", "content": "images", "active": 1, "total": 2**37, "avail": 2**36},
        {"storage": "local", "content": "iso,vztmpl,backup", "active": 1, "total": 2**37, "avail": 2**36},
    ]
    here = "GET /nodes/pve1"
    return {
        "GET /cluster/status": [Answer([{"type": "node", "name": "pve1", "online": 1, "local": 1}])],
        "GET /cluster/resources": [Answer([{"vmid": 9000, "node": "pve1", "type": "qemu", "template": 1, "name": "debian"}])],
        f"{here}/qemu/9000/config": [Answer(CONFIG)],
        f"{here}/storage": [Answer(stores)],
        **{f"{here}/storage/{name}/content": [Answer([])] for name in ("local-lvm", "tank", "local")},
    }


def serve(tmp: Path) -> Odd:
    """Started; ended by its `stop`."""
    cert, key, _ = make_cert(str(tmp), hosts=("127.0.0.1",))
    made: list[Odd] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            fields = dict(parse_qsl(parts.query))
            if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
                fields |= dict(parse_qsl(body.decode()))
            answer = made[0].answer(f"{self.command} {parts.path.removeprefix('/api2/json')}", fields)
            if answer.drop:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            raw = answer.bytes()
            self.send_response(answer.status)
            self.send_header("content-type", answer.kind)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_DELETE = _any

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that goes away is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    made.append(Odd(f"https://127.0.0.1:{server.server_address[1]}", tmp, stop, usual()))
    return made[0]
