"""What a host must carry before waveboard can read and change it: users with their keys, sudoers, identity, hand and reader. One source
for the seed of a new VM (`seed`) and the script for a host that is there already (`kit_script`). Puts nothing anywhere.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from waveboard.model.contract import ApprovalPolicy

HOME = "/usr/local/libexec/waveboard"
HAND, READER = f"{HOME}/wb-hand", f"{HOME}/wb-ro"
SUDOERS, IDENTITY, SIGNERS = "/etc/sudoers.d/waveboard", "/etc/waveboard/hand.json", "/etc/waveboard/allowed_signers"
SETTINGS = "/etc/waveboard/reader.json"
MARK = "waveboard"  # the comment of every key line that is the kit's


@dataclass(frozen=True, slots=True)
class Kit:
    """What the workspace gives a VM. *_key: public lines; approvals: who may sign, and how many must; host_key: a new VM's own public line, ""
    for a host that has its own; hand, reader: the programs; redis: the containers whose redis the reader may ask how it is set."""

    instance: str
    audit_user: str
    audit_key: str
    mutate_user: str
    mutate_key: str
    allowed_signers: str
    approvals: ApprovalPolicy
    host_key: str
    hand: bytes
    reader: bytes
    redis: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """One file of root's. mode: octal digits as chmod takes them."""

    path: str
    mode: str
    raw: bytes


def logins(kit: Kit) -> tuple[tuple[str, str], ...]:
    """(user, its one authorized_keys line): the reader's key runs anything that user may, the hand's key only the hand."""
    forced = f'restrict,command="sudo -n {HAND}" {_bare(kit.mutate_key)} {MARK}'
    return (kit.audit_user, f"restrict {_bare(kit.audit_key)} {MARK}"), (kit.mutate_user, forced)


def placed(host: str, kit: Kit) -> tuple[Placed, ...]:
    """Every file, in the order in which each needs those before it: what lets somebody in comes last."""
    sudoers = (
        f"Defaults:{kit.audit_user},{kit.mutate_user} !requiretty, !mail_badpass\n"
        f'{kit.audit_user} ALL=(root) NOPASSWD: {READER} ""\n{kit.mutate_user} ALL=(root) NOPASSWD: {HAND} ""\n'
    )
    identity = {
        "instance": kit.instance,
        "hostname": host,
        "people": {name: list(also) for name, also in kit.approvals.people.items()},
        "quorum": kit.approvals.quorum,
        "four_eyes": kit.approvals.four_eyes,
    }
    return (
        Placed(IDENTITY, "0644", text(identity).encode()),
        Placed(SIGNERS, "0644", kit.allowed_signers.encode()),
        Placed(SETTINGS, "0644", text({"redis": list(kit.redis)}).encode()),
        Placed(HAND, "0755", kit.hand),
        Placed(READER, "0755", kit.reader),
        Placed(SUDOERS, "0440", sudoers.encode()),
    )


def text(value: Mapping[str, object]) -> str:
    """One line of JSON, the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n"


def _bare(public: str) -> str:
    """`type key` of a public line, without its comment."""
    return " ".join(public.split()[:2])
