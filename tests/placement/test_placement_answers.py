"""What a caller of the resolver gets: the JSON, the whole host at once, docker's own roots, the small pieces below."""

import json
from typing import Any

import pytest

from tests.placement.estates import facts
from waveboard.audit.placement import Resolver
from waveboard.audit.placement_json import document
from waveboard.audit.placement_mounts import follow, tidy
from waveboard.audit.placement_shares import is_own, layers, server
from waveboard.model.graph import Confidence, PlacementClass

HOST: dict[str, Any] = {
    "mounts": """
        20 1 8:1 / / rw - ext4 /dev/sda1 rw
        21 20 253:0 / /mnt/data rw - ext4 /dev/vda rw
    """,
    "blocks": "sda 8:0 pci\nsda1 8:1 pci part=sda\nvda 253:0 pci",
    "fstab": "/dev/vda /mnt/data ext4 defaults",
}
KEYS = ["path", "mount", "chain", "disks", "class", "boot", "confidence", "why"]
OVERLAY = "700 600 0:70 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/mnt/data/docker/overlay2/a/diff,workdir=/w\n"
HOSTS_FILE = "701 700 {} /docker/containers/{}/hosts /etc/hosts rw - ext4 x rw\n"


def test_the_document_has_exactly_its_keys_and_order() -> None:
    resolver = Resolver(facts(HOST, ["/mnt/data/pg", "/srv"]))
    found = document(resolver.where("/srv"))
    assert list(found) == KEYS
    assert found["mount"] == {"target": "/", "source": "/dev/sda1", "fstype": "ext4"}
    assert found["chain"] == [
        {"kind": "path", "name": "/srv", "detail": ""},
        {"kind": "mount", "name": "/", "detail": "/dev/sda1"},
        {"kind": "filesystem", "name": "8:1", "detail": "ext4"},
        {"kind": "partition", "name": "sda1", "detail": "10.0 GB"},
        {"kind": "disk", "name": "sda", "detail": "10.0 GB"},
    ]
    assert (found["disks"], found["class"], found["boot"], found["confidence"]) == (["sda"], "BOOT", True, "observed")
    assert found["why"] == ("/srv is on the ext4 mounted at /: it rests on disk sda, which also holds what the host starts from")


@pytest.mark.parametrize(("path", "told"), [("/srv", "something is to be mounted on the way"), ("/mnt/data", "comes back after")])
def test_without_fstab_the_answer_says_what_nobody_can_tell(path: str, told: str) -> None:
    assert told in Resolver(facts({**HOST, "without": ["Fstab"]}, [path])).where(path).why
    assert "fstab" not in Resolver(facts(HOST, [path])).where(path).why


def test_the_same_facts_give_the_same_bytes() -> None:
    one, two = (json.dumps(document(Resolver(facts(HOST, ["/srv"])).where("/srv"))) for _ in range(2))
    assert one == two


def test_text_that_is_no_unicode_can_be_printed() -> None:
    path = "/srv/\udcff"
    assert document(Resolver(facts(HOST, [path])).where(path))["path"] == "/srv/\\xff"


def docker(root: str, **more: Any) -> dict[str, Any]:
    return {**HOST, "docker": {"root": root, **more}}


def test_a_whole_host_at_once() -> None:
    one = {"name": "db", "mounts": ["bind /data /mnt/data/pg"], "tmpfs": ["/run"], "id": "a" * 64}
    case = docker("/mnt/data/docker", containers=[{**one, "table": OVERLAY + "702 700 253:0 /pg /data rw - ext4 x rw"}])
    found = Resolver(facts(case, ["/mnt/data/docker", "/tmp"])).host_placements({"db": ["/data/base"]}, ["/tmp"])
    assert found.boot_disks == ("sda",)
    assert found.docker_root is not None and found.docker_root.placement is PlacementClass.DATA
    assert list(found.paths) == ["/tmp"] and found.paths["/tmp"].boot is True
    assert {path: place.placement.value for path, place in found.containers["db"].items()} == {
        "/data": "DATA",
        "/data/base": "DATA",
        "/run": "VOLATILE",
    }


def test_without_docker_the_host_paths_are_still_placed() -> None:
    found = Resolver(facts(HOST, ["/srv"])).host_placements({}, ["/srv"])
    assert found.docker_root is None and found.containers == {} and found.paths["/srv"].boot is True


