"""A host without the reader where the auditor may use the docker socket: the same facts by curl, secrets cut."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audit.trees import AT, NONCE
from waveboard.audit import bundle, facts, program
from waveboard.model.facts import ConfigFiles, Docker, Unavailable, WriteSurfaces
from waveboard.model.logs import LogSettings

ENGINE = Path(__file__).parents[1] / "hand" / "fake_engine.py"
USABLE = (
    os.geteuid() == 0 and shutil.which("unshare") and shutil.which("curl") and not Path("/usr/local/libexec/waveboard").exists()
)


@pytest.mark.skipif(not USABLE, reason="needs root, unshare and curl, and no reader installed")
def test_docker_by_curl(tmp_path: Path) -> None:
    script = tmp_path / "program.sh"
    script.write_text(program.with_params(NONCE))
    unshared = ["unshare", "-m", "-n", "--propagation", "private", sys.executable, str(ENGINE), str(script), str(tmp_path)]
    ran = subprocess.run(unshared, capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert {line.split()[0] for line in told["seen"]} == {"GET"}
    evidence = bundle.gather("h", told["out"].encode(), NONCE, program.digest(), AT)
    assert not evidence.failure
    section = evidence.probes["docker"].stdout.decode()
    kept = [line for line in section.splitlines() for _ in range(line.count("CANARY"))]
    assert len(kept) == 3, "a version, the engine's own label and a foreign driver's option: what sed cannot know"
    assert "PASSWORD" not in section
    known = facts.read(evidence)
    docker = known[Docker]
    assert [one.name for one in docker.containers] == ["cache", "stopped"]
    assert docker.containers[0].writable_bytes == 12 and docker.containers[0].table is None
    assert docker.containers[0].log == LogSettings("json-file", "10m") and docker.containers[1].log is None
    assert docker.layers_bytes == 7
    for noun in (ConfigFiles, WriteSurfaces):
        assert isinstance(known.get(noun), Unavailable)
