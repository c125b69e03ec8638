"""A real host without the kit is given it by the printed script, twice, read and asked through it, and stripped again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import lab
from lab import workspace
from tests.hypervisors.estate import KIT
from tests.lab.desk import KILLED, Desk
from waveboard.vms import kit_script

pytestmark = pytest.mark.lab

STRIP = """set -e
userdel --remove wbaudit 2>/dev/null; userdel --remove wbhand 2>/dev/null
rm -rf /etc/waveboard /usr/local/libexec/waveboard /etc/sudoers.d/waveboard /etc/ssh/authorized_keys.d/wbaudit /etc/ssh/authorized_keys.d/wbhand
"""
STATE = "find /etc/waveboard /usr/local/libexec/waveboard /etc/sudoers.d /etc/ssh/authorized_keys.d -type f -printf '%p %m %U %s %T@\\n' | sort"
LEFT = "ls -d /etc/waveboard /usr/local/libexec/waveboard /etc/sudoers.d/waveboard /etc/ssh/authorized_keys.d/wb* /home/wb* 2>/dev/null"


@pytest.fixture
def desk(running_lab: lab.Lab, fresh: lab.Host, tmp_path: Path) -> Iterator[Desk]:
    tmp_path.chmod(0o700)
    yield Desk(running_lab, workspace.make(running_lab, tmp_path / "mint"))


def hello(desk: Desk, data: lab.Host) -> dict[str, object]:
    done = desk.run([*data.ssh("wbhand", desk.running.keys.hand), "sh -c 'cat /etc/shadow'"], stdin='{"op": "hello"}')
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_a_host_is_given_the_kit_read_asked_and_stripped_again(desk: Desk) -> None:
    data = desk.running.host("mint-data")
    data.root_run(STRIP, check=True)
    desk.ok("audit", "mint-data", code=5)
    script = desk.waveboard("vm", "kit", "mint-data").stdout
    first = data.root_run("sh -s", stdin=script)
    assert first.returncode == 0, first.stderr
    assert "made: user wbaudit" in first.stdout and "written: /etc/sudoers.d/waveboard" in first.stdout
    before = data.root_run(STATE, check=True).stdout
    second = data.root_run("sh -s", stdin=script, check=True)
    assert data.root_run(STATE, check=True).stdout == before
    assert "written:" not in second.stdout and "made:" not in second.stdout
    desk.ok("audit", "mint-data")
    assert data.root_run("cat /etc/waveboard/reader.json").stdout == '{"redis":["mint-modules-redis"]}\n'
    data.root_run("""echo '{"redis":["by-hand"]}' > /etc/waveboard/reader.json""", check=True)
    third = data.root_run("sh -s", stdin=script, check=True).stdout
    assert 'reader.json said: {"redis":["by-hand"]}' in third and data.root_run(STATE).stdout.count("\n") == before.count("\n")
    told = hello(desk, data)  # whatever is asked for, the forced command answers
    assert told["ok"] is True and told["hostname"] == "mint-data" and told["instance"] == desk.running.settings.name
    away = desk.waveboard("vm", "kit", "mint-data", "--remove").stdout
    gone = data.root_run("sh -s", stdin=away)
    assert gone.returncode == 0, gone.stderr
    assert data.root_run(LEFT).stdout == "" and data.root_run("id wbhand; id wbaudit").returncode != 0
    assert data.root_run("sh -s", stdin=away).returncode == 0
    desk.ok("audit", "mint-data", code=5)


def test_nothing_is_changed_where_the_script_must_not_go_on(desk: Desk) -> None:
    data = desk.running.host("mint-data")
    script = desk.waveboard("vm", "kit", "mint-data").stdout
    away = desk.waveboard("vm", "kit", "mint-data", "--remove").stdout
    before = data.root_run(STATE, check=True).stdout
    foreign = desk.waveboard("vm", "kit", "mint-apps").stdout
    told = data.root_run("sh -s", stdin=foreign)
    assert told.returncode == 1 and "says that this host is 'mint-data'" in told.stderr
    data.root_run(f"sed -i.was s/{desk.running.settings.name}/else/ /etc/waveboard/hand.json", check=True)
    for one in (script, away):
        told = data.root_run("sh -s", stdin=one)
        assert told.returncode == 1 and "names another workspace, 'else'" in told.stderr
    data.root_run("mv /etc/waveboard/hand.json.was /etc/waveboard/hand.json", check=True)
    spoilt = script.replace("wbaudit ALL=(root) NOPASSWD: ", "wbaudit ALL=(root NOPASSWD ")
    told = data.root_run("sh -s", stdin=spoilt)
    assert told.returncode == 1 and "did not arrive as they were sent" in told.stderr
    listed = data.root_run(STATE, check=True).stdout
    assert ".wb-new" not in listed and [x.split()[0] for x in listed.splitlines()] == [x.split()[0] for x in before.splitlines()]
    broken = replace(KIT, instance=desk.running.settings.name, audit_user="two words")
    told = data.root_run("sh -s", stdin=kit_script.install("mint-data", broken))
    assert told.returncode == 1 and "visudo refuses its sudoers lines" in told.stderr
    assert data.root_run(STATE, check=True).stdout == listed  # nothing was moved into its place
    not_root = data.root_run("su -s /bin/sh nobody -c 'sh -s'", stdin=script)
    assert not_root.returncode == 1 and "this is not root" in not_root.stderr


def test_users_and_keys_that_were_there_before_stay(desk: Desk) -> None:
    """The lab's hosts come with users and keys of their own making: what the kit did not bring, it does not take."""
    data = desk.running.host("mint-data")
    keys = "cat /etc/ssh/authorized_keys.d/wbaudit /etc/ssh/authorized_keys.d/wbhand; id wbaudit wbhand"
    before = data.root_run(keys, check=True).stdout
    script = desk.waveboard("vm", "kit", "mint-data").stdout
    assert "made: user" not in data.root_run("sh -s", stdin=script, check=True).stdout
    with_ours = data.root_run(keys, check=True).stdout
    assert with_ours != before and set(before.splitlines()) < set(with_ours.splitlines())
    away = desk.waveboard("vm", "kit", "mint-data", "--remove").stdout
    data.root_run("sh -s", stdin=away, check=True)
    assert data.root_run(keys, check=True).stdout == before


def test_a_kit_in_use_is_not_taken_away(desk: Desk) -> None:
    """A plan that is open on the host would be left with nobody to undo it."""
    data = desk.running.host("mint-data")
    desk.planned()
    assert desk.waveboard("apply", "w8b.plan", crash_at="do.after:w8b-01b").returncode == KILLED
    told = data.root_run("sh -s", stdin=desk.waveboard("vm", "kit", "mint-data", "--remove").stdout)
    assert told.returncode == 1 and "cannot take the kit away" in told.stderr
    desk.ok("undo", "w8b.plan")
