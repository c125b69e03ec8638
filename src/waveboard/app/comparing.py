"""One comparison of facts, answered on one reading, with what was seen. Knows no predicates: those need reports and plans."""

from waveboard.app.read import Reading
from waveboard.gates import conditions, operands
from waveboard.model.condition import Comparison, parse_condition
from waveboard.model.contract import Contract
from waveboard.model.facts import Unavailable


def compare(contract: Contract, read: Reading, text: str) -> tuple[bool | None, str]:
    """None: it could not be judged. The host whose thresholds `guard.` means is the one whose fact is compared."""
    condition = parse_condition(text)
    sides = (condition.left, condition.right) if isinstance(condition, Comparison) else ()
    asked = [operand.value for operand in sides if isinstance(operand.value, str)]
    host = next((h for h in contract.policies for name in asked if name.startswith(f"{h}.")), "")
    told = conditions.answer(conditions.parse(text), operands.lookup(contract, read.facts, host=host))
    values = [f"{name} = {_value(operand.value)}" for name, operand in told.operands]
    return told.holds, "; ".join((*values, *told.reasons))


def _value(value: object) -> str:
    if isinstance(value, Unavailable):
        return f"unknown ({value.reason})"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
