"""Whether what makes a drift come back is proven mended: by a receipt of the kind `producer-proof`, and by nothing else.

Such a receipt's body says `{"producer": "<capability>", "gaps": ["GAP-…"], "holds": true}`. The newest that speaks of a gap counts: one
that holds no longer takes the earlier back. This room issues none.
"""

from waveboard.app.receipting import newest_of
from waveboard.app.site import Site

KIND = "producer-proof"


def proof(site: Site, gap: str, producer: str) -> str:
    """The digest of the newest such receipt for the gap or its producer; "" where there is none or it does not hold."""
    for digest, receipt in newest_of(site, KIND):
        body = receipt.body
        gaps = body.get("gaps")
        named = (isinstance(gaps, list | tuple) and gap in gaps) or (producer != "" and body.get("producer") == producer)
        if named:
            return digest if body.get("holds") is True else ""
    return ""
