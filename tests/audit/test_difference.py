"""What counts as a mutation between two readings, and what does not."""

from dataclasses import replace

import pytest

from tests.waves import estate
from waveboard.audit.difference import difference
from waveboard.model.evidence import Identity
from waveboard.model.facts import (
    CacheRecord,
    ConfigFile,
    ConfigFiles,
    Docker,
    HostFacts,
    Image,
    Mount,
    Mounts,
    RedisConfig,
    Swaps,
    Unavailable,
)


def facts(**nouns: object) -> HostFacts:
    made = HostFacts("vm", estate.AT, Identity("m", "b"), "sha256:0", {})
    return replace(made, nouns={type(noun): noun for noun in (Swaps(()), estate.docker(), *nouns.values())})


def names(before: HostFacts, after: HostFacts) -> list[str]:
    return [m.name.removeprefix("vm ") for m in difference(before, after).mutations]


def test_nothing_changed_is_nothing() -> None:
    assert names(facts(), facts()) == []


def test_sizes_and_load_are_no_mutations() -> None:
    before = estate.docker()
    after = replace(before, volumes=tuple(replace(v, size_bytes=(v.size_bytes or 0) + 9) for v in before.volumes), layers_bytes=7)
    assert names(facts(d=before), facts(d=after)) == []


def moved(noun: Docker) -> Docker:
    return replace(noun, root_dir="/mnt/data/docker", volumes=tuple(replace(v, mountpoint="/mnt/data/x") for v in noun.volumes))


def recreated(noun: Docker) -> Docker:
    first, *rest = noun.containers
    return replace(noun, containers=(replace(first, id="f" * 64), *rest))


CHANGES = [
    ("docker root", facts(d=moved(estate.docker())), ["docker-root:docker"]),
    ("a container made anew", facts(d=recreated(estate.docker())), [f"container:{estate.docker().containers[0].name}"]),
    ("a volume gone", facts(d=replace(estate.docker(), volumes=estate.docker().volumes[1:])), ["volume:pgdata"]),
    ("an image", facts(d=replace(estate.docker(), images=(Image("sha256:9", ("x:1",), 5, 0),))), ["image:sha256:9"]),
    ("a cache record", facts(d=replace(estate.docker(), build_cache=(CacheRecord("abc", 5, False),))), ["build-cache:abc"]),
    ("swap", facts(s=Swaps(("/swapfile",))), ["swap:/swapfile"]),
    ("a reboot", replace(facts(), identity=Identity("m", "b2")), ["reboot:boot-id"]),
    ("another machine", replace(facts(), identity=Identity("m2", "b")), ["machine:machine-id"]),
]


@pytest.mark.parametrize(("after", "expected"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_each_kind_of_mutation_is_seen_by_its_name(after: HostFacts, expected: list[str]) -> None:
    assert names(facts(), after) == expected
    assert names(after, facts()) == expected, "both ways"


def test_files_mounts_and_redis_are_compared_by_what_matters() -> None:
    root = Mount(1, 0, "8:1", "/", "/", ("rw",), "ext4", "/dev/sda1", ())
    before = facts(m=Mounts((root,)), f=ConfigFiles({"/etc/fstab": ConfigFile("/etc/fstab", "1" * 64, ())}),
                   r=RedisConfig({"r": {"appendonly": "no", "used_memory": "1"}}))  # fmt: skip
    layer = root._replace(target="/var/lib/docker/overlay2/x/merged", fstype="overlay")
    after = facts(m=Mounts((root._replace(options=("ro",)), layer)), f=ConfigFiles({"/etc/fstab": ConfigFile("/etc/fstab", "2" * 64, ())}),
                  r=RedisConfig({"r": {"appendonly": "yes", "used_memory": "9"}}))  # fmt: skip
    assert names(before, after) == ["mount:/", "file:/etc/fstab", "redis:r"]


def test_what_one_reading_lacks_is_said_and_never_equal() -> None:
    blind = replace(facts(), nouns={Swaps: Swaps(()), Docker: Unavailable("permission denied")})
    found = difference(facts(), blind)
    assert "vm: Docker: permission denied" in found.unseen and found.mutations == ()
