"""Which guard and which mode a pack is judged by must be one answer; a redis section must ask for something."""

from collections.abc import Iterator

from waveboard.contracts.check import Check, error, warning
from waveboard.contracts.estate import Estate
from waveboard.contracts.machines import rotation_of
from waveboard.model.contract import Complaint


def run(estate: Estate) -> Iterator[Complaint]:
    files = {read.document.file: read for read in estate.guard}
    chosen: dict[str, str] = {}
    for read in estate.packs:
        for name, pack in read.value.packs.items():
            loc, path = ("packs", name), f"packs.{name}"
            if pack.guard and pack.guard not in files and "guard" not in estate.broken:
                said = f"`{pack.guard}` is none of the guard files"
                yield error(
                    read.at(*loc, "guard"), f"{path}.guard", "dangling-reference", said, f"they are: {', '.join(files) or 'none'}"
                )
            if not pack.guard and len(files) > 1:
                said = f"there are {len(files)} guard files and pack `{name}` names none"
                yield error(read.key(*loc), path, "ambiguous-guard", said, f"add `guard:` with one of: {', '.join(files)}")
            guard = files.get(pack.guard or next(iter(files), ""))
            for index, host in enumerate(pack.hosts if guard else ()):
                file = guard.document.file if guard else ""
                if chosen.setdefault(host, file) != file:
                    said = f"`{host}` is judged by {chosen[host]} in another pack and by {file} here"
                    yield error(
                        read.at(*loc, "hosts", index), f"{path}.hosts[{index}]", "ambiguous-guard", said, "one guard a host"
                    )
            mode = guard.value.mode if guard else None
            if pack.mode is None and mode is None and "guard" not in estate.broken:
                said = f"pack `{name}` has no mode, and no guard policy gives one"
                yield error(read.key(*loc), path, "missing-key", said, "add `mode: report`")
            if guard and mode and pack.mode and pack.mode != mode.default_policy:
                place = guard.at("mode", "default_policy")
                said = f"the pack's mode `{pack.mode}` is used; `{mode.default_policy}` at {place} says otherwise"
                yield warning(
                    read.at(*loc, "mode"), f"{path}.mode", "contradicting-mode", said, "keep the mode in one of the two"
                )
            if (
                guard
                and mode
                and mode.enforce_enabled is False
                and "enforce" in (pack.mode or mode.default_policy, *pack.modes.values())
            ):
                place = guard.at("mode", "enforce_enabled")
                said = f"pack `{name}` enforces, while `enforce_enabled` is false at {place}"
                yield warning(read.key(*loc), path, "contradicting-mode", said, "settle it: waveboard obeys the pack's mode")
    yield from _redis(estate)
    yield from _logs(estate)


def _logs(estate: Estate) -> Iterator[Complaint]:
    """A guard that asks for log limits nobody gives."""
    for host in estate.host_ids or ():
        section = estate.section_of(host)
        if section and section.value.require_log_rotation and rotation_of(estate, host) is None:
            place, said = section.guard.at(section.key, "require_log_rotation"), f"no profile gives `{host}` its log limits"
            fix = "give the VM a profile with storage.log_rotation"
            yield error(place, f"{section.key}.require_log_rotation", "missing-key", said, fix)


def _redis(estate: Estate) -> Iterator[Complaint]:
    for section in estate.sections:
        redis = section.value.redis
        if redis and not (redis.require_appendonly or redis.require_named_volume_prefix or redis.require_bind_mount_prefix):
            place = section.guard.key(section.key, "redis")
            said = "this redis section asks for nothing: an empty prefix fits every mount"
            yield warning(
                place, f"{section.key}.redis", "empty-rule", said, "ask for appendonly, a volume prefix or a bind prefix"
            )


CHECK = Check(("ambiguous-guard", "contradicting-mode", "dangling-reference", "empty-rule", "missing-key"), run)
