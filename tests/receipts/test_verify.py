"""Both verifiers on whole bundles: every flipped bit, every cut, swap, insertion and splice, and the vectors on file."""

import json
from base64 import b64decode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.receipts import estate
from tests.receipts.judges import ours, theirs
from waveboard.model import canonical
from waveboard.model.receipt import PAYLOAD_TYPE, Actor, ActorKind, Head, Signature
from waveboard.receipts import approval, bundle, chain, closeout, envelope, sshsig
from waveboard.receipts.envelope import keyid
from waveboard.world.receipt_files import read_bundle

CASES = Path(__file__).parents[1] / "cases" / "receipts"
WHOLE, SMALL = estate.whole(), estate.small()
RECEIPTS = sorted(name for name in WHOLE if name.startswith("receipts/"))


def both_object(files: dict[str, bytes], word: str = "") -> None:
    mine, strangers = ours(files), theirs(files)
    assert mine and strangers, (mine, strangers)
    assert word in mine, mine


def both_accept(files: dict[str, bytes]) -> None:
    assert (ours(files), theirs(files)) == ("", "")


def test_the_golden_bundle_is_what_this_code_writes_and_both_accept_it() -> None:
    golden = read_bundle(CASES / "good")
    assert golden == WHOLE
    both_accept(golden)


@pytest.mark.parametrize(
    "bits", [pytest.param(1, id="one of every byte"), pytest.param(8, id="every bit", marks=pytest.mark.long)]
)
def test_every_flipped_bit_of_every_file_is_detected_by_both(bits: int) -> None:
    for name, raw in SMALL.items():
        changed = bytearray(raw)
        for place in range(len(raw)):
            for bit in [(place + more) % 8 for more in range(bits)]:
                changed[place] ^= 1 << bit
                files = {**SMALL, name: bytes(changed)}
                assert ours(files) and theirs(files), (name, place, bit)
                changed[place] ^= 1 << bit


def test_a_flipped_byte_is_detected_even_when_the_name_is_made_to_fit() -> None:
    """The last receipt renamed after its new digest: only the canonical form, the signature and the checkpoint are left."""
    name = max(SMALL, key=lambda n: n.startswith("receipts/000002"))
    for place in range(len(SMALL[name])):
        changed = bytearray(SMALL[name])
        changed[place] ^= 1
        files = {n: raw for n, raw in SMALL.items() if n != name}
        files[bundle.RECEIPTS + chain.file_name(Head(2, sha256(changed).hexdigest()))] = bytes(changed)
        assert ours(files) and theirs(files), place


@pytest.mark.parametrize("name", WHOLE)
def test_every_missing_truncated_grown_or_emptied_file_is_detected(name: str) -> None:
    gone = {n: raw for n, raw in WHOLE.items() if n != name}
    if name.startswith("evidence/"):
        both_accept(gone)  # evidence may stay at home: a digest is enough
    else:
        both_object(gone)
    for raw in (WHOLE[name][:-1], WHOLE[name] + b"\n", b""):
        both_object({**WHOLE, name: raw})


@pytest.mark.parametrize(
    "name",
    [
        "receipts/000007-0123456789abcdef.json",
        "notes.txt",
        "receipts/x",
        "approvals/" + "f" * 32 + ".sig",
        "evidence/" + "0" * 64,
        "evidence/a/b",
    ],
)
def test_every_file_too_many_is_detected(name: str) -> None:
    both_object({**WHOLE, name: WHOLE[RECEIPTS[-1]]})


def test_evidence_is_what_its_name_says_and_is_named_by_a_receipt() -> None:
    one, two = sorted(name for name in WHOLE if name.startswith("evidence/"))
    both_object({**WHOLE, one: WHOLE[two], two: WHOLE[one]}, "not those of its name")
    both_object({**WHOLE, f"evidence/{sha256(b'smuggled').hexdigest()}": b"smuggled"}, "no receipt names it")


