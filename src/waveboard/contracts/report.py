"""A worker's report: bytes -> Claim, or every mistake in it with its line. Judges nothing of what it says."""

from waveboard.contracts.formats.exec_receipt import ExecReceipt
from waveboard.contracts.text import read as read_text
from waveboard.contracts.typed import fit
from waveboard.model.claim import Claim, Declared, Pasted, Said
from waveboard.model.condition import parse_condition
from waveboard.model.contract import Complaint
from waveboard.model.errors import ContractError
from waveboard.model.units import parse_instant


def read(file: str, raw: bytes) -> Claim:
    """Raises: ContractError naming the first mistake's place, and how many there are."""
    document, complaints = read_text(file, raw)
    value, told = fit(document, ExecReceipt) if document is not None else (None, ())
    found = [c for c in (*complaints, *told) if c.level == "error"]
    if value is None or found:
        raise _refused(found)
    for at, statement in enumerate(value.statements):
        if statement.condition is not None:
            try:
                parse_condition(statement.condition)
            except ValueError as problem:
                assert document is not None
                place = document.place(("statements", at, "condition"))
                raise _refused([Complaint("error", place, "", "bad-condition", str(problem))]) from problem
    return Claim(
        task=value.task_id,
        worker=value.terminal_id,
        wave=value.wave_id or "",
        status=value.status,
        ready_for_verify=value.ready_for_verify,
        at=parse_instant(value.timestamp_utc),
        files_changed=tuple(value.files_changed),
        run_keys=tuple(value.run_keys),
        blockers=tuple(value.blockers),
        actions=tuple(Declared(a.host, a.subject) for a in value.actions),
        statements=tuple(Said(s.says, s.condition or "") for s in value.statements),
        evidence=tuple(Pasted(e.host, e.probe, e.output) for e in value.evidence),
    )


def _refused(found: list[Complaint]) -> ContractError:
    first = found[0]
    more = f" ({len(found)} mistakes in all)" if len(found) > 1 else ""
    fix = "docs/schemas/exec_receipt.schema.json has the format; `waveboard wave report WAVE --template` prints one to fill in"
    return ContractError("read the report", f"{first.place}: {first.message}{more}", fix)
