"""Whether what makes a drift come back is proven mended: by a receipt of the kind `producer-proof`, and by nothing else.

Such a receipt's body says `{"producer": ["<capability>", …], "gaps": ["GAP-…"], "holds": true, "contract": …, "parity": …}` (docs/vms.md). The
newest that speaks of a gap counts: one that holds no longer takes the earlier back, and one of other contracts or enforcers than today's, or that
does not say of which, proves nothing.
app.proving issues them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from waveboard.app.receipting import newest_of
from waveboard.app.registers import current
from waveboard.app.site import Site

KIND = "producer-proof"
PRODUCERS = ("infra.vm.bootstrap", "infra.vm.provision", "infra.vm.ready.status")  # what one probe goes through


@dataclass(frozen=True, slots=True)
class Mended:
    """digest: of the receipt that proves it, "" when nothing does; because: why not."""

    digest: str
    because: str = ""


def proof(site: Site, gap: str, producer: str) -> Mended:
    """What the newest such receipt for the gap or its producer is worth today."""
    for digest, receipt in newest_of(site, KIND):
        body = receipt.body
        if not _speaks(site, body, gap, producer):
            continue
        if body.get("holds") is not True:
            told = body.get("reasons")
            first = f": {told[0]}" if isinstance(told, list | tuple) and told else ""
            return Mended("", f"its newest proof says that it does not hold{first}")
        because = stale(site, body)
        return Mended("", because) if because else Mended(digest)
    return Mended("", "the next host would bring it back")


def stale(site: Site, body: Mapping[str, object]) -> str:
    """Why what was proven then says nothing of today; "" when it does."""
    if body.get("contract") != site.contract.digest:
        return "it was proven under other contracts than today's"
    if body.get("parity") != site.contract.parity:
        return "it was proven when other enforcers stood behind the storage rules"
    return ""


def drifts_of(site: Site, host: str) -> tuple[str, ...]:
    """The drift gaps that a probe of the host speaks of: what VMs are made with brought them, and they are not another host's alone.
    A gap that the findings map names and no register knows is left out."""
    view = current(site)
    drift = sorted(view.drift & view.gaps.keys())
    return tuple(g for g in drift if view.gaps[g].gap.producer in ("", *PRODUCERS) and _concerns(site, g, host))


def way_out(site: Site, gap: str) -> str:
    """The command that proves the gap's producer; where nothing here can prove it, what can be done instead."""
    state = current(site).gaps.get(gap)
    producer = state.gap.producer if state else ""
    if producer not in ("", *PRODUCERS):
        live_with = f"accept it for a while (waveboard gaps accept {gap} --reason R --owner O --until DAY)"
        return f"nothing here can prove {producer}: {live_with}, or correct its producer in the gap register"
    hosts = [t.probe_of for t in site.contract.targets if t.probe_of and _concerns(site, gap, t.probe_of)]
    return f"waveboard vm prove {hosts[0] if hosts else 'HOST'}: until a probe proves it, the gap stays open"


def _speaks(site: Site, body: Mapping[str, object], gap: str, producer: str) -> bool:
    gaps, made_by = body.get("gaps"), body.get("producer")
    if isinstance(gaps, list | tuple) and gap in gaps:
        return True
    named = producer in made_by if isinstance(made_by, list | tuple) else made_by == producer
    return producer != "" and named and _concerns(site, gap, str(body.get("host", "")))


def _concerns(site: Site, gap: str, host: str) -> bool:
    """Whether the gap's linked findings may be on the host. A gap that is linked to no host is everybody's. host "": anybody."""
    stors = {stor.id for stor in site.contract.findings.findings if gap in stor.gaps}
    hosts = {h for link in site.contract.findings.links if link.stor in stors for h in link.hosts}
    return not host or not hosts or host in hosts
