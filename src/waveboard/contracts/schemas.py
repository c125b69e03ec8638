"""JSON Schemas of every file format, for editors. Describes the formats; checks nothing."""

from collections.abc import Mapping

from pydantic import BaseModel

from waveboard.contracts.formats.exec_receipt import ExecReceipt
from waveboard.contracts.formats.guard import SECTION, HostSection
from waveboard.contracts.formats.workspace import Workspace
from waveboard.contracts.load import FORMATS

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def export() -> Mapping[str, dict[str, object]]:
    """Format name (`workspace`, `hosts`, `guard`, …) -> JSON Schema."""
    found: dict[str, dict[str, object]] = {}
    models: dict[str, type[BaseModel]] = {"workspace": Workspace, **FORMATS, "exec_receipt": ExecReceipt}
    for name, model in models.items():
        schema = model.model_json_schema()
        if name == "guard":
            section = HostSection.model_json_schema(ref_template="#/$defs/{model}")
            schema.setdefault("$defs", {}).update(section.pop("$defs", {}))
            schema["patternProperties"] = {f"{SECTION}$": section}
        found[name] = {"$schema": _DRAFT, "$id": f"waveboard:{name}", **schema}
    return found
