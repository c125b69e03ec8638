"""W8D on a real host: what is listed goes and is evidenced, what is not listed stays, what came into use is refused, all of it comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab import workspace
from tests.lab.desk import KILLED, Desk, every_boundary

pytestmark = pytest.mark.lab

STEPS = ("w8d-01", "w8d-02", "w8d-03", "w8d-04")
SAMPLE = ("do.after:w8d-01", "do-outcome.before:w8d-03")
SAMPLE_UNDO = ("undo.after:w8d-03",)
COMPOSE = "/opt/stacks/mint-apps/docker-compose.yml"
UPLOADS = "docker exec mint-apps-quote-page sh -c 'cd /tmp/quote-page-uploads && sha256sum * && stat -c \"%n %u %g %a\" . *'"
WEIGHT = 'RUN head -c 12000000 /dev/urandom > /weight && echo "$APP $RELEASE" > /release'  # as the plant built it, in no image
ASSETS = "RUN mkdir -p /srv/cgi-bin /usr/lib/mint && head -c 2000000 /dev/urandom > /usr/lib/mint/assets.pack"  # in every image
CACHE = "curl -fsS --unix-socket /var/run/docker.sock 'http://docker/system/df?type=build-cache'"


@pytest.fixture
def apps(running_lab: lab.Lab) -> Iterator[lab.Host]:
    """mint-apps for a test that changes it; drifted again afterwards."""
    yield running_lab.host("mint-apps")
    lab.reset(["mint-apps"], settings=running_lab.settings)


@pytest.fixture
def desk(running_lab: lab.Lab, apps: lab.Host, tmp_path: Path) -> Desk:
    tmp_path.chmod(0o700)
    return Desk(running_lab, workspace.make(running_lab, tmp_path / "mint"))


def said(host: lab.Host, script: str) -> str:
    return host.root_run(script, seconds=180, check=True).stdout


INSPECT = "{{.Name}} {{.Image}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}} {{json .Mounts}}"


def shape(host: lab.Host) -> dict[str, str]:
    """Everything an undo must bring back, asked without waveboard."""
    files = "find /tmp -maxdepth 1 -type f -exec sha256sum {} + | sort"
    return {
        "uploads": said(host, UPLOADS),
        "images": said(host, "docker images --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' | sort"),
        "tmp": said(host, f"{files}; find /tmp -maxdepth 1 -type f -printf '%p %U %G %m %i\\n' | sort"),
        "compose": said(host, f"sha256sum {COMPOSE}; stat -c '%a %u %g' {COMPOSE}"),
        "containers": said(host, f"docker inspect -f '{INSPECT}' $(docker ps -aq) | sort"),
        "layer": said(host, "docker exec mint-apps-quote-page cat /root/kept-in-the-layer"),
    }


def rests_on(host: lab.Host) -> dict[str, set[str]]:
    """Record of the build cache -> those it rests on."""
    return {
        one["ID"]: set(one.get("Parents") or one.get(" Parents") or ()) for one in json.loads(said(host, CACHE))["BuildCache"]
    }


def cache(host: lab.Host) -> set[str]:
    return set(rests_on(host))


def planned(desk: Desk) -> dict[str, list[str]]:
    """Plan and sign W8D; what each of its steps lists for deletion."""
    desk.ok("plan", "W8D", "-o", "w8d.plan", code=2)
    desk.sign("w8d.plan", desk.running.keys.approval, "ronny@mint")
    steps = json.loads((desk.directory / "w8d.plan").read_text())["steps"]
    return {step["id"]: step["deletes"] for step in steps}


def plant(host: lab.Host) -> str:
    """An image and a build cache record that no plan can list yet; the image's id."""
    said(host, "mkdir -p /run/late && printf 'FROM mint/busybox:1\\nRUN echo late > /late\\n' > /run/late/Dockerfile")
    said(host, "docker build -q -t mint/late:1 /run/late")
    return said(host, "docker image inspect -f '{{.Id}}' mint/late:1").strip()


