"""Sizes and instants in one spelling. Sizes are int bytes; SI and IEC are told apart here and nowhere else."""

import re
from datetime import UTC, datetime

_SI = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
_IEC = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50}
_SIZE = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\s*([kKmMgGtTpP]?i?)[bB]?\s*$")

GB = 10**9
MB = 10**6
GIB = 2**30
MIB = 2**20


def parse_size(text: str) -> int:
    """Bytes from `15GB` (SI), `8GiB` (IEC) or `1e+03MB` (what docker prints for 999.5..999.9 MB).

    Raises: ValueError when the text is not a size.
    """
    match = _SIZE.match(text)
    if not match:
        raise ValueError(f"not a size: {text!r}")
    number, prefix = match.groups()
    factor = {**_SI, **_IEC}[prefix.lower()]
    return round(float(number) * factor)


def show_size(size_bytes: int) -> str:
    """`41.2 GB` style text for a person: SI, one decimal from kB upward."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 1000 or unit == "TB":
            return f"{size_bytes} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def instant_text(at: datetime) -> str:
    """RFC 3339 in UTC with seconds: `2026-02-26T03:38:31Z`. Raises: ValueError for a naive instant."""
    if at.tzinfo is None:
        raise ValueError("a naive instant has no meaning here")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_instant(text: str) -> datetime:
    """The inverse of instant_text; fractions of a second are accepted. Raises: ValueError."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if at.tzinfo is None:
        raise ValueError(f"an instant needs its time zone: {text!r}")
    return at.astimezone(UTC)


def exact_instant(value: object) -> datetime:
    """The instant whose instant_text is exactly this value: for signed bytes, where one instant has one spelling.

    Raises: ValueError.
    """
    if isinstance(value, str):
        text = value.removesuffix("Z") + "+00:00"
        at = datetime.fromisoformat(text)
        if at.isoformat() == text and value[-1] == "Z":
            return at
    raise ValueError(f"not an instant in UTC with seconds: {value!r:.40}")


def run_key(at: datetime, capability: str, suffix: str) -> str:
    """`CAP-YYYYMMDD-HHMMSS__<capability>__R<suffix>` in UTC. suffix: alphanumeric, made by the caller."""
    return f"CAP-{at.astimezone(UTC):%Y%m%d-%H%M%S}__{capability}__R{suffix}"


RUN_KEY = re.compile(r"^CAP-[0-9]{8}-[0-9]{6}__[A-Za-z0-9._-]+__R[A-Za-z0-9]+$")


def capability_of(key: str) -> str:
    """The capability that a run key names, "" for what is no run key."""
    return key.partition("__")[2].rpartition("__R")[0] if RUN_KEY.match(key) else ""
