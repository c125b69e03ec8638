#!/usr/bin/env python3
"""An independent verifier of a waveboard receipt bundle: the standard library, openssl and ssh-keygen; nothing of waveboard.

Exit 0 when every file holds, 8 with the file and the reason when one does not. --key and --head pin what you know from
elsewhere: without them the key found in DIR is trusted, and receipts newer than DIR are not missed. docs/receipts.md is the norm.
"""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ENVELOPE = re.compile(
    rb'\{"payload":"([A-Za-z0-9+/]+={0,2})","payloadType":"([ !#-\[\]-~]+)",'
    rb'"signatures":\[\{"keyid":"([0-9a-f]{64})","sig":"([A-Za-z0-9+/]{86}==)"\}\]\}'
)
PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\n(MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=)\n-----END PUBLIC KEY-----\n")
ARMOR = re.compile(rb"-----BEGIN SSH SIGNATURE-----\n(\S{70}\n)*\S{1,70}\n-----END SSH SIGNATURE-----\n")
PARTS = {"message": "json", "signature": "sig", "allowed_signers": "allowed_signers"}
HEX_RUN = re.compile(rb"[0-9a-f]{64,}")
SOME, HEX, DIGEST = re.compile("(?s).+"), re.compile("[0-9a-f]{64}"), re.compile("sha256:[0-9a-f]{64}")
INSTANCE, PERSON = re.compile("[!-~]{1,128}"), re.compile(r"@?[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
AT = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])(:[0-5][0-9]){2}Z")
# fmt: off
RECEIPT = {"schema": "waveboard.receipt/1", "kind": re.compile("[a-z][a-z0-9.-]{0,63}"), "seq": int, "prev": HEX, "at": AT,
           "run_key": re.compile(r"CAP-[0-9]{8}-[0-9]{6}__[A-Za-z0-9._-]+__R[A-Za-z0-9]+"), "four_eyes": bool, "body": dict,
           "instance": INSTANCE, "actor": {"principal": SOME, "kind": re.compile("human|agent|machine")}}
STATEMENT = {"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": SOME, "digest": {"sha256": HEX}}],
             "predicateType": SOME, "predicate": RECEIPT}
CHECKPOINT = {"schema": "waveboard.checkpoint/1", "instance": INSTANCE, "seq": int, "head": HEX, "at": AT}
SAME = {"plan": DIGEST, "wave": SOME, "principal": PERSON, "nonce": re.compile("[0-9a-f]{32}")}
MESSAGE = {**SAME, "schema": "waveboard.approval/1", "instance": SOME, "hosts": [SOME], "not_before": AT,
           "not_after": AT, "deletes": [SOME], "downtime_s": int, "max_uses": int}
ENTRIES = (("evidence", "run_key result"), ("files_changed", "host path before after"), ("linkage", "id kind impact"),
           ("runtime_actions", "host step action result"), ("verify", "pack run_key result"), ("blockers", "what owner until"),
           ("attestation", "principal statement"))
CLOSEOUT = {"wave": SOME, "plan": re.compile("|sha256:[0-9a-f]{64}"), "outcome": re.compile("done|rolled-back|halted"),
            "items": {name: {"entries": [dict.fromkeys(keys.split(), str)], "evidence": [DIGEST]} for name, keys in ENTRIES}}
# fmt: on


class Invalid(Exception):
    """file: reason."""


def need(holds, place, reason):
    if not holds:
        raise Invalid(f"{place}: {reason}")


def fits(value, shape):
    if isinstance(shape, dict):
        return isinstance(value, dict) and set(value) == set(shape) and all(fits(value[key], shape[key]) for key in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(item, shape[0]) for item in value)
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and shape.fullmatch(value)
    return type(value) is shape if isinstance(shape, type) else value == shape


def integer(text):
    return int(text) if abs(int(text)) < 2**53 else int("too large to be canonical")


