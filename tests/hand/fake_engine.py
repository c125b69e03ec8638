"""Runs inside its own namespaces: plants a docker socket, settings and files full of canaries, runs what is asked, prints what happened.

The engine is scripted (it stands for dockerd, which is nobody's port); redis is a real server.
"""

import json
import os
import shutil
import socketserver
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

READER, PLACE = Path(sys.argv[1]), Path(sys.argv[2])
CANARY = "CANARY"
A, B, C = "a" * 64, "b" * 64, "c" * 64
PID = os.getpid()
ANSWERS = {
    "/version": {"Version": "26.1.5", "ApiVersion": "1.45", "KernelVersion": CANARY},
    "/info": {"DockerRootDir": "/var/lib/docker", "Driver": "overlay2", "DriverStatus": [], "SecurityOptions": None,
              "ServerVersion": "26.1.5", "LiveRestoreEnabled": False, "HttpProxy": f"http://u:{CANARY}@p", "Labels": [CANARY]},
    "/containers/json?all=1": [{"Id": A}, {"Id": B}, {"Id": C}, {"Id": "../../etc"}],
    f"/containers/{A}/json": {
        "Id": A, "Name": "/cache", "Image": "sha256:1", "Path": CANARY, "Args": [CANARY],
        "State": {"Status": "running", "Pid": PID, "Health": {"Log": [{"Output": CANARY}]}},
        "Config": {"Image": "redis:7", "Env": [f"PASSWORD={CANARY}", 'X="]'], "Cmd": ["--requirepass", CANARY], "Hostname": "x",
                   "Labels": {"com.docker.compose.project.config_files": f"{PLACE}/compose.yml,/etc/shadow", "token": CANARY}},
        "HostConfig": {"NetworkMode": "host", "RestartPolicy": {"Name": "always"}, "Tmpfs": {"/t": ""}, "Binds": [CANARY],
                       "LogConfig": {"Type": "json-file", "Config": {"labels": CANARY, "max-size": "10m", "splunk-token": CANARY, "mode": CANARY}}},
        "GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": f"{PLACE}/upper"}},
        "Mounts": [{"Type": "bind", "Source": str(PLACE), "Destination": f"{PLACE}/data", "RW": True}], "NetworkSettings": {},
    },
    f"/containers/{B}/json": {"Id": B, "Name": "/stopped", "Image": "sha256:2", "State": {"Status": "exited", "Pid": 0},
                              "Config": {"Image": "x"}, "HostConfig": {}, "GraphDriver": None, "Mounts": None},
    "/volumes": {"Volumes": [{"Name": "v", "Driver": "local", "Mountpoint": "/m", "Labels": None, "Options":
                 {"type": "cifs", "device": f"//u:{CANARY}@s/x", "o": f"username={CANARY},password={CANARY},vers=3.0", "k": CANARY}}]},
    "/images/json": [{"Id": "sha256:1", "RepoTags": ["redis:7"], "Size": 5, "Created": 1, "Containers": -1, "Labels": {"x": CANARY}}],
    "/containers/json?all=1&size=1": [{"Id": A, "SizeRw": 12, "Command": CANARY}],
    "/system/df": {"LayersSize": 7, "Images": [], "Volumes": [], "BuildCache": [{"ID": "c", "Size": 3, "InUse": 0, " Parents": ["p"], "Description": CANARY}]},
}  # fmt: skip
seen: list[str] = []


class Engine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        seen.append(f"{self.command} {self.path}")
        if self.path == os.environ.get("SLOW"):
            time.sleep(30)
        body = json.dumps(ANSWERS.get(self.path, {"message": "no such thing"}), separators=(",", ":")).encode()
        self.send_response(200 if self.path in ANSWERS else 404)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def log_message(self, *args: object) -> None: ...
    def address_string(self) -> str:
        return ""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def plant() -> None:
    for at in ("/run", "/etc/waveboard", "/etc/docker"):
        Path(at).mkdir(exist_ok=True)
    Path("/etc/waveboard/reader.json").write_text('{"redis": ["cache", "absent"]}')
    Path("/etc/docker/daemon.json").write_text(os.environ.get("DAEMON_JSON", "{}"))
    (PLACE / "compose.yml").write_text(
        f"services:\n  cache:\n    image: redis:7\n    environment:\n      PASSWORD: {CANARY}\n    command: --requirepass {CANARY}\n"
        "    volumes:\n      - /opt/cache:/data\n      - data:/other:ro\n    labels:\n"
        f"      - x={CANARY}\n# {CANARY}\n"
    )
    uploads = PLACE / "upper/tmp/uploads/deep/er"
    uploads.mkdir(parents=True)
    (uploads / "f").write_bytes(b"x" * 8192)
    (PLACE / "upper/tmp/escape").symlink_to("/etc")
    (PLACE / "data/sub/deeper").mkdir(parents=True)
    (PLACE / "data/sub/wal").symlink_to("/other/wal")
    (PLACE / "data/sub/deeper/unseen").symlink_to("/x")
    os.mkfifo(PLACE / "data/fifo")


def main() -> None:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    overlay = Path("/run/etc")
    (overlay / "up").mkdir(parents=True)
    (overlay / "work").mkdir()
    subprocess.run(
        ["mount", "-t", "overlay", "o", "-o", f"lowerdir=/etc,upperdir={overlay}/up,workdir={overlay}/work", "/etc"], check=True
    )
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    plant()
    server = Server("/run/docker.sock", Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    redis = shutil.which("redis-server")
    cache = (
        subprocess.Popen([redis, "--save", "900 1", "--dir", str(PLACE), "--appendonly", "no", "--logfile", "/dev/null"])
        if redis
        else None
    )
    try:
        time.sleep(1 if cache else 0)
        told = {"env": {"PYTHONPATH": CANARY, "X": CANARY}, "timeout": 60, "check": False, "capture_output": True}
        if READER.suffix == ".sh":  # the collector itself, on a host without the reader
            ran = subprocess.run(["/bin/sh", "-s"], input=READER.read_bytes(), **told)
        else:
            ran = subprocess.run([sys.executable, "-IBS", str(READER)], **told)
    finally:
        if cache:
            cache.kill()
            cache.wait()
    sys.stdout.write(
        json.dumps(
            {"code": ran.returncode, "out": ran.stdout.decode(), "err": ran.stderr.decode(), "seen": seen, "redis": bool(redis)}
        )
    )


main()
