"""The steps of a hygiene wave: what is listed is exactly what the rule says, in an order that can be followed, with an honest class."""

from dataclasses import replace
from typing import Any

import pytest

from tests.waves import estate as E
from waveboard.model.change import Plan, Reversibility
from waveboard.model.contract import HostPolicy, Place, Sourced, Thresholds
from waveboard.model.errors import ContractError, HostError, RefusedError
from waveboard.model.facts import (
    CacheRecord,
    ConfigFile,
    ConfigFiles,
    ContainerMount,
    DeviceLinks,
    Docker,
    HostFacts,
    Image,
    LargeFiles,
    Mount,
    Mounts,
    Unavailable,
    WriteSurfaces,
)
from waveboard.waves import plan_json, show

IN_USE, BUILT, PULLED, KEPT, COMPOSED, NAMELESS = ("sha256:" + digit * 64 for digit in "123456")
DIGEST = "shop/web@sha256:" + "7" * 64


def image(identifier: str, *tags: str, digests: tuple[str, ...] | None = (), created: int = 0) -> Image:
    return Image(identifier, tags, 1000, -1, created, digests)


def docker(**changes: Any) -> Docker:
    images = (
        image(IN_USE, "shop/web:3", created=9),
        image(BUILT, "shop/web:1", "old/web:1", created=1),
        image(PULLED, "shop/web:2", digests=(DIGEST,), created=2),
        image(KEPT, "shop/from:1"),
        image(COMPOSED, "pg:latest"),
        image(NAMELESS, "<none>:<none>", created=3),
    )
    made: Docker = E.docker(images=images)
    users = tuple(
        replace(c, image_id=IN_USE, state=state) for c, state in zip(made.containers, ("running", "exited"), strict=True)
    )
    return replace(made, containers=users, **changes)


def planned(*steps: object, facts: HostFacts | None = None, policy: HostPolicy | None = None) -> Plan:
    contract = E.contract() if policy is None else E.contract(policies={"shop-1": policy})
    plan = E.planned(*steps, facts=E.facts(d=docker()) if facts is None else facts, under=contract)
    assert plan_json.from_bytes(plan_json.to_bytes(plan)) == plan
    return plan


IMAGES = {"keep": "in-use", "keep_images": ["shop/from:1"]}


def listed(plan: Plan) -> list[str]:
    return [one["id"] for one in plan.steps[0].args["images"]]  # type: ignore[index, attr-defined]


def test_images_go_oldest_first_but_those_in_use_composed_or_kept() -> None:
    """A container that is down uses its image too; the compose file's `image: pg` means pg:latest."""
    plan = planned(E.step("remove_images", **IMAGES))
    assert listed(plan) == [BUILT, PULLED, NAMELESS]
    (step,) = plan.steps
    assert step.deletes == tuple(f"image:{one}" for one in (BUILT, PULLED, NAMELESS))
    assert step.args["images"][0] == {"id": BUILT, "tags": ["old/web:1", "shop/web:1"], "digests": [], "bytes": 1000}  # type: ignore[index]
    assert step.args["images"][2]["tags"] == []  # type: ignore[index]
    text = show.text(plan, "d")
    assert all(line in text for line in step.deletes) and "shop/web:1" in text


def test_the_class_of_an_image_removal_is_what_can_be_had_back() -> None:
    none = planned(E.step("remove_images", **IMAGES))
    assert (none.steps[0].reversibility, none.quorum) == (Reversibility.NONE, 2)  # a second signer
    assert planned(E.step("remove_images", **IMAGES, save_to="/srv/aside")).steps[0].reversibility is Reversibility.RESTORABLE
    assert planned(E.step("remove_images", **IMAGES, save_to="/srv/aside")).quorum == 1
    pulled = {"keep": "in-use", "keep_images": ["shop/from:1", BUILT, NAMELESS]}
    (step,) = planned(E.step("remove_images", **pulled)).steps
    assert (step.reversibility, step.undo_commands) == (Reversibility.COMPENSABLE, (f"docker pull {DIGEST}",))


