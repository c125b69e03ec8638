"""What makes one wave impossible to carry out as written: scope, steps and conditions. A draft wave is
told, never refused, and may name kinds of step that do not exist yet.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from waveboard.contracts.check import Check, error
from waveboard.contracts.conditions import examine, spoken
from waveboard.contracts.estate import Estate
from waveboard.contracts.formats.waves import Wave
from waveboard.contracts.typed import Read
from waveboard.model.contract import Complaint


def run(estate: Estate) -> Iterator[Complaint]:
    ids = Counter(read.value.id for read in estate.waves)
    for read in estate.waves:
        if ids[read.value.id] > 1:
            others = ", ".join(r.document.file for r in estate.waves if r.value.id == read.value.id and r is not read)
            yield error(
                read.at("id"), "id", "duplicate-id", f"the wave `{read.value.id}` also stands in {others}", "one file a wave"
            )
        found = [*_scope(read), *_overrun(read, estate), *_preflight(read, estate), *_steps(read, estate)]
        for side in ("entry", "exit"):
            for said in spoken(read, side):
                found.extend(examine(said, estate))
        for complaint in found:
            yield replace(complaint, level="warning") if read.value.draft else complaint


def _scope(read: Read[Wave]) -> Iterator[Complaint]:
    wave = read.value
    for index, host in enumerate(wave.scope.mutate):
        if wave.mutation_policy != "controlled-runtime":
            said = f"the mutation policy is `{wave.mutation_policy}`, so no host may be changed"
            yield error(read.at("scope", "mutate", index), f"scope.mutate[{index}]", "out-of-scope", said, "move it to read_only")
        if host in wave.scope.read_only:
            said = f"`{host}` is both changed and read-only in this wave"
            yield error(read.at("scope", "mutate", index), f"scope.mutate[{index}]", "out-of-scope", said, "decide for one")
    if wave.mutation_policy == "controlled-runtime" and wave.window is None and not wave.draft:
        said = "a wave that changes hosts must say whether it needs a window"
        yield error(read.at(), "window", "missing-key", said, "add `window: {required: true, max_downtime_s: …}`")


def _overrun(read: Read[Wave], estate: Estate) -> Iterator[Complaint]:
    """What happens when the window closes on the wave is decided before it runs, by the wave or by each window it may run in."""
    wave = read.value
    if wave.mutation_policy != "controlled-runtime" or wave.window is None or wave.window.overrun:
        return
    silent = [w.id for windows in estate.windows for w in windows.value.windows if w.kind == "allow" and not w.overrun]
    if silent or not estate.windows:
        said = (
            f"nothing says what happens when the window closes on the wave ({', '.join(silent) or 'no window'} does not either)"
        )
        yield error(
            read.at("window"),
            "window.overrun",
            "missing-key",
            said,
            "add `overrun: rollback`, or `finish` or `pause` with `overrun_s:`",
        )


def _preflight(read: Read[Wave], estate: Estate) -> Iterator[Complaint]:
    """Evidence that nothing collects could never be there at entry."""
    known = sorted(estate.known.evidence)
    for at, name in enumerate(read.value.preflight):
        if known and name not in known:
            said = f"no audit collects a section `{name}`"
            yield error(read.at("preflight", at), f"preflight[{at}]", "unknown-fact", said, f"sections are: {', '.join(known)}")


def _steps(read: Read[Wave], estate: Estate) -> Iterator[Complaint]:
    for at, step in enumerate(read.value.steps):
        loc, path = ("steps", at), f"steps[{at}]"
        if step.host not in read.value.scope.mutate:
            said = f"`{step.host}` is not in scope.mutate"
            yield error(read.at(*loc, "host"), f"{path}.host", "out-of-scope", said, "add it to the scope, or leave the step out")
        shape = estate.known.steps.get(step.kind)
        if shape is None and read.value.draft:
            continue
        if shape is None:
            fix = f"the kinds are: {', '.join(sorted(estate.known.steps)) or 'none'}; or mark the wave `draft: true`"
            yield error(read.at(*loc, "kind"), f"{path}.kind", "unknown-step", f"there is no kind of step `{step.kind}`", fix)
            continue
        given = set(step.model_extra or {})
        for name in sorted(given - set(shape.params)):
            said = f"`{step.kind}` takes no `{name}`"
            yield error(
                read.key(*loc, name), f"{path}.{name}", "unknown-key", said, f"it takes: {', '.join(shape.params) or 'nothing'}"
            )
        for name in sorted(set(shape.required) - given):
            yield error(read.at(*loc), f"{path}.{name}", "missing-key", f"`{step.kind}` needs `{name}`", f"add `{name}:`")


CHECK = Check(
    (
        "dangling-reference",
        "duplicate-id",
        "missing-key",
        "out-of-scope",
        "unknown-condition",
        "unknown-fact",
        "unknown-key",
        "unknown-step",
    ),
    run,
)