@pytest.mark.parametrize(
    ("crashes", "undo_crashes"),
    [pytest.param(SAMPLE, SAMPLE_UNDO, id="a sample"), *every_boundary(STEPS)],
)
def test_hygiene_removes_what_is_listed_survives_kills_and_is_undone(
    desk: Desk, apps: lab.Host, crashes: tuple[str, ...], undo_crashes: tuple[str, ...]
) -> None:
    data = desk.running.host("mint-data")
    foreign = said(data, "docker ps -aq --no-trunc | sort; docker images -q --no-trunc | sort; ls -A /var/lib")
    said(apps, "docker exec mint-apps-quote-page sh -c 'echo kept > /root/kept-in-the-layer'")
    before, records = shape(apps), cache(apps)
    deletes = planned(desk)
    images = {one.partition(":")[2] for one in deletes["w8d-03"]}
    listed = {one.partition(":")[2] for one in deletes["w8d-04"]}
    assert images and listed < records and not deletes["w8d-01"] and not deletes["w8d-02"]
    late, late_records = plant(apps), cache(apps) - records
    assert late_records
    for place in crashes:
        assert desk.waveboard("apply", "w8d.plan", crash_at=place).returncode == KILLED, place
    assert "every step is applied" in desk.ok("apply", "w8d.plan")
    after = shape(apps)
    assert (after["uploads"], after["layer"]) == (before["uploads"], "kept\n")
    assert "/opt/stacks/mint-apps/runtime/quote-page-uploads" in after["containers"]
    gone = set(before["images"].splitlines()) - set(after["images"].splitlines())
    assert {line.split()[0] for line in gone} == images and late in after["images"]
    assert cache(apps) == (records - listed) | late_records
    assert "tmp-large-file" not in desk.ok("verify", "mint-storage", code=2)
    close = desk.ok("close", "w8d.plan", code=3)  # three stable runs take longer than a test
    for gate in ("D237", "D238"):
        assert f'holds    gate_passes: {{"gate":"{gate}","hosts":["mint-apps"]}}' in close
    for what in (*deletes["w8d-03"], *deletes["w8d-04"]):
        assert f"delete {what}  removed" in close
    for place in undo_crashes:
        assert desk.waveboard("undo", "w8d.plan", crash_at=place).returncode == KILLED, place
    desk.ok("undo", "w8d.plan")
    back = shape(apps)
    assert late in back["images"]
    assert {**back, "images": ""} == {**before, "images": ""}
    assert set(back["images"].splitlines()) - {f"{late} mint/late:1"} == set(before["images"].splitlines())
    assert said(data, "docker ps -aq --no-trunc | sort; docker images -q --no-trunc | sort; ls -A /var/lib") == foreign
    desk.ok("receipts", "verify")


def test_an_image_that_came_into_use_is_refused_and_the_wave_goes_back(desk: Desk, apps: lab.Host) -> None:
    said(apps, "docker exec mint-apps-quote-page sh -c 'echo kept > /root/kept-in-the-layer'")
    before = shape(apps)
    planned(desk)
    assert desk.waveboard("apply", "w8d.plan", crash_at="intent.before:w8d-03").returncode == KILLED
    said(apps, "docker create --name late mint/quote-page:1.4.0")
    told = desk.ok("apply", "w8d.plan", code=6)
    assert "container late (created) uses it" in told and "every step was taken back" in told
    said(apps, "docker rm late")
    assert shape(apps) == before


def built_upon(apps: lab.Host, run: str) -> tuple[set[str], set[str]]:
    """Build again from the cache up to this line and one line more; the records before and after."""
    before, place = cache(apps), "/run/upon"
    lines = ("FROM mint/busybox:1", "ARG APP RELEASE", run, "RUN echo more > /more")
    said(apps, f"mkdir -p {place}; cat > {place}/Dockerfile <<'EOF'\n" + "\n".join(lines) + "\nEOF")
    said(apps, f"docker build -q --build-arg APP=quote-page --build-arg RELEASE=1.4.0 {place}")
    return before, cache(apps)


