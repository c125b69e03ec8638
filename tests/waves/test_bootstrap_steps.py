"""The kinds of step a bootstrap adds: what they ask for, what they refuse, and that what is already so drops out of the plan."""

import json
from dataclasses import replace

import pytest

from tests.waves import estate as E
from waveboard.model.change import Plan
from waveboard.model.contract import StepSpec
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.evidence import digest_of
from waveboard.model.facts import ConfigFile, ConfigFiles, Docker, HostFacts, PathFact, Paths, Unavailable
from waveboard.waves import plan as planner

PREPARE = E.step("prepare_docker", to="/mnt/data/docker", log_max_bytes=10**7, log_files=3)
ROTATE = E.step("set_log_rotation", max_bytes=10**7, files=3)
MAKE = E.step("make_directories", paths=["/mnt/data/shop/db"])
REBOOT = E.step("reboot", when="changed")
STOCK = "/var/lib/docker"


def blank(**nouns: object) -> HostFacts:
    """A host with a blank data disk whose docker has never run."""
    made = E.facts(paths=Paths({STOCK: PathFact(STOCK, None, False, "/var/lib")}), **nouns)
    return replace(made, nouns={**made.nouns, Docker: Unavailable("no socket")})


def made(*steps: StepSpec, facts: HostFacts) -> Plan:
    return planner.make(E.wave(*steps), E.contract(), {"shop-1": facts}, instance="i", proposer="me", gates="sha256:g", at=E.AT)


def test_docker_gets_its_root_before_it_first_starts() -> None:
    *_, prepare, folders, restart = made(E.MOUNT, PREPARE, MAKE, REBOOT, facts=blank()).steps
    assert (prepare.verb, folders.verb, restart.verb) == ("docker_prepare", "directories_make", "reboot")
    after = json.loads(str(prepare.args["daemon_json_after"]))
    assert after["data-root"] == "/mnt/data/docker" and after["log-opts"] == {"max-size": "10000k", "max-file": "3"}
    assert prepare.args["daemon_json_before_sha256"] is None and restart.downtime_s > 0


@pytest.mark.parametrize(
    "stock",
    [
        PathFact(STOCK, STOCK, True, None, non_empty=True),
        PathFact(STOCK, STOCK, True, None, non_empty=None),
        PathFact(STOCK, None, False, "/var", blocked="/var"),
    ],
)
def test_a_docker_that_may_hold_data_is_never_prepared(stock: PathFact) -> None:
    facts = blank()
    with pytest.raises(RefusedError, match=r"docker may hold data|could not be looked at"):
        made(E.MOUNT, PREPARE, facts=replace(facts, nouns={**facts.nouns, Paths: Paths({STOCK: stock})}))


def test_a_docker_that_runs_is_never_prepared() -> None:
    with pytest.raises(RefusedError, match="docker runs already"):
        made(E.MOUNT, PREPARE, facts=E.facts())


def test_the_root_must_lie_on_the_disk_that_is_mounted() -> None:
    with pytest.raises(RefusedError, match="not below a data disk"):
        made(PREPARE, facts=blank())
    with pytest.raises(RefusedError, match="not below a data disk"):
        made(MAKE, facts=blank())


def test_log_limits_follow_the_moved_root_in_the_same_file() -> None:
    move, rotate = made(E.MOUNT, E.ROOT, ROTATE, facts=with_settings("{}")).steps[2:]
    before = str(move.args["daemon_json_after"])
    assert rotate.args["before_sha256"] == digest_of(before.encode())
    assert json.loads(str(rotate.args["after"])).keys() >= {"data-root", "log-opts"}


def with_settings(text: str) -> HostFacts:
    file = ConfigFile("/etc/docker/daemon.json", digest_of(text.encode()).removeprefix("sha256:"), tuple(text.splitlines()))
    known = E.facts()[ConfigFiles].by_path
    return E.facts(files=ConfigFiles({**known, file.path: file}))


def test_what_is_already_so_is_not_planned_and_nothing_is_restarted() -> None:
    there = Paths({"/mnt/data/shop/db": PathFact("/mnt/data/shop/db", "/mnt/data/shop/db", True, None)})
    text = '{"log-driver": "json-file", "log-opts": {"max-size": "10000k", "max-file": "3"}}'
    facts = with_settings(text)
    facts = replace(facts, nouns={**facts.nouns, Paths: there})
    assert made(ROTATE, MAKE, REBOOT, facts=facts).steps == ()
    assert [s.verb for s in made(ROTATE, MAKE, E.step("reboot"), facts=facts).steps] == ["reboot"]


@pytest.mark.parametrize("text", ["[]", "{"])
def test_settings_that_are_no_object_are_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="not a JSON object"):
        made(ROTATE, facts=with_settings(text))


@pytest.mark.parametrize(
    "step",
    [E.step("reboot", when="maybe"), E.step("make_directories", paths="x"), E.step("set_log_rotation", max_bytes="1", files=1)],
)
def test_parameters_of_another_kind_are_told(step: StepSpec) -> None:
    with pytest.raises(ContractError):
        made(step, facts=E.facts())
