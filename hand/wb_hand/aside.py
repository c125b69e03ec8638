"""What was set aside on this host: the only things that `retire` may ever remove. Nothing is removed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .journal import PlanRecord
from .refused import Json
from .state import load_state, locked, save_state
from .windows import now_text

RETIRABLE = ("aside", "retiring")  # one that is retiring was begun by an attempt that was cut off


class Aside:
    """The register of everything this hand set aside: the only things `retire` may ever remove."""

    @staticmethod
    def all() -> list[Json]:
        entries: list[Json] = load_state("aside.json", [])
        return entries

    @staticmethod
    def _change(change: Callable[[list[Json]], None]) -> None:
        with locked("aside.lock"):
            entries = Aside.all()
            change(entries)
            save_state("aside.json", entries)

    @staticmethod
    def add(entry: Json) -> None:
        """Registering the same thing again (a resumed step) keeps the first entry."""
        key = (entry["plan"], entry["kind"], entry["path"], entry["volume"])

        def change(entries: list[Json]) -> None:
            if not any(
                (one["plan"], one["kind"], one["path"], one["volume"]) == key and one["state"] == "aside" for one in entries
            ):
                entries.append({**entry, "id": len(entries) + 1, "at": now_text(), "state": "aside"})

        Aside._change(change)

    @staticmethod
    def mark(number: int, state: str) -> None:
        def change(entries: list[Json]) -> None:
            for one in entries:
                if one["id"] == number:
                    one["state"] = state

        Aside._change(change)

    @staticmethod
    def find(*, path: str | None = None, volume: str | None = None, states: Sequence[str] = ("aside",)) -> Json | None:
        """The newest live entry for a path or a volume. One that is `retiring` may be gone in part: only retire itself asks for it."""
        for one in reversed(Aside.all()):
            if one["state"] in states and ((path and one["path"] == path) or (volume and one["volume"] == volume)):
                return one
        return None

    @staticmethod
    def still_needed(entry: Json, plans: Mapping[str, PlanRecord]) -> str:
        """Why the step that set this aside, as it stands, may yet want it back; "" when it does not."""
        step = plans.get(entry["plan"], PlanRecord()).step(entry["step"])
        if step.state not in ("applied", "undone"):  # undone and still aside: what was written since was carried back beside it
            return f"the step that set it aside is {step.state}, neither applied nor undone"
        if step.state == "undone" and step.worded:
            return "the step that set it aside is undone by a person's word and not by this hand: it may be the only copy"
        return ""
