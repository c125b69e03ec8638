"""W8B by the hand alone, over SSH, on a real host of the lab: there, back, interrupted, written to meanwhile, retired."""

from __future__ import annotations

import time
from typing import Any

import pytest

import lab
from tests.hand import driver
from tests.hand.conftest import LabHost
from tests.hand.driver import COMPOSE, Controller, step

pytestmark = pytest.mark.lab

PSQL = "docker exec mint-modules-postgres psql -XqAt -U postgres mint -c"
REDIS = "docker exec mint-modules-redis"
TABLES = ("customers", "events", "quote_lines", "quotes")
OBJECTS = [f"artwork-{n}.bin" for n in range(1, 6)] + [f"quote-{n:04}.json" for n in range(1, 9)]
ALL = ("s-format", "s-mount", "s-root", "s-minio", "s-redis", "s-postgres")

THIEF = """import socket, time
while True:
    try:
        thief = socket.create_server(("", 9000))
        time.sleep(600)
    except OSError:
        time.sleep(0.01)
"""


def held(host: LabHost) -> dict[str, str]:
    """What the three services hold, asked without the hand."""
    rows = " union all ".join(
        f"select '{name}', count(*), md5(string_agg(x::text, ',' order by id)) from {name} x" for name in TABLES
    )
    feed = 'awk \'{print ($1 ~ /^session/ ? "GET " : "HGETALL ") $1}\''
    rows += " order by 1"  # the server runs the parts side by side when it likes, and answers in the order they end
    redis = f"{REDIS} redis-cli --scan | sort | {feed} | docker exec -i mint-modules-redis redis-cli | sha256sum"
    curl = "curl -fsS --retry 40 --retry-delay 1 --retry-all-errors --aws-sigv4 aws:amz:us-east-1:s3 --user mint:mint-lab-only"
    objects = "".join(f"{curl} http://127.0.0.1:9000/quotes/{name} | sha256sum; " for name in OBJECTS)
    return {"postgres": host.root(f'{PSQL} "{rows}"'), "redis": host.root(redis), "s3": host.root(objects, 120)}


def shape(host: LabHost) -> dict[str, str]:
    """Everything of the host that undo must bring back byte for byte."""
    files = "/etc/fstab /etc/docker/daemon.json " + COMPOSE
    inspect = "{{.Name}} {{.Id}} {{.HostConfig.RestartPolicy}} {{.State.Running}} {{json .Mounts}}"
    return {
        "files": host.root(f"sha256sum {files}; stat -c '%n %a %U %G' {files}"),
        "units": host.root("ls -R /etc/systemd/system/docker.service.d 2>&1 || true"),
        "mounts": host.root("findmnt -rno TARGET,SOURCE -t ext4"),
        "places": host.root(
            "ls -A /var/lib /opt/mint /mnt; lsattr -d /var/lib/docker /opt/mint/minio-data; docker info -f '{{.DockerRootDir}}'"
        ),
        "containers": host.root(f"docker inspect -f '{inspect}' $(docker ps -aq) | sort"),
        "volumes": host.root("docker volume ls -q"),
    }


def forward(controller: Controller, names: tuple[str, ...] = ALL) -> None:
    for name in names:
        told = controller.run("do", name)
        assert told["state"] == "done", told
        assert controller.holds(name)[0] == "DONE"


def back(controller: Controller, names: tuple[str, ...] = ALL) -> dict[str, Any]:
    facts = {}
    for name in reversed(names):
        told = controller.run("undo", name)
        assert told["state"] == "done", told
        facts[name] = told["outcome"]["facts"]
    return facts


