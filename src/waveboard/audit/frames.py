"""The collector's frames back into evidence, byte for byte. Hostile input: anything unexpected is one EvidenceError.

A frame is `@@NONCE begin NAME CAP` (bytes, or lines with an `l`), `$argv` lines, `|` data lines, an empty line when the data ended in a newline, `!` stderr
lines, `@@NONCE end RC MS`. Data lines always start with `|`, so no content can look like a marker; the last frame is `done`.
It does not repair: a stream that is not whole has no evidence in it.
"""

import re
from collections.abc import Mapping

from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Evidence

LAST = "done"
FRAMES_MAX = 64
NOISE_MAX_BYTES = 65536  # a login shell may greet before the program starts
_BEGIN = re.compile(rb"([a-z][a-z0-9_]{0,31}) ([0-9]{1,9})(l?)\n")
_END = re.compile(rb"([0-9]{1,3}) ([0-9]{1,9})\n")


def parse(raw: bytes, nonce: str) -> Mapping[str, Evidence]:
    """Evidence by frame name, in the order sent. Raises: EvidenceError when the stream is cut, forged or malformed."""
    mark = b"@@" + nonce.encode()
    opening, closing = mark + b" begin ", b"\n" + mark + b" end "
    at = raw.find(b"\n" + opening) + 1
    if (at == 0 and not raw.startswith(opening)) or at > NOISE_MAX_BYTES:
        raise _bad("no answer in it")
    found: dict[str, Evidence] = {}
    while LAST not in found:
        if not raw.startswith(opening, at):
            raise _bad("it was cut before its last frame" if at >= len(raw) else f"stray output at byte {at}")
        head = _BEGIN.match(raw, at + len(opening))
        if head is None:
            raise _bad(f"a broken marker at byte {at}")
        name, cap = head[1].decode(), (int(head[2]), bool(head[3]))
        stop = raw.find(closing, head.end() - 1)
        if stop < 0:
            raise _bad(f"it was cut in frame {name}")
        tail = _END.match(raw, stop + len(closing))
        if tail is None:
            raise _bad(f"it was cut in frame {name}")
        if name in found or len(found) >= FRAMES_MAX:
            raise _bad(f"frame {name} is one too many")
        found[name] = _evidence(name, cap, raw[head.end() : stop + 1], int(tail[1]), int(tail[2]))
        at = tail.end()
    if raw[at:].strip():
        raise _bad("stray output after its last frame")
    del found[LAST]
    return found


def _evidence(name: str, cap: tuple[int, bool], body: bytes, code: int, ms: int) -> Evidence:
    argv: list[str] = []
    at = 0
    while body.startswith(b"$", at):
        end = body.index(b"\n", at)
        argv.append(body[at + 1 : end].decode("utf-8", "backslashreplace"))
        at = end + 1
    body = body[at:]
    split = 0 if body.startswith(b"!") else body.find(b"\n!") + 1
    if split or body.startswith(b"!"):
        body, errors = body[:split], body[split:]
    else:
        errors = b""
    if not body.endswith(b"\n"):
        raise _bad(f"frame {name} is malformed")
    return Evidence(
        name=name,
        argv=tuple(argv),
        exit=code,
        stdout=(stdout := _plain(name, body[:-1], b"|")),
        stderr=_plain(name, errors, b"!"),
        truncated=0 < cap[0] <= (stdout.count(b"\n") if cap[1] else len(stdout)),
        ms=ms,
    )


def _plain(name: str, text: bytes, sign: bytes) -> bytes:
    """Text without the sign that starts each of its lines."""
    if not text:
        return b""
    lines = text.count(b"\n") - text.endswith(b"\n")
    if not text.startswith(sign) or text.count(b"\n" + sign) != lines:
        raise _bad(f"frame {name} holds a line that is no data")
    return text[1:].replace(b"\n" + sign, b"\n")


def _bad(because: str) -> EvidenceError:
    return EvidenceError("read the host's answer", because, "audit the host again")