def test_nothing_is_listed_on_half_an_answer() -> None:
    cases = {
        "with their digests": docker(images=(image(BUILT, "a:1", digests=None),)),
        "containerd's store": docker(driver_status={"driver-type": "io.containerd.snapshotter.v1"}),
        "no name of an image": docker(images=(image(BUILT, "a:1\x1b[2J"),)),
    }
    for because, found in cases.items():
        with pytest.raises(RefusedError, match=because):
            planned(E.step("remove_images", keep="in-use"), facts=E.facts(d=found))
    with pytest.raises(RefusedError, match=r"no image is called shop/form:1"):
        planned(E.step("remove_images", keep="in-use", keep_images=["shop/form:1"]))
    with pytest.raises(ContractError, match="`keep` is in-use"):
        planned(E.step("remove_images", keep="newest"))
    with pytest.raises(HostError, match="no probe gave it"):
        blind = E.facts()
        planned(E.step("remove_images", keep="in-use"), facts=replace(blind, nouns={}))


def record(name: str, size: int, *parents: str, used: str = "1", in_use: bool = False) -> CacheRecord:
    return CacheRecord(name * 10, size, in_use, False, tuple(p * 10 for p in parents), f"2026-01-0{used}T00:00:00Z")


TREE = (
    record("a", 10, used="1"),  # everything rests on it
    record("b", 30, "a", used="2"),
    record("c", 30, "b", used="5"),
    record("d", 20, "a", used="3"),
    record("e", 5, "a", used="1", in_use=True),
)


def cached(records: tuple[CacheRecord, ...], keep: str) -> Plan:
    found = docker(build_cache=records, build_cache_bytes=sum(one.size_bytes for one in records))
    return planned(E.step("remove_build_cache", keep_size=keep), facts=E.facts(d=found))


def test_cache_records_go_longest_unused_first_and_never_before_what_builds_on_them() -> None:
    """b is older than d but c rests on it; a stays because e, which is in use, rests on it."""
    (step,) = cached(TREE, "0B").steps
    assert [name[0] for name in step.args["records"]] == ["d", "c", "b"]  # type: ignore[attr-defined]
    assert step.deletes == tuple(f"build-cache:{name * 10}" for name in "dcb")
    assert step.reversibility is Reversibility.COMPENSABLE and step.undo_commands
    assert [name[0] for name in cached(TREE, "50B").steps[0].args["records"]] == ["d", "c"]  # type: ignore[attr-defined]
    assert cached(TREE, "1kB").steps == ()  # within its budget: nothing to do is a plan too


def test_cache_is_not_planned_without_parents_ids_or_a_size() -> None:
    with pytest.raises(RefusedError, match="what each builds on"):
        cached((TREE[0]._replace(parents=None),), "0B")
    with pytest.raises(RefusedError, match="is no id of a cache record"):
        cached((TREE[0]._replace(id="x; rm -rf /"),), "0B")
    with pytest.raises(ContractError, match="is no size"):
        cached(TREE, "much")
    with pytest.raises(RefusedError, match="record by record"):
        planned(E.step("remove_build_cache", keep_size="0B"), facts=E.facts(d=docker(build_cache_bytes=None)))


TMP = E.step("settle_tmp_files", to="/srv/aside")


def large(*files: tuple[str, int], limit: int | None = 10) -> Plan:
    threshold = None if limit is None else Sourced(limit, Place("guard.yaml"))
    policy = HostPolicy("shop-1", thresholds=Thresholds(tmp_large_file_bytes=threshold))
    return planned(TMP, facts=E.facts(f=LargeFiles(files)), policy=policy)


def test_tmp_files_are_those_the_gate_would_name() -> None:
    (step,) = large(("/tmp/b", 10), ("/tmp/d/a.tar", 99), ("/tmp/small", 9)).steps
    assert step.args == {"files": [{"path": "/tmp/b", "bytes": 10}, {"path": "/tmp/d/a.tar", "bytes": 99}], "to": "/srv/aside"}
    assert step.reversibility is Reversibility.EXACT and step.deletes == () and step.downtime_s == 0
    assert "mv /tmp/d/a.tar /srv/aside/d+a.tar.wb-M1-<plan>" in step.commands[2]
    assert large(("/tmp/small", 9)).steps == ()
    with pytest.raises(RefusedError, match="names a plan does not carry"):
        large(("/tmp/a b", 10))
    with pytest.raises(ContractError, match="host_tmp_large_file_mb"):
        large(("/tmp/b", 10), limit=None)


