"""Open a wave that has no plan to open it, and what every opening pins: entry conditions, preflight evidence, goalposts.

A wave that changes hosts is opened by `apply`, in the same transaction as its plan. Closing is closing.py's.
"""

from collections.abc import Mapping
from dataclasses import replace

from waveboard.app.entry import hosts_needed, unmet
from waveboard.app.planning import wave_named
from waveboard.app.promotion import told
from waveboard.app.read import Reading, audit
from waveboard.app.receipting import issue, new_key, subject
from waveboard.app.site import Site
from waveboard.audit import bundle as bundles
from waveboard.model.change import Plan
from waveboard.model.contract import WaveSpec
from waveboard.model.errors import HostError, RefusedError
from waveboard.model.opening import MUTATING, Opening

Sections = Mapping[str, Mapping[str, str]]  # host -> section -> sha256 of its bytes


def begin(site: Site, name: str) -> Opening:
    """Admit and open. Raises: UsageError; RefusedError naming every rule that says no, HostError when nothing does and not all could be seen."""
    wave = wave_named(site, name)
    if wave.policy == MUTATING:
        because = f"its mutation policy is `{wave.policy}`: an approved plan opens it"
        raise RefusedError(f"open {name}", because, f"waveboard plan {name} -o FILE, approve it, then waveboard apply FILE")
    if wave.draft:
        raise RefusedError(f"open {name}", "the wave is a draft", "see its file")
    opening = _opening(site, wave, "")
    for because in in_the_way(site, opening):
        raise RefusedError(f"open {name}", because, "end that wave first: waveboard wave close, or waveboard undo")
    bare = without_plan(site, wave)
    read = audit(site, hosts_needed(site.contract, bare, "entry"))
    found, missing = preflight(site, wave, read)
    asked = unmet(site, bare, read, "entry", told(site))
    pinned = pins(site, wave, read, found)
    against = [*missing, *asked.unseen, *asked.failing]
    body = {"wave": wave.id, "policy": wave.policy, "admitted": not against, "refusals": against, **pinned}
    issue(site, "wave-open", new_key(site, "wave.open"), (subject("contract", site.contract.digest),), body)
    if against:
        kind = RefusedError if asked.failing else HostError
        raise kind(f"open {name}", "; ".join(against), "settle it, then open the wave again")
    opening = _opening(site, wave, "", pinned)
    site.store.begin_wave(opening)
    return opening


def for_plan(site: Site, plan: Plan, digest: str, pinned: Mapping[str, object]) -> Opening | None:
    """The opening that `apply` makes of a plan; a retire plan belongs to the wave whose leavings it removes."""
    wave, retires = site.contract.waves.get(plan.serves), plan.kind == "retire"
    return replace(_opening(site, wave, digest, pinned), leavings=retires) if wave and wave.policy == MUTATING else None


def opened(site: Site, wave: str) -> Opening | None:
    """How the wave is open now, if it is."""
    return next((one for one in site.store.board() if one.wave == wave), None)


def in_the_way(site: Site, opening: Opening) -> tuple[str, ...]:
    """Why this wave may not be opened now, one reason a wave that is open."""
    return tuple(because for other in site.store.board() if (because := opening.against(other)))


def pins(site: Site, wave: WaveSpec, read: Reading, found: Sections) -> dict[str, object]:
    """The goalposts: what the wave's end is judged against. runbook: the digest of the wave's own file."""
    files = site.contract.files
    return {
        "contract": site.contract.digest,
        "policy": site.contract.policy,
        "gates": site.gates,
        "runbook": files.get(wave.place.file, "") if wave.place else "",
        "files": {path: files[path] for path in site.contract.judging},
        "preflight": {host: dict(sections) for host, sections in found.items()},
        "evidence": dict(read.bundles),
    }


def preflight(site: Site, wave: WaveSpec, read: Reading) -> tuple[Sections, tuple[str, ...]]:
    """The evidence the wave asks for, by digest, and what of it is not there, in words."""
    found: dict[str, dict[str, str]] = {}
    missing: list[str] = []
    for host in (*wave.mutate_hosts, *wave.read_only_hosts) if wave.preflight else ():
        digest = read.bundles.get(host)
        bundle = bundles.from_json(site.store.get_object(digest)) if digest else None
        found[host] = {}
        for name in wave.preflight:
            one = bundle.probes.get(name) if bundle and not bundle.failure else None
            if one is None or one.truncated:
                missing.append(f"preflight evidence `{name}` of {host} is {'cut' if one else 'not there'}")
            else:
                found[host][name] = one.sha256
    return found, tuple(missing)


def without_plan(site: Site, wave: WaveSpec) -> Plan:
    """The wave as its conditions see it when there is nothing to carry out."""
    at = site.clock.now().replace(microsecond=0)
    return Plan(
        site.instance, wave.id, "none", at, site.actor.principal, site.contract.digest, site.gates, (),
        (*wave.mutate_hosts, *wave.read_only_hosts), at, at, (), 1, site.four_eyes, wave.goal,
    )  # fmt: skip


def _opening(site: Site, wave: WaveSpec, plan: str, pinned: Mapping[str, object] | None = None) -> Opening:
    by, at = site.actor.principal, site.clock.now()
    return Opening(wave.id, wave.policy, wave.mutate_hosts, wave.read_only_hosts, wave.excludes, by, at, plan, pinned or {})
