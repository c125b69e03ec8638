"""What is drafted of a host, disk by disk and container by container: proposed where it shows, asked where it does not, never guessed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from waveboard.app.adopt_files import profiles
from waveboard.gates import seeds
from waveboard.model.contract import Service
from waveboard.model.errors import UsageError
from waveboard.model.facts import (
    BlockDevice,
    BlockDevices,
    Container,
    ContainerMount,
    DeviceLinks,
    HostFacts,
    Mount,
    Mounts,
    RedisConfig,
    Swaps,
    Unavailable,
)
from waveboard.model.graph import HostPlacements, PlacementClass
from waveboard.model.units import GIB
from waveboard.model.vm import LogRotation
from waveboard.vms.adopt import Choice, Draft, draft, engine_of

BOOT = BlockDevice("sda", "8:0", 20 * GIB, "/sda", serial="boot")
DISK = BlockDevice("sdb", "8:16", 100 * GIB, "/sdb", serial="disk-1")
PART = BlockDevice("sdb1", "8:17", 99 * GIB, "/sdb/sdb1", parent="sdb")
ROOT = Mount(1, 0, "8:0", "/", "/", (), "ext4", "/dev/sda", ())
UUID = "/dev/disk/by-uuid/1b4e28ba-2fa1-11d2-883f-b9a761bde3fb"


def at(target: str, devno: str = "8:16", fstype: str = "ext4", source: str = "/dev/sdb", root: str = "/") -> Mount:
    return Mount(2, 1, devno, root, target, (), fstype, source, ())


def host(*disks: BlockDevice, mounts: tuple[Mount, ...] = (), links: dict[str, str] | None = None, **more: Any) -> HostFacts:
    nouns: tuple[object, ...] = (
        BlockDevices({d.name: d for d in (BOOT, *disks)}),
        Mounts((ROOT, *mounts)),
        DeviceLinks(links or {}),
        Swaps(more.pop("swaps", ())),
        seeds.docker(*more.pop("containers", ()), **{"daemon_json": "{}", **more}),
    )
    return seeds.facts(*nouns, host="old-1")


def container(name: str, *mounts: ContainerMount, image: str = "shop/app:1", service: str = "") -> Container:
    labels = {"com.docker.compose.service": service} if service else {}
    return replace(seeds.container(name, *mounts), image=image, labels=labels)


def drafted(facts: HostFacts, choice: Choice | None = None, places: HostPlacements | None = None) -> Draft:
    return draft(facts, places or seeds.places(), choice or Choice())


def of(*containers: Container, **kinds: PlacementClass) -> HostPlacements:
    """Every mount of these containers on the boot disk, but where kinds says otherwise by container."""
    placed = {
        c.name: {
            m.destination: seeds.placement(
                m.destination,
                kinds.get(c.name, PlacementClass.BOOT),
                *(["ANONYMOUS"] if m.type == "volume" and len(m.name) == 64 else []),
            )
            for m in c.mounts
        }
        for c in containers
    }
    return seeds.places(containers=placed)


def asked(made: Draft, what: str) -> str:
    return " ".join(t.why for t in made.questions if t.what == what)


def test_a_blank_second_disk_is_proposed() -> None:
    made = drafted(host(DISK))
    assert made.tier == "tank-vms" and made.disk is not None and made.boot_gb == 20
    assert (made.disk.serial, made.disk.size_bytes, made.disk.bus, made.disk.mount) == ("disk-1", 100 * GIB, "scsi", "/mnt/data")
    assert made.docker_root == "/mnt/data/docker" and made.log_rotation is None and asked(made, "log_rotation")


SNAPSHOTS = {"driver-type": "io.containerd.snapshotter.v1"}


@pytest.mark.parametrize(
    ("driver", "root", "drafted_as", "told"),
    [
        (SNAPSHOTS, "/var/lib/containerd", "/mnt/data/containerd", "proposed"),
        (SNAPSHOTS, "/mnt/data/ctr", "/mnt/data/ctr", ""),
        (SNAPSHOTS, None, None, "unknown"),
        (SNAPSHOTS, "/var/lib/docker/containerd/daemon", None, ""),  # docker's own: it goes where the data-root goes
        ({}, "/var/lib/containerd", None, ""),  # docker keeps nothing in it
    ],
)
def test_where_docker_keeps_images_in_containerd_its_root_belongs_on_the_data_disk_too(
    driver: dict[str, str], root: str | None, drafted_as: str | None, told: str
) -> None:
    facts = host(DISK, mounts=(at("/mnt/data"),), links={UUID: "sdb"}, driver_status=driver, containerd_root=root)
    made = drafted(facts)
    assert made.containerd_root == drafted_as
    said = {name: [t.why for t in getattr(made, name) if t.what == "containerd_root"] for name in ("proposed", "unknown")}
    assert [name for name, why in said.items() if why] == ([told] if told else [])
    if told == "proposed":
        assert said["proposed"] == [
            "/mnt/data/containerd: it is /var/lib/containerd now, and no step moves what a containerd holds"
        ]
    storage = profiles(made)["profiles"]["adopted-old-1"]["storage"]  # type: ignore[index]
    assert storage.get("containerd_root") == drafted_as


def test_a_disk_that_is_mounted_keeps_its_place_and_its_label() -> None:
    links = {UUID: "sdb", "/dev/disk/by-label/store": "sdb"}
    path = BlockDevice("nvme0c0n1", "", 100 * GIB, "/devices/pci0000:00/nvme/nvme0/nvme0c0n1", serial="disk-1")
    made = drafted(host(DISK, path))
    assert made.disk is not None and made.disk.serial == "disk-1"  # a path of native multipath is no second disk
    made = drafted(host(DISK, replace(DISK, name="sdc", devno="8:32", serial="disk-2"), mounts=(at("/srv/store"),), links=links))
    assert made.disk is not None and (made.disk.serial, made.disk.mount, made.disk.label) == ("disk-1", "/srv/store", "store")


def test_a_partition_that_is_mounted_makes_its_disk_the_data_disk() -> None:
    made = drafted(host(DISK, PART, mounts=(at("/mnt/data", "8:17"),), links={UUID: "sdb1"}))
    assert made.disk is not None and made.disk.serial == "disk-1"  # that it is not mounted whole, readiness says


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (host(DISK, replace(DISK, name="sdc", devno="8:32", serial="disk-2")), "2 disks are blank"),
        (host(DISK, PART), "carries sdb1 and is mounted nowhere"),
        (host(DISK, links={UUID: "sdb"}), "carries filesystem 1b4e28ba"),
        (host(DISK, swaps=("/dev/sdb",)), "carries /dev/sdb and is mounted nowhere"),
        (host(DISK, replace(DISK, name="dm-0", devno="253:0", slaves=("sdb",))), "carries dm-0"),
        (host(replace(DISK, serial=None)), "tells no serial"),
        (host(replace(DISK, serial="a serial with spaces")), "tells no serial"),
        (host(replace(DISK, name="nvme1n1")), "no word for"),
        (host(DISK, mounts=(at("/mnt/data", fstype="xfs"),), links={UUID: "sdb"}), "its filesystem is xfs"),
    ],
)
def test_a_disk_that_a_contract_cannot_name_or_that_may_hold_data_is_asked_about(facts: HostFacts, says: str) -> None:
    made = drafted(facts)
    assert made.disk is None and says in asked(made, "data_disk")
    assert made.docker_root is None  # no root is drafted on a disk that is none


def test_a_person_chooses_among_several() -> None:
    other = replace(DISK, name="vdb", devno="252:0", serial="disk-2")
    made = drafted(host(DISK, other), Choice(disk="disk-2", mount="/data", vmid=7, tier="tank-docker"))
    assert made.disk is not None and (made.disk.serial, made.disk.bus, made.disk.mount) == ("disk-2", "virtio", "/data")
    assert (made.vmid, made.tier) == (7, "tank-docker") and not asked(made, "id")
    with pytest.raises(UsageError, match="2 disks carry it"):
        drafted(host(DISK, replace(other, serial="disk-1")), Choice(disk="disk-1"))


def test_a_disk_is_not_chosen_where_none_is_asked_for() -> None:
    for choice in (Choice(disk="disk-1", tier="boot-only"), Choice(disk="disk-1", tier="tank-docker", mount="/m", shared=True)):
        with pytest.raises(UsageError, match="cannot take disk-1"):
            drafted(host(DISK), choice)
    local = drafted(host(DISK), Choice(tier="local-ext4", mount="/srv/app"))
    assert (local.disk, local.data_at) == (None, "/srv/app")


def test_which_disk_boots_must_be_known() -> None:
    made = draft(host(DISK), None, Choice())
    assert made.disk is None and [t.what for t in made.unknown] == ["data_disk"] and made.tier == "boot-only"


DATA = ContainerMount("bind", "/data", "/opt/app")
NAMED = ContainerMount("volume", "/pg", "/var/lib/docker/volumes/pg/_data", name="pg")
NAMELESS = ContainerMount("volume", "/data", "/var/lib/docker/volumes/x/_data", name="a" * 64)


def test_what_must_move_is_given_a_place_and_what_moves_with_docker_none() -> None:
    app, db = container("app", DATA, service="app"), container("db", NAMED, image="docker.io/library/postgres:16@sha256:1")
    cache = container("cache", NAMELESS, image="redis:7", service="cache")
    at_home = container("files", ContainerMount("bind", "/data", "/mnt/data/files"), image="minio/minio")
    every = (app, db, cache, at_home)
    made = drafted(host(DISK, containers=every), places=of(*every, files=PlacementClass.DATA))
    assert made.services == (
        Service("app", "other", ("/data",), "/mnt/data/old-1/app"),
        Service("cache", "redis", ("/data",), "/mnt/data/old-1/cache"),
        Service("db", "postgres", ("/pg",)),
        Service("files", "s3", ("/data",), "/mnt/data/files"),
    )
    assert made.probes == () and [t.what for t in made.unknown] == ["container_probes"]


def test_redis_is_probed_where_the_host_was_allowed_to_tell() -> None:
    cache = container("cache", NAMELESS, image="redis:7", service="cache")
    seen = host(DISK, containers=(cache,))
    seen = replace(seen, nouns={**seen.nouns, RedisConfig: RedisConfig({"cache": {"appendonly": "no"}})})
    assert drafted(seen, places=of(cache)).probes == ("redis",)


def test_interfaces_files_and_what_is_read_only_are_no_data() -> None:
    odd = container(
        "odd",
        ContainerMount("bind", "/var/run/docker.sock", "/var/run/docker.sock"),
        ContainerMount("bind", "/etc/nginx.conf", "/opt/odd/nginx.conf"),
        ContainerMount("bind", "/ro", "/opt/ro", rw=False),
        ContainerMount("tmpfs", "/tmp/x", ""),
    )
    made = drafted(host(DISK, containers=(odd,)), places=of(odd))
    assert made.services == () and "single file" in asked(made, "odd:/etc/nginx.conf")


@pytest.mark.parametrize(
    ("name", "where", "source"),
    [
        ("app", "/a\nb", "/opt/app"),
        ("app", "/a/../b", "/opt/app"),
        ("app", "//a", "/opt/app"),
        ("app", "a", "/opt/app"),
        ("app", "/a", "/opt/\x1b[31m"),
        ("a b", "/a", "/opt/app"),
    ],
)
def test_what_no_contract_can_name_is_told_and_the_rest_is_drafted(name: str, where: str, source: str) -> None:
    odd = container(name, ContainerMount("bind", where, source))
    good = container("good", DATA, service="../../etc")
    made = drafted(host(DISK, containers=(odd, good)), places=of(odd, good))
    assert [(s.container, s.data_dir) for s in made.services] == [("good", "/mnt/data/old-1/good")]
    assert [t.what for t in made.unknown] == [name] and "no contract can name it" in made.unknown[0].why


def test_two_paths_that_must_move_are_told_and_the_first_is_planned() -> None:
    both = container("both", replace(DATA, destination="/a", source="/opt/a"), replace(DATA, destination="/b", source="/opt/b"))
    made = drafted(host(DISK, containers=(both,)), places=of(both))
    assert made.services[0].data_paths == ("/a", "/b") and "/a, /b" in asked(made, "both")


def test_two_containers_of_one_service_name_do_not_share_a_place() -> None:
    pair = container("one-app-1", DATA, service="app"), container("two-app-1", replace(DATA, source="/opt/two"), service="app")
    places = [s.data_dir for s in drafted(host(DISK, containers=pair), places=of(*pair)).services]
    assert places == ["/mnt/data/old-1/one-app-1", "/mnt/data/old-1/two-app-1"]


def test_without_a_second_disk_the_contract_is_not_bent_to_what_is_there() -> None:
    app = container("app", DATA, service="app")
    made = drafted(host(containers=(app,)), places=of(app))
    assert made.tier == "tank-vms" and made.disk is None and "--tier boot-only" in asked(made, "data_disk")
    assert drafted(host()).tier == "boot-only"


def test_shares_that_hold_containers_data_make_the_tier() -> None:
    share = at("/mnt/media", "0:50", "nfs4", "nas:/media")
    app = container("app", ContainerMount("bind", "/media", "/mnt/media"))
    places = seeds.places(containers={"app": {"/media": seeds.placement("/mnt/media", PlacementClass.NET)}})
    made = drafted(host(mounts=(share,), containers=(app,)), places=places)
    assert (made.tier, made.shares, made.data_at) == ("nfs-media", (("/mnt/media", "nas:/media"),), "/mnt/media")
    assert made.services == (Service("app", "other", ("/media",)),)


def test_limits_that_somebody_set_are_kept_and_a_file_that_was_not_read_is_unknown() -> None:
    limits = '{"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}'
    assert drafted(host(daemon_json=limits)).log_rotation == LogRotation(10_000_000, 3)
    dark = drafted(host(daemon_json=None))
    assert dark.log_rotation is None and "log_rotation" in [t.what for t in dark.unknown]
    for half in ('{"log-opts": {"max-size": "10m"}}', limits.replace("json-file", "local"), "[]", "{"):
        assert drafted(host(daemon_json=half)).log_rotation is None


def test_docker_on_the_data_disk_stays_where_it_is() -> None:
    mounted = {"mounts": (at("/mnt/data"),), "links": {UUID: "sdb"}}
    assert drafted(host(DISK, **mounted, root_dir="/mnt/data/lib/docker")).docker_root == "/mnt/data/lib/docker"  # type: ignore[arg-type]
    own = drafted(host(DISK, mounts=(at("/var/lib/docker"),), links={UUID: "sdb"}))
    assert own.docker_root is None and "itself" in asked(own, "docker_data_root")


@pytest.mark.parametrize("noun", [BlockDevices, Mounts, DeviceLinks, Swaps])
def test_a_noun_that_could_not_be_seen_drafts_no_disk(noun: type) -> None:
    seen = host(DISK)
    made = drafted(replace(seen, nouns={**seen.nouns, noun: Unavailable("permission denied")}))
    assert made.disk is None and any("permission denied" in t.why for t in made.unknown)


@pytest.mark.parametrize(
    ("image", "engine"),
    [
        ("postgres", "postgres"),
        ("ghcr.io:443/a/postgis:16-3", "postgres"),
        ("prom/redis_exporter:1", "other"),
        ("valkey@sha256:1", "redis"),
        ("quay.io/minio/minio:latest", "s3"),
        ("shop/postgres-backup", "other"),
    ],
)
def test_an_engine_is_known_by_its_images_own_name(image: str, engine: str) -> None:
    assert engine_of(image) == engine