SURFACE = E.step("govern_write_surface", container="cache", path="/tmp/uploads", to="/opt/run/uploads")


def test_a_write_surface_is_planned_with_its_edit_its_downtime_and_its_place() -> None:
    listed_dirs = WriteSurfaces({"cache": (("/tmp/uploads", 4000),)})
    (step,) = planned(SURFACE, facts=E.facts(w=listed_dirs)).steps
    assert (step.verb, step.reversibility, step.stops) == ("surface_govern", Reversibility.RESTORABLE, ("cache",))
    assert step.downtime_s > 0 and step.copy_bytes == 4000
    assert step.args["dst_mount"] is None  # the root filesystem
    assert step.args["compose_edits"] == [
        {"line": 8, "old": "  cache:", "new": ["  cache:", "    volumes:", "      - /opt/run/uploads:/tmp/uploads"]}
    ]


def test_a_write_surface_elsewhere_names_its_filesystem() -> None:
    mounts = Mounts(
        (
            Mount(1, 0, "8:0", "/", "/", ("rw",), "ext4", "/dev/sda", ("rw",)),
            Mount(2, 1, "8:16", "/", "/opt", ("rw",), "ext4", "/dev/sdb", ("rw",)),
        )
    )
    links = DeviceLinks({"/dev/disk/by-uuid/11111111-2222-3333-4444-555555555555": "sdb"})
    (step,) = planned(SURFACE, facts=E.facts(m=mounts, l=links)).steps
    assert step.args["dst_mount"] == {"target": "/opt", "uuid": "11111111-2222-3333-4444-555555555555"}
    with pytest.raises(RefusedError, match="with a UUID of its own"):
        planned(SURFACE, facts=E.facts(m=mounts))


def with_mount(mount: ContainerMount) -> HostFacts:
    whole = E.docker()
    one = [replace(c, mounts=(*c.mounts, mount)) if c.name == "cache" else c for c in whole.containers]
    found: HostFacts = E.facts(d=replace(whole, containers=tuple(one)))
    return found


def test_a_governed_surface_is_done_and_a_mounted_one_is_another_step_s_work() -> None:
    assert planned(SURFACE, facts=with_mount(ContainerMount("bind", "/tmp/uploads", "/opt/run/uploads"))).steps == ()
    with pytest.raises(RefusedError, match="/tmp covers it"):
        planned(SURFACE, facts=with_mount(ContainerMount("volume", "/tmp", "/v", "v")))


def test_two_surfaces_of_one_compose_file_are_edited_one_after_the_other() -> None:
    other = E.step("govern_write_surface", container="db", path="/tmp/scratch", to="/opt/run/scratch")
    first, second = planned(SURFACE, other, facts=E.facts()).steps
    assert (first.args["compose_edited_by"], second.args["compose_edited_by"]) == (None, "m1-01")


def test_images_of_an_unread_compose_file_are_not_guessed() -> None:
    """Lines that may hold secrets are not told; an image named only there counts as unused, and the hand still asks the engine."""
    files = ConfigFiles({E.COMPOSE: ConfigFile(E.COMPOSE, "2" * 64, (None,))})
    assert COMPOSED in listed(planned(E.step("remove_images", **IMAGES), facts=E.facts(d=docker(), f=files)))


def test_no_image_is_listed_when_nobody_knows_what_the_compose_files_want() -> None:
    facts = E.facts(d=docker())
    blind = replace(facts, nouns={**facts.nouns, ConfigFiles: Unavailable("the reader is an older one")})
    with pytest.raises(HostError, match="the reader is an older one"):
        planned(E.step("remove_images", **IMAGES), facts=blind)


@pytest.mark.parametrize(
    ("named", "kept"), [("old/${APP:-web}:1", {BUILT}), ("$IMAGE", {BUILT, PULLED}), ("${R}/web:2", {PULLED})]
)
def test_a_variable_in_a_compose_file_stands_for_any_image_it_could_mean(named: str, kept: set[str]) -> None:
    files = ConfigFiles({E.COMPOSE: ConfigFile(E.COMPOSE, "2" * 64, (f"    image: {named}",))})
    left = listed(planned(E.step("remove_images", **IMAGES), facts=E.facts(d=docker(), f=files)))
    assert not kept & set(left) and NAMELESS in left