def decoded(raw, shape, place):
    """The value of that shape whose canonical form (RFC 8785) is exactly these bytes; a doubled key does not survive that."""
    try:
        value = json.loads(raw.decode(), parse_int=integer, parse_float=int, parse_constant=int)  # int refuses floats and NaN
        again = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        value, again = None, b""
    need(again == raw and fits(value, shape), place, "not canonical JSON of exactly the right fields")
    return value


def unbase64(text, place):
    raw = base64.b64decode(text + b"==")
    need(base64.b64encode(raw) == text, place, "base64 not in canonical form")
    return raw


def opened(raw, kind, keyid, place):
    """(payload, signed bytes, signature) of a DSSE envelope in its only spelling."""
    match = ENVELOPE.fullmatch(raw)
    need(match, place, "not the canonical form of a DSSE envelope with one signature")
    payload, signature = unbase64(match[1], place), unbase64(match[4], place)
    need((match[2], match[3].decode()) == (kind, keyid), place, "another payload type, or signed by another key")
    return payload, b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload), signature


def approval(said, files, place, used):
    """All of one approval but its SSH signature; returns what ssh-keygen shall judge."""
    body = said["body"]
    need(fits(body, SAME | dict.fromkeys(PARTS, DIGEST)), place, "it does not say what was approved by whom")
    names = {part: f"approvals/{body['nonce']}.{end}" for part, end in PARTS.items()}
    for part, name in names.items():
        need(name in files and name not in used, name, "missing, or its nonce was used before")
        need(body[part] == "sha256:" + hashlib.sha256(files[name]).hexdigest(), name, "not what the receipt recorded")
        used.add(name)
    message, signature, signers = (files[name] for name in names.values())
    terms = decoded(message, MESSAGE, place)
    right = terms["hosts"] and terms["hosts"] == sorted(set(terms["hosts"])) and terms["not_before"] < terms["not_after"]
    right = right and terms["downtime_s"] >= 0 and terms["max_uses"] == 1 and terms["instance"] == said["instance"]
    need(right and all(terms[key] == body[key] for key in SAME), place, "it does not say what the signed message says")
    need(said["actor"]["kind"] == "human" and ARMOR.fullmatch(signature), place, "no person's, or its armor is not canonical")
    made = unbase64(b"".join(signature.split(b"\n")[1:-2]), place)[18:80]  # from the type of its key on
    need(b"-cert-v01@" not in made, place, "a certificate stands for whomever its authority names, not for one person")
    return place, terms["principal"], message, signature, signers, re.sub("[-:TZ]", "", said["at"])


def closeout(body, known, run_keys, place):
    need(fits(body, CLOSEOUT), place, "not the seven items")
    items = body["items"].values()
    full = all(body["items"][name]["entries"] for name in ("evidence", "verify", "attestation"))
    need(full and all(item["evidence"] for item in items), place, "an item is empty or rests on nothing")
    claims = {digest[7:] for item in items for digest in item["evidence"]} | {body["plan"][7:]} - {""}
    told = {entry["run_key"] for item in items for entry in item["entries"] if "run_key" in entry}
    need(claims <= known and told <= run_keys, place, "no earlier receipt names a digest or a run key it rests on")


