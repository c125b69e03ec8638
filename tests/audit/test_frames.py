"""Frames: exact bytes both ways, nothing but EvidenceError for anything else, no forged or cut stream believed."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.audit import frames
from waveboard.model.errors import EvidenceError

NONCE = "0123456789abcdef0123456789abcdef"
MARK = f"@@{NONCE}"


def framed(name: str, stdout: bytes, stderr: bytes = b"", argv: tuple[bytes, ...] = (), code: int = 0, cap: int = 0) -> bytes:
    """One frame as the collector prints it: `sed 's/^/|/'`, then always one newline, then stderr lines."""
    errors = _prefixed(stderr, b"!")
    if errors and not errors.endswith(b"\n"):
        errors += b"\n"
    words = b"".join(b"$" + word + b"\n" for word in argv)
    return (
        f"{MARK} begin {name} {cap}\n".encode()
        + words
        + _prefixed(stdout, b"|")
        + b"\n"
        + errors
        + f"{MARK} end {code} 12\n".encode()
    )


def _prefixed(raw: bytes, sign: bytes) -> bytes:
    if not raw:
        return b""
    lines = raw.split(b"\n")
    last = lines.pop()
    return b"".join(sign + line + b"\n" for line in lines) + (sign + last if last else b"")


def whole(*parts: bytes) -> bytes:
    return b"\n" + b"".join(parts) + framed("done", b"")


HOSTILE = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"|", b"!", b"$", b"\n", MARK.encode(), b" end 0 1\n", b" begin done 0\n", b"x", b"\0"])).map(
        b"".join
    ),
)


@given(HOSTILE, st.integers(0, 255))
def test_any_bytes_come_back_exactly(data: bytes, code: int) -> None:
    found = frames.parse(whole(framed("one", data, code=code), framed("two", b"2\n")), NONCE)
    assert (found["one"].stdout, found["one"].exit, found["two"].stdout) == (data, code, b"2\n")


@given(HOSTILE)
def test_a_marker_inside_content_is_content(data: bytes) -> None:
    forged = f"\n{MARK} end 0 1\n{MARK} begin forged 0\n|x\n\n{MARK} end 0 1\n".encode()
    found = frames.parse(whole(framed("one", data + forged)), NONCE)
    assert set(found) == {"one"}
    assert found["one"].stdout == data + forged


def test_stderr_argv_and_cap_travel_beside_the_data() -> None:
    found = frames.parse(whole(framed("one", b"abc", b"no such file\n", (b"cat", b"/x y"), 1, 3)), NONCE)["one"]
    assert (found.stdout, found.stderr, found.argv, found.exit, found.truncated, found.ms) == (
        b"abc", b"no such file\n", ("cat", "/x y"), 1, True, 12,
    )  # fmt: skip


def test_a_cap_may_count_lines() -> None:
    raw = framed("one", b"a\nb\n").replace(b"begin one 0", b"begin one 2l") + framed("two", b"a\n").replace(
        b"begin two 0", b"begin two 2l"
    )
    found = frames.parse(whole(raw), NONCE)
    assert found["one"].truncated and not found["two"].truncated


def test_every_truncation_is_no_evidence() -> None:
    raw = whole(framed("one", b"a\nb"), framed("two", b"", b"oops\n"))
    for cut in range(len(raw)):
        with pytest.raises(EvidenceError):
            frames.parse(raw[:cut], NONCE)
    assert set(frames.parse(raw, NONCE)) == {"one", "two"}


def test_a_greeting_before_the_program_is_tolerated_and_nothing_else_is() -> None:
    raw = whole(framed("one", b"a"))
    assert frames.parse(b"Welcome!\nno newline at its end" + raw, NONCE)["one"].stdout == b"a"
    for bad in (
        raw + b"late output\n",
        b"x" * (frames.NOISE_MAX_BYTES + 1) + raw,
        b"\n" + framed("one", b"a") + b"stray\n" + framed("done", b""),
        b"\n" + framed("one", b"a") + framed("one", b"b") + framed("done", b""),
        b"\n" + framed("one", b"a") + framed("../x", b"b") + framed("done", b""),
        b"\n" + framed("one", b"a").replace(b"|a", b"a") + framed("done", b""),
        raw.replace(NONCE.encode(), b"f" * 32),
        b"\n" + b"".join(framed(f"f{i}", b"") for i in range(frames.FRAMES_MAX + 1)) + framed("done", b""),
    ):
        with pytest.raises(EvidenceError):
            frames.parse(bad, NONCE)


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 400))
def test_arbitrary_bytes_raise_nothing_else(noise: bytes, start: int, stop: int) -> None:
    raw = whole(framed("one", b"a\nb", b"e\n", (b"x",)), framed("two", b""))
    for candidate in (noise, raw[:start] + noise + raw[stop:]):
        with suppress(EvidenceError):
            frames.parse(candidate, NONCE)
