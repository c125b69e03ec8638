"""What `contracts check` says, as one JSON document. The wording of every complaint is the check's own."""

from waveboard.contracts.load import Loaded
from waveboard.model.contract import Complaint


def document(loaded: Loaded) -> dict[str, object]:
    """`waveboard.contracts-check/1`: errors and warnings, each {file, line, col, path, code, message, fix}."""
    return {
        "schema": "waveboard.contracts-check/1",
        "errors": [_item(c) for c in loaded.errors],
        "warnings": [_item(c) for c in loaded.warnings],
    }


def exit_code(loaded: Loaded, strict: bool = False) -> int:
    """0 clean, 1 unusable, 2 with `strict` and a warning."""
    return 1 if loaded.errors else 2 if strict and loaded.warnings else 0


def _item(complaint: Complaint) -> dict[str, object]:
    place = complaint.place
    return {
        "file": place.file,
        "line": place.line,
        "col": place.col,
        "path": complaint.path,
        "code": complaint.code,
        "message": complaint.message,
        "fix": complaint.fix,
    }
