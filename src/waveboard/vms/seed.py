"""What a new VM reads at its first boot: users, keys, hand, reader, and the host key it is already known by. A NoCloud seed as text.

The private half of the host key is not in it: HOST_KEY stands in its place, so that a plan can be read and kept by anybody.
It formats no disk, and starts docker only where the profile leaves docker's root where it is: the rest is bootstrap's, under a plan of its own.
"""

import base64
import gzip
from hashlib import sha256

from waveboard.model.vm import Network, VmSpec
from waveboard.vms.kit import Kit, Placed, logins, placed, text

HOST_KEY = "@HOST_KEY@"
DOCKER = ("docker.service", "docker.socket", "containerd.service")


def files(spec: VmSpec, kit: Kit) -> dict[str, str]:
    """`user-data`, `meta-data`, `network-config`: JSON, which is YAML."""
    user = "#cloud-config\n" + text(_user_data(spec, kit))
    told = sha256(user.encode()).hexdigest()[:12]
    meta = {"instance-id": f"{spec.host}-{spec.vmid}-{told}", "local-hostname": spec.host}
    return {"user-data": user, "meta-data": text(meta), "network-config": text(_network(spec.network))}


def _user_data(spec: VmSpec, kit: Kit) -> dict[str, object]:
    accounts: list[dict[str, object]] = [_account(user, [line]) for user, line in logins(kit)]
    if spec.ci_user not in (kit.audit_user, kit.mutate_user):
        own = {"sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash"} if spec.ssh_keys else {}
        accounts.append(_account(spec.ci_user, list(spec.ssh_keys)) | own)
    told: dict[str, object] = {
        "hostname": spec.host,
        "preserve_hostname": False,
        "disable_root": True,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": HOST_KEY, "ed25519_public": kit.host_key},
        "users": accounts,
        "write_files": [_file(one) for one in placed(spec.host, kit)],
        "growpart": {"mode": "auto", "devices": ["/"]},
    }
    if spec.docker_root:  # a package starts what it brings; bootstrap lets docker run once its root is where it belongs
        told["bootcmd"] = [["cloud-init-per", "instance", "waveboard-docker", "systemctl", "mask", *DOCKER]]
    else:  # nothing of it is to lie elsewhere: an image that keeps docker from starting has no reason to here
        told["runcmd"] = [["systemctl", "unmask", *DOCKER], ["systemctl", "enable", "--now", "docker.service"]]
    if spec.packages:
        told |= {"package_update": True, "packages": list(spec.packages)}
    return told


def _account(name: str, keys: list[str]) -> dict[str, object]:
    return {"name": name, "lock_passwd": True, "shell": "/bin/sh", "ssh_authorized_keys": keys}


def _file(one: Placed) -> dict[str, object]:
    packed = base64.b64encode(gzip.compress(one.raw, mtime=0)).decode()
    return {"path": one.path, "owner": "root:root", "permissions": one.mode, "encoding": "gz+b64", "content": packed}


def _network(network: Network) -> dict[str, object]:
    card: dict[str, object] = {"match": {"name": "e*"}}
    if network.cidr == "dhcp":
        card["dhcp4"] = True
    else:
        card["addresses"] = [network.cidr]
        if network.gateway:
            card["routes"] = [{"to": "::/0" if ":" in network.gateway else "0.0.0.0/0", "via": network.gateway}]
    names = {"addresses": [network.nameserver]} if network.nameserver else {}
    search = {"search": [network.search_domain]} if network.search_domain else {}
    if names or search:
        card["nameservers"] = {**names, **search}
    return {"version": 2, "ethernets": {"lan": card}}
