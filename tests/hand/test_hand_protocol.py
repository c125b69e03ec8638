"""At most once, in order, under the highest fence, with every intent on disk before its effect."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.hand import driver
from tests.hand.conftest import Sandbox
from waveboard.model.contract import HostTarget
from waveboard.model.errors import HostError
from waveboard.world.hosts.hand_ssh import SshHand, last_answer


def code(told: dict[str, Any]) -> str:
    return "ok" if told["ok"] else str(told["error"]["code"])


def opened(sandbox: Sandbox, count: int = 2, **more: Any) -> driver.Controller:
    controller = sandbox.controller(sandbox.plan(sandbox.write_steps(count), **more))
    assert controller.open()["ok"]
    return controller


def place(sandbox: Sandbox, number: int) -> Any:
    return sandbox.root / f"etc/systemd/system/docker.service.d/part-{number}.conf"


def test_do_then_undo_leaves_nothing(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.holds("s0") == ("NOT_DONE", ["not: /etc/systemd/system/docker.service.d/part-0.conf is the planned one"])
    assert controller.status("do", "s0")["state"] == "absent"
    told = controller.run("do", "s0")
    assert told["state"] == "done" and told["outcome"]["phases"] == ["validate", "write"]
    assert place(sandbox, 0).read_text() == "[Unit]\n# 0\n"
    assert controller.holds("s0")[0] == "DONE"
    assert controller.run("undo", "s0")["state"] == "done"
    assert not place(sandbox, 0).exists()
    assert controller.holds("s0")[0] == "NOT_DONE"


def test_a_step_commits_at_most_once(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == "done"
    assert code(controller.start("do", "s0", 1)) == "already-applied"
    assert code(controller.start("do", "s0", 2)) == "already-applied"


def test_steps_run_in_order_and_are_undone_in_reverse(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert code(controller.start("do", "s1")) == "out-of-order"
    assert code(controller.start("undo", "s0")) == "nothing-to-undo"
    assert controller.run("do", "s0")["state"] == controller.run("do", "s1")["state"] == "done"
    assert code(controller.start("undo", "s0")) == "out-of-order"
    assert controller.run("undo", "s1")["state"] == "done"
    assert code(controller.start("undo", "s1", 2)) == "nothing-to-undo"
    assert code(controller.start("do", "s1", 2)) == "plan-undone"
    assert code(controller.close("rolled-back")) == "out-of-order"
    assert controller.run("undo", "s0")["state"] == "done"
    assert code(controller.close("rolled-back")) == "ok"


def test_a_lower_fence_is_refused_for_everything_that_acts(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    controller.fence = 5
    assert controller.run("do", "s0")["state"] == "done"
    assert sandbox.file("fence").read_text() == "5"
    controller.fence = 4
    answers = [controller.open(), controller.start("do", "s1"), controller.start("undo", "s0"), controller.close("halted")]
    assert [code(one) for one in answers] == ["fence-lower"] * 4
    assert controller.status("do", "s0")["state"] == "done"


def test_a_newer_fence_alone_shuts_an_older_worker_out(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == "done"
    assert code(controller.close("done")) == "out-of-order"
    taking = {"op": "fence", "plan": controller.digest, "fence": 7}
    assert code(controller.ask(taking)) == "ok" and code(controller.ask(taking)) == "ok"
    assert code(controller.start("do", "s1")) == "fence-lower"
    assert code(controller.ask({**taking, "fence": 6})) == "fence-lower"
    assert code(controller.ask({**taking, "plan": "sha256:" + "0" * 64, "fence": 9})) == "unknown-plan"
    assert sandbox.file("fence").read_text() == "7"
    controller.fence = 7
    assert controller.run("undo", "s0")["state"] == "done"


def test_the_window_binds_do_but_never_undo(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == "done"
    kept = sandbox.file(f"plans/{controller.digest[7:]}/approvals.json")
    approvals = json.loads(kept.read_text())
    message = json.loads(approvals[0]["message"]) | {"not_after": "2026-01-01T00:00:00Z"}
    kept.write_text(json.dumps([approvals[0] | {"message": json.dumps(message)}]))
    assert code(controller.start("do", "s1")) == "outside-window"
    assert controller.run("undo", "s0")["state"] == "done"


def test_a_file_that_changed_meanwhile_is_not_overwritten(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    place(sandbox, 0).parent.mkdir()
    place(sandbox, 0).write_text("theirs")
    told = controller.start("do", "s0")
    assert code(told) == "changed" and controller.status("do", "s0")["state"] == "absent"
    assert place(sandbox, 0).read_text() == "theirs"


def test_undo_does_not_take_away_what_somebody_wrote_since(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == "done"
    place(sandbox, 0).write_text("theirs")
    told = controller.run("undo", "s0")
    assert told["state"] == "failed" and told["outcome"]["error"]["code"] == "changed"
    assert place(sandbox, 0).read_text() == "theirs"
    place(sandbox, 0).write_text("[Unit]\n# 0\n")
    assert controller.run("undo", "s0", 2)["state"] == "done"


def test_a_failed_attempt_may_be_repeated_within_the_limit(sandbox: Sandbox) -> None:
    args = {"path": "/etc/docker/daemon.json", "before_sha256": None, "after": "{}", "mode": 0o644}
    controller = sandbox.controller(sandbox.plan([driver.step("s0", "write_file", args, attempts=2)]))
    assert controller.open()["ok"]
    sandbox.stub("dockerd", "echo no such option >&2; exit 1")
    told = controller.run("do", "s0")
    assert told["state"] == "failed" and told["outcome"]["error"]["code"] == "tool-failed"
    assert not (sandbox.root / "etc/docker/daemon.json").exists()
    assert code(controller.start("do", "s0", 1)) == "already-started"
    assert code(controller.start("do", "s0", 3)) == "bad-request"
    assert controller.run("do", "s0", 2)["state"] == "failed"
    assert code(controller.start("do", "s0", 3)) == "bad-request"
    assert controller.run("undo", "s0")["state"] == "done"


def test_a_killed_step_is_unknown_and_can_be_repeated(sandbox: Sandbox) -> None:
    args = {"path": "/etc/docker/daemon.json", "before_sha256": None, "after": "{}", "mode": 0o644}
    controller = sandbox.controller(sandbox.plan([driver.step("s0", "write_file", args)]))
    assert controller.open()["ok"]
    sandbox.stub("dockerd", "kill -9 $PPID")
    told = controller.run("do", "s0")
    assert told["state"] == "unknown" and told["outcome"] is None
    assert controller.holds("s0")[0] == "NOT_DONE"
    sandbox.stub("dockerd", "exit 0")
    assert controller.run("do", "s0", 2)["state"] == "done"


def test_nothing_starts_beside_a_running_step(sandbox: Sandbox) -> None:
    args = {"path": "/etc/docker/daemon.json", "before_sha256": None, "after": "{}", "mode": 0o644}
    controller = sandbox.controller(sandbox.plan([driver.step("s0", "write_file", args)]))
    assert controller.open()["ok"]
    sandbox.stub(
        "dockerd", "while [ ! -e /proc/self/cwd$GO ]; do sleep 0.1; done".replace("/proc/self/cwd$GO", str(sandbox.root / "go"))
    )
    assert controller.start("do", "s0")["ok"]
    assert code(controller.start("undo", "s0")) == "still-running"
    assert code(controller.start("do", "s0", 2)) == "still-running"
    (sandbox.root / "go").touch()
    assert controller.wait("do", "s0")["state"] == "done"


def test_the_intent_and_the_undo_data_are_on_disk_before_the_effect(sandbox: Sandbox) -> None:
    before = '{"log-driver": "local"}'
    (sandbox.root / "etc/docker/daemon.json").write_text(before)
    args = {"path": "/etc/docker/daemon.json", "before_sha256": driver.sha(before), "after": "{}", "mode": 0o644}
    controller = sandbox.controller(sandbox.plan([driver.step("s0", "write_file", args)]))
    assert controller.open()["ok"]
    state = sandbox.file("")
    sandbox.stub(
        "dockerd", f"cp -r {state}/journal.jsonl {sandbox.root}/seen; cat {state}/plans/*/backup/s0-file > {sandbox.root}/kept"
    )
    assert controller.run("do", "s0")["state"] == "done"
    kinds = [json.loads(line)["kind"] for line in (sandbox.root / "seen").read_text().splitlines()]
    assert kinds[:2] == ["opened", "intent"] and "outcome" not in kinds
    assert (sandbox.root / "kept").read_text() == before


def test_every_journal_line_is_chained_and_a_flipped_byte_stops_the_hand(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    assert controller.run("do", "s0")["state"] == "done"
    told = sandbox.ask({"op": "journal", "after": 0})
    lines = [line.encode() for line in told["lines"]]
    digests = ["sha256:" + hashlib.sha256(line).hexdigest() for line in lines]
    assert [json.loads(line)["prev"] for line in lines] == [None, *digests[:-1]] and told["head"] == digests[-1]
    journal = sandbox.file("journal.jsonl")
    raw = journal.read_bytes()
    journal.write_bytes(raw.replace(b'"kind":"intent"', b'"kind":"intend"'))
    assert code(controller.start("do", "s1")) == "state-damaged"
    journal.write_bytes(b"\n".join(raw.split(b"\n")[1:]))
    assert code(controller.open()) == "state-damaged"


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_torn_last_line_is_cut_off_and_said(sandbox: Sandbox, cut: int) -> None:
    controller = opened(sandbox)
    journal = sandbox.file("journal.jsonl")
    raw = journal.read_bytes()
    journal.write_bytes(raw + b'{"at":"2026-01-01T00:00:00Z","detail":{"x":1}'[:cut])
    assert controller.run("do", "s0")["state"] == "done"
    kinds = [json.loads(line)["kind"] for line in journal.read_text().splitlines()]
    assert kinds[:3] == ["opened", "repaired", "intent"]


def test_a_stored_plan_that_was_altered_is_not_run(sandbox: Sandbox) -> None:
    controller = opened(sandbox)
    stored = sandbox.file(f"plans/{controller.digest[7:]}/plan.json")
    stored.write_text(stored.read_text().replace("# 0", "# 9"))
    assert code(controller.start("do", "s0")) == "plan-differs"


def test_an_older_plan_is_not_undone_from_under_a_newer_one(sandbox: Sandbox) -> None:
    older = opened(sandbox, 1)
    assert older.run("do", "s0")["state"] == "done" and older.close("done")["ok"]
    args = {"path": "/etc/docker/daemon.json", "before_sha256": None, "after": "{}", "mode": 0o644}
    newer = sandbox.controller(sandbox.plan([driver.step("t0", "write_file", args)]))
    assert newer.open()["ok"] and newer.run("do", "t0")["state"] == "done"
    assert code(older.start("undo", "s0")) == "out-of-order"
    assert newer.run("undo", "t0")["state"] == "done"
    assert older.run("undo", "s0")["state"] == "done"


def test_retire_touches_only_what_the_hand_set_aside(sandbox: Sandbox) -> None:
    victim = sandbox.root / "srv/data"
    victim.mkdir(parents=True)
    step = driver.step("r0", "retire", {"paths": ["/srv/data"], "volumes": []}, reversibility="none", deletes=["/srv/data"])
    controller = sandbox.controller(sandbox.plan([step], kind="retire"), ("ronny", "dana"))
    assert controller.open()["ok"]
    assert code(controller.start("do", "r0")) == "refused"
    assert victim.is_dir()


@pytest.mark.parametrize("deletes", [[], ["/srv/other"], ["/srv/data", "/srv/more"]])
def test_retire_lists_exactly_what_it_removes(sandbox: Sandbox, deletes: list[str]) -> None:
    step = driver.step("r0", "retire", {"paths": ["/srv/data"], "volumes": []}, reversibility="none", deletes=deletes)
    assert code(sandbox.controller(sandbox.plan([step], kind="retire")).open()) == "bad-request"


@pytest.mark.parametrize(
    "path", ["/", "/etc", "/srv/../etc", "relative", "/srv//x", "/srv/x/", "/var/lib/waveboard/plans", "/srv/a b", "/srv/$x"]
)
def test_paths_outside_the_grammar(sandbox: Sandbox, path: str) -> None:
    step = driver.step("r0", "retire", {"paths": [path], "volumes": []}, reversibility="none", deletes=[path])
    assert code(sandbox.controller(sandbox.plan([step], kind="retire")).open()) == "bad-request"


def test_the_hand_takes_no_arguments_and_no_test_root_through_sudo(sandbox: Sandbox) -> None:
    for argv, more in (
        (["--test-root", str(sandbox.root)], {"SUDO_UID": "1000"}),
        (["--run", "x", "s0", "do", "1", "1"], {"SUDO_UID": "1000"}),
    ):
        done = subprocess.run(
            [sys.executable, "-I", str(sandbox.program), *argv],
            input=b"{}",
            capture_output=True,
            env={**os.environ, **more},
            timeout=20,
            check=False,
        )
        assert done.returncode == 1 and b"takes no arguments" in done.stdout


@pytest.mark.parametrize("raw", [b"", b"sudo: no\n", b'{"ok": 1}\n', b'{"ok": true', b"[true]\n", b'{"ok": true}\ntorn'])
def test_an_answer_that_broke_off_is_unknown(raw: bytes) -> None:
    with pytest.raises(HostError):
        last_answer(raw, "ask")
    assert last_answer(b'noise\n{"ok": true}\n', "ask") == {"ok": True}


def test_a_target_without_pinned_keys_is_never_connected_to() -> None:
    with pytest.raises(HostError, match="pinned"):
        SshHand().call(HostTarget(id="x", address="127.0.0.1", user=None, port=1), {"op": "hello"}, 5)
