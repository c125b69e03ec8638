"""Proxmox VE's own spellings: drives, networks, options and sizes of a VM's configuration as nouns. Pure; asks nobody."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

from waveboard.model.units import GIB, MIB
from waveboard.model.vm import Shape, VmDisk
from waveboard.world.hypervisors.pve_answers import whole

CARDS = frozenset({"virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"})
SEED_SLOTS = ("ide2", "ide0", "ide1", "ide3")
DRIVE = re.compile(r"(?:ide|sata|scsi|virtio)[0-9]+")
UNUSED = re.compile(r"unused[0-9]+")
STATES = frozenset({"efidisk0", "tpmstate0", "vmstate"})
TAG = re.compile(r"wb-[A-Za-z0-9._-]+")
_CTIME = re.compile(r"[1-9][0-9]{0,10}")
_SIZE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?)([KMGT]?)")
_UNIT = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}

Config = Mapping[str, object]


def options(text: object) -> dict[str, str]:
    """`a,b=c` -> {"": "a", "b": "c"}."""
    found: dict[str, str] = {}
    for part in str(text).split(","):
        key, equals, value = part.partition("=")
        found[key if equals else ""] = value if equals else part
    return found


def size(text: str) -> int:
    """`120G` in bytes; 0 for what is no size."""
    match = _SIZE.fullmatch(text)
    return round(float(match[1]) * _UNIT[match[2]]) if match else 0


def disks(config: Config) -> tuple[VmDisk, ...]:
    """Every disk but media, by slot; serial, size and backup flag as configured."""
    found = []
    for slot, volume, given in _drives(config):
        if given.get("media") == "cdrom" or ":" not in volume:
            continue
        pool, _, name = volume.partition(":")
        bytes_ = size(given.get("size", "")) or (int(name) * GIB if name.isdigit() else 0)
        serial = (
            unquote(given["serial"]) if "serial" in given else None
        )  # qm.conf(5) has it as in a URL; the guest sees what it means
        found.append(VmDisk(slot, pool, volume, bytes_, serial, given.get("backup", "1") not in ("0", "no", "off")))
    return tuple(found)


def boot_slot(config: Config) -> str:
    """The first disk of the boot order; "" when it boots from none."""
    order = options(config.get("boot", "")).get("order", "").split(";")
    known = {disk.slot for disk in disks(config)}
    first = str(config.get("bootdisk", ""))
    return next((slot for slot in (*order, first) if slot in known), next(iter(sorted(known)), ""))


def seed(config: Config) -> str:
    """The volume of the seed medium that was given to it; "" without one."""
    for _, volume, given in _drives(config):
        if given.get("media") == "cdrom" and volume.rpartition("/")[2].startswith("waveboard-"):
            return volume
    return ""


def seed_slot(config: Config) -> str:
    """Where its seed belongs: in the place of an earlier one or of PVE's own cloud-init drive, since a guest may read any of two; else
    in a place of no disk."""
    media = {slot: volume for slot, volume, given in _drives(config) if given.get("media") == "cdrom"}
    told = [slot for slot, volume in media.items() if volume.rpartition("/")[2].startswith("waveboard-") or "cloudinit" in volume]
    return next((slot for slot in (*told, *SEED_SLOTS) if slot in media or slot not in config), SEED_SLOTS[0])


def tag(config: Config) -> str:
    """What waveboard wrote into the first line of its description."""
    match = TAG.match(str(config.get("description", "")))
    return match[0] if match else ""


def made(config: Config) -> datetime | None:
    """When PVE made the VM, or the template that it is a clone of; None where `meta` does not say."""
    seconds = options(config.get("meta", "")).get("ctime", "")
    return datetime.fromtimestamp(int(seconds), UTC) if _CTIME.fullmatch(seconds) else None


def generation(config: Config) -> str:
    """The UUID that PVE gives each VM it makes, clones too, and that a restore in place keeps; "" where `smbios1` does not say."""
    return options(config.get("smbios1", "")).get("uuid", "").casefold()


def written(text: str) -> Config:
    """A configuration as PVE's file has it: `key: value` lines, comments, and sections of snapshots, which are left out."""
    lines = (line.partition(": ") for line in text.partition("\n[")[0].splitlines() if not line.startswith("#"))
    return {key.strip(): value.strip() for key, colon, value in lines if colon}


def shape(config: Config) -> Shape:
    """Cores, memory and network."""
    cores = whole(config.get("cores", 1)) * whole(config.get("sockets", 1))
    memory = whole(options(config.get("memory", 512)).get("", "") or options(config.get("memory")).get("current", "0")) * MIB
    agent = options(config.get("agent", "0"))
    enabled = (agent.get("enabled") or agent.get("", "0")) in ("1", "yes", "on", "true")
    bridge = options(config.get("net0", "")).get("bridge", "")
    return Shape(cores, memory, bridge, enabled, str(config.get("onboot", 0)) == "1")


def card(config: Config, bridge: str) -> str:
    """net0 as a virtio card on that bridge, with the MAC address, VLAN, firewall and limits it has."""
    given = options(config.get("net0", ""))
    mac = given.get("macaddr") or next((given[name] for name in CARDS if name in given), "")
    kept = {key: value for key, value in given.items() if key not in ("", "model", "macaddr", *CARDS)}
    told = ",".join(f"{key}={value}" for key, value in {**kept, "bridge": bridge}.items())
    return f"virtio={mac},{told}" if mac else f"virtio,{told}"


def used(config: Config) -> set[str]:
    """Every volume the configuration names, detached ones too."""
    named = (options(value) for key, value in config.items() if DRIVE.fullmatch(key) or UNUSED.fullmatch(key) or key in STATES)
    return {_volume(given) for given in named}


def _drives(config: Config) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every drive by slot, media too: slot, volume, all its options."""
    for slot in sorted(key for key in config if DRIVE.fullmatch(key)):
        given = options(config[slot])
        yield slot, _volume(given), given


def _volume(given: Mapping[str, str]) -> str:
    return given.get("") or given.get("file", "")
