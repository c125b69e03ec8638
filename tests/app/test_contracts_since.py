"""The contracts may change while a plan is carried out: before each step begins, today's are asked; what is under way is seen to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.stage import Desk
from tests.receipts.estate import ALLOWED
from tests.waves import estate as E
from waveboard.app.apply import apply, undo
from waveboard.app.due import _held
from waveboard.model.contract import Contract, Place, Window
from waveboard.model.errors import ContractError, RefusedError, StepError

FREEZE = Window("FREEZE", "deny", ("shop-1",), E.AT, E.AT + timedelta(hours=9), place=Place("windows.yaml", 7, 3))
ELSE = "sha256:" + "d" * 64


class Files:
    """The workspace's files while the drive of a desk reads them; `becomes` changes them while a step runs."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.now, self.said = desk, desk.site.contract, list[str]()
        desk.site = replace(desk.site, reread=self.read, say=self.said.append)

    def read(self) -> Contract:
        if self.now is None:
            raise ContractError("use the contracts", "windows.yaml:3:1: not YAML (1 in all)", "waveboard contracts check")
        return self.now

    def becomes(self, during: str, contract: Contract | None) -> None:
        def witness(request: Mapping[str, object]) -> None:
            if request.get("op") == "do" and request.get("step") == during:
                self.now = contract  # type: ignore[assignment]

        self.desk.fleet.witness = witness


def begun(desk: Desk, **changes: object) -> Contract:
    return replace(desk.site.contract, digest=ELSE, **changes)  # type: ignore[arg-type]


def test_a_deny_window_that_came_while_a_step_ran_closes_the_window_on_the_next(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    files, known = Files(desk), desk.approved()
    files.becomes("m1-01b", begun(desk, windows=(*desk.site.contract.windows, FREEZE)))
    with pytest.raises(StepError, match=r"before m1-02 \(overrun: rollback\)"):
        apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known).count("applied") == 2 == desk.kinds(known).count("undone")


@pytest.mark.parametrize(
    ("wave", "because"),
    [
        (E.wave(policy="governance"), "the mutation policy of M1 is `governance`"),
        (E.wave(mutate_hosts=("other",)), "shop-1 is not in M1's mutate scope"),
    ],
)
def test_a_wave_that_may_not_change_the_host_any_more_begins_no_step(tmp_path: Path, wave: object, because: str) -> None:
    desk = Desk(tmp_path)
    files, known = Files(desk), desk.approved()
    files.becomes("m1-01b", begun(desk, waves={"M1": wave}))
    with pytest.raises(RefusedError, match=f"the contracts changed .*{because}.* m1-02") as told:
        apply(desk.site, known, ALLOWED, desk.reading())
    assert told.value.exit_code == 3 and "waveboard undo" in told.value.fix
    assert desk.kinds(known)[-1] == "applied"
    desk.fleet.witness = lambda request: None
    with pytest.raises(RefusedError, match=because):  # not on a second asking either
        apply(replace(desk.site, contract=files.now), known, ALLOWED, None)
    command, why = next(_held(replace(desk.site, contract=files.now)))
    assert command == "waveboard undo M1" and because in why
    undo(desk.site, known)
    assert desk.kinds(known)[-1] == "rolled-back"


def test_contracts_that_cannot_be_used_begin_no_step_and_stop_no_undo(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    files, known = Files(desk), desk.approved()
    files.becomes("m1-01b", None)
    with pytest.raises(RefusedError, match=r"cannot be used as they stand now \(windows.yaml:3:1: not YAML .* m1-02"):
        apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known)[-1] == "applied"
    desk.fleet.witness = lambda request: None
    undo(desk.site, known)
    assert desk.kinds(known)[-1] == "rolled-back"


def test_any_other_change_is_said_once_and_stands_in_the_journal(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    files, known = Files(desk), desk.approved()
    files.becomes("m1-01b", begun(desk))
    apply(desk.site, known, ALLOWED, desk.reading())
    assert desk.kinds(known)[-1] == "done"
    assert [line for line in files.said if "contracts changed" in line] == [
        "the contracts changed since the plan was made; it goes on as it was signed, and closing judges by today's"
    ]
    intents = {e.step: e.detail.get("contract") for e in desk.site.store.events(known.digest) if e.kind == "intent"}
    assert intents == {"m1-01a": None, "m1-01b": None, "m1-02": ELSE, "m1-03": ELSE}
