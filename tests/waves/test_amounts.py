"""What a plan says of bytes and downtime where nobody measured them: at most, or unknown; and a limit holds on neither by luck."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.waves import estate as E
from waveboard.model.change import Plan
from waveboard.model.errors import HostError, RefusedError
from waveboard.model.facts import Container, ContainerMount, Docker, FilesystemUsage, Usage, WriteSurfaces
from waveboard.waves import plan_json, show
from waveboard.waves.estimate import move_seconds

FULL = Usage({"/": FilesystemUsage("/", "/dev/sda", 50 * 10**9, 3 * 10**9, 47 * 10**9)})
BIND = E.container("db", "db", ContainerMount("bind", "/var/lib/postgresql/data", "/srv/pg"))
BIND_THERE = E.container("db", "db", ContainerMount("bind", "/var/lib/postgresql/data", "/mnt/data/pg"))
GOVERN = E.step("govern_write_surface", container="db", path="/tmp/up", to="/srv/up")
NAME = E.step("name_volume", container="db", volume="shop_db", to="/mnt/data/pg")


def bare(container: Container) -> Container:
    return replace(container, mounts=())


def planned(*steps: object, docker: Docker | None = None, usage: Usage | None = None, **more: object) -> Plan:
    nouns = {"docker": docker or E.docker(), **({"usage": usage} if usage else {})}
    surfaces = more.pop("surfaces", None)
    found = E.facts(**nouns, **({"surfaces": surfaces} if surfaces else {}))
    return E.planned(*steps, facts=found, **more)


def told(plan: Plan) -> str:
    return show.text(plan, "sha256:" + "0" * 64)


def test_what_was_measured_is_about_so_much_and_the_plan_is_spelt_as_before() -> None:
    plan = planned(E.MOUNT, E.DB, usage=FULL)
    assert plan.steps[-1].copy_bytes == 5_000_000 and plan.steps[-1].amount == "measured"
    assert "copies about 5.0 MB" in told(plan) and b'"amounts"' not in plan_json.to_bytes(plan)


def test_a_directory_is_at_most_what_its_filesystem_holds() -> None:
    plan = planned(E.MOUNT, E.DB, docker=E.docker(containers=(BIND,)), usage=FULL)
    assert plan.steps[-1].copy_bytes == 3 * 10**9 and plan.steps[-1].downtime_s == move_seconds(3 * 10**9)
    assert "copies at most 3.0 GB · down at most 60 s" in told(plan)
    assert "at most 60 s of downtime; copies at most 3.0 GB (0 of 1 sizes measured)" in told(plan)
    assert b'"amounts":{"m1-02":"at-most"}' in plan_json.to_bytes(plan)
    assert plan_json.from_bytes(plan_json.to_bytes(plan)) == plan


def test_a_directory_on_a_filesystem_that_nobody_measured_is_unknown() -> None:
    plan = planned(E.MOUNT, E.DB, E.CACHE, docker=E.docker(containers=(BIND, E.docker().containers[1])))
    assert [s.amount for s in plan.steps] == ["measured", "measured", "unknown", "measured"]
    assert "copies an unknown amount · down for at least 20 s" in told(plan)
    assert "unknown downtime; copies unknown (1 of 2 sizes measured)" in told(plan)
    assert plan_json.from_bytes(plan_json.to_bytes(plan)) == plan


def test_a_limit_is_held_by_what_is_known_alone() -> None:
    bind = E.docker(containers=(BIND,))
    assert planned(E.MOUNT, E.DB, docker=bind, usage=FULL, max_downtime_s=60)
    with pytest.raises(HostError, match=r"up to 60 s .* allows 59 s, and 0 of 1 sizes are measured") as over:
        planned(E.MOUNT, E.DB, docker=bind, usage=FULL, max_downtime_s=59)
    with pytest.raises(HostError, match=r"nobody knows .* m1-02 .*0 of 1 sizes are measured") as unknown:
        planned(E.MOUNT, E.DB, docker=bind, max_downtime_s=600_000)
    assert over.value.exit_code == unknown.value.exit_code == 5 and "max_downtime_s" in unknown.value.fix
    with pytest.raises(RefusedError, match=r"at least 20 s of downtime"):  # too much already with what is known
        planned(E.MOUNT, E.DB, docker=bind, max_downtime_s=19)


@pytest.mark.parametrize(
    "docker",
    [
        E.docker(layers_bytes=None),
        E.docker(build_cache_bytes=None),
        E.docker(containers=(replace(E.docker().containers[0], writable_bytes=None),)),
        E.docker(volumes=(replace(E.docker().volumes[0], size_bytes=None),)),
    ],
)
def test_a_data_root_with_one_part_unmeasured_is_not_measured(docker: Docker) -> None:
    assert planned(E.MOUNT, E.ROOT, docker=docker).steps[-1].amount == "unknown"
    step = planned(E.MOUNT, E.ROOT, docker=docker, usage=FULL).steps[-1]
    assert (step.amount, step.copy_bytes) == ("at-most", 3 * 10**9)


def test_a_volume_that_docker_did_not_measure_is_at_most_its_filesystem() -> None:
    volumes = tuple(replace(v, size_bytes=None) for v in E.docker().volumes)
    assert planned(E.MOUNT, E.DB, docker=E.docker(volumes=volumes), usage=FULL).steps[-1].amount == "at-most"
    assert planned(E.MOUNT, E.DB, docker=E.docker(volumes=())).steps[-1].amount == "unknown"


def test_what_only_gets_a_name_copies_nothing() -> None:
    step = planned(E.MOUNT, NAME, docker=E.docker(containers=(BIND_THERE,))).steps[-1]
    assert (step.amount, step.copy_bytes) == ("measured", 0)


def test_a_write_surface_is_at_most_its_layer() -> None:
    layer = E.docker(containers=(replace(bare(BIND), writable_bytes=1000),))
    listed = WriteSurfaces({"db": (("/tmp/up", 10),)})
    exact, most = planned(GOVERN, docker=layer, surfaces=listed).steps[0], planned(GOVERN, docker=layer).steps[0]
    assert (exact.amount, exact.copy_bytes) == ("measured", 2010)
    assert (most.amount, most.copy_bytes) == ("at-most", 3000)
    unseen = E.docker(containers=(replace(bare(BIND), writable_bytes=None),))
    assert planned(GOVERN, docker=unseen, surfaces=listed).steps[0].amount == "unknown"
    assert planned(GOVERN, docker=unseen, surfaces=listed, usage=FULL).steps[0].copy_bytes == 6 * 10**9 + 10
