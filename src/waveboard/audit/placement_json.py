"""A placement as the JSON of `where --json`. Keys in a fixed order; optional ones only when there is something to say."""

from waveboard.model.graph import Placement


def document(placement: Placement) -> dict[str, object]:
    """The document of docs/storage-graph.md. Safe to print: text that is not Unicode is shown as \\xNN."""
    found: dict[str, object] = {
        "path": _text(placement.path),
        "mount": {
            "target": _maybe(placement.mount_target),
            "source": _maybe(placement.mount_source),
            "fstype": _maybe(placement.mount_fstype),
        },
        "chain": [{"kind": node.kind, "name": _text(node.name), "detail": _text(node.detail)} for node in placement.chain],
        "disks": list(placement.disks),
        "class": placement.placement.value,
        "boot": placement.boot,
        "confidence": placement.confidence.value,
        "why": _text(placement.why),
    }
    if placement.flags:
        found["flags"] = list(placement.flags)
    if placement.container:
        found["container"] = _text(placement.container)
    return found


def _maybe(text: str | None) -> str | None:
    return None if text is None else _text(text)


def _text(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
