"""What became of each listed deletion: the hand's own report, thing by thing; what was not told is not claimed."""

import pytest

from tests.waves import estate as E
from waveboard.app.deletions import deletions, ended
from waveboard.model.change import Event, Reversibility, Step

STEP = Step("s", "image_remove", "h", "t", {}, Reversibility.RESTORABLE, (), (), deletes=("image:sha256:a", "image:sha256:b"))


def event(kind: str, detail: dict[str, object] | None = None, **facts: object) -> Event:
    return Event(3, "p", kind, "s", 1, E.AT, 1, {"outcome": {"facts": facts}} | (detail or {}))


@pytest.mark.parametrize(
    ("line", "fates"),
    [
        (event("applied", removed=["sha256:a"], gone_already=["sha256:b"]), ("removed", "was gone already")),
        (event("applied", removed=["sha256:a"]), ("removed", "not told")),
        (event("applied"), ("removed", "removed")),  # a verb that removes all it lists or fails
        (event("undone", restored=["sha256:a"]), ("put back", "not put back")),
        (event("failed", removed=["sha256:a"]), ("not told: see the hand's journal",) * 2),
        (event("probed", {"found": "done"}), ("gone, as seen on the host",) * 2),
    ],
)
def test_each_listed_thing_has_its_fate(line: Event, fates: tuple[str, str]) -> None:
    assert deletions(STEP, line) == list(zip(STEP.deletes, fates, strict=True))


def test_a_step_ends_by_its_outcome_or_by_what_was_found() -> None:
    assert [ended(event(kind)) for kind in ("applied", "intent", "opened")] == ["applied", "", ""]
    assert ended(event("probed", {"found": "done", "phase": "undo"})) == "found undone"
    assert ended(event("probed", {"found": "partial"})) == ""
