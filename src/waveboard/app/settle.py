"""A person's signed word leads a halted wave out of its halt. Every hand verifies and records it; then the wave finishes or goes back.

The word is about the past only: it starts no step forward, and what it leaves applied is undone as always. No agent's door reaches it.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from waveboard.app import letting_go
from waveboard.app.apply import agreed, drive, finish
from waveboard.app.plans import Known
from waveboard.app.site import Site
from waveboard.app.work import kept
from waveboard.model.change import Action, ActionKind, Lease
from waveboard.model.errors import ApprovalNeeded, RefusedError
from waveboard.model.receipt import ActorKind
from waveboard.receipts import settlement
from waveboard.waves.decide import why_not_settle

_VALID = timedelta(hours=1)
_CALL_S = 120.0


def settle(
    site: Site, known: Known, principal: str, allowed_signers: str, sign: Callable[[bytes], str], said: Mapping[str, str]
) -> Action:
    """said: step -> done | undone, for every unresolved step. sign: message -> armored SSHSIG.

    Raises: ApprovalNeeded when the signature would not count, RefusedError for a word that does not lead out, HaltedError when it
    halts again.
    """
    verb = f"settle {known.plan.wave}"
    if site.actor.kind is not ActorKind.HUMAN:
        raise ApprovalNeeded(verb, f"{site.actor.principal} is not a person, and only people settle", "ask one")
    events = site.store.events(known.digest)
    if against := why_not_settle(known.plan, events, said):
        raise RefusedError(verb, against, "look at the hosts, then give --done STEP or --undone STEP for each")
    at = site.clock.now().replace(microsecond=0)
    nonce = "".join(f"{ord(c) & 15:x}" for c in site.clock.token(32))
    line = events[-1].seq
    message = settlement.build(known.plan, known.digest, principal, nonce, line, said, at - timedelta(minutes=1), at + _VALID)
    signature = sign(message)
    signer = site.verifier.principal_of(message, signature, allowed_signers, at)
    if signer != principal:
        raise ApprovalNeeded(
            verb, f"the key belongs to {signer}, not to {principal}", "sign with your own key, under your own name"
        )
    detail: dict[str, object] = {
        "by": principal,
        "steps": dict(said),
        "nonce": nonce,
        "message": site.store.put_object(message),
        "signature": site.store.put_object(signature.encode()),
        "allowed_signers": site.store.put_object(allowed_signers.encode()),
    }

    def begin(lease: Lease) -> None:
        if site.store.events(known.digest)[-1].seq != line:  # signing takes a person's time, and the word is about that halt only
            raise RefusedError(verb, "the wave went on meanwhile", "look at it again (waveboard status), then say what is left")
        saw = _told(site, known, message, signature, lease)
        site.store.record(known.digest, "settled", "", 0, site.clock.now(), lease.fence, {**detail, "saw": saw})

    action = drive(site, known, begin)
    if action.kind is ActionKind.HALT:
        return finish(site, known, action)
    if unclosed := letting_go.left(site, known, site.store.events(known.digest)):
        done = action.kind is ActionKind.FINISH
        ended = "every step is done" if done else "every other step is taken back"
        raise letting_go.error(known, unclosed, f"it is settled, {ended}", "done" if done else "rolled-back")
    return action


def _told(site: Site, known: Known, message: bytes, signature: str, lease: Lease) -> dict[str, object]:
    """What every host saw of the steps in question, once each has verified and recorded the word."""
    request = {"op": "settle", "plan": known.digest, "fence": lease.fence, "message": message.decode(), "signature": signature}
    saw: dict[str, object] = {}
    for pin in known.plan.hosts:
        lease = kept(site, lease, _CALL_S)
        seen = agreed(site, pin.host, request, _CALL_S, "settle the plan").get("saw")
        saw |= seen if isinstance(seen, dict) else {}
    return saw
