"""`waveboard gates`: the gates there are, the workspace's own among them, and in which mode its packs ask them."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from waveboard.cli import show
from waveboard.model.errors import UsageError, WaveboardError

if TYPE_CHECKING:
    from waveboard.gates.gate import Gate
    from waveboard.model.contract import Contract


@click.command()
@click.argument("gate_id", metavar="[ID]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def gates(ctx: click.Context, gate_id: str | None, as_json: bool) -> int:
    """List the gates, the workspace's own among them, or explain one: why it exists, its policy, its codes."""
    known, contract = _known(ctx.obj.get("workspace"), gate_id)
    if gate_id is not None and gate_id not in known:
        raise UsageError(f"explain {gate_id}", "there is no such gate", f"gates: {', '.join(known)}")
    if as_json:
        rows = [_row(gate, contract) for gate in known.values() if gate_id in (None, gate.id)]
        show.document({"schema": "waveboard.gates/1", "workspace": contract.name if contract else None, "gates": rows})
    elif gate_id is None:
        show.table(("GATE", "SEVERITY", "TITLE"), [(g.id, g.severity.value, g.title) for g in known.values()])
    else:
        _explained(known[gate_id])
    return 0


def _known(named: str | None, asked: str | None) -> "tuple[Mapping[str, Gate], Contract | None]":
    """The gates by id, and the contract when there is a workspace with a usable one. asked: the gate that is to be among them."""
    from waveboard.gates import declare, shelf
    from waveboard.wiring import load_contracts, locate

    known = shelf.gates()
    try:
        contract = load_contracts(locate(named)).contract
    except WaveboardError as problem:
        if asked is not None and asked not in known:
            raise UsageError(
                f"explain {asked}", f"waveboard brings no such gate, and {problem.because}", "--workspace DIR"
            ) from None
        return known, None
    if contract is None:
        show.progress("the workspace's own gates are not shown: its contracts have errors (waveboard contracts check)")
        return known, None
    return {**known, **declare.gates(contract.declared)}, contract


def _explained(gate: "Gate") -> None:
    click.echo(f"{gate.id} {gate.title} ({gate.severity.value})\n\n{inspect.cleandoc(gate.doc)}\n\nCodes:")
    for code, meaning in gate.codes.items():
        click.echo(f"  {code}: {meaning}")


def _row(gate: "Gate", contract: "Contract | None") -> dict[str, object]:
    """modes: by the packs that ask it; None where no workspace says."""
    packs = [pack for pack in contract.packs.values() if gate.id in pack.gates] if contract else []
    return {
        "id": gate.id,
        "title": gate.title,
        "severity": gate.severity.value,
        "ring": gate.ring,
        "needs": [noun.__name__ for noun in gate.needs],
        "codes": dict(gate.codes),
        "doc": inspect.cleandoc(gate.doc),
        "modes": {pack.id: pack.modes.get(gate.id, pack.mode).value for pack in packs} if contract else None,
    }
