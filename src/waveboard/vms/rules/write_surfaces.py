"""What containers write lies in a mount that somebody chose: nothing at paths named like an upload surface is in a writable layer, and
no such layer grows beyond the limit of the contracts."""

from collections.abc import Iterator

from waveboard.model.facts import Docker, WriteSurfaces
from waveboard.model.graph import PlacementClass
from waveboard.vms.rule import Checked, NotHere, Repaired, Rule, Said, Seen, Stage, Watched, fails, unknown


def check(seen: Seen) -> Iterator[Said]:
    if not seen.facts[Docker].containers:
        return
    listed = seen.facts[WriteSurfaces].by_container
    if seen.places is None:
        yield unknown("where its paths live was not worked out")
        return
    for container in seen.facts[Docker].containers:
        name, found = container.name, listed.get(container.name, ())
        if name not in listed and container.writing:
            yield unknown(f"{name}: its writable directories could not be listed")
        placed = seen.places.containers.get(name, {})
        for path, size in found:
            hit = any(word in path.casefold() for word in seen.policy.write_surface_patterns)
            covered = any(
                path == p or path.startswith(p.rstrip("/") + "/")
                for p, one in placed.items()
                if one.placement is not PlacementClass.LAYER
            )
            if hit and size and not covered:
                yield fails(f"{name} writes {path} into its own layer")
    limit = seen.policy.thresholds.writable_layer_warn_bytes
    for one in seen.facts[Docker].containers if limit else ():
        if one.writable_bytes is None:
            yield unknown(f"how large the writable layer of {one.name} is was not told")
        elif limit and one.writable_bytes >= limit.value:
            yield fails(f"{one.name} has {one.writable_bytes} bytes in its own layer; {limit.value} is the limit ({limit.place})")


RULE = Rule(
    "SR-011",
    "write surfaces are governed",
    90,
    lambda vm, policy: bool(policy.write_surface_patterns) or policy.thresholds.writable_layer_warn_bytes is not None,
    {
        Stage.PROVISION: NotHere("a hypervisor knows no containers"),
        Stage.BOOTSTRAP: NotHere("a VM is born without services: nothing writes yet"),
        Stage.READY: Checked(check),
        Stage.GATE: Watched({"D238": ("surface-ungoverned", "writable-layer-large", "tmp-large-file")}),
        Stage.WAVE: Repaired(("govern_write_surface", "settle_tmp_files")),
    },
)
