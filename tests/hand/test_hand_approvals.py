"""Nothing happens on a host without this host's own check of who signed which bytes, for when, and once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hand import driver
from tests.hand.conftest import MACHINE, Sandbox


def code(told: dict[str, Any]) -> str:
    return "ok" if told["ok"] else str(told["error"]["code"])


def test_a_signed_plan_opens_and_resumes(sandbox: Sandbox) -> None:
    controller = sandbox.controller(sandbox.plan())
    assert controller.open() | {"resumed": True} == controller.open()
    controller.fence = 7
    assert controller.open()["resumed"]
    controller.fence = 6
    assert code(controller.open()) == "fence-lower"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"instance": "other"}, "wrong-instance"),
        ({"not_before": "2026-01-01T00:00:00Z", "not_after": "2026-01-02T00:00:00Z"}, "outside-window"),
        ({"slots": [{"not_before": "2026-01-01T00:00:00Z", "not_after": "2026-01-02T00:00:00Z"}]}, "outside-window"),
        (
            {"slots": [{"not_before": "2026-01-01T00:00:00Z", "not_after": "2026-01-02T00:00:00Z"}], "overrun": "finish"},
            "outside-window",
        ),
        ({"slots": []}, "outside-window"),
        ({"overrun": "hurry"}, "bad-request"),
        ({"not_after": "tomorrow"}, "bad-request"),
        ({"schema": "waveboard.plan/2"}, "bad-request"),
        ({"kind": "retire"}, "bad-request"),
        ({"hosts": [{"host": "mint-data", "machine_id": "f" * 32}]}, "wrong-host"),
        ({"hosts": [{"host": "mint-apps", "machine_id": MACHINE}]}, "wrong-host"),
        ({"read_only_hosts": ["mint-data"]}, "read-only-host"),
        ({"quorum": 2}, "approval-missing"),
        ({"quorum": 0}, "bad-request"),
        ({"proposer": "ronny"}, "approval-void"),
        ({"four_eyes": False, "proposer": "ronny"}, "approval-void"),
    ],
)
def test_a_plan_that_is_not_for_here_and_now(sandbox: Sandbox, change: dict[str, Any], expected: str) -> None:
    assert code(sandbox.controller(sandbox.plan(**change)).open()) == expected


@pytest.mark.parametrize(
    ("people", "change", "expected"),
    [
        ({"ronny": ["ronny@desk"]}, {"proposer": "Ronny@desk"}, "approval-void"),
        ({"ronny": ["ronny@desk"]}, {"proposer": "Ronny@desk", "four_eyes": False}, "approval-void"),
        ({"ronny": ["ronny@desk"]}, {"proposer": "dana@desk"}, "ok"),
        ({"ronny": [], "dana": ["dana@desk"]}, {"quorum": 2}, "ok"),
        ({"ronny": ["Dana"]}, {"quorum": 2}, "approval-missing"),
        ({"ronny": "dana"}, {}, "bad-request"),
        ({"ronny": [1]}, {}, "bad-request"),
        ({"@ronny": ["ronny"], "x": ["@ronny"]}, {}, "ok"),
        (["ronny"], {}, "bad-request"),
    ],
)
def test_signers_and_proposer_are_compared_as_persons(
    sandbox: Sandbox, people: Any, change: dict[str, Any], expected: str
) -> None:
    settings = {"instance": "mint", "hostname": "mint-data", "people": people}
    (sandbox.root / "etc/waveboard/hand.json").write_text(json.dumps(settings))
    by = ("ronny", "dana") if "quorum" in change else ("ronny",)
    assert code(sandbox.controller(sandbox.plan(**change), by).open()) == expected


FINAL = driver.step("r0", "retire", {"paths": ["/srv/old"], "volumes": []}, reversibility="none", deletes=["/srv/old"])
IMAGE = {"id": driver.sha("image"), "tags": ["mint/app:1"], "digests": [], "bytes": 5}
LOST = driver.step(
    "i0", "image_remove", {"images": [IMAGE], "save_to": None}, reversibility="none", deletes=[f"image:{IMAGE['id']}"]
)


@pytest.mark.parametrize(
    ("host", "change", "by", "expected"),
    [
        ({}, {"kind": "retire", "steps": [FINAL]}, ["ronny"], "approval-missing"),
        ({}, {"kind": "retire", "steps": [FINAL], "four_eyes": False}, ["ronny"], "approval-missing"),
        ({"four_eyes": True}, {"steps": [LOST], "four_eyes": False}, ["ronny"], "approval-missing"),
        ({"four_eyes": True}, {"kind": "retire", "steps": [FINAL], "four_eyes": False}, ["ronny", "dana"], "ok"),
        ({"four_eyes": False}, {"kind": "retire", "steps": [FINAL], "four_eyes": True}, ["ronny"], "approval-missing"),
        ({"four_eyes": False}, {"kind": "retire", "steps": [FINAL], "four_eyes": False}, ["ronny"], "ok"),
        ({"four_eyes": False}, {"four_eyes": False, "proposer": "ronny"}, ["ronny"], "ok"),
        ({"four_eyes": True}, {"four_eyes": False, "proposer": "ronny"}, ["ronny"], "approval-void"),
        ({"four_eyes": False, "quorum": 2}, {"four_eyes": False}, ["ronny"], "approval-missing"),
        ({"four_eyes": False, "quorum": 2}, {"four_eyes": False}, ["ronny", "dana"], "ok"),
        ({"four_eyes": "no"}, {}, ["ronny"], "bad-request"),
        ({"quorum": 0}, {}, ["ronny"], "bad-request"),
    ],
)
def test_how_many_must_sign_is_the_hosts_own_word_too(
    sandbox: Sandbox, host: dict[str, Any], change: dict[str, Any], by: list[str], expected: str
) -> None:
    settings = {"instance": "mint", "hostname": "mint-data", **host}
    (sandbox.root / "etc/waveboard/hand.json").write_text(json.dumps(settings))
    told = sandbox.controller(sandbox.plan(**change), tuple(by)).open()
    assert code(told) == expected
    if expected == "approval-missing":
        assert "1 of 2 needed persons" in told["error"]["because"]


def test_a_retire_step_cannot_call_itself_anything_but_final(sandbox: Sandbox) -> None:
    for said in ("exact", "restorable", "compensable"):
        made = sandbox.plan(kind="retire", steps=[FINAL | {"reversibility": said}])
        told = sandbox.controller(made, ("ronny", "dana")).open()
        assert code(told) == "bad-request" and "what it removes is gone" in told["error"]["because"]


def test_one_key_under_two_names_counts_once(sandbox: Sandbox) -> None:
    signers = sandbox.root / "etc/waveboard/allowed_signers"
    first = signers.read_text().splitlines()[0]
    signers.write_text(f"{first}\n{first.replace('ronny', 'dana', 1)}\n")
    made = sandbox.plan(quorum=2)
    text = driver.canonical(made)
    signed = [driver.approve(made, text, sandbox.keys / "ronny", name) for name in ("ronny", "dana")]
    assert code(driver.Controller(sandbox.ask, made, signed).open()) == "approval-missing"


@pytest.mark.parametrize("names", ["*", "ronn?,dan?", "ronny,dana", "!mallory,*"])
def test_a_key_that_stands_for_several_is_nobodys(sandbox: Sandbox, names: str) -> None:
    """Whoever holds two such keys would be two persons."""
    signers = sandbox.root / "etc/waveboard/allowed_signers"
    keys = [line.split(maxsplit=1)[1] for line in signers.read_text().splitlines()]
    signers.write_text("".join(f"{names} {key}\n" for key in keys))
    told = sandbox.controller(sandbox.plan(quorum=2), ("ronny", "dana")).open()
    assert code(told) == "approval-void" and "stands for" in told["error"]["because"]


def test_a_certificate_is_no_persons_key(sandbox: Sandbox, tmp_path: Path) -> None:
    """Whoever holds one key would be as many persons as the authority writes certificates for it."""
    keygen = ["ssh-keygen", "-q"]
    for name in ("authority", "key"):
        subprocess.run([*keygen, "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    public = " ".join((tmp_path / "authority.pub").read_text().split()[:2])
    (sandbox.root / "etc/waveboard/allowed_signers").write_text(f"* cert-authority {public}\n")
    made = sandbox.plan(quorum=2)
    text, signed = driver.canonical(made), []
    for name in ("ronny", "dana"):
        issue = [*keygen, "-s", str(tmp_path / "authority"), "-I", "x", "-n", name, str(tmp_path / "key.pub")]
        subprocess.run(issue, check=True)
        signed.append(driver.approve(made, text, tmp_path / "key-cert.pub", name))
    told = driver.Controller(sandbox.ask, made, signed).open()
    assert code(told) == "approval-void" and "certificate" in told["error"]["because"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"plan": driver.sha("other")}, "approval-void"),
        ({"instance": "other"}, "approval-void"),
        ({"wave": "W8C"}, "approval-void"),
        ({"hosts": ["mint-apps", "mint-data"]}, "approval-void"),
        ({"deletes": ["/srv/x"]}, "approval-void"),
        ({"downtime_s": 1}, "approval-void"),
        ({"max_uses": 2}, "bad-request"),
        ({"max_uses": True}, "bad-request"),
        ({"nonce": "short"}, "bad-request"),
        ({"principal": "dana"}, "approval-void"),
        ({"principal": "mallory"}, "approval-void"),
        ({"principal": "-Overify-time=20200101"}, "bad-request"),
        ({"not_after": "2026-01-02T00:00:00Z"}, "outside-window"),
        ({"not_before": "2036-01-02T00:00:00Z"}, "outside-window"),
        ({"extra": 1}, "bad-request"),
    ],
)
def test_an_approval_that_says_something_else(sandbox: Sandbox, change: dict[str, Any], expected: str) -> None:
    controller = sandbox.controller(sandbox.plan())
    said = driver.canonical(driver.message(controller.made, controller.text, "ronny") | change)
    controller.approvals = [{"message": said, "signature": driver.sign(said, sandbox.keys / "ronny")}]
    assert code(controller.open()) == expected
    assert not sandbox.file("nonces.json").exists()


def test_the_window_of_the_plan_binds_beside_that_of_the_approval(sandbox: Sandbox) -> None:
    made = sandbox.plan(not_before="2026-01-01T00:00:00Z", not_after="2026-01-02T00:00:00Z")
    wide = {"not_before": "2026-01-01T00:00:00Z", "not_after": "2099-01-01T00:00:00Z"}
    assert code(sandbox.controller(made, **wide).open()) == "outside-window"


def _rewrap(armor: str) -> str:
    lines = armor.split("\n")
    body = "".join(lines[1:-2])
    return "\n".join([lines[0], *(body[n : n + 60] for n in range(0, len(body), 60)), *lines[-2:]])


MALLEATIONS: dict[str, Callable[[str], str]] = {
    "trailing text": lambda armor: armor + "x\n",
    "trailing newline": lambda armor: armor + "\n",
    "leading space": lambda armor: " " + armor,
    "vertical tab for newline": lambda armor: armor.replace("\n", "\v", 2),
    "crlf": lambda armor: armor.replace("\n", "\r\n"),
    "twice": lambda armor: armor + armor,
    "re-wrapped": _rewrap,
    "one byte": lambda armor: armor[:120] + ("A" if armor[120] != "A" else "B") + armor[121:],
    "empty": lambda armor: "",
}


@pytest.mark.parametrize("name", MALLEATIONS)
def test_altered_armor_is_void(sandbox: Sandbox, name: str) -> None:
    controller = sandbox.controller(sandbox.plan())
    original = controller.approvals[0]["signature"]
    controller.approvals[0]["signature"] = MALLEATIONS[name](original)
    assert code(controller.open()) == "approval-void"
    controller.approvals[0]["signature"] = original
    assert code(controller.open()) == "ok"


def test_other_namespace_other_key_other_bytes(sandbox: Sandbox) -> None:
    controller = sandbox.controller(sandbox.plan())
    said = controller.approvals[0]["message"]
    wrong = [driver.sign(said, sandbox.keys / "ronny", "file"), driver.sign(said, sandbox.keys / "mallory")]
    wrong.append(driver.sign(said + " ", sandbox.keys / "ronny"))
    for signature in wrong:
        controller.approvals = [{"message": said, "signature": signature}]
        assert code(controller.open()) == "approval-void"
    controller.approvals = []
    assert code(controller.open()) == "approval-missing"


def test_one_changed_byte_of_the_plan(sandbox: Sandbox) -> None:
    controller = sandbox.controller(sandbox.plan())
    controller.text = controller.text.replace("mint-apps", "mint-appz")
    assert code(controller.open()) == "plan-differs"
    controller.digest = driver.sha(controller.text)
    assert code(controller.open()) == "approval-void"


def test_duplicate_keys_and_deep_nesting_are_refused(sandbox: Sandbox) -> None:
    controller = sandbox.controller(sandbox.plan())
    for text in (controller.text[:-1] + ',"quorum":1}', "[" * 2000, '{"a":' * 40 + "1" + "}" * 40, "NaN"):
        controller.text, controller.digest = text, driver.sha(text)
        assert code(controller.open()) == "bad-request"


def test_two_persons_and_a_person_twice(sandbox: Sandbox) -> None:
    made = sandbox.plan(quorum=2)
    assert code(sandbox.controller(made, by=("ronny", "ronny")).open()) == "approval-missing"
    assert code(sandbox.controller(made, by=("ronny", "dana")).open()) == "ok"


def test_a_nonce_serves_one_plan_for_ever(sandbox: Sandbox) -> None:
    first = sandbox.controller(sandbox.plan(), nonce="a" * 32)
    assert code(first.open()) == "ok"
    assert first.close("rolled-back")["ok"]
    second = sandbox.controller(sandbox.plan(title="another"), nonce="a" * 32)
    assert code(second.open()) == "approval-replayed"
    assert code(first.open()) == "plan-closed"


def test_one_plan_at_a_time(sandbox: Sandbox) -> None:
    first, second = sandbox.controller(sandbox.plan(sandbox.write_steps())), sandbox.controller(sandbox.plan(title="another"))
    assert code(first.open()) == "ok" and first.run("do", "s0")["state"] == "done"
    assert code(second.open()) == "already-open"
    assert first.run("undo", "s0")["state"] == "done"
    assert first.close("rolled-back")["ok"]
    assert code(second.open()) == "ok"


def test_a_plan_that_was_never_begun_gives_way(sandbox: Sandbox) -> None:
    """Its controller died right after it was opened, and nobody will ever close it."""
    first, second = sandbox.controller(sandbox.plan(), fence=3), sandbox.controller(sandbox.plan(title="another"), fence=2)
    assert code(first.open()) == "ok"
    assert code(second.open()) == "fence-lower"  # an older controller is no heir
    second.fence = 4
    assert code(second.open()) == "ok"
    assert code(first.open()) == "plan-closed"


def test_signers_others_can_write_are_not_trusted(sandbox: Sandbox) -> None:
    (sandbox.root / "etc/waveboard/allowed_signers").chmod(0o666)
    assert code(sandbox.controller(sandbox.plan()).open()) == "not-installed"


@pytest.mark.parametrize(
    "args",
    [
        {"path": "/etc/shadow", "before_sha256": None, "after": "", "mode": 0o644},
        {"path": "/etc/docker/daemon.json", "before_sha256": None, "after": "{}", "mode": 0o4755},
        {"path": "/etc/docker/daemon.json", "before_sha256": None, "after": "{}"},
        {"path": "/etc/docker/daemon.json", "before_sha256": None, "after": "{}", "mode": 0o644, "force": True},
        {"path": "/etc/systemd/system/docker.service.d/../../../x.conf", "before_sha256": None, "after": "", "mode": 0o644},
    ],
)
def test_arguments_that_are_not_of_the_agreed_form(sandbox: Sandbox, args: dict[str, Any]) -> None:
    assert code(sandbox.controller(sandbox.plan([driver.step("s0", "write_file", args)])).open()) == "bad-request"


@pytest.mark.parametrize("verb", ["shell", "prune", "", "__class__"])
def test_there_is_no_other_verb(sandbox: Sandbox, verb: str) -> None:
    assert code(sandbox.controller(sandbox.plan([driver.step("s0", verb, {})])).open()) == "bad-request"


def test_a_step_on_a_read_only_or_unknown_host(sandbox: Sandbox) -> None:
    for host in ("mint-apps", "elsewhere"):
        steps = [*sandbox.write_steps(), driver.step("s9", "write_file", sandbox.write_steps()[0]["args"], host=host)]
        assert code(sandbox.controller(sandbox.plan(steps)).open()) == "read-only-host"


def test_a_host_that_is_read_only_does_not_even_open_the_plan(sandbox: Sandbox) -> None:
    pins = [{"host": "mint-data", "machine_id": MACHINE}, {"host": "elsewhere", "machine_id": "f" * 32}]
    steps = [driver.step("s0", "write_file", sandbox.write_steps()[0]["args"], host="elsewhere")]
    made = sandbox.plan(steps, hosts=pins, read_only_hosts=["mint-data"])
    assert code(sandbox.controller(made).open()) == "read-only-host"


def test_requests_that_make_no_sense(sandbox: Sandbox, tmp_path: Path) -> None:
    for request in ({}, {"op": "rm"}, {"op": ["do"]}, {"op": "aside", "path": "/"}, {"op": "do", "plan": "sha256:x"}):
        assert code(sandbox.ask(request)) == "bad-request"
    assert code(sandbox.ask({"op": "holds", "plan": driver.sha("x"), "step": "s0"})) == "unknown-plan"
