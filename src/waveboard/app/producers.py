"""Whether what makes a drift come back is proven mended: by a receipt of the kind `producer-proof`, and by nothing else.

Such a receipt's body says `{"producer": "<capability>", "gaps": ["GAP-…"], "holds": true}`. The newest that speaks of a gap counts: one
that holds no longer takes the earlier back. This room issues none.
"""

from waveboard.app.site import Site
from waveboard.receipts import envelope, statement

KIND = "producer-proof"
_MARK = statement.predicate_type(KIND).encode()


def proof(site: Site, gap: str, producer: str) -> str:
    """The digest of the newest such receipt for the gap or its producer; "" where there is none or it does not hold."""
    for _, digest, raw in reversed(site.store.receipts()):
        payload = envelope.from_bytes(raw).payload
        if _MARK not in payload:
            continue
        body = statement.receipt_of(statement.from_bytes(payload)).body
        gaps = body.get("gaps")
        named = (isinstance(gaps, list | tuple) and gap in gaps) or (producer != "" and body.get("producer") == producer)
        if named:
            return digest if body.get("holds") is True else ""
    return ""
