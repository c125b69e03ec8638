"""A halted plan holds its host until an allowed person's signed word says how the unresolved steps stand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hand import driver
from tests.hand.conftest import Sandbox
from tests.hand.test_hand_protocol import code, opened, place


def halted(sandbox: Sandbox) -> driver.Controller:
    """s0 applied; s1 done, then changed by somebody, so that its undo failed and the wave halted."""
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == controller.run("do", "s1")["state"] == "done"
    place(sandbox, 1).write_text("theirs")
    assert controller.run("undo", "s1")["state"] == "failed"
    assert code(controller.close("halted")) == "ok"
    return controller


def word(sandbox: Sandbox, controller: driver.Controller, by: str = "ronny", **said: Any) -> dict[str, Any]:
    more = {key: said.pop(key) for key in ("nonce", "plan", "instance", "not_after", "principal") if key in said}
    return driver.settle(controller, sandbox.keys / by, more.pop("principal", by), said, **more)


def test_a_halted_plan_holds_its_host(sandbox: Sandbox) -> None:
    controller = halted(sandbox)
    assert code(controller.start("undo", "s1", 2)) == "plan-halted"
    assert code(controller.start("do", "s1", 2)) == "not-open"
    assert code(sandbox.controller(sandbox.plan(title="another")).open()) == "already-open"


def test_what_a_person_calls_undone_lets_the_rest_be_taken_back(sandbox: Sandbox) -> None:
    controller = halted(sandbox)
    place(sandbox, 1).unlink()
    told = sandbox.ask(word(sandbox, controller, s1="undone"))
    assert told["ok"] and told["principal"] == "ronny" and told["saw"] == {"s1": "NOT_DONE"}, told
    assert code(controller.start("do", "s1", 2)) == "plan-undone"
    assert controller.run("undo", "s0")["state"] == "done"
    assert code(controller.close("rolled-back")) == "ok"
    assert code(sandbox.controller(sandbox.plan(title="another")).open()) == "ok"


def test_what_a_person_calls_done_is_undone_with_new_attempts(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == controller.run("do", "s1")["state"] == "done"
    place(sandbox, 1).write_text("theirs")
    for attempt in range(1, 6):
        assert controller.run("undo", "s1", attempt)["state"] == "failed"
    assert code(controller.start("undo", "s1", 6)) == "bad-request"
    assert code(controller.close("halted")) == "ok"
    place(sandbox, 1).write_text("[Unit]\n# 1\n")
    assert sandbox.ask(word(sandbox, controller, s1="done"))["ok"]
    assert controller.run("undo", "s1", 6)["state"] == controller.run("undo", "s0")["state"] == "done"
    assert code(controller.close("rolled-back")) == "ok"


def test_everything_done_may_be_closed_as_done(sandbox: Sandbox) -> None:
    controller = halted(sandbox)
    assert code(controller.close("done")) == "out-of-order"
    assert sandbox.ask(word(sandbox, controller, s1="done"))["ok"]
    assert code(controller.close("done")) == "ok"


def test_a_lost_answer_may_be_asked_again(sandbox: Sandbox) -> None:
    controller = halted(sandbox)
    request = word(sandbox, controller, s1="undone")
    assert sandbox.ask(request)["ok"] and sandbox.ask(request)["ok"]
    assert (sandbox.file("journal.jsonl").read_text()).count('"kind":"settled"') == 1


def test_a_second_halt_needs_a_second_word(sandbox: Sandbox) -> None:
    controller = halted(sandbox)
    request = word(sandbox, controller, s1="done")
    assert sandbox.ask(request)["ok"]
    assert controller.run("undo", "s1", 2)["state"] == "failed"
    assert code(controller.close("halted")) == "ok"
    sandbox.ask(request)
    assert code(controller.start("undo", "s1", 3)) == "plan-halted"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "approval-void"),  # nothing said of s1
        ({"s1": "gone"}, "bad-request"),
        ({"s1": "done", "s9": "done"}, "unknown-step"),
        ({"s1": "done", "plan": "sha256:" + "0" * 64}, "approval-void"),
        ({"s1": "done", "instance": "other"}, "approval-void"),
        ({"s1": "done", "not_after": "2026-01-01T00:00:00Z"}, "outside-window"),
        ({"s1": "done", "by": "dana", "principal": "ronny"}, "approval-void"),
        ({"s1": "done", "principal": "agent:w1"}, "bad-request"),
    ],
)
def test_a_word_that_does_not_count(sandbox: Sandbox, more: dict[str, Any], expected: str) -> None:
    controller = halted(sandbox)
    assert code(sandbox.ask(word(sandbox, controller, **more))) == expected
    assert code(controller.start("undo", "s1", 2)) == "plan-halted"


def test_an_approvals_nonce_settles_nothing(sandbox: Sandbox) -> None:
    controller = sandbox.controller(sandbox.plan(sandbox.write_steps(1)), nonce="b" * 32)
    assert controller.open()["ok"] and code(controller.close("halted")) == "ok"
    assert code(sandbox.ask(word(sandbox, controller, nonce="b" * 32))) == "approval-replayed"


def test_a_step_never_begun_here_is_not_done(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert code(controller.close("halted")) == "ok"
    assert code(sandbox.ask(word(sandbox, controller, s0="done"))) == "approval-void"


def test_a_plan_that_came_to_its_end_is_not_settled(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert code(controller.close("rolled-back")) == "ok"
    assert code(sandbox.ask(word(sandbox, controller))) == "plan-closed"


def test_a_host_that_cannot_be_looked_at_is_settled_all_the_same(sandbox: Sandbox) -> None:
    controller = halted(sandbox)
    place(sandbox, 1).unlink()
    place(sandbox, 1).symlink_to("/etc/hostname")
    told = sandbox.ask(word(sandbox, controller, s1="undone"))
    assert told["ok"] and told["saw"] == {"s1": "UNKNOWN"}, told
