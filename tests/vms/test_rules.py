"""Every storage rule, seen holding and seen broken; and every enforcement removed in turn is noticed."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from waveboard.gates import evaluate, seeds
from waveboard.gates import shelf as gates
from waveboard.gates.seeds import placement
from waveboard.model.contract import HostPolicy, Pack, Place, RedisRule, Service, Sourced, Thresholds
from waveboard.model.errors import RefusedError
from waveboard.model.evidence import Identity
from waveboard.model.facts import (
    BlockDevice,
    BlockDevices,
    ConfigFile,
    ConfigFiles,
    Container,
    ContainerMount,
    Docker,
    FilesystemUsage,
    Fstab,
    FstabEntry,
    HostFacts,
    Mount,
    Mounts,
    PathFact,
    Paths,
    RedisConfig,
    Unavailable,
    Usage,
    WriteSurfaces,
)
from waveboard.model.finding import Mode
from waveboard.model.graph import HostPlacements, PlacementClass
from waveboard.model.logs import LogSettings
from waveboard.model.ordering import dropin
from waveboard.model.vm import BackupState, DataDisk, HypervisorState, LogRotation, Network, Pool, VmDisk, VmSpec, VmState
from waveboard.vms.bootstrap import bootstrap
from waveboard.vms.parity import parity
from waveboard.vms.provision import Reach, Wish, steps
from waveboard.vms.ready import Readiness, assess
from waveboard.vms.rule import Asked, Built, Configured, Reboot, Rule, Seen, Stage, State
from waveboard.vms.shelf import configuration, rules
from waveboard.wiring import shelves

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATA, DIRECTORY = "/mnt/data", "/mnt/data/shop/cache"
PLACE = Place("contracts.yaml", 1, 1)
SPEC = VmSpec(
    host="shop-1",
    vmid=11,
    hypervisor="pve",
    node="n1",
    template="9000",
    profile="db-v1",
    cores=2,
    memory_bytes=2 << 30,
    boot_pool="local",
    boot_bytes=32 << 30,
    network=Network("vmbr0", "dhcp"),
    ci_user="ubuntu",
    ssh_keys=(),
    tier="tank-vms",
    data=DataDisk("tank", 100 << 30, "scsi", "shop-1-data", "ext4", "shop-1", DATA, True),
    docker_root=f"{DATA}/docker",
    log_rotation=LogRotation(10**7, 3),
    nfs_mounts=(("/mnt/media", "nas:/media"),),
    directories=(DIRECTORY,),
    backup_max_age_s=86400,
)
POLICY = HostPolicy(
    "shop-1",
    services=(Service("cache", "redis", ("/data",), DIRECTORY),),
    redis=RedisRule(require_appendonly=Sourced(True, PLACE)),
    write_surface_patterns=("upload",),
    thresholds=Thresholds(root_fail_pct=Sourced(80.0, PLACE)),
)
CACHE = Container("c" * 64, "cache", "redis", "sha256:1", "running", 9, {}, (), log=LogSettings("json-file", "10m", "3"))
DOCKER = Docker(
    root_dir=f"{DATA}/docker",
    driver="overlay2",
    driver_status={},
    security_options=(),
    version="26",
    live_restore=False,
    containers=(CACHE,),
    volumes=(),
    daemon_json='{"data-root": "/mnt/data/docker", "log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}',
)
IMAGES = replace(DOCKER, driver_status={"driver-type": "io.containerd.snapshotter.v1"}, containerd_root=f"{DATA}/containerd")
DROPIN = dropin("docker")
ORDER = ConfigFile(DROPIN, "1" * 64, ("[Unit]", f"RequiresMountsFor={DATA}", f"AssertPathIsMountPoint={DATA}"))
NOUNS: dict[type, object] = {
    BlockDevices: BlockDevices(
        {
            "sda": BlockDevice("sda", "8:0", 32 << 30, "/sda", serial="boot"),
            "sdb": BlockDevice("sdb", "8:16", 100 << 30, "/sdb", serial="shop-1-data"),
        }
    ),
    Mounts: Mounts(
        (
            Mount(1, 0, "8:0", "/", "/", (), "ext4", "/dev/sda", ()),
            Mount(2, 1, "8:16", "/", DATA, (), "ext4", "/dev/sdb", ()),
            Mount(3, 1, "0:50", "/", "/mnt/media", (), "nfs4", "nas:/media", ()),
        )
    ),
    Fstab: Fstab((FstabEntry("UUID=1", DATA, "ext4", ()), FstabEntry("nas:/media", "/mnt/media", "nfs4", ()))),
    ConfigFiles: ConfigFiles({DROPIN: ORDER}),
    Docker: DOCKER,
    Paths: Paths({DIRECTORY: PathFact(DIRECTORY, DIRECTORY, True, None)}),
    Usage: Usage({"/": FilesystemUsage("/", "/dev/sda", 100, 20, 80)}),
    RedisConfig: RedisConfig({"cache": {"appendonly": "yes"}}),
    WriteSurfaces: WriteSurfaces({"cache": ()}),
}
FACTS = HostFacts("shop-1", AT, Identity("0" * 32, "boot-2", "SHA256:k"), "sha256:" + "3" * 64, NOUNS)
ON_DATA = {path: placement(path, PlacementClass.DATA) for path in (DATA, DIRECTORY)}
PLACES = HostPlacements(
    ("sda",),
    placement(f"{DATA}/docker", PlacementClass.DATA),
    ON_DATA,
    {"cache": {"/data": placement("/data", PlacementClass.DATA, container="cache")}},
)
DISK = VmDisk("scsi1", "tank", "tank:1", 100 << 30, "shop-1-data")
VM = VmState(11, "shop-1", "n1", "running", False, "", (DISK,), agent=True)
STATE = HypervisorState("n1", {}, {11: VM}, {11: BackupState(True, ("nightly",), (), AT - timedelta(hours=3))})
WHOLE = Seen(SPEC, POLICY, FACTS, PLACES, STATE, AT, Reboot("sha256:p", "boot-1", "boot-2"))


def facts(**nouns: object) -> Seen:
    return replace(WHOLE, facts=replace(FACTS, nouns={**NOUNS, **{type(noun): noun for noun in nouns.values()}}))


def told(seen: Seen) -> dict[str, State]:
    return {a.id: a.state for a in assess(seen).answers if a.state is not State.HOLDS}


def boot_mount() -> Seen:
    return replace(WHOLE, places=replace(PLACES, paths={**ON_DATA, DATA: placement(DATA, PlacementClass.BOOT)}))


LIMIT = 500 * 10**6


def layered(size: int | None) -> Seen:
    """One container with that much in its own layer, under contracts that limit it."""
    limited = replace(POLICY, thresholds=replace(POLICY.thresholds, writable_layer_warn_bytes=Sourced(LIMIT, PLACE)))
    seen = facts(d=replace(DOCKER, containers=(replace(CACHE, writable_bytes=size),)))
    return replace(seen, policy=limited)


def nameless() -> Seen:
    kept = placement("/data", PlacementClass.DATA, "ANONYMOUS", container="cache")
    return replace(WHOLE, places=replace(PLACES, containers={"cache": {"/data": kept}}))


def vm(**changes: object) -> Seen:
    return replace(WHOLE, hypervisor=replace(STATE, vms={11: replace(VM, **changes)}))  # type: ignore[arg-type]


def kept(**changes: object) -> Seen:
    return replace(WHOLE, hypervisor=replace(STATE, backups={11: replace(STATE.backups[11], **changes)}))  # type: ignore[arg-type]


def images(lives: PlacementClass | None, docker: Docker = IMAGES, asked: str | None = None, *, ordered: bool = True) -> Seen:
    """A docker that keeps its images in containerd, whose root lives there."""
    path = f"{DATA}/containerd"
    files = {DROPIN: ORDER} | ({dropin("containerd"): replace(ORDER, path=dropin("containerd"))} if ordered else {})
    paths = {**ON_DATA} | ({path: placement(path, lives)} if lives else {})
    seen = facts(d=docker, c=ConfigFiles(files))
    return replace(seen, vm=replace(SPEC, containerd_root=asked), places=replace(PLACES, paths=paths))


def test_images_in_containerd_on_the_data_disk_are_right() -> None:
    assert assess(images(PlacementClass.DATA)).ready
    assert assess(images(PlacementClass.DATA, IMAGES, f"{DATA}/containerd")).ready


def test_a_containerd_in_which_docker_keeps_nothing_may_be_anywhere() -> None:
    assert assess(images(None, replace(DOCKER, containerd_root="/var/lib/containerd"))).ready
    assert assess(images(None, replace(DOCKER, containerd_root=None))).ready


def test_a_containerd_of_dockers_own_starts_with_docker() -> None:
    path = f"{DATA}/docker/containerd/daemon"
    own = images(PlacementClass.DATA, replace(IMAGES, containerd_root=path), ordered=False)
    assert own.places is not None
    assert assess(replace(own, places=replace(own.places, paths={**ON_DATA, path: placement(path, PlacementClass.DATA)}))).ready


def test_a_fresh_backup_is_enough_whatever_else_is_unseen() -> None:
    assert assess(kept(unseen_backups="a storage is not active", unseen_jobs="no rights")).ready


def test_a_vm_as_it_is_asked_for_is_ready() -> None:
    assert assess(WHOLE).ready, assess(WHOLE)
    assert {a.id for a in assess(WHOLE).answers} == {"running", "docker", *(rule.id for rule in rules())}


@pytest.mark.parametrize(
    ("drift", "rule", "state"),
    [
        (facts(b=BlockDevices({"sda": BlockDevice("sda", "8:0", 1, "/sda")})), "SR-001", State.FAILS),
        (vm(disks=()), "SR-001", State.FAILS),
        (vm(disks=(replace(DISK, pool="local"),)), "SR-001", State.FAILS),
        (vm(disks=(replace(DISK, size_bytes=1),)), "SR-001", State.FAILS),
        (facts(f=Fstab(())), "SR-002", State.FAILS),
        (facts(f=Fstab((FstabEntry("/dev/sdb", DATA, "ext4", ()),))), "SR-002", State.FAILS),
        (facts(m=Mounts((Mount(1, 0, "8:0", "/srv", DATA, (), "ext4", "/dev/sda", ()),))), "SR-002", State.FAILS),
        (facts(m=Mounts((Mount(1, 0, "8:16", "/", DATA, (), "xfs", "/dev/sdb", ()),))), "SR-002", State.FAILS),
        (boot_mount(), "SR-003", State.FAILS),
        (replace(WHOLE, places=None), "SR-003", State.UNKNOWN),
        (replace(WHOLE, places=None), "SR-011", State.UNKNOWN),
        (facts(w=WriteSurfaces({})), "SR-011", State.UNKNOWN),
        (replace(WHOLE, facts=replace(FACTS, identity=Identity("0" * 32, None, "SHA256:k"))), "SR-013", State.UNKNOWN),
        (facts(d=replace(DOCKER, root_dir="/var/lib/docker")), "SR-004", State.FAILS),
        (replace(WHOLE, places=replace(PLACES, docker_root=placement("/d", PlacementClass.BOOT))), "SR-004", State.FAILS),
        (facts(c=ConfigFiles({})), "SR-005", State.FAILS),
        (facts(c=ConfigFiles({DROPIN: replace(ORDER, lines=("[Unit]", None))})), "SR-005", State.UNKNOWN),
        (facts(d=replace(DOCKER, daemon_json="{}")), "SR-006", State.FAILS),
        (facts(d=replace(DOCKER, daemon_json=str(DOCKER.daemon_json).replace("10m", "1g"))), "SR-006", State.FAILS),
        (facts(d=replace(DOCKER, daemon_json=None)), "SR-006", State.UNKNOWN),
        (facts(d=replace(DOCKER, daemon_json="[]")), "SR-006", State.UNKNOWN),
        (facts(d=replace(DOCKER, containers=(replace(CACHE, log=LogSettings("json-file")),))), "SR-006", State.FAILS),
        (facts(d=replace(DOCKER, containers=(replace(CACHE, log=None),))), "SR-006", State.UNKNOWN),
        (facts(p=Paths({DIRECTORY: PathFact(DIRECTORY, None, False, DATA)})), "SR-007", State.FAILS),
        (facts(p=Paths({})), "SR-007", State.UNKNOWN),
        (nameless(), "SR-007", State.FAILS),
        (facts(r=RedisConfig({"cache": {"appendonly": "no"}})), "SR-008", State.FAILS),
        (facts(r=RedisConfig({})), "SR-008", State.UNKNOWN),
        (facts(u=Usage({"/": FilesystemUsage("/", "/dev/sda", 100, 90, 10)})), "SR-009", State.FAILS),
        (facts(m=Mounts(NOUNS[Mounts].table[:2])), "SR-010", State.FAILS),  # type: ignore[attr-defined]
        (facts(w=WriteSurfaces({"cache": (("/srv/uploads", 5),)})), "SR-011", State.FAILS),
        (layered(LIMIT), "SR-011", State.FAILS),
        (layered(None), "SR-011", State.UNKNOWN),
        (vm(disks=(replace(DISK, backup=False),)), "SR-012", State.FAILS),
        (replace(WHOLE, at=AT + timedelta(days=2)), "SR-012", State.FAILS),
        (replace(WHOLE, hypervisor=replace(STATE, backups={})), "SR-012", State.UNKNOWN),
        (kept(enabled=False, jobs=()), "SR-012", State.FAILS),
        (kept(enabled=False, jobs=(), unseen_jobs="no rights"), "SR-012", State.UNKNOWN),
        (kept(newest=None), "SR-012", State.FAILS),
        (kept(newest=None, unseen_backups="no rights"), "SR-012", State.UNKNOWN),
        (kept(newest=AT - timedelta(days=2)), "SR-012", State.FAILS),
        (kept(newest=AT - timedelta(days=2), unseen_backups="a storage is not active"), "SR-012", State.UNKNOWN),
        (kept(newest=AT + timedelta(minutes=1)), "SR-012", State.UNKNOWN),
        (replace(WHOLE, reboot=None), "SR-013", State.UNKNOWN),
        (replace(WHOLE, reboot=Reboot("p", "boot-2", "")), "SR-013", State.FAILS),
        (images(PlacementClass.BOOT), "SR-014", State.FAILS),
        (images(None), "SR-014", State.UNKNOWN),
        (images(PlacementClass.UNKNOWN), "SR-014", State.UNKNOWN),
        (images(PlacementClass.DATA, ordered=False), "SR-014", State.FAILS),
        (images(PlacementClass.DATA, replace(IMAGES, containerd_root=None)), "SR-014", State.UNKNOWN),
        (images(PlacementClass.DATA, DOCKER, f"{DATA}/other"), "SR-014", State.UNKNOWN),
        (images(PlacementClass.DATA, IMAGES, f"{DATA}/other"), "SR-014", State.FAILS),
        (vm(status="stopped"), "running", State.FAILS),
        (replace(WHOLE, facts=replace(FACTS, identity=Identity(None, "boot-2", "SHA256:k"))), "running", State.UNKNOWN),
        (vm(agent=None), "running", State.UNKNOWN),
        (replace(WHOLE, hypervisor=Unavailable("node down")), "running", State.UNKNOWN),
    ],
)
def test_each_drift_is_named_by_its_rule(drift: Seen, rule: str, state: State) -> None:
    assert told(drift).get(rule) is state, told(drift)
    assert not assess(drift).ready


def test_a_container_made_before_the_limits_is_named() -> None:
    old = facts(d=replace(DOCKER, containers=(replace(CACHE, log=LogSettings("json-file", "1g", "3")),)))
    (answer,) = (a for a in assess(old).answers if a.id == "SR-006")
    assert answer.reasons == ("cache was made so that its max-size is 1g; 10000000 bytes are asked for",)


@pytest.mark.parametrize("noun", list(NOUNS))
def test_what_cannot_be_seen_is_never_ready(noun: type) -> None:
    dark = replace(WHOLE, facts=replace(FACTS, nouns={**NOUNS, noun: Unavailable("permission denied")}))
    assert not assess(dark).ready and State.UNKNOWN in told(dark).values()


def test_a_layer_below_its_limit_is_ready() -> None:
    assert assess(layered(LIMIT - 1)).ready


def test_without_a_hypervisor_nothing_is_asked_of_one() -> None:
    alone = replace(WHOLE, vm=replace(SPEC, hypervisor=""), hypervisor=Unavailable("none is named"))
    assert assess(alone).ready and "SR-012" not in {a.id for a in assess(alone).answers}


def test_nothing_asked_is_not_ready() -> None:
    assert not Readiness("shop-1", ()).ready


def test_every_rule_has_its_enforcers() -> None:
    assert parity(shelves()).holes == () and shelves().holes == ()
    assert len(parity(shelves()).cells) == len(rules()) * len(Stage)


EVERY = [(rule.id, stage) for rule in rules() for stage in rule.stages]


@pytest.mark.parametrize(("rule_id", "stage"), EVERY, ids=lambda v: v.value if isinstance(v, Stage) else v)
def test_each_enforcement_that_is_removed_is_noticed(rule_id: str, stage: Stage) -> None:
    """Parity has a hole, no VM is ready any more, and D239 tells it in the pack."""
    spoilt = [
        replace(rule, stages={s: e for s, e in rule.stages.items() if s is not stage}) if rule.id == rule_id else rule
        for rule in rules()
    ]
    holes = parity(shelves(), spoilt).holes
    assert len(holes) == 1 and holes[0].startswith(f"{rule_id} at {stage.value}:")
    assert not assess(WHOLE, spoilt, holes).ready
    if stage is Stage.READY:
        assert not assess(WHOLE, spoilt).ready  # the missing check alone is doubt enough
    fleet = seeds.many({"a": (HostPolicy("a"), seeds.facts(host="a"))})
    pack = Pack("p", ("D239",), ("a",), Mode.REPORT, evidence_max_age_s=60)
    report = evaluate.run(pack, replace(fleet.contract, holes=holes), fleet.facts, {}, fleet.at)
    assert "parity-hole" in {f.code for f in report.findings}


@pytest.mark.parametrize("stage", [Stage.GATE, Stage.BOOTSTRAP, Stage.WAVE])
def test_an_enforcer_that_does_not_exist_is_a_hole(stage: Stage) -> None:
    known = shelves()
    poor = replace(known, gates={}) if stage is Stage.GATE else replace(known, steps={})
    assert any(f"at {stage.value}:" in hole for hole in parity(poor).holes)


def test_a_gate_that_lost_a_code_is_a_hole() -> None:
    known = shelves()
    poor = replace(known, gates={**known.gates, "D235": ()})
    assert any("D235 never says `boot-backed`" in hole for hole in parity(poor).holes)


def test_every_code_named_is_a_real_one() -> None:
    assert set(gates.gates()) >= {"D235", "D236", "D237", "D238"}


def test_provision_is_told_everything_about_the_disk() -> None:
    told = configuration(SPEC, POLICY)
    assert told["data_disk.serial"] == "shop-1-data" and told["data_disk.backup"] is True and told["data_disk.pool"] == "tank"
    without = [r for r in rules() if r.id != "SR-001"]
    assert "data_disk.serial" not in configuration(SPEC, POLICY, without)


@pytest.mark.parametrize("rule", [r for r in rules() if isinstance(r.stages[Stage.PROVISION], Configured)], ids=lambda r: r.id)
def test_what_a_rule_puts_into_a_vm_is_in_the_plan_or_there_is_none(rule: Rule) -> None:
    """An enforcer that only names itself would put nothing, and a plan that forgets what one puts is refused."""
    pools = {name: Pool(name, 1 << 40, 1 << 40, True) for name in ("tank", "local")}
    empty, reach = HypervisorState("n1", pools, {}, images={"9000": 8 << 30}), Reach("192.0.2.1", 22, "ssh-ed25519 AAAA")
    put = configuration(SPEC, POLICY)
    own = rule.stages[Stage.PROVISION].puts(SPEC)  # type: ignore[union-attr]
    assert own and own.items() <= put.items()
    wish = Wish(SPEC, reach, {}, "local", "proxmox", put=put)
    assert steps(wish, empty, "i")
    for key in own:
        with pytest.raises(RefusedError, match=re.escape(f"asks for {key}")):
            steps(replace(wish, put={**put, key: "another"}), empty, "i")


def kinds_of(seen: HostFacts, reboot: Reboot | None = None, spec: VmSpec = SPEC) -> list[str]:
    return [step.kind for step in bootstrap(spec, POLICY, seen, reboot).steps]


def test_a_blank_vm_gets_everything_in_order_and_a_restart_last() -> None:
    blank = replace(FACTS, nouns={**NOUNS, Docker: Unavailable("no socket")})
    assert kinds_of(blank) == [
        "mount_data_disk",
        "mount_share",
        "set_containerd_root",
        "prepare_docker",
        "make_directories",
        "reboot",
    ]
    (root,) = [s for s in bootstrap(SPEC, POLICY, blank, None).steps if s.kind == "set_containerd_root"]
    assert root.params == {"to": f"{DATA}/containerd"}
    assert bootstrap(SPEC, POLICY, blank, None).steps[-1].params == {"when": "always"}


def test_an_old_vm_has_its_docker_moved_and_its_logs_limited() -> None:
    assert kinds_of(FACTS, WHOLE.reboot) == [
        "mount_data_disk",
        "mount_share",
        "move_docker_root",
        "set_log_rotation",
        "make_directories",
        "reboot",
    ]
    assert bootstrap(SPEC, POLICY, FACTS, WHOLE.reboot).steps[-1].params == {"when": "changed"}


def test_a_docker_that_may_start_before_a_disk_that_others_mounted_is_ordered_after_it() -> None:
    def unordered(docker: Docker = DOCKER, *, mounted: bool = True, files: ConfigFiles | None = None) -> HostFacts:
        mounts = NOUNS[Mounts] if mounted else Mounts(NOUNS[Mounts].table[:1])  # type: ignore[attr-defined]
        return replace(FACTS, nouns={**NOUNS, ConfigFiles: files or ConfigFiles({}), Mounts: mounts, Docker: docker})

    assert kinds_of(unordered())[:3] == ["mount_data_disk", "order_docker", "mount_share"]
    assert "order_docker" not in kinds_of(unordered(mounted=False))  # the step that mounts it does
    ordered = ConfigFiles({DROPIN: ORDER})
    assert "order_docker" not in kinds_of(unordered(files=ordered))
    (step,) = [s for s in bootstrap(SPEC, POLICY, unordered(IMAGES, files=ordered), None).steps if s.kind == "order_docker"]
    assert step.params == {"target": DATA, "containerd": True}
    own = replace(IMAGES, containerd_root=f"{DATA}/docker/containerd/daemon")
    assert "order_docker" not in kinds_of(unordered(own, files=ordered))


def test_a_service_that_runs_elsewhere_is_moved_and_its_place_is_not_made_before() -> None:
    """A move makes its own place: one that is there already it would refuse."""
    elsewhere = ContainerMount("bind", "/data", "/opt/cache")

    def running(mount: ContainerMount = elsewhere, **changes: object) -> HostFacts:
        made: dict[str, object] = {"mounts": (mount,), "labels": {"com.docker.compose.service": "cache"}, **changes}
        container = replace(CACHE, **made)  # type: ignore[arg-type]
        return replace(FACTS, nouns={**NOUNS, Docker: replace(DOCKER, containers=(container,))})

    kinds = kinds_of(running(), WHOLE.reboot)
    assert "relocate_service" in kinds and "make_directories" not in kinds
    assert kinds.index("move_docker_root") < kinds.index("relocate_service") < kinds.index("reboot")
    (step,) = [s for s in bootstrap(SPEC, POLICY, running(), None).steps if s.kind == "relocate_service"]
    assert step.params == {"container": "cache", "to": DIRECTORY}
    at_home = running(ContainerMount("bind", "/data", DIRECTORY))
    for still in (at_home, running(state="exited"), running(labels={})):
        assert "relocate_service" not in kinds_of(still) and "make_directories" in kinds_of(still)


def test_a_boot_only_vm_gets_its_log_limits_and_a_restart() -> None:
    bare = replace(SPEC, data=None, docker_root=None, directories=(), nfs_mounts=())
    assert kinds_of(FACTS, None, bare) == ["set_log_rotation", "reboot"]


def test_kinds_that_rules_contribute_are_those_they_name() -> None:
    blank = replace(FACTS, nouns={**NOUNS, Docker: Unavailable("no socket")})
    for rule in rules():
        stage = rule.stages[Stage.BOOTSTRAP]
        if isinstance(stage, Built):
            for one in (FACTS, blank):
                assert {s.kind for s in stage.steps(Asked(SPEC, POLICY, one))} <= set(stage.kinds)


def test_every_kind_that_a_rule_names_for_bootstrap_is_asked_for_of_some_host() -> None:
    """A step that is never rendered enforces nothing."""
    elsewhere = ContainerMount("bind", "/data", "/opt/cache")
    served = replace(CACHE, mounts=(elsewhere,), labels={"com.docker.compose.service": "cache"})
    blank, images_on = {Docker: Unavailable("no socket")}, {Docker: IMAGES, ConfigFiles: ConfigFiles({})}
    cases = ({}, blank, images_on, {Docker: replace(DOCKER, containers=(served,))})
    asked = {
        rule.id: {s.kind for nouns in cases for s in stage.steps(Asked(SPEC, POLICY, replace(FACTS, nouns={**NOUNS, **nouns})))}
        for rule in rules()
        if isinstance(stage := rule.stages[Stage.BOOTSTRAP], Built)
    }
    named = {rule.id: set(rule.stages[Stage.BOOTSTRAP].kinds) for rule in rules() if rule.id in asked}  # type: ignore[union-attr]
    assert all(kinds for kinds in asked.values()), asked
    assert set().union(*asked.values()) == set().union(*named.values())
