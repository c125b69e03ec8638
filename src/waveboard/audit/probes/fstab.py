"""What is to be mounted at boot: fstab(5) and the mount units somebody wants. Source: fstab(5), systemd.mount(5).

A unit file nobody wants is not mounted at boot and does not count; units generated from fstab are fstab's own lines again.
"""

from collections.abc import Iterator
from functools import lru_cache

from waveboard.audit.probe import Probe, Sections, recorded, refused, text
from waveboard.audit.probes import _records
from waveboard.audit.probes._mountinfo import unescape
from waveboard.model.evidence import Evidence
from waveboard.model.facts import Fstab, FstabEntry, Unavailable


def parse(sections: Sections) -> Fstab | Unavailable:
    """A host without /etc/fstab has only units; a recorded tree without one tells nothing."""
    evidence = sections["fstab"]
    entries: list[FstabEntry] = []
    if evidence.exit == 0 and not evidence.truncated:
        entries.extend(_lines(text(evidence)))
    elif b"no such file" not in evidence.stderr or recorded(sections):
        return refused(evidence) or Unavailable("fstab: cannot be read")
    if "files" in sections and refused(sections["files"]) is None:
        entries.extend(_units(sections["files"]))
    return Fstab(tuple(entries))


def _lines(output: str) -> Iterator[FstabEntry]:
    for line in output.split("\n"):
        fields = line.split()
        if len(fields) < 2 or fields[0].startswith("#"):
            continue
        spec, target, fstype, options = (*fields[:4], *("auto", "defaults")[len(fields) - 2 :])[:4]
        yield FstabEntry(unescape(spec), unescape(target), fstype, tuple(options.split(",")))


def _units(evidence: Evidence) -> Iterator[FstabEntry]:
    files = _records.records(evidence)
    mounts = [(path, path[path.rfind("/") + 1 :]) for path in files if path.endswith("mount")]
    wanted = {name for path, name in mounts if path[: -len(name) - 1].endswith((".wants", ".requires"))}
    seen: set[str] = set()
    for path, name in mounts:
        if not name.endswith(".mount") or name in seen or not (name in wanted or f"{name[:-6]}.automount" in wanted):
            continue
        if (entry := _unit(path, files[path])) is not None:
            seen.add(name)
            yield entry


@lru_cache(maxsize=256)  # units come with the distribution: hosts have the same ones
def _unit(path: str, sent: str) -> FstabEntry | None:
    """What a unit mounts; None where that is nothing, or fstab's own line again."""
    fields = {key.strip(): value.strip() for key, sign, value in (line.partition("=") for line in _records.lines(sent)) if sign}
    target = fields.get("Where", "")
    if not target.startswith("/") or not fields.get("What") or fields.get("SourcePath") == "/etc/fstab":
        return None
    return FstabEntry(
        fields["What"], target, fields.get("Type", "auto"), tuple(fields.get("Options", "defaults").split(",")), path
    )


PROBE = Probe(Fstab, ("fstab", "meta"), parse, ("files",))
