"""Is it green because the hosts changed, or because the policy did? Compares what was pinned at a wave's entry with what stands now."""

from collections.abc import Mapping

from waveboard.app.site import Site
from waveboard.model.opening import Opening

BY_HOST, BY_POLICY = "green by host", "green by policy"


def changed(site: Site, opening: Opening | None) -> tuple[dict[str, str], ...]:
    """The judging files that are not what they were at entry: `host` (none), `path`, `before`, `after`."""
    pinned = opening.pins.get("files") if opening else None
    before: Mapping[str, str] = pinned if isinstance(pinned, dict) else {}
    now = {path: site.contract.files[path] for path in site.contract.judging} if before else {}
    return tuple(
        {"host": "(workspace)", "path": path, "before": before.get(path, "absent"), "after": now.get(path, "absent")}
        for path in sorted({*before, *now})
        if before.get(path) != now.get(path)
    )


def sentence(site: Site, opening: Opening | None, holds: bool, own: Mapping[str, str]) -> str:
    """own: path -> digest of files that this wave's own approved plan left so: those are its work, not a moved goalpost."""
    if opening is None or not opening.pins:
        return "goalposts: nothing was pinned at its entry, so nobody can say whether they moved"
    moved = [one["path"] for one in changed(site, opening) if own.get(one["path"]) != one["after"]]
    wave = site.contract.waves.get(opening.wave)
    runbook = site.contract.files.get(wave.place.file, "") if wave and wave.place else ""
    moved += ["its runbook"] if opening.pins.get("runbook") != runbook else []
    moved += ["the gates' code"] if opening.pins.get("gates") != site.gates else []
    if moved:
        return f"{BY_POLICY if holds else 'not green'}: changed since the entry: {', '.join(moved)}"
    return f"{BY_HOST if holds else 'not green'}: contract, gates and runbook are those of the entry"
