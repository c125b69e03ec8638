"""A small, fully deterministic chain with everything a bundle can hold; the golden case is exactly these bytes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from waveboard.model.change import Approval, HostPin, Plan, Reversibility, Slot, Step
from waveboard.model.receipt import GENESIS, Actor, ActorKind, Closeout, CloseoutItem, Head, Receipt, Signature, Subject
from waveboard.receipts import approval, bundle, chain, closeout, sshsig
from waveboard.waves import plan_json

AT = datetime(2026, 2, 26, 3, 38, 31, tzinfo=UTC)
INSTANCE = "mint-7f3a"
NONCE = "0123456789abcdef0123456789abcdef"
EVIDENCE = b'{"rows":42}'


def key_of(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def allowed(keys: Mapping[str, Ed25519PrivateKey]) -> str:
    """An allowed_signers file: who may approve with which key."""
    lines = (f'{who} namespaces="{sshsig.NAMESPACE}" {sshsig.public_line(key.public_key())}\n' for who, key in keys.items())
    return "".join(lines)


RECEIPT_KEY, RONNY, SAM = key_of(1), key_of(2), key_of(3)
PUBLIC = RECEIPT_KEY.public_key().public_bytes_raw()
ALLOWED = allowed({"ronny": RONNY, "sam": SAM})
PLAN = Plan(
    instance=INSTANCE, wave="W8B", kind="wave", created_at=AT, proposer="dispatcher", contract="sha256:" + "c" * 64,
    gates="sha256:" + "d" * 64, hosts=(HostPin("mint-data", "0" * 32, "SHA256:abc", "sha256:" + "e" * 64, "sha256:" + "f" * 64),),
    read_only_hosts=("mint-apps",), not_before=AT, not_after=AT + timedelta(hours=4), quorum=1, four_eyes=True, title="move data",
    slots=(Slot(AT, AT + timedelta(hours=4)),),
    steps=(
        Step(
            id="w8b-01", verb="mount_data", host="mint-data", title="mount", args={"target": "/mnt/data", "containerd": False},
            reversibility=Reversibility.EXACT, commands=("mount /mnt/data",), undo_commands=("umount /mnt/data",), downtime_s=20,
        ),
    ),
)  # fmt: skip
PLAN_RAW = plan_json.to_bytes(PLAN)
DIGEST = plan_json.digest(PLAN_RAW)


def signer_of(key: Ed25519PrivateKey):
    keyid = sha256(key.public_key().public_bytes_raw()).hexdigest()
    return lambda message: Signature(keyid, key.sign(message))


SIGN = signer_of(RECEIPT_KEY)


def subject(name: str, raw: bytes) -> Subject:
    return Subject(name, sha256(raw).hexdigest())


def draft(kind: str, body: dict, subjects: tuple[Subject, ...] = (), minute: int = 0) -> Receipt:
    at = AT + timedelta(minutes=minute)
    run = f"CAP-{at:%Y%m%d-%H%M%S}__wave.{kind}__Rabc{minute}"
    who = Actor("root@console", ActorKind.HUMAN)
    return Receipt(kind, run, INSTANCE, who, at, True, subjects or (subject("plan", PLAN_RAW),), body)


def approve(
    plan: Plan = PLAN, digest: str = DIGEST, who: str = "ronny", key: Ed25519PrivateKey = RONNY, nonce: str = NONCE
) -> Approval:
    message = approval.build(plan, digest, who, nonce, plan.not_before, plan.not_after)
    return approval.parse(message, sshsig.sign(key, message))


def linked(drafts: list[Receipt], head: Head = GENESIS, sign=SIGN) -> list[chain.Link]:
    links = []
    for one in drafts:
        links.append(chain.append(head, one, sign))
        head = links[-1].head
    return links


def bundled(links: list[chain.Link], objects: list[bytes] = (), evidence: list[bytes] = (), sign=SIGN) -> dict[str, bytes]:
    last = links[-1]
    point = chain.checkpoint(last.head, last.receipt.instance, last.receipt.at, sign)
    by_digest = {"sha256:" + sha256(raw).hexdigest(): raw for raw in (*objects, *evidence)}
    named = ["sha256:" + sha256(raw).hexdigest() for raw in evidence]
    return bundle.files([link.raw for link in links], PUBLIC, point, by_digest, named)


def approval_parts(made: Approval) -> list[bytes]:
    return [made.message, made.signature.encode(), ALLOWED.encode()]


def small() -> dict[str, bytes]:
    """Two receipts, one approval, one piece of evidence: for flipping every bit."""
    made = approve()
    links = linked(
        [
            draft("audit", {"hosts": 1}, (subject("bundle/mint-data", EVIDENCE), subject("plan", PLAN_RAW))),
            draft("approval", approval.record(made, ALLOWED), minute=1),
        ]
    )
    return bundled(links, approval_parts(made), [EVIDENCE])


def told(**changes: object) -> Closeout:
    """A closeout whose seven items rest on what `drafts` recorded."""
    audit, verify = drafts()[0].run_key, drafts()[1].run_key
    on = ("sha256:" + sha256(EVIDENCE).hexdigest(),)
    items = {
        "evidence": CloseoutItem(({"run_key": audit, "result": "1 host read"},), on),
        "files_changed": CloseoutItem(({"host": "mint-data", "path": "/etc/fstab", "before": "x", "after": "y"},), on),
        "runtime_actions": CloseoutItem(({"host": "mint-data", "step": "w8b-01", "action": "mount", "result": "applied"},), on),
        "linkage": CloseoutItem(({"id": "GAP-OP-932", "kind": "gap", "impact": "candidate to close"},), on),
        "verify": CloseoutItem(({"pack": "mint", "run_key": verify, "result": "18 gates: 18 pass"},), on),
        "blockers": CloseoutItem((), on),
        "attestation": CloseoutItem(({"principal": "ronny", "statement": "every item rests on receipts of this chain"},), on),
    }
    return replace(Closeout("W8B", DIGEST, "done", items), **changes)


def drafts() -> list[Receipt]:
    """One of every kind the main job leaves, in order, all but the closeout."""
    made = approve()
    return [
        draft("audit", {"hosts": 1}, (subject("bundle/mint-data", EVIDENCE),)),
        draft("verify", {"pack": "mint", "summary": "18 gates: 18 pass"}, (subject("bundle/mint-data", EVIDENCE),), 1),
        draft("plan", {"wave": "W8B", "title": "größer → Ω"}, minute=2),
        draft("approval", approval.record(made, ALLOWED), minute=3),
        draft("step", {"step": "w8b-01", "result": "applied"}, minute=4),
    ]


def whole() -> dict[str, bytes]:
    """The golden bundle: everything, closed out."""
    links = linked([*drafts(), draft("closeout", closeout.body(told()), minute=5)])
    return bundled(links, approval_parts(approve()), [EVIDENCE, PLAN_RAW])