@pytest.mark.long
def test_w8b_there_survives_a_reboot_and_comes_back(lab_host: LabHost) -> None:
    before, kept = shape(lab_host), held(lab_host)
    controller = lab_host.w8b()
    forward(controller)
    assert held(lab_host) == kept
    sources = lab_host.root("docker inspect -f '{{range .Mounts}}{{.Source}} {{end}}' $(docker ps -q)").split()
    assert sources and all(lab_host.root(f"findmnt -no SOURCE -T {place}").strip() == "/dev/sdb" for place in sources)
    assert controller.start("do", "s-root", 2)["error"]["code"] == "already-applied"
    lab.reboot("mint-data", settings=lab_host.lab.settings)
    lab_host.host.wait_containers()
    assert held(lab_host) == kept
    assert controller.status("do", "s-root")["state"] == "done"  # the journal outlives the unit
    facts = back(controller)
    assert not any(facts[name].get("carried") for name in ALL)
    assert facts["s-mount"]["fstab_exact"]
    assert shape(lab_host) == {**before, "places": shape(lab_host)["places"]}
    # the hand's own state directory is the one thing more
    assert set(shape(lab_host)["places"].split()) - set(before["places"].split()) == {"waveboard"}
    assert held(lab_host) == kept
    assert controller.close("rolled-back")["ok"]


def test_what_was_written_after_the_switch_comes_back_with_the_undo(lab_host: LabHost) -> None:
    controller = lab_host.w8b()
    forward(controller)
    lab_host.root(f"{PSQL} \"insert into events values (90001, now(), 'late')\"")
    lab_host.root("docker exec mint-modules-redis redis-cli set late yes")
    curl = "curl -fsS --aws-sigv4 aws:amz:us-east-1:s3 --user mint:mint-lab-only"
    lab_host.root(f"echo late > /run/late; {curl} -T /run/late http://127.0.0.1:9000/quotes/late.txt")
    facts = back(controller)
    assert all(facts[name]["carried"] for name in ("s-root", "s-minio", "s-redis", "s-postgres"))
    assert lab_host.root("docker info -f '{{.DockerRootDir}}'").strip() == "/var/lib/docker"
    assert lab_host.root(f'{PSQL} "select what from events where id = 90001"').strip() == "late"
    assert lab_host.root("docker exec mint-modules-redis redis-cli get late").strip() == "yes"
    assert (
        lab_host.root(f"{curl} --retry 40 --retry-delay 1 --retry-all-errors http://127.0.0.1:9000/quotes/late.txt").strip()
        == "late"
    )


@pytest.mark.long
def test_retire_gives_back_exactly_what_was_set_aside(lab_host: LabHost) -> None:
    kept, controller = held(lab_host), lab_host.w8b()
    forward(controller)
    aside = lab_host.ask({"op": "aside"})["aside"]
    assert controller.close("done")["ok"]
    paths = [one["path"] for one in aside if one["kind"] == "path"]
    volumes = [one["volume"] for one in aside if one["kind"] == "volume"]
    layers = {one["path"].rpartition("/")[2].partition(".")[0] for one in aside if one["why"] == "layer-copy"}
    assert layers == {"minio", "postgres"} and len(paths) == 2 + len(layers) and len(volumes) == 2
    foreign = step("r0", "retire", {"paths": ["/opt/stacks"], "volumes": []}, reversibility="none", deletes=["/opt/stacks"])
    refusing = lab_host.controller([foreign], fence=2, kind="retire")
    assert refusing.start("do", "r0")["error"]["code"] == "refused"
    assert refusing.close("rolled-back")["ok"]
    deletes = paths + [f"volume:{name}" for name in volumes]
    retiring = lab_host.controller(
        [step("r1", "retire", {"paths": paths, "volumes": volumes}, reversibility="none", deletes=deletes)],
        fence=3,
        kind="retire",
    )
    used = int(lab_host.root("df --output=pcent / | tail -1").strip(" %\n"))
    forward(retiring, ("r1",))
    assert int(lab_host.root("df --output=pcent / | tail -1").strip(" %\n")) < used - 20
    assert held(lab_host) == kept
    assert retiring.close("done")["ok"]
    controller.fence = 3
    assert controller.start("undo", "s-postgres")["ok"]  # its data is carried back from where it is now
    assert controller.wait("undo", "s-postgres")["state"] == "done"
    assert held(lab_host) == kept


def beside(host: LabHost, container: str) -> str:
    """What a container sees of what it wrote itself."""
    return host.root(f"docker exec {container} sh -c 'cat /etc/wb-note* /srv/wb/*; stat -c %a /srv; ls -d /root 2>&1 || true'")