def renamed(order: list[bytes]) -> dict[str, bytes]:
    """The bundle with these receipts under the names such a row would have."""
    files = {n: raw for n, raw in WHOLE.items() if not n.startswith("receipts/")}
    return files | {bundle.RECEIPTS + chain.file_name(Head(n, sha256(raw).hexdigest())): raw for n, raw in enumerate(order, 1)}


@pytest.mark.parametrize("at", range(len(RECEIPTS)))
def test_deleted_swapped_doubled_and_cut_rows_are_detected_under_fitting_names(at: int) -> None:
    row = [WHOLE[name] for name in RECEIPTS]
    both_object(renamed(row[:at] + row[at + 1 :]))
    both_object(renamed([*row[: at + 1], *row[at:]]))
    both_object(renamed(row[:at]))
    if at:
        both_object(renamed([*row[: at - 1], row[at], row[at - 1], *row[at + 1 :]]))


def test_a_splice_with_another_chain_of_the_same_key_is_detected() -> None:
    other = estate.linked([replace(d, four_eyes=False) for d in estate.drafts()])
    row = [WHOLE[name] for name in RECEIPTS]
    for at in range(1, 5):
        both_object(renamed([*row[:at], *(link.raw for link in other[at:])]))


def test_a_forged_receipt_needs_the_key() -> None:
    stranger = estate.signer_of(estate.SAM)
    last = estate.linked(estate.drafts())[-1]
    for sign in (stranger, lambda m: Signature(keyid(estate.PUBLIC), estate.SAM.sign(m))):
        forged = chain.append(last.head, estate.draft("step", {"forged": True}, minute=9), sign)
        point = chain.checkpoint(forged.head, estate.INSTANCE, estate.AT, estate.SIGN)
        row = [*(WHOLE[name] for name in RECEIPTS[:5]), forged.raw]
        both_object({**renamed(row), bundle.CHECKPOINT: point}, "000006")


@pytest.mark.parametrize("at", ["yesterday", 1, "2026-02-26 03:38:31Z", "2026-02-26T03:38:31+00:00"])
def test_a_checkpoint_says_when_however_well_signed(at: object) -> None:
    signed = json.loads(envelope.from_bytes(WHOLE[bundle.CHECKPOINT]).payload)
    again = envelope.seal(canonical.encode({**signed, "at": at}), chain.CHECKPOINT_TYPE, estate.SIGN)
    both_object({**WHOLE, bundle.CHECKPOINT: again}, "checkpoint.json")


def test_a_year_of_three_digits_is_a_year_to_both() -> None:
    early = replace(estate.draft("plan", {}), at=estate.AT.replace(year=999), run_key="CAP-00000226-033831__x__R1")
    both_accept(estate.bundled(estate.linked([early])))


def test_a_forged_checkpoint_needs_the_key() -> None:
    head = estate.linked(estate.drafts())[-1].head
    row = [WHOLE[name] for name in RECEIPTS[:5]]
    for sign in (estate.signer_of(estate.SAM), lambda m: Signature(keyid(estate.PUBLIC), estate.SAM.sign(m))):
        both_object(
            {**renamed(row), bundle.CHECKPOINT: chain.checkpoint(head, estate.INSTANCE, estate.AT, sign)}, "checkpoint.json"
        )


def test_pins_catch_another_key_and_an_older_truth() -> None:
    """What a bundle alone cannot show: all of it re-signed, or all of it older."""
    links = estate.linked(estate.drafts())
    older = estate.bundled(links, estate.approval_parts(estate.approve()))
    both_accept(older)
    last = estate.linked([*estate.drafts(), estate.draft("closeout", closeout.body(estate.told()), minute=5)])[-1].head
    assert ours(WHOLE, expect_head=last) == theirs(WHOLE, head=f"{last.seq}:{last.sha256}") == ""
    assert "is not in this chain" in ours(older, expect_head=last)
    assert "is not in this chain" in theirs(older, head=f"{last.seq}:{last.sha256}")
    assert ours(WHOLE, expect_key=keyid(estate.PUBLIC)) == theirs(WHOLE, key=keyid(estate.PUBLIC)) == ""
    assert "keyid" in ours(WHOLE, expect_key="0" * 64) and "keyid" in theirs(WHOLE, key="0" * 64)


