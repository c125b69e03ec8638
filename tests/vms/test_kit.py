"""The kit for a host that is there already: the same files as a new VM's seed, in a script that a shell accepts and a cut spoils not."""

from __future__ import annotations

import base64
import gzip
import json
import shlex
import subprocess
from dataclasses import replace

import pytest

from tests.hypervisors.estate import KIT, SPEC
from waveboard.vms import kit_script, seed
from waveboard.vms.kit import SUDOERS, placed

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
    assert len(told["write_files"]) == len(placed(SPEC.host, REAL)) == 5


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
