"""A power cut between a step's last effect and its outcome: the host is looked at, and the plan goes on from what is seen."""

from __future__ import annotations

from tests.hand import driver
from tests.hand.conftest import Sandbox
from tests.hand.test_hand_protocol import code, opened, place


def lost(sandbox: Sandbox, controller: driver.Controller, phase: str, step: str) -> None:
    """The outcome never reached the disk; nothing runs."""
    journal = sandbox.file("journal.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    assert '"kind":"outcome"' in lines[-1].replace(" ", "")
    journal.write_text("".join(lines[:-1]))
    assert controller.status(phase, step)["state"] == "unknown"


def test_a_step_that_is_there_lets_the_next_one_and_the_end_of_the_plan_go_on(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == "done"
    lost(sandbox, controller, "do", "s0")
    assert controller.run("do", "s1")["state"] == "done"
    told = controller.status("do", "s0")
    assert (told["state"], told["outcome"]["facts"]) == ("done", {"found": "DONE"})
    lost(sandbox, controller, "do", "s1")
    assert code(controller.close("done")) == "ok"


def test_a_step_that_is_half_there_stops_the_plan_still(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == "done"
    lost(sandbox, controller, "do", "s0")
    place(sandbox, 0).write_text("torn")
    assert code(controller.start("do", "s1")) == "out-of-order"
    assert code(controller.close("done")) == "out-of-order"
    assert controller.status("do", "s0")["state"] == "unknown"


def test_an_undo_that_came_to_its_end_lets_the_earlier_one_begin(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == controller.run("do", "s1")["state"] == "done"
    assert controller.run("undo", "s1")["state"] == "done"
    lost(sandbox, controller, "undo", "s1")
    assert controller.run("undo", "s0")["state"] == "done"
    lost(sandbox, controller, "undo", "s0")
    assert code(controller.close("rolled-back")) == "ok"


def test_a_plan_that_ends_in_a_halt_is_closed_without_a_look(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == "done"
    lost(sandbox, controller, "do", "s0")
    assert code(controller.close("halted")) == "ok"
    assert controller.status("do", "s0")["state"] == "unknown"