def approved(allowed: str = estate.ALLOWED, actor: Actor | None = None, minute: int = 1, **body: object) -> dict[str, bytes]:
    """A properly signed chain whose approval receipt is not as it should be."""
    made = estate.approve()
    receipt = estate.draft("approval", {**approval.record(made, allowed), **body}, minute=minute)
    receipt = replace(receipt, actor=actor or receipt.actor)
    return estate.bundled(estate.linked([receipt]), [made.message, made.signature.encode(), allowed.encode()])


LINE = sshsig.public_line(estate.RONNY.public_key())


def test_an_approval_by_the_right_person_is_accepted() -> None:
    both_accept(approved())
    both_accept(approved(f"ronny {LINE}\n"))


@pytest.mark.parametrize(
    "files",
    [
        approved(f"sam {LINE}\n"), approved("\n"), approved(f'ronny namespaces="file" {LINE}\n'), approved(f"*onny {LINE}\n"),
        approved(f"ronny,sam {LINE}\n"), approved(f'ronny valid-before="20260226" {LINE}\n'),
        approved(f'ronny valid-after="20260227" {LINE}\n'), approved(f"ronny {sshsig.public_line(estate.SAM.public_key())}\n"),
        approved(actor=Actor("agent:w1", ActorKind.AGENT)), approved(actor=Actor("cron", ActorKind.MACHINE)),
        approved(principal="sam"), approved(wave="W8C"), approved(plan="sha256:" + "0" * 64), approved(more=1),
    ],
)  # fmt: skip
def test_an_approval_that_would_not_count_spoils_the_bundle(files: dict[str, bytes]) -> None:
    both_object(files, "000001")


@pytest.mark.parametrize(
    "respell",
    [
        lambda sig: sig + "x\n",
        lambda sig: sig.replace("\n", "\r\n"),
        lambda sig: sig.replace("-----B", "\n-----B"),
        lambda sig: "",
        lambda sig: sig.replace("U1NIU0lH", "U1NI\nU0lH"),
    ],
)
def test_a_respelt_signature_is_refused_even_when_the_receipt_recorded_it_so(respell) -> None:
    made = estate.approve()
    made = replace(made, signature=respell(made.signature))
    receipt = estate.draft("approval", approval.record(made, estate.ALLOWED), minute=1)
    both_object(estate.bundled(estate.linked([receipt]), estate.approval_parts(made)), "000001")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"seq":1', b'"seq": 1'), (b'"seq":1', b'"seq":1.0'), (b'"seq":1', b'"seq":1,"seq":1'), (b"W8B", b"W8\\u0042"), (b'"body":{',
     b'"body":{"n":9007199254740992,')],
)  # fmt: skip
def test_a_payload_of_another_spelling_is_refused_however_well_signed(old: bytes, new: bytes) -> None:
    payload = estate.linked([estate.draft("plan", {"wave": "W8B"})])[0].payload
    assert old in payload
    for text, holds in ((payload, True), (payload.replace(old, new), False)):
        raw = envelope.seal(text, PAYLOAD_TYPE, estate.SIGN)
        head = Head(1, sha256(raw).hexdigest())
        point = chain.checkpoint(head, estate.INSTANCE, estate.AT, estate.SIGN)
        files = {bundle.KEY: WHOLE[bundle.KEY], bundle.CHECKPOINT: point, bundle.RECEIPTS + chain.file_name(head): raw}
        both_accept(files) if holds else both_object(files, "000001")


def test_the_public_key_has_one_spelling() -> None:
    """Two bits of the last letter are unused: ssl tools read four files as one key."""
    pem = WHOLE[bundle.KEY]
    at = pem.index(b"=\n") - 1
    for letter in bytes([pem[at] + 1]), bytes([pem[at] + 2]):
        other = pem[:at] + letter + pem[at + 1 :]
        assert b64decode(other.splitlines()[1]) == b64decode(pem.splitlines()[1])
        both_object({**WHOLE, bundle.KEY: other}, bundle.KEY)


