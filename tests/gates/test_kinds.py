"""Every kind of check on cases as data: pass, fail and unknown. tests/cases/kinds/<kind>.yaml says what each must say."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from waveboard.contracts.parameters import mistakes
from waveboard.gates import declare, manual, shelf
from waveboard.gates.gate import Deviation
from waveboard.model.declared import CheckSpec, DeclaredGate, Need, Planted
from waveboard.model.document import Desk, FileAsk, Prose, Sight, Tree
from waveboard.model.facts import Unavailable
from waveboard.model.finding import Severity

CASES = Path(__file__).parent.parent / "cases" / "kinds"
PAGE = Path(__file__).parent.parent.parent / "docs" / "declared-gates.md"


def sight(alias: str, told: Any) -> Sight:
    """`tree`: any value, `text`, `unavailable`, `absent`, `exit` beside one of them."""
    if "absent" in told:
        return Sight(alias, Unavailable("no such file"), absent=True)
    if "unavailable" in told:
        return Sight(alias, Unavailable(told["unavailable"]), exit=told.get("exit"))
    seen = Prose(told["text"]) if "text" in told else Tree(told.get("tree"), lambda loc: f"{alias}:{len(loc) + 1}:1")
    return Sight(alias, seen, exit=told.get("exit"), said=told.get("said", ""))


def spec_of(kind: str, params: dict[str, Any], docs: dict[str, Any]) -> DeclaredGate:
    needs = tuple(
        Need(alias, FileAsk("", alias, 1), "table" if "pattern" in told else "yaml", told.get("pattern", ""))
        for alias, told in docs.items()
    )
    nothing = Planted("nothing", ())
    return DeclaredGate("X1", "x", Severity.HIGH, "instant", "w", "f", needs, (CheckSpec(kind, params),), (), nothing)


def said(kind: str, case: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What the kind says: `code subject` of findings; doubts."""
    spec = spec_of(kind, case["params"], case["docs"])
    desk: Desk = {need.alias: declare._seen(need, (sight(need.alias, case["docs"][need.alias]),)) for need in spec.needs}
    told = list(declare.judge(spec, desk))
    findings = [f"{one.code} {one.subject}" for one in told if isinstance(one, Deviation)]
    doubts = [f"{one.subject}: {one.reason}" for one in told if not isinstance(one, Deviation)]
    return findings, list(dict.fromkeys(doubts))


def cases() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text()):
            found.append(pytest.param(path.stem, case, id=f"{path.stem}-{case['about']}"))
    return found


@pytest.mark.parametrize(("kind", "case"), cases())
def test_a_kind_says_what_its_case_says(kind: str, case: dict[str, Any]) -> None:
    findings, doubts = said(kind, case)
    assert findings == case.get("findings", [])
    assert len(doubts) == case.get("doubts", 0), doubts


@pytest.mark.parametrize(("kind", "case"), cases())
def test_the_parameters_of_a_case_fit_their_types(kind: str, case: dict[str, Any]) -> None:
    shape = shelf.kinds()[kind].shape
    forms = {
        alias: "text" if "text" in told and "pattern" not in told else "tree text command" for alias, told in case["docs"].items()
    }
    assert set(case["params"]) <= set(shape.params)
    assert not [one for name, value in case["params"].items() for one in mistakes(shape.params[name], value, forms)]


@pytest.mark.parametrize("kind", sorted(shelf.kinds()))
def test_a_kind_has_pass_fail_and_unknown(kind: str) -> None:
    told = yaml.safe_load((CASES / f"{kind}.yaml").read_text())
    said_codes = {finding.split()[0] for case in told for finding in case.get("findings", [])}
    assert said_codes == set(shelf.kinds()[kind].codes), "every code has a case"
    assert any(not case.get("findings") and not case.get("doubts") for case in told)
    assert any(not case.get("findings") and case.get("doubts") for case in told)


@pytest.mark.parametrize(("kind", "case"), cases())
def test_a_kind_in_the_dark_is_in_doubt(kind: str, case: dict[str, Any]) -> None:
    dark = {**case, "docs": {alias: {"unavailable": "dark"} for alias in case["docs"]}}
    findings, doubts = said(kind, dark)
    assert not findings and doubts


def test_the_page_of_kinds_is_fresh() -> None:
    assert PAGE.read_text() == manual.kinds_page(shelf.kinds()), "write waveboard.gates.manual.kinds_page(shelf.kinds()) to it"


def test_a_kind_without_its_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.kinds.cache_clear()
    monkeypatch.setattr(shelf, "import_module", lambda name: ModuleType(name))
    with pytest.raises(TypeError, match="does not export a KIND of its own name"):
        shelf.kinds()
    monkeypatch.undo()
    shelf.kinds.cache_clear()
    assert shelf.kinds()


def test_a_secret_is_not_shown_by_the_check_of_its_prefix() -> None:
    spec = spec_of("prefix_is", {"doc": "d", "path": "token", "prefixes": ["ref://"]}, {"d": {}})
    (told,) = declare.judge(spec, {"d": (sight("d", {"tree": {"token": "hunter2"}}),)})
    assert isinstance(told, Deviation) and "hunter2" not in str(told)
