"""Find a plan again: by file bytes, by digest, or by wave. The bytes are the plan; everything else is read from them."""

from dataclasses import dataclass

from waveboard.app.site import Site
from waveboard.model.change import Plan
from waveboard.model.errors import RefusedError, UsageError
from waveboard.model.evidence import digest_of
from waveboard.waves import plan_json


@dataclass(frozen=True, slots=True)
class Known:
    """A plan with the bytes that are its identity."""

    plan: Plan
    raw: bytes
    digest: str


def from_bytes(raw: bytes) -> Known:
    """Raises: UsageError for bytes that are not one plan."""
    return Known(plan_json.from_bytes(raw), raw, digest_of(raw))


def find(site: Site, named: str) -> Known:
    """named: `sha256:…` (a prefix of 12 or more digits will do) or a wave id, which means its newest plan."""
    records = site.store.plans()
    if named.startswith("sha256:"):
        found = [r for r in records if r.digest.startswith(named)] if len(named) >= 12 else []
        if len(found) > 1:
            raise UsageError(f"find the plan {named}", "more than one begins so", "give more of the digest")
    else:
        found = [r for r in records if r.wave == named][:1]
    if not found:
        known = ", ".join(f"{r.wave} {r.digest[:19]}" for r in records[:5]) or "none"
        raise UsageError(
            f"find the plan {named}", f"it is neither a file nor a stored plan (newest: {known})", "waveboard plan WAVE -o FILE"
        )
    return from_bytes(site.store.get_object(found[0].digest))


def made_here(site: Site, known: Known, verb: str) -> None:
    """What a plan says of its proposer, quorum and four eyes is worth what its maker is worth, so only plans made here are signed or
    carried out. verb: such as `approve`. Raises: RefusedError for bytes that were edited, or come from elsewhere."""
    if all(record.digest != known.digest for record in site.store.plans(known.plan.wave)):
        raise RefusedError(
            f"{verb} {known.plan.wave}",
            f"this workspace never made the plan {known.digest[:19]}: it was edited, or comes from elsewhere",
            "make it again with `waveboard plan`; a plan file is never edited by hand",
        )
