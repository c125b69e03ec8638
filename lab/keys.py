"""The lab's own keys, made once an instance and kept over resets; they open nothing but the lab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.command import run
from lab.estate import ESTATE, Machine
from lab.settings import SSH_PORT, Settings

PRINCIPAL, SECOND = "ronny@mint", "dana@mint"
PEOPLE = {PRINCIPAL: ["@ronny", "ronny@desk"], SECOND: ["dana@desk"]}
APPROVALS = {"people": PEOPLE, "quorum": 1, "four_eyes": True}  # as in the example's waveboard.yaml
NAMESPACE = "waveboard-approval@v1"


@dataclass(frozen=True, slots=True)
class Keys:
    """Private key files; each has its public half beside it as NAME.pub."""

    audit: Path
    hand: Path
    root: Path
    approval: Path
    second: Path  # the second person, for what cannot be undone


def ensure(settings: Settings, machines: Sequence[Machine] = ESTATE) -> Keys:
    """Make what is missing, and write known_hosts with the machines' pinned host keys."""
    settings.keys.mkdir(parents=True, exist_ok=True)
    settings.keys.chmod(0o700)
    for name in ("audit", "hand", "root", "approval", "second"):
        _key(settings.keys / name, f"{name}@{settings.name}")
    lines = []
    for machine in machines:
        public = Path(f"{_key(host_key(settings, machine), machine.name)}.pub").read_text().split()
        lines.append(f"[{settings.address(machine.vmid)}]:{SSH_PORT} {public[0]} {public[1]}\n")
    settings.known_hosts.write_text("".join(lines))
    keys = of(settings)
    (settings.state / "allowed_signers").write_text(allowed_signers(keys))
    return keys


def of(settings: Settings) -> Keys:
    """Where the instance's keys are, made or not."""
    at = settings.keys
    return Keys(at / "audit", at / "hand", at / "root", at / "approval", at / "second")


def host_key(settings: Settings, machine: Machine) -> Path:
    return settings.keys / f"host-{machine.name}"


def allowed_signers(keys: Keys) -> str:
    """OpenSSH's allowed_signers: two people may sign approvals and nothing else."""
    lines = []
    for person, key in ((PRINCIPAL, keys.approval), (SECOND, keys.second)):
        kind, public = Path(f"{key}.pub").read_text().split()[:2]
        lines.append(f'{person} namespaces="{NAMESPACE}" {kind} {public}\n')
    return "".join(lines)


def _key(path: Path, comment: str) -> Path:
    if not path.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])
    return path
