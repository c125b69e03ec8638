"""A wave, facts and contracts become one complete plan, or one refusal that names the rule."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.waves import estate as E
from waveboard.model.change import Plan
from waveboard.model.contract import Overrun
from waveboard.model.errors import ContractError, HostError, RefusedError, UsageError
from waveboard.model.evidence import Identity, digest_of
from waveboard.model.facts import (
    BlockDevice,
    BlockDevices,
    ConfigFile,
    ConfigFiles,
    DeviceLinks,
    Docker,
    Fstab,
    FstabEntry,
    HostFacts,
    Mount,
    Mounts,
    Swaps,
    Unavailable,
)
from waveboard.waves import plan_json, show
from waveboard.waves.admit import refusals
from waveboard.waves.pins import fingerprint
from waveboard.waves.plan import make, retire


def planned(*steps: object, facts: HostFacts | Unavailable | None = None, **changes: object) -> Plan:
    return E.planned(*steps, facts=E.facts() if facts is None else facts, **changes)


def test_the_whole_wave_is_planned_in_order_and_survives_its_own_spelling() -> None:
    plan = planned(E.MOUNT, E.ROOT, E.DB, E.CACHE)
    assert [s.verb for s in plan.steps] == [
        "disk_format",
        "mount_data",
        "docker_root_move",
        "service_relocate",
        "service_relocate",
    ]
    assert [s.id for s in plan.steps] == ["m1-01a", "m1-01b", "m1-02", "m1-03", "m1-04"]
    assert all(s.undo_commands and s.commands for s in plan.steps)
    assert plan_json.from_bytes(plan_json.to_bytes(plan)) == plan
    assert not any(s.deletes for s in plan.steps)


def test_the_second_edit_of_one_file_names_the_step_before_it() -> None:
    db, cache = planned(E.MOUNT, E.ROOT, E.DB, E.CACHE).steps[-2:]
    assert (db.args["compose_edited_by"], cache.args["compose_edited_by"]) == (None, "m1-03")
    edit = {
        "line": 7,
        "old": "      - pgdata:/var/lib/postgresql/data",
        "new": ["      - /mnt/data/shop/db:/var/lib/postgresql/data"],
    }
    assert db.args["compose_edits"] == [edit]


def test_databases_start_first_and_stop_last() -> None:
    root = planned(E.MOUNT, E.ROOT).steps[-1]
    assert (root.args["start_order"], root.args["stop_containers"]) == (["db", "cache"], ["cache", "db"])


def test_other_settings_of_daemon_json_stay() -> None:
    assert '"log-driver": "local"' in str(planned(E.MOUNT, E.ROOT).steps[-1].args["daemon_json_after"])


def test_the_planned_filesystem_id_is_the_same_every_time_and_differs_by_disk() -> None:
    first, again = planned(E.MOUNT).steps[0].args["uuid"], planned(E.MOUNT).steps[0].args["uuid"]
    assert first == again
    other = make(E.wave(E.MOUNT), E.contract(), {"shop-1": E.facts()}, instance="j", proposer="p", gates="g", at=E.AT)
    assert other.steps[0].args["uuid"] != first


def test_a_step_already_done_is_not_planned_again() -> None:
    done = replace(E.docker(), root_dir="/mnt/data/docker")
    assert [s.verb for s in planned(E.MOUNT, E.ROOT, facts=E.facts(docker=done)).steps] == ["disk_format", "mount_data"]


def partitioned() -> BlockDevices:
    whole: BlockDevices = E.facts()[BlockDevices]
    part = BlockDevice("sdb1", "8:17", 10, "/devices/pci/sdb/sdb1", parent="sdb")
    return replace(whole, devices={**whole.devices, "sdb1": part})


UNSAFE: list[tuple[str, Callable[[], HostFacts], str]] = [
    ("a partitioned disk", lambda: E.facts(b=partitioned()), "never formats"),
    ("a disk with a foreign filesystem", lambda: E.facts(l=DeviceLinks({"/dev/disk/by-uuid/9": "sdb"})), "never formats"),
    (
        "a mounted disk",
        lambda: E.facts(m=Mounts((Mount(2, 1, "8:16", "/", "/srv", ("rw",), "ext4", "/dev/sdb", ("rw",)),))),
        "never formats",
    ),
    ("no disk of that serial", lambda: E.facts(b=BlockDevices({})), "0 disks carry the serial"),
    ("live-restore", lambda: E.facts(d=E.docker(live_restore=True)), "live-restore"),
    (
        "the containerd image store",
        lambda: E.facts(d=E.docker(driver_status={"driver-type": "io.containerd.snapshotter.v1"})),
        "containerd",
    ),
    (
        "a stopped container",
        lambda: E.facts(d=E.docker(containers=tuple(replace(c, state="exited") for c in E.docker().containers))),
        "is exited",
    ),
    (
        "data without a mount",
        lambda: E.facts(d=E.docker(containers=tuple(replace(c, mounts=()) for c in E.docker().containers))),
        "writable layer",
    ),
    (
        "no compose file",
        lambda: E.facts(d=E.docker(containers=tuple(replace(c, labels={}) for c in E.docker().containers))),
        "exactly one compose file",
    ),
]


@pytest.mark.parametrize(("facts", "because"), [row[1:] for row in UNSAFE], ids=[row[0] for row in UNSAFE])
def test_what_is_not_safe_is_not_planned(facts: Callable[[], HostFacts], because: str) -> None:
    with pytest.raises(RefusedError, match=because):
        planned(E.MOUNT, E.ROOT, E.DB, facts=facts())


def test_nothing_is_planned_on_an_unreadable_or_unidentified_host() -> None:
    with pytest.raises(HostError, match="unreachable"):
        planned(E.MOUNT, facts=Unavailable("unreachable"))
    with pytest.raises(HostError, match="machine id"):
        planned(E.MOUNT, facts=replace(E.facts(), identity=Identity(None, "b", "k")))


@pytest.mark.parametrize("noun", [BlockDevices, ConfigFiles, DeviceLinks, Docker, Fstab, Mounts, Swaps])
def test_nothing_is_planned_while_a_fact_it_needs_is_unknown(noun: type) -> None:
    """A slow host may have answered in part; the complaint names the fact, and the exit code says unknown."""
    whole = E.facts()
    partly = replace(whole, nouns={**whole.nouns, noun: Unavailable("docker.info: not collected")})
    with pytest.raises(HostError, match=f"for shop-1: {noun.__name__}: docker.info: not collected") as told:
        planned(E.MOUNT, E.ROOT, E.DB, facts=partly)
    assert told.value.exit_code == 5
    assert "audit it again" in told.value.fix


def test_a_disk_that_came_too_late_at_boot_is_said() -> None:
    (uuid,) = {step.args["uuid"] for step in planned(E.MOUNT).steps}
    late = E.facts(fstab=Fstab((FstabEntry(f"UUID={uuid}", "/mnt/data", "ext4", ()),)))
    with pytest.raises(RefusedError, match="disk-1 is not mounted: it came too late") as told:
        planned(E.MOUNT, facts=late)
    assert "mount /mnt/data" in told.value.fix
    others = E.facts(fstab=Fstab((FstabEntry("UUID=0", "/mnt/data", "ext4", ()),)))
    with pytest.raises(RefusedError, match="already named in"):
        planned(E.MOUNT, facts=others)


def test_rules_of_the_wave_hold() -> None:
    with pytest.raises(RefusedError, match="no runtime mutation"):
        planned(E.MOUNT, policy="governance")
    with pytest.raises(RefusedError, match="not in the wave's mutate scope"):
        planned(replace(E.MOUNT, host="other"))
    with pytest.raises(RefusedError, match="downtime"):
        planned(E.MOUNT, E.ROOT, max_downtime_s=1)
    with pytest.raises(UsageError, match="no kind of step"):
        planned(E.step("prune_everything"))
    with pytest.raises(ContractError, match="`label` must be given"):
        planned(E.step("mount_data_disk", serial="disk-1", target="/mnt/data", fstype="ext4"))
    with pytest.raises(RefusedError, match="no change window"):
        make(E.wave(E.MOUNT), E.contract(windows=()), {"shop-1": E.facts()}, instance="i", proposer="p", gates="g", at=E.AT)


def test_the_plan_holds_the_times_it_runs_in() -> None:
    day, days = timedelta(days=1), tuple(replace(E.contract().windows[0], id=f"W{n}") for n in range(3))
    windows = tuple(replace(w, not_before=w.not_before + n * day, not_after=w.not_after + n * day) for n, w in enumerate(days))

    def made(rule: Overrun) -> Plan:
        known = E.contract(windows=windows)
        return make(E.wave(E.MOUNT, overrun=rule), known, {"shop-1": E.facts()}, instance="i", proposer="p", gates="g", at=E.AT)

    once = made(Overrun("rollback"))
    assert (len(once.slots), once.not_after, once.overrun) == (1, windows[0].not_after, "rollback")
    finishing = made(Overrun("finish", 600))
    assert (len(finishing.slots), finishing.not_after) == (1, windows[0].not_after + timedelta(seconds=600))
    pausing = made(Overrun("pause", 86400))
    assert (len(pausing.slots), pausing.not_after) == (2, windows[1].not_after)
    assert all(plan_json.from_bytes(plan_json.to_bytes(p)) == p for p in (once, finishing, pausing))
    with pytest.raises(RefusedError, match="neither window W nor the wave says what happens"):
        planned(E.MOUNT, overrun=None)
    own = E.contract(windows=(replace(windows[0], overrun=Overrun("finish", 60)),))
    plan = make(E.wave(E.MOUNT), own, {"shop-1": E.facts()}, instance="i", proposer="p", gates="g", at=E.AT)
    assert plan.overrun == "finish"  # the window's own rule wins over the wave's


def test_the_plan_a_person_reads_has_every_command_undo_class_and_count() -> None:
    plan = planned(E.MOUNT, E.ROOT, E.DB, E.CACHE)
    digest = digest_of(plan_json.to_bytes(plan))
    text = show.text(plan, digest)
    for step in plan.steps:
        assert all(line in text for command in (*step.commands, *step.undo_commands) for line in command.splitlines())
    assert "Plan: 5 steps, 0 to delete, 5 with an undo" in text and digest in text


def admitted(plan: Plan, facts: HostFacts | Unavailable, **changes: object) -> set[str]:
    given: dict[str, object] = {"instance": "i", "approvals": (), "gates": plan.gates, "entry": (), "at": E.AT, **changes}
    contract = given.pop("contract", E.contract())
    return {r.kind for r in refusals(plan, contract, {"shop-1": facts}, **given)}  # type: ignore[arg-type]


def test_admission_names_every_rule_that_says_no() -> None:
    plan = planned(E.MOUNT)
    assert admitted(plan, E.facts()) == set()
    assert admitted(plan, Unavailable("down")) == {"host"}
    assert admitted(plan, E.facts(), at=E.AT.replace(hour=7)) == {"window"}
    assert admitted(plan, E.facts(), under_way=("M0 (sha256:1)",)) == {"overlap"}
    assert admitted(plan, E.facts(), contract=E.contract(windows=())) == {"window"}
    assert admitted(plan, E.facts(), contract=E.contract(digest="sha256:other")) == {"contract"}
    assert admitted(plan, E.facts(), gates="sha256:other") == {"contract"}
    assert admitted(plan, E.facts(), approvals=("0 of 1",), entry=("D235",), instance="x") == {"approval", "gate", "instance"}
    assert admitted(plan, E.facts(), unseen=("D235: docker timed out",)) == {"host"}
    assert admitted(plan, replace(E.facts(), identity=Identity("1" * 32, "b", "SHA256:key"))) == {"facts"}
    deny = E.contract(windows=(*E.contract().windows, replace(E.contract().windows[0], id="D", kind="deny")))
    assert admitted(plan, E.facts(), contract=deny) == {"window"}


def test_changed_facts_void_a_plan_and_grown_data_does_not() -> None:
    plan = planned(E.MOUNT)
    grown = E.docker(layers_bytes=99, volumes=tuple(replace(v, size_bytes=7) for v in E.docker().volumes))
    assert admitted(plan, E.facts(d=grown)) == set()
    assert admitted(plan, E.facts(d=E.docker(root_dir="/elsewhere"))) == {"facts"}
    assert admitted(plan, E.facts(b=partitioned())) == set()  # a partition is no disk; the hand looks at it before mkfs


def test_retire_names_exactly_what_was_set_aside() -> None:
    parent = planned(E.MOUNT, E.ROOT)
    asides = ({"kind": "path", "path": "/var/lib/docker.wb", "bytes": 5}, {"kind": "volume", "volume": "pgdata", "bytes": 2})
    plan = retire(parent, E.facts(), asides, proposer="p@x", contract=E.contract(), gates=parent.gates, at=E.AT)
    assert plan.steps[0].deletes == ("/var/lib/docker.wb", "volume:pgdata")
    assert plan.kind == "retire" and plan_json.from_bytes(plan_json.to_bytes(plan)) == plan
    with pytest.raises(RefusedError, match="nothing is set aside"):
        retire(parent, E.facts(), (), proposer="p@x", contract=E.contract(), gates="g", at=E.AT)


@pytest.mark.parametrize("noun", [Docker, Fstab, BlockDevices, Mounts, ConfigFiles])
def test_what_a_later_look_did_not_see_is_not_a_change(noun: type) -> None:
    """The plan stays good: it is asked again, where a plan that was made anew would have to be signed anew."""
    plan, facts = planned(E.MOUNT), E.facts()
    less = replace(facts, nouns={**facts.nouns, noun: Unavailable("timed out")})
    (said,) = refusals(plan, E.contract(), {"shop-1": less}, instance="i", approvals=(), gates=plan.gates, entry=(), at=E.AT)
    assert (said.kind, f"{noun.__name__}: timed out" in said.reason) == ("host", True)


def test_nothing_there_and_nothing_seen_are_two_facts() -> None:
    """A plan made on an empty fstab is void where fstab could not be read then, and the other way round."""
    facts = E.facts()
    empty, unread = (replace(facts, nouns={**facts.nouns, Fstab: noun}) for noun in (Fstab(()), Unavailable("denied")))
    assert fingerprint(empty) != fingerprint(unread)


def test_retire_has_a_window_of_its_own_because_the_parents_may_be_over() -> None:
    parent, asides = planned(E.MOUNT, E.ROOT), ({"kind": "path", "path": "/var/lib/docker.wb", "bytes": 5},)
    later = parent.not_after + timedelta(days=30)
    window = replace(E.contract().windows[0], not_before=later - timedelta(hours=1), not_after=later + timedelta(hours=1))
    plan = retire(parent, E.facts(), asides, proposer="p@x", contract=E.contract(windows=(window,)), gates="g", at=later)
    assert plan.slots[0].holds(later) and (plan.not_before, plan.not_after) == (window.not_before, window.not_after)
    with pytest.raises(RefusedError, match="no change window of kind allow covers shop-1"):
        retire(parent, E.facts(), asides, proposer="p@x", contract=E.contract(), gates="g", at=later)


def test_a_retire_plan_serves_the_wave_it_is_named_after_and_a_wave_of_such_a_name_serves_itself() -> None:
    plan = planned(E.MOUNT, id="M1-RETIRE")
    assert plan.serves == "M1-RETIRE"
    assert replace(plan, kind="retire").serves == "M1"


def test_settings_of_docker_that_may_not_be_told_are_not_written_over() -> None:
    """A line with a secret is not told; the file's digest is, so the host itself would accept the swap and the rest would be lost."""
    hidden = ConfigFile("/etc/docker/daemon.json", "6" * 64, ("{", None, "}"))
    files = ConfigFiles({**E.facts()[ConfigFiles].by_path, hidden.path: hidden})
    with pytest.raises(RefusedError, match="not a JSON object that may be told"):
        planned(E.MOUNT, E.ROOT, facts=E.facts(f=files, d=E.docker(daemon_json=None)))


def test_log_limits_set_before_the_move_are_in_the_file_it_writes() -> None:
    limits = E.step("set_log_rotation", max_bytes=10**7, files=3)
    rotate, move = planned(E.MOUNT, limits, E.ROOT).steps[2:]
    assert '"max-file": "3"' in str(move.args["daemon_json_after"])
    assert move.args["daemon_json_before_sha256"] == digest_of(str(rotate.args["after"]).encode())