def check(files, key="", head=""):
    """What the bundle proves, as one line. Cheap checks of every file come before the first signature. Raises: Invalid."""
    used = {"receipts.pub", "checkpoint.json"}
    need(used <= set(files), "receipts.pub, checkpoint.json", "missing")
    pem = PEM.fullmatch(files["receipts.pub"])
    need(pem, "receipts.pub", "not the PEM file of one Ed25519 key")
    keyid = hashlib.sha256(unbase64(pem[1], "receipts.pub")[12:]).hexdigest()
    need(key in ("", keyid), "receipts.pub", f"its keyid is {keyid}")
    seq, last, instance, named, run_keys, signed, judged, heads = 0, "0" * 64, "", set(), set(), [], [], {""}
    for place in sorted((name for name in files if name.startswith("receipts/")), key=lambda name: (len(name), name)):
        payload, *rest = opened(files[place], b"application/vnd.in-toto+json", keyid, place)
        statement = decoded(payload, STATEMENT, place)
        said, subjects = statement["predicate"], [subject["name"] for subject in statement["subject"]]
        right = statement["predicateType"] == f"https://waveboard.dev/receipt/{said['kind']}/v1"
        need(right and subjects and len(subjects) == len(set(subjects)), place, "no subject, two of one name, or another type")
        follows = (said["seq"], said["prev"], said["instance"]) == (seq + 1, last, instance or said["instance"])
        need(follows, place, f"it does not follow receipt {seq}")
        if said["kind"] == "approval":
            judged.append(approval(said, files, place, used))
        if said["kind"] == "closeout":
            closeout(said["body"], named | {last}, run_keys, place)
        seq, last, instance = seq + 1, hashlib.sha256(files[place]).hexdigest(), said["instance"]
        need(place == f"receipts/{seq:06d}-{last[:16]}.json", place, "its name is not that of its bytes")
        named |= {run.decode() for run in HEX_RUN.findall(payload) if len(run) == 64}
        run_keys.add(said["run_key"])
        used.add(place)
        heads.add(f"{seq}:{last}")
        signed.append((place, *rest))
    payload, *rest = opened(files["checkpoint.json"], b"application/vnd.waveboard.checkpoint+json", keyid, "checkpoint.json")
    point = decoded(payload, CHECKPOINT, "checkpoint.json")
    need((point["seq"], point["head"], point["instance"]) == (seq, last, instance), "checkpoint.json", "it signs another end")
    need(head in heads, "checkpoint.json", f"{head} is not in this chain")
    for name in sorted(files):
        held = name == f"evidence/{hashlib.sha256(files[name]).hexdigest()}" and name[9:] in named
        need(held or name in used, name, "no receipt names it, or its bytes are not those of its name")
    signatures(files["receipts.pub"], [("checkpoint.json", *rest), *signed], judged)
    return f"{seq} receipts of {instance}, {len(judged)} approvals, key {keyid}, head {seq}:{last}"


def run(argv, stdin=b"", **files):
    """The lines a program printed, None when it failed. files: what it finds in its working directory."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, raw in files.items():
            pathlib.Path(scratch, name).write_bytes(raw)
        done = subprocess.run(argv, input=stdin, capture_output=True, cwd=scratch, env={**os.environ, "TZ": "UTC"}, timeout=60)
    return done.stdout.decode("utf-8", "replace").splitlines() if done.returncode == 0 else None


def signatures(pem, signed, judged):
    for place, message, signature in signed:
        argv = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin", "-in", "data", "-sigfile", "sig"]
        need(run(argv, key=pem, data=message, sig=signature) is not None, place, "the signature does not hold")
    for place, who, message, signature, allowed, at in judged:
        options, files = f"-s sig -f signers -Overify-time={at}".split(), {"sig": signature, "signers": allowed}
        found = run(["ssh-keygen", "-Y", "find-principals", *options], **files)
        need(found == [who], place, "its key is not in allowed_signers, or not that of this one person")
        argv = ["ssh-keygen", "-Y", "verify", "-n", "waveboard-approval@v1", "-I", who, *options]
        need(run(argv, message, **files) is not None, place, "ssh-keygen refuses the approval")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--key", default="", help="the keyid you expect")
    parser.add_argument("--head", default="", help="SEQ:SHA256 of a receipt you have seen before")
    asked, found = parser.parse_args(), {}
    try:
        for path in sorted(asked.dir.rglob("*")):
            need(not path.is_symlink() and (path.is_file() or path.is_dir()), path, "not a plain file")
            found |= {path.relative_to(asked.dir).as_posix(): path.read_bytes()} if path.is_file() else {}
        print("ok:", check(found, asked.key, asked.head))
    except Invalid as error:
        sys.exit(print("INVALID", ascii(str(error))[1:-1], file=sys.stderr) or 8)
