"""Redis on a real host, still on its anonymous volume: made durable and named by the hand alone, and every lossy way refused."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.hand.conftest import LabHost
from tests.hand.driver import COMPOSE, Controller, line_edits, sha, step

pytestmark = pytest.mark.lab

REDIS = "docker exec -i mint-modules-redis redis-cli"
LOOK = "local ks = redis.call('keys', '*') table.sort(ks) local h = '' for _, k in ipairs(ks) do "
LOOK += "h = redis.sha1hex(h .. k .. redis.sha1hex(redis.call('dump', k))) end return h"
DIGEST = f'{REDIS} --raw eval "{LOOK}" 0'
# not the mount's mode: compose itself gives an anonymous volume that it takes over mode "z"
MOUNT = "{{range .Mounts}}{{.Type}} {{.Name}} {{.Source}} {{.Destination}} {{.RW}}{{end}} {{.HostConfig.RestartPolicy}} {{json .Config.Cmd}}"
PLACE = "/mnt/data/mint-data/redis"
HEAD = "  redis:\n    image: mint/redis:7"
COMMAND = '  redis:\n    command: ["redis-server", "--protected-mode", "no", "--appendonly", "yes"]\n    image: mint/redis:7'
NAMED = """
  redis_data:
    name: mint-data_redis
    driver: local
    driver_opts:
      type: none
      o: bind
      device: /mnt/data/mint-data/redis"""


def steps(host: LabHost, *wanted: str) -> list[dict[str, Any]]:
    """Those of disk, mount, live, persist and name that are wanted, rendered for the host as it is now."""
    compose, filesystem = host.root(f"cat {COMPOSE}"), str(uuid.uuid4())
    lasting = compose.replace(HEAD, COMMAND) if "persist" in wanted else compose
    named = lasting.replace(
        "    container_name: mint-modules-redis", "    container_name: mint-modules-redis\n    volumes:\n      - redis_data:/data"
    )
    named = named.replace("\nvolumes:", f"\nvolumes:{NAMED}")
    anonymous = host.root("docker inspect -f '{{(index .Mounts 0).Name}}' mint-modules-redis").strip()
    disk = {"serial": "mint-data-data", "by_id": None, "fstype": "ext4", "label": "mint-data", "uuid": filesystem}
    disk["size_bytes"] = int(host.root("lsblk -bdno SIZE /dev/sdb"))
    mount = {"uuid": filesystem, "target": "/mnt/data", "fstype": "ext4", "docker_dropin": False, "containerd_dropin": False}
    mount |= {"options": "defaults,noatime,nofail", "fstab_before_sha256": sha(host.root("cat /etc/fstab"))}
    service = {"container": "mint-modules-redis", "project": "mint-data", "service": "redis", "compose_file": COMPOSE}
    service |= {"compose_before_sha256": sha(compose), "data_path": "/data", "writers": "stopped"}
    persist = service | {"compose_edited_by": None, "compose_edits": line_edits(compose, lasting)}
    name = service | {
        "compose_edited_by": "persist" if "persist" in wanted else None,
        "compose_edits": line_edits(lasting, named),
    }
    name |= {
        "engine": "redis",
        "source": {"kind": "volume", "name": anonymous},
        "dst": PLACE,
        "s3": None,
        "volume": "mint-data_redis",
    }
    name["dst_mount"] = {"target": "/mnt/data", "uuid": filesystem}
    made = {
        "disk": step("disk", "disk_format", disk),
        "mount": step("mount", "mount_data", mount),
        "live": step("live", "redis_aof_live", {"container": "mint-modules-redis", "data_path": "/data"}),
        "persist": step("persist", "redis_aof_persist", persist),
        "name": step("name", "name_volume", name),
    }
    return [made[one] for one in wanted]


def done(controller: Controller, op: str, *names: str) -> dict[str, Any]:
    facts = {}
    for name in names:
        told = controller.run(op, name)
        assert told["state"] == "done", told
        facts[name] = told["outcome"]["facts"]
        assert op == "undo" or controller.holds(name)[0] == "DONE"
    return facts


def seen(host: LabHost) -> dict[str, str]:
    """What undo must bring back."""
    return {
        "digest": host.root(DIGEST),
        "compose": host.root(f"sha256sum {COMPOSE}"),
        "mount": host.root(f"docker inspect -f '{MOUNT}' mint-modules-redis"),
        "settings": host.root(f"{REDIS} config get appendonly; {REDIS} config get save"),
    }


ALL = ("disk", "mount", "live", "persist", "name")


def test_from_an_anonymous_volume_there_and_back(lab_host: LabHost) -> None:
    before = seen(lab_host)
    controller = lab_host.controller(steps(lab_host, *ALL))
    facts = done(controller, "do", *ALL)
    assert seen(lab_host)["digest"] == before["digest"]
    mount = json.loads(lab_host.root("docker inspect -f '{{json (index .Mounts 0)}}' mint-modules-redis"))
    assert (mount["Type"], mount["Name"]) == ("volume", "mint-data_redis")
    assert "appendonlydir" in lab_host.root(f"ls {PLACE}") and facts["name"]["after"]["appendonly"] == "yes"
    lab_host.root("docker kill mint-modules-redis; docker start mint-modules-redis", 120)
    lab_host.host.wait_containers()
    assert seen(lab_host)["digest"] == before["digest"]
    lab_host.root(f"{REDIS} set late yes")
    told = done(controller, "undo", *reversed(ALL))
    assert told["name"]["carried"] and told["name"]["volume_left"] == "mint-data_redis"
    assert lab_host.root(f"{REDIS} getdel late").strip() == "yes"
    assert seen(lab_host) == before
    aside = [one for one in lab_host.ask({"op": "aside"})["aside"] if one["state"] == "aside" and one["kind"] == "volume"]
    assert [one["volume"] for one in aside] == ["mint-data_redis"]
    assert controller.close("rolled-back")["ok"]


def test_every_lossy_way_is_refused_with_the_data_intact(lab_host: LabHost) -> None:
    before = seen(lab_host)
    controller = lab_host.controller(steps(lab_host, "persist"))
    told = controller.start("do", "persist")  # the setting without a log
    assert told["error"]["code"] == "refused" and "start empty" in told["error"]["because"]
    assert controller.close("rolled-back")["ok"] and seen(lab_host) == before
    controller = lab_host.controller(steps(lab_host, "live", "persist"), fence=2)
    done(controller, "do", "live")
    lab_host.root("docker restart mint-modules-redis", 120)  # a person: it runs with its old settings now, its log is old
    lab_host.root(f"{REDIS} set after-the-restart yes")
    told = controller.start("do", "persist")
    assert told["error"]["code"] == "refused", told
    done(controller, "undo", "live")
    assert lab_host.root(f"{REDIS} getdel after-the-restart").strip() == "yes"
    assert controller.close("rolled-back")["ok"] and seen(lab_host) == before
    compose = lab_host.root(f"cat {COMPOSE}")
    lab_host.root(f"cat > {COMPOSE} << 'END'\n{compose.replace(HEAD, COMMAND)}END")  # a person again: edited, not yet restarted
    controller = lab_host.controller(steps(lab_host, "disk", "mount", "name"), fence=3)
    done(controller, "do", "disk", "mount")
    told = controller.run("do", "name")
    assert told["state"] == "failed" and "another command" in told["outcome"]["error"]["because"], told
    done(controller, "undo", "name", "mount", "disk")
    lab_host.root(f"cat > {COMPOSE} << 'END'\n{compose}END")
    assert seen(lab_host) == before


def test_somebody_starting_it_between_stop_and_switch_is_noticed(lab_host: LabHost) -> None:
    """Killed after the stop; then a person starts the old container and clients write: the log on disk is old."""
    before = seen(lab_host)
    controller = lab_host.controller(steps(lab_host, "live", "persist"))
    done(controller, "do", "live")
    gone = (
        "docker wait mint-modules-redis && docker image rm mint/redis:7"  # before it stops, that would be refused with redis up
    )
    lab_host.root(f"docker image tag mint/redis:7 mint/redis:kept; systemd-run --quiet --collect sh -c '{gone}'")
    told = controller.run("do", "persist")  # compose cannot make the new container: the file is switched, redis is stopped
    assert told["state"] == "failed", told
    lab_host.root("docker image tag mint/redis:kept mint/redis:7")
    lab_host.root("docker start mint-modules-redis", 120)
    lab_host.host.wait_containers()
    lab_host.root(f"{REDIS} set between yes")
    told = controller.run("do", "persist", 2)
    assert told["state"] == "failed" and "old settings" in told["outcome"]["error"]["because"], told
    done(controller, "undo", "persist", "live")
    assert lab_host.root(f"{REDIS} getdel between").strip() == "yes"
    assert seen(lab_host) == before
