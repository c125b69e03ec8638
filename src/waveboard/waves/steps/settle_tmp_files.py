"""Move the large files out of the host's /tmp: each by its name into a directory of root's, kept until a `retire` plan lists it.

Which files are large is the guard contract's threshold, the one gate D238 judges by; the step has no number of its own. A file that
changed since, that a process has open or that lies on another filesystem than the directory is refused by the hand.
Source: notes on safe moves 5e; rename(2).
"""

import re

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.facts import LargeFiles
from waveboard.model.units import show_size
from waveboard.waves.kind import Outlook, Rendered, StepKind, text_param

_PLAIN = re.compile(r"/tmp(/[A-Za-z0-9._@+:%=,-]+){1,2}")  # noqa: S108  a path of the host, matched and never opened here


def _listed(outlook: Outlook) -> list[tuple[str, int]]:
    limit = outlook.policy.thresholds.tmp_large_file_bytes
    if limit is None:
        raise ContractError(
            f"plan {outlook.wave} on {outlook.facts.host}",
            "no contract gives host_tmp_large_file_mb, so nothing says which files are large",
            "add it to the guard contract's thresholds",
        )
    found = sorted(file for file in outlook.facts[LargeFiles].files if file[1] >= limit.value)
    odd = [path for path, _ in found if not _PLAIN.fullmatch(path)]
    if odd:
        raise RefusedError(
            f"plan {outlook.wave} on {outlook.facts.host}",
            f"{len(odd)} of {len(found)} large files have names a plan does not carry (spaces, quotes, deep paths), the first {odd[0]!r}",
            "look at them by hand, then plan again",
        )
    return found


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    to, files = text_param(spec, "to"), _listed(outlook)
    if not files:
        return Rendered((), outlook, "no large file lies in the host's /tmp")
    names = {path: f"{to}/{path.removeprefix('/tmp/').replace('/', '+')}.wb-{outlook.wave}-<plan>" for path, _ in files}  # noqa: S108
    step = Step(
        id=prefix,
        verb="tmp_aside",
        host=outlook.facts.host,
        title=f"set {len(files)} large files of /tmp aside ({show_size(sum(size for _, size in files))})",
        args={"files": [{"path": path, "bytes": size} for path, size in files], "to": to},
        reversibility=Reversibility.EXACT,
        commands=(f"mkdir -p -m 700 {to}", *(f"mv {path} {new}   # kept: nothing is deleted" for path, new in names.items())),
        undo_commands=tuple(f"mv {new} {path}" for path, new in names.items()),
        evidence=("tmp", "docker"),
        limit_s=300,
    )
    return Rendered((step,), outlook)


STEP = StepKind("settle_tmp_files", ("to",), ("to",), render)
