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


SHELLS = [words for words in (["sh"], ["dash"], ["busybox", "sh"]) if shutil.which(words[0])]


def cut(shell: list[str], text: str) -> str:
    """The text as the program lets it out on the socket way, by the program's own function; in busybox by its own sed."""
    functions = program.text().partition("\nsecrets() {")[2].partition("\nask() {")[0]
    own = 'sed() { busybox sed "$@"; }\n' if shell[0] == "busybox" else ""
    argv = [*shell, "-c", f"{own}secrets() {{{functions}\nsecrets"]
    ran = subprocess.run(argv, input=text + "\n", capture_output=True, text=True, check=True, timeout=60, env=PLAIN)
    assert ran.stderr == ""
    return ran.stdout.removesuffix("\n")


SETTINGS = {
    "none": (None, ""),
    "empty": (b"", ""),
    "a root": (b'{\n\t"data-root": "/mnt/data/docker"\n}\n', '{  "data-root": "/mnt/data/docker" } '),
    "escapes": (b'{"a": "b\\\\c\\"d"}', '{"a": "b\\\\c\\"d"}'),
    "not JSON": (b"{", "{"),
    "a password": (b'{"log-opts": {"splunk-Token": "CANARY"}}', None),
    "a user": (b'{"proxies": {"http-proxy": "http://CANARY:x@h/"}}', None),
    "a key": (b'{"api-key" : "CANARY"}', None),
    "a byte": (b'{"a": "\xff"}', None),
    "a control character": (b'{"a": "\x1b"}', None),
    "a zero byte": (b'{"a": "\0"}', None),
    "much": (b" " * 65537, None),
}


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("what", SETTINGS)
def test_daemon_json_is_told_as_the_reader_tells_it(tmp_path: Path, shell: list[str], what: str) -> None:
    """And so a data-root that waits for docker's next start is seen on this way too."""
    raw, wanted = SETTINGS[what]
    file = tmp_path / "daemon.json"
    if raw is not None:
        file.write_bytes(raw)
    function = program.text().partition("\nsettings() {")[2].partition("\nengine() {")[0]
    argv = [*shell, "-c", f'settings() {{{function}\nsettings "$1"', "sh", file]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60, env=PLAIN)
    told = json.loads(ran.stdout)
    assert ran.stderr == "" and "CANARY" not in ran.stdout
    assert (told["doc"], told.get("body")) == ("host.daemon_json", wanted)


PLAIN = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
LIMITS = {"max-file": "3", "max-size": "10m"}
FOREIGN = [
    *("", "m", "ma", "max", "max-", "master-key", "max-size2", "max-sizes", "xmax-size", "max-foo", "MAX-SIZE"),
    *("a\\b", "max-size\\", '"max-size', 'x","max-size', "max-size\\u0022", "é", "{", "}", "#", "},", "\n"),
]


def inspected(config: object, **more: object) -> str:
    host = {"Before": "1", "LogConfig": {"Type": "json-file", "Config": config, **more}, "After": {"x": ["y"]}}
    return json.dumps(
        {"doc": "docker.container", "ok": True, "body": {"HostConfig": host}}, separators=(",", ":"), ensure_ascii=False
    )


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_of_a_logs_options_only_its_limits_leave_the_host(shell: list[str]) -> None:
    given, wanted = [], []
    for key in FOREIGN:
        for kept in ({}, {"max-file": "3"}, {"max-size": "10m"}, LIMITS, dict(reversed(LIMITS.items()))):
            for config in (
                {key: "CANARY", **kept},
                {**kept, key: "CANARY"},
                _among(kept, key),
                {**_among(kept, key), "z\\": "CANARY"},
            ):
                given.append(inspected(config))
                wanted.append(inspected(kept))
    told = cut(shell, "\n".join(given))
    assert "CANARY" not in told
    assert told.split("\n") == wanted


def _among(kept: dict[str, str], key: str) -> dict[str, str]:
    """The foreign key before, between and after the limits."""
    spread = {f"0{key}": "CANARY"}
    for name, value in kept.items():
        spread |= {name: value, f"{key}{name}{key}~": 'CANARY","max-size":"1"'}
    return spread | {f"{key}z": "CANARY"}


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("config", [None, {}, {"max-size": "10m"}, LIMITS], ids=repr)
def test_what_holds_no_secret_leaves_as_it_is(shell: list[str], config: object) -> None:
    assert cut(shell, inspected(config)) == inspected(config)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    "config", [{"a": 5, "b": "CANARY"}, {"a": {"b": "CANARY"}}, ["CANARY"], {"max-size": ["CANARY"]}, "CANARY"], ids=repr
)
def test_log_options_of_another_form_stay_on_the_host(shell: list[str], config: object) -> None:
    assert "CANARY" not in cut(shell, inspected(config))
    assert "CANARY" not in cut(shell, inspected(config).replace('"Type":"json-file",', ""))
    assert "CANARY" not in cut(shell, inspected({"k": "CANARY"}).replace("json-file", 'a\\"b'))


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_many_log_options_are_cut_as_well(shell: list[str]) -> None:
    many = {f"option-{n}": "CANARY" * 4 for n in range(2000)}
    assert cut(shell, inspected({**many, **LIMITS, "z": "CANARY"})) == inspected(LIMITS)