def test_without_a_mount_table_everything_is_unknown() -> None:
    resolver = Resolver(facts({**HOST, "without": ["Mounts"]}, ["/srv"]))
    found = resolver.host_placements({}, ["/srv"])
    assert found.boot_disks == () and resolver.boot_set == frozenset()
    assert found.paths["/srv"].placement is PlacementClass.UNKNOWN and "not collected" in found.paths["/srv"].why


@pytest.mark.parametrize(
    ("root", "devno", "disks"),
    [
        ("/mnt/data/docker", "253:0", ("vda",)),
        ("/var/lib/docker", "8:1", ("sda",)),
        ("/var/lib/docker", "253:0", ("vda",)),  # a link to the data disk that nobody asked about
    ],
)
def test_running_containers_prove_where_dockers_files_are(root: str, devno: str, disks: tuple[str, ...]) -> None:
    table = OVERLAY + HOSTS_FILE.format(devno, "a" * 64)
    found = Resolver(facts(docker(root, containers=[{"name": "x", "id": "a" * 64, "table": table}]))).host_placements({}, [])
    assert found.docker_root is not None
    assert (found.docker_root.disks, found.docker_root.confidence) == (disks, Confidence.OBSERVED)


def test_a_data_root_nobody_asked_about_or_proved_clears_nothing() -> None:
    found = Resolver(facts(docker("/mnt/data/docker"))).host_placements({}, [])
    assert found.docker_root is not None and found.docker_root.confidence is Confidence.LEXICAL


def test_layers_in_containerds_root_are_told() -> None:
    status = {"driver-type": "io.containerd.snapshotter.v1"}
    case = docker("/mnt/data/docker", driver="overlayfs", driver_status=status, containerd_root="/var/lib/containerd")
    found = Resolver(facts(case, ["/mnt/data/docker", "/var/lib/containerd"])).host_placements({}, [])
    assert found.docker_root is not None and "LAYERS_ELSEWHERE" in found.docker_root.flags
    assert found.paths["/var/lib/containerd"].placement is PlacementClass.BOOT


def test_a_container_is_found_by_id_and_not_by_too_little_of_it() -> None:
    case = docker("/d", containers=[{"name": "x", "id": "ab" * 32, "table": OVERLAY}])
    resolver = Resolver(facts(case))
    assert resolver.where_container("ab" * 32, "/x").placement is PlacementClass.LAYER
    assert resolver.where_container("ab" * 8, "/x").placement is PlacementClass.LAYER
    assert resolver.where_container("ab", "/x").placement is PlacementClass.UNKNOWN


@pytest.mark.parametrize(
    ("path", "wanted"), [("/a//b/./c/../d/", "/a/b/d"), ("/", "/"), ("/..", "/"), ("/a/.hidden", "/a/.hidden")]
)
def test_tidy(path: str, wanted: str) -> None:
    assert tidy(path) == wanted


def test_links_are_followed_against_the_same_root() -> None:
    links = {"/a": "b/c", "/b": "/d", "/d/c/up": "../x", "/loop": "loop"}
    assert follow("/a/e", links) == "/d/c/e"
    assert follow("/a/up", links) == "/d/x"
    assert follow("/loop", links) is None


def test_overlay_options_with_escapes_and_new_spellings() -> None:
    assert layers(("rw", r"lowerdir=/a\:b:/c::/d", r"upperdir=/u\,v")) == ("/u,v", ("/a:b", "/c", "/d"))
    assert layers(("upperdir=/u\\", "v", "lowerdir+=/x:y", "datadir+=/z")) == ("/u,v", ("/x:y", "/z"))
    assert layers(("lowerdir=/a",)) == (None, ("/a",))


def test_servers_and_own_addresses() -> None:
    own = frozenset(("10.0.0.5", "fd00::5"))
    assert server("nas:/x", ("rw", "addr=10.0.0.9")) == ("10.0.0.9", "/x")
    assert server("[fd00::9%eth0]:/x", ()) == ("fd00::9", "/x")
    assert server("//NAS/share/deep", ()) == ("nas", "share/deep")
    assert server("me@10.0.0.5:/x", ()) == ("10.0.0.5", "/x")
    assert [is_own(a, own) for a in ("10.0.0.5", "10.0.0.6", "fd00::5", "nas", "127.0.1.1", None, "remote:")] == [
        True, False, True, None, True, None, None,
    ]  # fmt: skip
    assert is_own("10.0.0.6", None) is None and is_own("10.0.0.6", frozenset()) is None
