"""A dispatch as canonical JSON and back: the object that the dispatch's receipt names."""

from collections.abc import Mapping

from waveboard.model.canonical import encode
from waveboard.model.claim import Dispatch
from waveboard.model.errors import EvidenceError
from waveboard.model.units import exact_instant, instant_text

SCHEMA = "waveboard.dispatch/1"
_TEXTS = ("task", "wave", "worker", "by", "prompt", "plan", "contract")


def to_json(made: Dispatch) -> dict[str, object]:
    """JSON-ready."""
    return {
        "schema": SCHEMA,
        **{name: getattr(made, name) for name in _TEXTS},
        "issued_at": instant_text(made.issued_at),
        "expires_at": instant_text(made.expires_at),
        "baseline": dict(made.baseline),
        "files": dict(made.files),
    }


def to_bytes(made: Dispatch) -> bytes:
    """The same dispatch always gives the same bytes."""
    return encode(to_json(made))


def from_json(value: Mapping[str, object]) -> Dispatch:
    """Raises: EvidenceError for anything that to_json did not write."""
    texts = {name: value.get(name) for name in _TEXTS}
    baseline, files = value.get("baseline"), value.get("files")
    if value.get("schema") != SCHEMA or not all(isinstance(text, str) for text in texts.values()):
        raise EvidenceError("read a dispatch", f"it is not {SCHEMA}")
    if not isinstance(baseline, dict) or not isinstance(files, dict):
        raise EvidenceError("read a dispatch", "it has no baseline")
    issued, expires = exact_instant(value.get("issued_at")), exact_instant(value.get("expires_at"))
    told = {name: str(text) for name, text in texts.items()}
    return Dispatch(**told, issued_at=issued, expires_at=expires, baseline=baseline, files=files)
