"""What a board that waveboard rendered says in exact words: conditions, packs, which waves exclude each other. Reads no sentence of a person."""

import re
from collections.abc import Iterator, Mapping

from waveboard.contracts.conditions import FACTS, PREDICATES
from waveboard.model.condition import Comparison, Condition, Predicate, parse_condition

_CONDITION = re.compile(r"`(.+?)`(?:: held|: did not hold \(.*\))?")
_PACK = re.compile(
    r"^- Gates of the pack ([^\s`]+) \((report|enforce)(?: for ([^\s)]+))?\)(?: on ([^:;`]+))?"
    r"(?:; promoted after ([0-9]{1,4}) stable runs, ([0-9]{1,9}) s apart)?: `([^`]*)`$",
    re.MULTILINE,
)
_BESIDE = re.compile(r"([A-Za-z0-9._-]+) not beside ([A-Za-z0-9._, -]+)")


def condition(said: str) -> object | None:
    """The condition that stands in code marks, as a wave's file has it; what became of it is left out. None: it is none."""
    marked = _CONDITION.fullmatch(said)
    found = _parsed(marked[1]) if marked else None
    if marked and isinstance(found, Comparison):
        return marked[1]
    return {found.name: found.argument} if isinstance(found, Predicate) and found.name in PREDICATES else None


def _parsed(text: str) -> Condition | None:
    try:
        return parse_condition(text)
    except ValueError:
        return None


def hosts_in(found: object) -> Iterator[str]:
    """The hosts a condition of a wave's file names."""
    if isinstance(found, str):
        compared = _parsed(found)
        for side in (compared.left.value, compared.right.value) if isinstance(compared, Comparison) else ():
            yield from (str(side).removesuffix(f".{fact}") for fact in FACTS if str(side).endswith(f".{fact}"))
    elif isinstance(found, dict):
        gate, alone = found.get("gate_passes"), found.get("not_boot_backed")
        named = gate.get("hosts") if isinstance(gate, dict) else None
        yield from (str(host) for host in (*(named if isinstance(named, list) else ()), *([alone] if alone else ())))


def packs(text: str) -> Mapping[str, dict[str, object]]:
    """Each pack as packs.yaml has it, gates as they are named."""
    return {name: dict(_pack(*told)) for name, *told in _PACK.findall(text)}


def _pack(mode: str, enforced: str, hosts: str, runs: str, apart: str, gates: str) -> Iterator[tuple[str, object]]:
    yield "mode", "report" if enforced else mode
    if enforced:
        yield "modes", dict.fromkeys(enforced.split(","), "enforce")
    if runs:
        yield "promotion", {"runs": int(runs), "min_interval_s": int(apart)}
    yield "hosts", listed(hosts)
    yield "gates", listed(gates)


def beside(text: str) -> Mapping[str, list[str]]:
    """Wave -> those it is not run beside."""
    return {wave: listed(others) for wave, others in _BESIDE.findall(text)}


def listed(cell: str) -> list[str]:
    """`a, b` -> its parts."""
    return [one.strip() for one in cell.split(",") if one.strip()]
