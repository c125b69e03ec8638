"""What makes a golden image one particular host: names, host key, logins, and the repository's present hand and reader."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from hand.build import SOURCES, hand_file
from lab.estate import Machine
from lab.keys import APPROVALS, Keys, allowed_signers, host_key
from lab.settings import Settings

FORCED = 'restrict,command="sudo -n /usr/local/libexec/waveboard/wb-hand"'


def files(settings: Settings, machine: Machine, keys: Keys) -> dict[str, list[str]]:
    """Guest path -> [octal mode, text], all owned by root."""
    key = host_key(settings, machine)
    machine_id = hashlib.sha256(key.read_bytes()).hexdigest()[:32]
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {machine.name}\n"
    found = {
        "/etc/hostname": ["644", f"{machine.name}\n"],
        "/etc/hosts": ["644", hosts],
        "/etc/machine-id": ["444", f"{machine_id}\n"],
        "/etc/ssh/ssh_host_ed25519_key": ["600", key.read_text()],
        "/etc/ssh/ssh_host_ed25519_key.pub": ["644", Path(f"{key}.pub").read_text()],
        "/etc/ssh/authorized_keys.d/root": ["644", _line(keys.root)],
        "/etc/ssh/authorized_keys.d/wbaudit": ["644", f"restrict {_line(keys.audit)}"],
        "/etc/ssh/authorized_keys.d/wbhand": ["644", f"{FORCED} {_line(keys.hand)}"],
        "/etc/waveboard/allowed_signers": ["644", allowed_signers(keys)],
        "/etc/waveboard/hand.json": ["644", _json({"instance": settings.name, "hostname": machine.name, **APPROVALS})],
        "/etc/waveboard/reader.json": ["644", _json(_reader(machine))],
    }
    return found | programs()


def programs() -> dict[str, list[str]]:
    """The hand and the reader as they are in the repository now."""
    made = {"wb-hand": hand_file().decode(), "wb-ro": (SOURCES / "wb_ro.py").read_text()}
    return {f"/usr/local/libexec/waveboard/{name}": ["755", text] for name, text in made.items()}


def _reader(machine: Machine) -> dict[str, list[str]]:
    """Which containers the reader may ask from inside, by probe."""
    return {"redis": [name for name in machine.containers if name.endswith("-redis")]}


def _line(key: Path) -> str:
    return Path(f"{key}.pub").read_text()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True) + "\n"
