"""What is to be mounted at boot: fstab(5) and the mount units somebody wants. Source: fstab(5), systemd.mount(5).

A unit file nobody wants is not mounted at boot and does not count; units generated from fstab are fstab's own lines again.
"""

from collections.abc import Iterator

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
    wanted = {path.rsplit("/", 1)[-1] for path in files if path.rpartition("/")[0].endswith((".wants", ".requires"))}
    seen: set[str] = set()
    for path, lines in files.items():
        name = path.rsplit("/", 1)[-1]
        if not name.endswith(".mount") or name in seen:
            continue
        fields = {key.strip(): value.strip() for key, sign, value in (line.partition("=") for line in lines) if sign}
        target, automount = fields.get("Where", ""), name.removesuffix(".mount") + ".automount"
        if not target.startswith("/") or not fields.get("What"):
            continue
        if fields.get("SourcePath") == "/etc/fstab" or not ({name, automount} & wanted):
            continue
        seen.add(name)
        options = tuple(fields.get("Options", "defaults").split(","))
        yield FstabEntry(fields["What"], target, fields.get("Type", "auto"), options, path)


PROBE = Probe(Fstab, ("fstab", "meta"), parse, ("files",))