def test_a_cache_record_that_was_built_on_since_is_refused(desk: Desk, apps: lab.Host) -> None:
    said(apps, "docker exec mint-apps-quote-page sh -c 'echo kept > /root/kept-in-the-layer'")
    deletes = planned(desk)
    listed = {one.partition(":")[2] for one in deletes["w8d-04"]}
    assert desk.waveboard("apply", "w8d.plan", crash_at="intent.before:w8d-04").returncode == KILLED
    _, there = built_upon(apps, ASSETS)
    resting = {record for record, parents in rests_on(apps).items() if parents & listed and record not in listed}
    assert resting and listed <= there, "the build rests on a record the plan lists, which kept its id"
    assert "was built on it since" in desk.ok("apply", "w8d.plan", code=6)
    assert cache(apps) == there
    # the plan is taken back, and what it kept meanwhile is given back under a plan and approvals of its own
    aside = "ls -d /opt/stacks/mint-apps/runtime/*.wb-* /opt/stacks/mint-apps/runtime/aside/*"
    there = set(said(apps, aside).split())
    before = shape(apps)
    desk.ok("retire", "w8d.plan", "-o", "retire.plan", code=2)
    (step,) = json.loads((desk.directory / "retire.plan").read_text())["steps"]
    assert set(step["deletes"]) == there and any(".tar" in one for one in there)
    desk.sign("retire.plan", desk.running.keys.approval, "ronny@mint")
    assert "1 of 2 needed approvals" in desk.ok("apply", "retire.plan", code=4)
    desk.sign("retire.plan", desk.running.keys.second, "dana@mint")
    desk.ok("apply", "retire.plan")
    assert apps.root_run(aside).stdout == "" and shape(apps) == before
    assert "is open" not in desk.ok("wave", "list")
    assert "nothing is set aside" in desk.ok("retire", "w8d.plan", code=3)


def test_a_cache_record_that_a_build_took_under_another_id_stays(desk: Desk, apps: lab.Host) -> None:
    """Building on a record that no image holds yet makes the engine give it a new id: the listed one is gone, the new one is not listed."""
    deletes = planned(desk)
    listed = {one.partition(":")[2] for one in deletes["w8d-04"]}
    assert desk.waveboard("apply", "w8d.plan", crash_at="intent.before:w8d-04").returncode == KILLED
    before, there = built_upon(apps, WEIGHT)
    assert before - there and before - there <= listed
    desk.ok("apply", "w8d.plan")
    assert cache(apps) == there - listed and there - before <= cache(apps)


def test_retire_gives_back_what_hygiene_set_aside(desk: Desk, apps: lab.Host) -> None:
    planned(desk)
    desk.ok("apply", "w8d.plan")
    desk.ok("retire", "w8d.plan", "-o", "retire.plan", code=2)
    aside = "ls -d /opt/stacks/mint-apps/runtime/*.wb-* /opt/stacks/mint-apps/runtime/aside/*"
    there = said(apps, aside).split()
    (step,) = json.loads((desk.directory / "retire.plan").read_text())["steps"]
    assert sorted(step["deletes"]) == sorted(there) and len(there) == 4
    desk.sign("retire.plan", desk.running.keys.approval, "ronny@mint")
    desk.sign("retire.plan", desk.running.keys.second, "dana@mint")
    said(apps, "touch /opt/stacks/mint-apps/runtime/aside/not-ours")
    desk.ok("apply", "retire.plan")
    assert apps.root_run(aside).stdout.split() == ["/opt/stacks/mint-apps/runtime/aside/not-ours"]
    told = desk.ok("undo", "w8d.plan", code=3)  # what it would load is gone, and that is said before anything moves
    assert told.count("cannot undo W8D") == 1 and "has been retired since" in told and "Traceback" not in told
