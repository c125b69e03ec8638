"""`vm kit` at the door: a script for a host that the workspace says enough about, one error for any other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.test_adopt import HOSTS, WORKSPACE
from waveboard.cli import run

ACCESS = """access: {audit_user: wbaudit, audit_key: keys/audit, mutate_user: wbhand, mutate_key: keys/hand, known_hosts: known_hosts}
approvals: {allowed_signers: signers, quorum: 1, four_eyes: false}
"""
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{} me@desk\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    (tmp_path / "keys").mkdir()
    texts = {"waveboard.yaml": WORKSPACE + ACCESS, "hosts.yaml": HOSTS, "signers": "ann ssh-ed25519 AAAA\n", "known_hosts": ""}
    texts |= {f"keys/{name}.pub": PUBLIC.format(name) for name in ("audit", "hand")}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def test_the_script_holds_the_workspaces_keys_and_programs_and_makes_no_host_key(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--workspace", str(shop), "vm", "kit", "mint-data"]) == 0
    script = capsys.readouterr().out
    assert "restrict ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIaudit waveboard\n" in script and "ann ssh-ed25519 AAAA\n" in script
    assert (Path(__file__).resolve().parents[2] / "hand" / "wb_ro.py").read_text() in script
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    assert not (shop / ".waveboard" / "host-keys").exists()
    assert run(["--workspace", str(shop), "vm", "kit", "mint-data", "--remove"]) == 0
    assert "wb_ro" not in capsys.readouterr().out


SERVICES = """schema: waveboard.services/1
hosts:
  mint-data:
    boundary: disk
    allow_network_block: false
    PROBES
    services:
      - {container: b, engine: redis, data_paths: [/data]}
      - {container: c, engine: postgres, data_paths: [/data]}
      - {container: a, engine: redis, data_paths: [/data]}
"""


@pytest.mark.parametrize(("probes", "named"), [("container_probes: [redis]", '["a","b"]'), ("", "[]")])
def test_the_reader_may_ask_whose_redis_the_contracts_name(
    shop: Path, capsys: pytest.CaptureFixture[str], probes: str, named: str
) -> None:
    (shop / "services.yaml").write_text(SERVICES.replace("PROBES", probes))
    (shop / "waveboard.yaml").write_text(WORKSPACE + ACCESS + "services: services.yaml\n")
    assert run(["--workspace", str(shop), "vm", "kit", "mint-data"]) == 0
    assert f'\n{{"redis":{named}}}\n' in capsys.readouterr().out


def test_what_the_workspace_does_not_say_is_one_error(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(shop), "vm", "kit", "nobody"]) == 1
    assert "the contracts name no such host" in capsys.readouterr().err
    (shop / "keys" / "hand.pub").unlink()
    assert run(["--workspace", str(shop), "vm", "kit", "mint-data"]) == 1
    assert "hand.pub" in capsys.readouterr().err
    (shop / "waveboard.yaml").write_text(WORKSPACE)
    assert run(["--workspace", str(shop), "vm", "kit", "mint-data"]) == 1
    out = capsys.readouterr()
    assert "cannot equip mint-data" in out.err and "mutate_user" in out.err and out.out == ""
