"""Every path asked for, as the host itself resolves it: symlinks followed there, existence, the kernel's own mount id.

Nothing below an autofs mount that nobody triggered was touched. A path that was not answered in time says so.
"""

from waveboard.audit.probe import Probe, Sections, lines, recorded, refused
from waveboard.model.facts import PathFact, Paths, Unavailable


def parse(sections: Sections) -> Paths | Unavailable:
    """Lines of eight tab-separated fields; see `describe` in collect.sh."""
    evidence = sections["paths"]
    if (why := refused(evidence)) is not None:
        return why
    told = lines(evidence)
    if "network" in sections:
        told += [line[5:] for line in lines(sections["network"]) if line.startswith("path ")]
    answers = {fields[0]: fields for line in told if len(fields := line.split("\t")) == 8}
    return Paths({path: _fact(path, answers.get(path)) for path in evidence.argv[1:]}, recorded=recorded(sections))


def _fact(path: str, fields: list[str] | None) -> PathFact:
    if fields is None:
        return PathFact(path, None, False, None, problem="not answered")
    _, canonical, exists, ancestor, mount_id, blocked, non_empty, problem = fields
    return PathFact(
        path=path,
        canonical=canonical or None,
        exists=exists == "1" and not problem,
        ancestor=ancestor or None,
        mount_id=int(mount_id) if mount_id.isascii() and mount_id.isdecimal() and len(mount_id) < 12 else None,
        blocked=blocked or None,
        non_empty={"0": False, "1": True}.get(non_empty),
        problem=problem or None,
    )


PROBE = Probe(Paths, ("paths", "meta"), parse, ("network",))