def test_one_approval_cannot_be_recorded_twice() -> None:
    made = estate.approve()
    again = [estate.draft("approval", approval.record(made, estate.ALLOWED), minute=n) for n in (1, 2)]
    both_object(estate.bundled(estate.linked(again), estate.approval_parts(made)), "nonce")


@pytest.mark.parametrize("name", closeout.ITEMS)
def test_a_closeout_resting_on_what_was_never_recorded_spoils_the_bundle(name: str) -> None:
    good = estate.told()
    items = {**good.items, name: replace(good.items[name], evidence=("sha256:" + "9" * 64,))}
    links = estate.linked([*estate.drafts(), estate.draft("closeout", closeout.body(replace(good, items=items)), minute=5)])
    both_object(estate.bundled(links, estate.approval_parts(estate.approve())), "no earlier receipt")


def test_a_closeout_with_an_invented_run_key_or_shape_spoils_the_bundle() -> None:
    body = closeout.body(estate.told())
    invented = json.loads(json.dumps(body).replace("wave.verify__", "wave.verified__"))
    short = {**body, "items": {name: item for name, item in body["items"].items() if name != "attestation"}}
    for wrong in (invented, short, {**body, "outcome": "fine"}, {**body, "plan": "x"}):
        links = estate.linked([*estate.drafts(), estate.draft("closeout", wrong, minute=5)])
        both_object(estate.bundled(links, estate.approval_parts(estate.approve())), "000006")


@pytest.mark.parametrize("case", sorted(CASES.glob("*.json")), ids=lambda path: path.stem)
def test_vectors_on_file(case: Path) -> None:
    """Each names the edits to the golden bundle and the file both verifiers must object to."""
    vector = json.loads(case.read_text())
    files = dict(WHOLE)
    for edit in vector["edits"]:
        if "delete" in edit:
            del files[edit["delete"]]
        elif "rename" in edit:
            files[edit["to"]] = files.pop(edit["rename"])
        elif "copy" in edit:
            files[edit["to"]] = files[edit["copy"]]
        else:
            raw = files[edit["replace"]].decode()
            assert edit["old"] in raw
            files[edit["replace"]] = raw.replace(edit["old"], edit["new"], 1).encode()
    both_object(files, vector["ours"])
    assert vector["theirs"] in theirs(files)


EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("drop"), st.integers(0, 99)),
        st.tuples(st.just("swap"), st.integers(0, 99), st.integers(0, 99)),
        st.tuples(st.just("byte"), st.integers(0, 99), st.integers(0, 9999), st.integers(0, 255)),
        st.tuples(st.just("cut"), st.integers(0, 99), st.integers(0, 9999)),
        st.tuples(st.just("copy"), st.integers(0, 99), st.integers(0, 9999)),
    ),
    max_size=3,
)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(EDITS)
def test_the_two_verifiers_agree_on_anything(edits: list[tuple]) -> None:
    files = dict(WHOLE)
    for what, which, *more in edits:
        names = sorted(files)
        if not names:
            break
        name = names[which % len(names)]
        if what == "drop":
            del files[name]
        elif what == "swap":
            other = names[more[0] % len(names)]
            files[name], files[other] = files[other], files[name]
        elif what == "copy":
            files[f"{name}{more[0]}"] = files[name]
        elif files[name]:
            at = more[0] % len(files[name])
            middle = bytes(more[1:]) if what == "byte" else b""
            files[name] = files[name][:at] + middle + (files[name][at + 1 :] if what == "byte" else b"")
    assert bool(ours(files)) == bool(theirs(files)), (ours(files), theirs(files))
    core = {n: raw for n, raw in WHOLE.items() if not n.startswith("evidence/")}
    if any(files.get(n) != raw for n, raw in core.items()):
        assert ours(files)
