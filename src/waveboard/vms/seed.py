"""What a new VM reads at its first boot: users, keys, hand, reader, and the host key it is already known by. A NoCloud seed as text.

The private half of the host key is not in it: HOST_KEY stands in its place, so that a plan can be read and kept by anybody.
It formats no disk and starts nothing: that is bootstrap's, under a plan of its own.
"""

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from waveboard.model.vm import Network, VmSpec

HOST_KEY = "@HOST_KEY@"
HAND, READER = "/usr/local/libexec/waveboard/wb-hand", "/usr/local/libexec/waveboard/wb-ro"


@dataclass(frozen=True, slots=True)
class Kit:
    """What the workspace gives every VM. *_key: public lines; people: principal -> other names; host_key: the VM's own; hand, reader: the programs."""

    instance: str
    audit_user: str
    audit_key: str
    mutate_user: str
    mutate_key: str
    allowed_signers: str
    people: Mapping[str, tuple[str, ...]]
    host_key: str
    hand: bytes
    reader: bytes


def files(spec: VmSpec, kit: Kit) -> dict[str, str]:
    """`user-data`, `meta-data`, `network-config`: JSON, which is YAML."""
    user = "#cloud-config\n" + _text(_user_data(spec, kit))
    told = sha256(user.encode()).hexdigest()[:12]
    meta = {"instance-id": f"{spec.host}-{spec.vmid}-{told}", "local-hostname": spec.host}
    return {"user-data": user, "meta-data": _text(meta), "network-config": _text(_network(spec.network))}


def _user_data(spec: VmSpec, kit: Kit) -> dict[str, object]:
    forced = f'restrict,command="sudo -n {HAND}" {_bare(kit.mutate_key)}'
    accounts: list[dict[str, object]] = [
        _account(kit.audit_user, [f"restrict {_bare(kit.audit_key)}"]),
        _account(kit.mutate_user, [forced]),
    ]
    if spec.ci_user not in (kit.audit_user, kit.mutate_user):
        own = {"sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash"} if spec.ssh_keys else {}
        accounts.append(_account(spec.ci_user, list(spec.ssh_keys)) | own)
    told: dict[str, object] = {
        "hostname": spec.host,
        "preserve_hostname": False,
        "disable_root": True,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": HOST_KEY, "ed25519_public": kit.host_key},
        "users": accounts,
        "write_files": _written(spec, kit),
        "growpart": {"mode": "auto", "devices": ["/"]},
    }
    if spec.packages:
        told |= {"package_update": True, "packages": list(spec.packages)}
    return told


def _account(name: str, keys: list[str]) -> dict[str, object]:
    return {"name": name, "lock_passwd": True, "shell": "/bin/sh", "ssh_authorized_keys": keys}


def _written(spec: VmSpec, kit: Kit) -> list[dict[str, object]]:
    sudoers = (
        f"Defaults:{kit.audit_user},{kit.mutate_user} !requiretty, !mail_badpass\n"
        f'{kit.audit_user} ALL=(root) NOPASSWD: {READER} ""\n{kit.mutate_user} ALL=(root) NOPASSWD: {HAND} ""\n'
    )
    identity = {
        "instance": kit.instance,
        "hostname": spec.host,
        "people": {name: list(also) for name, also in kit.people.items()},
    }
    return [
        _file("/etc/sudoers.d/waveboard", "0440", sudoers.encode()),
        _file("/etc/waveboard/hand.json", "0644", _text(identity).encode()),
        _file("/etc/waveboard/allowed_signers", "0644", kit.allowed_signers.encode()),
        _file(HAND, "0755", kit.hand),
        _file(READER, "0755", kit.reader),
    ]


def _file(path: str, mode: str, raw: bytes) -> dict[str, object]:
    packed = base64.b64encode(gzip.compress(raw, mtime=0)).decode()
    return {"path": path, "owner": "root:root", "permissions": mode, "encoding": "gz+b64", "content": packed}


def _network(network: Network) -> dict[str, object]:
    card: dict[str, object] = {"match": {"name": "e*"}}
    if network.cidr == "dhcp":
        card["dhcp4"] = True
    else:
        card["addresses"] = [network.cidr]
        if network.gateway:
            card["routes"] = [{"to": "0.0.0.0/0", "via": network.gateway}]
    names = {"addresses": [network.nameserver]} if network.nameserver else {}
    search = {"search": [network.search_domain]} if network.search_domain else {}
    if names or search:
        card["nameservers"] = {**names, **search}
    return {"version": 2, "ethernets": {"lan": card}}


def _bare(public: str) -> str:
    """`type key` of a public line, without its comment."""
    return " ".join(public.split()[:2])


def _text(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n"
