"""DSSE: the specification's own vector, and no second spelling of any envelope."""

import base64
import json

import pytest

from tests.receipts import estate
from waveboard.model.errors import ReceiptError
from waveboard.model.receipt import PAYLOAD_TYPE, Signature
from waveboard.receipts import envelope

RAW = envelope.seal(b'{"a":1}', PAYLOAD_TYPE, estate.SIGN)


def accepts(raw: bytes) -> bool:
    try:
        return envelope.verify(envelope.from_bytes(raw), PAYLOAD_TYPE, estate.PUBLIC) == b'{"a":1}'
    except ReceiptError:
        return False


def test_pae_is_the_specifications() -> None:
    assert envelope.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_seals_and_opens() -> None:
    assert accepts(RAW)
    assert json.loads(RAW)["signatures"][0]["keyid"] == envelope.keyid(estate.PUBLIC)


def test_every_flipped_bit_is_refused() -> None:
    changed = bytearray(RAW)
    for place in range(len(RAW)):
        for bit in range(8):
            changed[place] ^= 1 << bit
            assert not accepts(bytes(changed)), (place, bit)
            changed[place] ^= 1 << bit


@pytest.mark.parametrize(
    "respelt",
    [
        lambda raw: raw + b"\n",
        lambda raw: raw.replace(b'":', b'": '),
        lambda raw: raw.replace(b'"payload"', b'"p\\u0061yload"'),
        lambda raw: raw.replace(b"vnd.in-toto+json", b"vnd.in-toto\\u002bjson"),
        lambda raw: raw[:-1] + b',"x":1}',
        lambda raw: b'{"payload":"",' + raw[1:],
        lambda raw: json.dumps(json.loads(raw)).encode(),
        lambda raw: json.dumps(dict(reversed(json.loads(raw).items())), separators=(",", ":")).encode(),
        lambda raw: raw.replace(b'"signatures":[', b'"signatures":[' + raw[raw.index(b'{"keyid') : raw.index(b"]}")] + b","),
        lambda raw: raw.replace(b"==\"}]", b"=\"}]"),
        lambda raw: raw.replace(b"==\"}]", b"\"}]"),
        lambda raw: raw.replace(b'"}', b'\\n"}'),
    ],
)  # fmt: skip
def test_no_other_spelling_of_the_same_envelope(respelt) -> None:
    assert respelt(RAW) != RAW
    assert not accepts(respelt(RAW))


def test_unused_base64_bits_are_not_free() -> None:
    """Two spellings, the same bytes after decoding: only one is an envelope."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    payload = json.loads(RAW)["payload"].encode()
    assert payload.endswith(b"==")
    other = payload[:-3] + bytes([alphabet[alphabet.index(payload[-3:-2]) ^ 1]]) + b"=="
    assert base64.b64decode(other) == base64.b64decode(payload)
    with pytest.raises(ReceiptError, match="canonical"):
        envelope.from_bytes(RAW.replace(payload, other))


def test_type_and_key_are_bound() -> None:
    opened = envelope.from_bytes(RAW)
    with pytest.raises(ReceiptError, match="payload type"):
        envelope.verify(opened, "application/other", estate.PUBLIC)
    with pytest.raises(ReceiptError, match="another key"):
        envelope.verify(opened, PAYLOAD_TYPE, estate.RONNY.public_key().public_bytes_raw())
    claimed = envelope.seal(b"{}", PAYLOAD_TYPE, lambda m: Signature(envelope.keyid(estate.PUBLIC), estate.RONNY.sign(m)))
    with pytest.raises(ReceiptError, match="does not hold"):
        envelope.verify(envelope.from_bytes(claimed), PAYLOAD_TYPE, estate.PUBLIC)