def test_what_containers_wrote_beside_their_data_goes_there_and_back(lab_host: LabHost) -> None:
    names = ("mint-modules-minio", "mint-modules-redis")
    wrote = "mkdir -p /srv/wb; chmod 750 /srv; echo noted > /etc/wb-note; echo queued > /srv/wb/job; rmdir /root"
    for name in names:
        lab_host.root(f"docker exec {name} sh -c '{wrote}'")
    kept, wanted = held(lab_host), [beside(lab_host, name) for name in names]
    assert all("noted\nqueued\n750" in one and "No such file" in one for one in wanted)
    steps = ("s-format", "s-mount", "s-minio", "s-redis")
    controller = lab_host.controller([one for one in driver.w8b_steps(lab_host.root) if one["id"] in steps])
    forward(controller, steps)
    assert [beside(lab_host, name) for name in names] == wanted and held(lab_host) == kept
    ids = "docker inspect -f '{{.Id}}' " + " ".join(names)
    again = f"docker compose -f {COMPOSE} up -d --no-deps minio redis >&2; {ids}"
    assert lab_host.root(ids) == lab_host.root(again)  # compose finds nothing to do
    aside = {one["path"] for one in lab_host.ask({"op": "aside"})["aside"] if one["why"] == "layer-copy"}
    assert len(aside) == 2 and all("queued" in lab_host.root(f"cat {path}/srv/wb/job") for path in aside)
    for name in names:
        lab_host.root(f"docker exec {name} sh -c 'echo later > /etc/wb-note-2'")
    facts = back(controller, steps)
    assert all(facts[name]["layer"] for name in ("s-minio", "s-redis"))
    assert [beside(lab_host, name) for name in names] == [one.replace("noted\n", "noted\nlater\n") for one in wanted]
    assert held(lab_host) == kept


def test_a_power_cut_in_the_middle_is_unknown_then_undone(lab_host: LabHost) -> None:
    before, kept = shape(lab_host), held(lab_host)
    controller = lab_host.w8b()
    forward(controller, ("s-format", "s-mount"))
    assert controller.start("do", "s-root")["ok"]
    deadline = time.monotonic() + 60
    while (controller.status("do", "s-root")["progress"] or {}).get("phase") not in ("copy", "baseline", "stop", "final-copy"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    lab.power_cut("mint-data", settings=lab_host.lab.settings)
    lab_host.host.wait_containers()
    told = controller.status("do", "s-root")
    assert told["state"] == "unknown", told
    assert controller.holds("s-root")[0] == "PARTIAL"
    again = controller.start("do", "s-root", 1)
    assert again["error"]["code"] == "already-started"
    back(controller, ("s-format", "s-mount", "s-root"))
    assert shape(lab_host) == {**before, "places": shape(lab_host)["places"]}
    assert held(lab_host) == kept


@pytest.mark.long
def test_a_service_that_will_not_start_fails_and_goes_back(lab_host: LabHost) -> None:
    before, kept = shape(lab_host), held(lab_host)
    controller = lab_host.w8b()
    forward(controller, ("s-format", "s-mount", "s-root"))
    minio = next(one for one in controller.made["steps"] if one["id"] == "s-minio")
    # the port is taken as soon as the old container stops: compose cannot start the new one
    lab_host.root(
        f"cat > /run/thief.py << 'END'\n{THIEF}END\nnohup python3 /run/thief.py > /dev/null 2>&1 & echo $! > /run/thief"
    )
    told = controller.run("do", minio["id"])
    lab_host.root("kill $(cat /run/thief)")
    assert told["state"] == "failed" and told["outcome"]["error"]["code"] in ("tool-failed", "timeout"), told
    back(controller, ("s-format", "s-mount", "s-root", "s-minio"))
    assert shape(lab_host) == {**before, "places": shape(lab_host)["places"]}
    assert held(lab_host) == kept


def test_a_disk_that_holds_something_is_refused_untouched(lab_host: LabHost) -> None:
    lab_host.root("mkfs.ext4 -q -L precious /dev/sdb && sync")
    kept = lab_host.root("head -c 1M /dev/sdb | sha256sum")
    controller = lab_host.w8b()
    told = controller.start("do", "s-format")
    assert told["error"]["code"] == "precondition"
    assert controller.status("do", "s-format")["state"] == "absent"
    assert lab_host.root("head -c 1M /dev/sdb | sha256sum") == kept
