"""A person signs a plan's digest. The only verb that can make an approval; no agent's door reaches it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from waveboard.app.plans import Known, made_here
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.model.change import APPROVAL_HOURS_MAX, Approval
from waveboard.model.errors import ApprovalNeeded
from waveboard.model.receipt import ActorKind
from waveboard.model.units import instant_text
from waveboard.receipts import approval
from waveboard.receipts.approval import Signed


def approve(site: Site, known: Known, principal: str, allowed_signers: str, sign: Callable[[bytes], str], hours: int) -> Approval:
    """Sign, check as a stranger would, store. sign: message -> armored SSHSIG. Raises: ApprovalNeeded when it would not count,
    RefusedError for a plan that was not made here."""
    if site.actor.kind is not ActorKind.HUMAN:
        raise ApprovalNeeded(
            f"approve {known.plan.wave}", f"{site.actor.principal} is not a person, and only people approve", "ask one"
        )
    made_here(site, known, "approve")
    at = site.clock.now().replace(microsecond=0)
    not_after = min(known.plan.not_after, at + timedelta(hours=hours))
    _can_count(known, at, hours)
    nonce = "".join(f"{ord(c) & 15:x}" for c in site.clock.token(32))
    message = approval.build(
        known.plan, known.digest, principal, nonce, max(known.plan.not_before, at - timedelta(seconds=60)), not_after
    )
    made = approval.parse(message, sign(message))
    signer = site.verifier.principal_of(message, made.signature, allowed_signers, at)
    against = approval.objections(Signed(made, signer), known.plan, known.digest, at, applier="", person=site.person)
    if against:
        raise ApprovalNeeded(f"approve {known.plan.wave}", "; ".join(against), "let somebody sign whose approval counts")
    site.store.save_approval(made)
    for part in (message, made.signature.encode(), allowed_signers.encode()):
        site.store.put_object(part)  # what a stranger needs beside the receipt
    body = approval.record(made, allowed_signers)
    issue(site, "approval", new_key(site, "wave.approve"), (subject("plan", known.digest),), body)
    return made


def _can_count(known: Known, at: datetime, hours: int) -> None:
    """Raises: ApprovalNeeded when an approval of these hours would be over before the plan may begin, or the plan is over."""
    opens, ends = known.plan.not_before, known.plan.not_after
    cannot = f"approve {known.plan.wave}"
    if at >= ends:
        raise ApprovalNeeded(cannot, f"the plan counted until {instant_text(ends)}", "plan again, and have that plan signed")
    if at + timedelta(hours=hours) <= opens:
        wanted = (opens - at) // timedelta(hours=1) + 1
        fix = f"--hours {wanted}, or nearer to it" if wanted <= APPROVAL_HOURS_MAX else "sign nearer to it"
        because = f"the plan counts from {instant_text(opens)}, and {hours} hours from now are over by then"
        raise ApprovalNeeded(cannot, because, fix)


def same_person(site: Site, known: Known) -> str:
    """Under four_eyes, the signer who is also the person at this door; "" when nobody is. Asked before a plan goes on."""
    if not known.plan.four_eyes:
        return ""
    me = site.acting(f"apply {known.plan.wave}").casefold()
    return next((a.principal for a in site.store.approvals(known.digest) if site.person(a.principal).casefold() == me), "")


def standing(site: Site, known: Known, allowed_signers: str) -> tuple[str, ...]:
    """Why the stored approvals are not enough for this plan now; empty when they are."""
    at = site.clock.now()
    signed, reasons = [], []
    for given in site.store.approvals(known.digest):
        try:
            signed.append(Signed(given, site.verifier.principal_of(given.message, given.signature, allowed_signers, at)))
        except ApprovalNeeded as error:
            reasons.append(error.because)
    short = approval.shortfall(signed, known.plan, known.digest, at, site.actor.principal, site.person)
    return (*reasons, *short) if short else ()
