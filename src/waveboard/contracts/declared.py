"""A gate file without errors -> the DeclaredGate noun. Adds nothing that the file does not say."""

from waveboard.contracts.formats.declared import Gate, Plant
from waveboard.contracts.formats.declared import Need as NeedFile
from waveboard.contracts.typed import Read
from waveboard.model.declared import CheckSpec, DeclaredGate, Need, Patch, Planted
from waveboard.model.document import CommandAsk, FileAsk
from waveboard.model.finding import Severity

_FORMS = {"yaml": "yaml", "yml": "yaml", "json": "json"}
_FILE_LIMIT_BYTES = 2**20  # a limit of the reader, not a judgement: a file beyond it is unknown


def declared(read: Read[Gate]) -> DeclaredGate:
    """The noun of one file."""
    gate = read.value
    checks = (
        CheckSpec(
            check.kind,
            dict(check.model_extra or {}),
            check.says or "",
            Severity(check.severity) if check.severity else None,
            read.at("checks", at),
            check.name or "",
        )
        for at, check in enumerate(gate.checks)
    )
    return DeclaredGate(
        id=gate.id,
        title=gate.title,
        severity=Severity(gate.severity),
        ring=gate.ring,
        why=gate.why.strip(),
        fix=gate.fix.strip(),
        needs=tuple(_need(alias, need) for alias, need in gate.needs.items()),
        checks=tuple(checks),
        violations=tuple(Planted(v.about, tuple(map(_patch, v.plant)), tuple(v.expect)) for v in gate.violations),
        lookalike=Planted(gate.lookalike.about, tuple(map(_patch, gate.lookalike.plant))),
        place=read.at("id"),
    )


def form_of(need: NeedFile) -> str:
    """How the document is read: as it says, or by its file's ending."""
    return need.form or _FORMS.get((need.path or "").rpartition(".")[2].lower(), "text")


def _need(alias: str, need: NeedFile) -> Need:
    if need.command is not None:
        assert need.timeout_s is not None
        assert need.limit_bytes is not None
        ask = CommandAsk(tuple(need.command), need.timeout_s, need.limit_bytes)
        return Need(alias, ask, form_of(need), ok_exits=tuple(need.ok_exits or (0,)))
    assert need.path is not None
    limit = need.limit_bytes or _FILE_LIMIT_BYTES
    return Need(alias, FileAsk(need.root or "", need.path, limit), form_of(need), need.pattern or "")


def _patch(plant: Plant) -> Patch:
    return Patch(
        plant.doc, plant.set, plant.append, tuple(plant.remove), plant.replace, plant.add, plant.exit, plant.absent is True
    )
