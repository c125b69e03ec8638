"""The shelf and the documentation made from it."""

from pathlib import Path
from types import ModuleType

import pytest

from waveboard.gates import manual, shelf
from waveboard.gates.gate import Gate, identify

PAGE = Path(__file__).parent.parent.parent / "docs" / "gates.md"


def test_the_five_are_there() -> None:
    assert list(shelf.gates()) == ["D235", "D236", "D237", "D238", "D239"]
    assert shelf.gates()["D237"].title == "docker-root-budget"


def test_an_id_is_its_files_name() -> None:
    assert identify("a.b.d900_some_rule") == ("D900", "some-rule")


def test_docs_are_fresh() -> None:
    made = manual.render(shelf.gates())
    assert PAGE.read_text() == made, "docs/gates.md is stale: write waveboard.gates.manual.render(shelf.gates()) to it"


@pytest.mark.parametrize("gate", shelf.gates().values(), ids=lambda gate: gate.id)
def test_a_gate_documents_itself(gate: Gate) -> None:
    assert gate.doc.startswith(f"{gate.id} {gate.title}: ") and "\nWhy: " in gate.doc and "\nPolicy: " in gate.doc
    assert all(f"| `{code}` |" in manual.entry(gate) for code in gate.codes)


def test_a_file_without_its_gate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.gates.cache_clear()
    monkeypatch.setattr(shelf, "import_module", lambda name: ModuleType(name))
    with pytest.raises(TypeError, match="does not export a GATE of its own name"):
        shelf.gates()
    monkeypatch.undo()
    shelf.gates.cache_clear()
    assert shelf.gates()


def test_no_host_is_named_in_the_code() -> None:
    room = Path(shelf.__file__).parent
    for source in room.rglob("*.py"):
        text = source.read_text()
        for gate in shelf.gates().values():
            text = text.replace(gate.title, "")
        assert not [name for name in ("mint-data", "mint-apps", "mint-modules", "quote-page", "VM212") if name in text], source
