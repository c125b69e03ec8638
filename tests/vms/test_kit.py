"""The kit for a host that is there already: the same files as a new VM's seed, in a script that a shell accepts and a cut spoils not."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hypervisors.estate import KIT, SPEC
from waveboard.vms import kit_script, seed
from waveboard.vms.kit import SETTINGS, SUDOERS, placed

REAL = replace(KIT, hand=b"#!/usr/bin/python3\nprint('$HOME `id` \\\\')\n", reader=b"#!/usr/bin/python3\n")


def shell(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", *words], input=script, capture_output=True, text=True, check=False, timeout=30)


def test_the_seed_of_a_new_vm_and_the_script_carry_the_same_files_and_keys() -> None:
    told = json.loads(seed.files(SPEC, REAL)["user-data"].removeprefix("#cloud-config\n"))
    script = kit_script.install(SPEC.host, REAL)
    for one in told["write_files"]:
        raw = gzip.decompress(base64.b64decode(one["content"])).decode()
        assert f"stage {one['path']} {one['permissions']} " in script and f"\n{raw}END_OF_" in script
    for account in told["users"][:2]:
        (line,) = account["ssh_authorized_keys"]
        assert f"login {account['name']} << 'END_OF_KEYS'\n{line}\n" in script
    assert len(told["write_files"]) == len(placed(SPEC.host, REAL)) == 6


def test_a_host_is_told_who_is_who_and_how_many_must_sign() -> None:
    told = json.loads(placed(SPEC.host, REAL)[0].raw)
    assert told == {"instance": "i", "hostname": "new-1", "people": {"ronny": ["ronny@desk"]}, "quorum": 2, "four_eyes": True}


def test_the_reader_is_told_whose_redis_it_may_ask_and_the_file_goes_with_the_kit() -> None:
    (settings,) = [one for one in placed(SPEC.host, REAL) if one.path == SETTINGS]
    assert (
        json.loads(settings.raw) == {"redis": ["cache"]} and settings.mode == "0644"
    )  # more than root's to write, and the reader refuses it
    assert f"    gone {SETTINGS}\n" in kit_script.remove(SPEC.host, REAL)


@pytest.mark.parametrize("script", [kit_script.install("new-1", REAL), kit_script.remove("new-1", REAL)])
def test_a_posix_shell_accepts_it_and_half_of_it_does_nothing(script: str) -> None:
    assert shell(script, "-n").stderr == ""
    assert script.endswith("\n}\nmain\n")  # everything is in functions: a cut at any line calls none
    for lines in range(len(script.splitlines()) - 1):
        cut = "\n".join(script.splitlines()[:lines])
        if lines % 7 == 0:
            assert "written:" not in shell(cut).stdout + shell(cut).stderr
    assert KIT.host_key not in script


def test_content_that_is_no_text_arrives_whole_as_well() -> None:
    script = kit_script.install("new-1", replace(REAL, reader=b"PK\x03\x04\x00\xff"))
    assert "base64 -d << '" in script and shell(script, "-n").returncode == 0


def test_names_cannot_become_commands() -> None:
    hostile = "x'; touch /nowhere; '"
    script = kit_script.install("new-1", replace(REAL, instance=hostile))
    (line,) = [one for one in script.splitlines() if '"$(told instance)" =' in one]
    words = shlex.split(line.rstrip("\\"))
    assert words[words.index("=") + 1] == hostile and shell(script, "-n").returncode == 0


def test_one_user_for_both_gets_both_lines() -> None:
    script = kit_script.install("new-1", replace(REAL, mutate_user=REAL.audit_user))
    assert script.count("    login wbaudit << ") == 1 and script.count("\nrestrict") == 2


def test_sudoers_are_moved_into_place_after_the_programs_they_name() -> None:
    script = kit_script.install("new-1", REAL)
    order = [line.split()[1] for line in script.splitlines() if line.startswith("    settle /")]
    assert order[-1] == SUDOERS and script.index("    settle /") < script.index("    login ")
    assert script.index("\n    check\n") < script.index("    settle /")


STUBS = {
    "id": 'test -e "$HOSTS_USERS/$2"',  # id -u NAME
    "useradd": 'test -z "${USERADD_FAILS-}" || exit 9\nfor last; do :; done\n: > "$HOSTS_USERS/$last"',
    "userdel": 'for last; do :; done\nrm "$HOSTS_USERS/$last"',
    "getent": 'echo "$2:x:1:1::$HOSTS_USERS/home-of-$2:/bin/sh"',
    "sshd": "exit 1",
}


class Sandbox:
    """The script's own functions with a host's users as files of a directory, and the tools that make and remove them as stubs."""

    def __init__(self, tmp: Path) -> None:
        self.users, self.bin, self.list = tmp / "users", tmp / "bin", tmp / "kit.users"
        self.users.mkdir()
        self.bin.mkdir()
        for name, body in STUBS.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{body}\n")
            (self.bin / name).chmod(0o755)

    def run(self, script: str, call: str, **env: str) -> subprocess.CompletedProcess[str]:
        functions = script.partition("\n# in one function")[0].replace(kit_script.USERS, str(self.list))
        functions = functions.replace("\nPATH=", f"\nPATH={self.bin}:", 1)
        return subprocess.run(
            ["sh"],
            input=f"{functions}\n{call}\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env={**env, "HOSTS_USERS": str(self.users), "PATH": os.environ["PATH"]},
        )


INSTALL, REMOVE = kit_script.install("new-1", REAL), kit_script.remove("new-1", REAL)


def test_a_user_that_the_kit_made_is_taken_away_with_it(tmp_path: Path) -> None:
    host = Sandbox(tmp_path)
    assert host.run(INSTALL, "account wbaudit").returncode == 0
    assert (host.users / "wbaudit").exists() and host.list.read_text() == "wbaudit\n"
    assert "removed: user wbaudit" in host.run(REMOVE, "logout wbaudit").stdout
    assert not (host.users / "wbaudit").exists()


def test_a_user_that_the_kit_could_not_make_and_an_admin_made_stays(tmp_path: Path) -> None:
    host = Sandbox(tmp_path)
    assert host.run(INSTALL, "account wbaudit", USERADD_FAILS="1").returncode == 9
    (host.users / "wbaudit").touch()  # somebody makes it by hand, with a home of its own
    assert host.run(INSTALL, "account wbaudit").returncode == 0
    removal = host.run(REMOVE, "logout wbaudit")
    assert removal.returncode == 0 and "removed: user" not in removal.stdout
    assert (host.users / "wbaudit").exists()


def test_a_name_is_compared_as_it_is_written_and_not_as_a_pattern(tmp_path: Path) -> None:
    host = Sandbox(tmp_path)
    host.list.write_text("wbxaudit\n")
    (host.users / "wb.audit").touch()
    assert host.run(REMOVE, "logout wb.audit").returncode == 0
    assert (host.users / "wb.audit").exists()
