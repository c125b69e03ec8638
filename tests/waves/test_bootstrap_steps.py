"""The kinds of step a bootstrap adds: what they ask for, what they refuse, and that what is already so drops out of the plan."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.waves import estate as E
from waveboard.model.change import Plan
from waveboard.model.contract import StepSpec
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.evidence import digest_of
from waveboard.model.facts import (
    ConfigFile,
    ConfigFiles,
    ContainerMount,
    DeviceLinks,
    Docker,
    Fstab,
    FstabEntry,
    HostFacts,
    Mount,
    Mounts,
    PathFact,
    Paths,
    Unavailable,
)
from waveboard.waves import plan as planner

PREPARE = E.step("prepare_docker", to="/mnt/data/docker", log_max_bytes=10**7, log_files=3)
ROTATE = E.step("set_log_rotation", max_bytes=10**7, files=3)
MAKE = E.step("make_directories", paths=["/mnt/data/shop/db"])
REBOOT = E.step("reboot", when="changed")
STOCK = "/var/lib/docker"


def blank(**nouns: object) -> HostFacts:
    """A host with a blank data disk whose docker has never run."""
    files = ConfigFiles({path: file for path, file in E.facts()[ConfigFiles].by_path.items() if "docker" not in path})
    made = E.facts(paths=Paths({STOCK: PathFact(STOCK, None, False, "/var/lib")}), files=files, **nouns)
    return replace(made, nouns={**made.nouns, Docker: Unavailable("no socket")})


def made(*steps: StepSpec, facts: HostFacts) -> Plan:
    return planner.make(E.wave(*steps), E.contract(), {"shop-1": facts}, instance="i", proposer="me", gates="sha256:g", at=E.AT)


def test_docker_gets_its_root_before_it_first_starts() -> None:
    *_, prepare, folders, restart = made(E.MOUNT, PREPARE, MAKE, REBOOT, facts=blank()).steps
    assert (prepare.verb, folders.verb, restart.verb) == ("docker_prepare", "directories_make", "reboot")
    after = json.loads(str(prepare.args["daemon_json_after"]))
    assert after["data-root"] == "/mnt/data/docker" and after["log-opts"] == {"max-size": "10000k", "max-file": "3"}
    assert prepare.args["daemon_json_before_sha256"] is None and restart.downtime_s > 0


@pytest.mark.parametrize(
    "stock",
    [
        PathFact(STOCK, STOCK, True, None, non_empty=True),
        PathFact(STOCK, STOCK, True, None, non_empty=None),
        PathFact(STOCK, None, False, "/var", blocked="/var"),
    ],
)
def test_a_docker_that_may_hold_data_is_never_prepared(stock: PathFact) -> None:
    facts = blank()
    with pytest.raises(RefusedError, match=r"docker may hold data|could not be looked at"):
        made(E.MOUNT, PREPARE, facts=replace(facts, nouns={**facts.nouns, Paths: Paths({STOCK: stock})}))


def naming(root: str, *paths: PathFact) -> HostFacts:
    """A blank host whose docker cannot be read and whose settings name a root already."""
    text = json.dumps({"data-root": root})
    file = ConfigFile("/etc/docker/daemon.json", digest_of(text.encode()).removeprefix("sha256:"), (text,))
    facts = holding(blank(), file)
    known = {**facts[Paths].by_path, **{path.path: path for path in paths}}
    return replace(facts, nouns={**facts.nouns, Paths: Paths(known)})


def test_a_docker_that_cannot_be_read_and_has_its_root_elsewhere_is_never_prepared() -> None:
    for step in (PREPARE, CONTAINERD):
        with pytest.raises(RefusedError, match=r"names the data-root /srv/docker, so docker may hold data"):
            made(E.MOUNT, step, facts=naming("/srv/docker"))
        full = PathFact("/mnt/data/docker", "/mnt/data/docker", True, None, non_empty=True)
        with pytest.raises(RefusedError, match=r"/mnt/data/docker is not empty, so docker may hold data"):
            made(E.MOUNT, step, facts=naming("/mnt/data/docker", full))
        for harmless in ("/mnt/data/docker/", STOCK):
            assert len(made(E.MOUNT, step, facts=naming(harmless)).steps) == 3


def test_a_docker_that_runs_is_never_prepared() -> None:
    with pytest.raises(RefusedError, match="docker runs already"):
        made(E.MOUNT, PREPARE, facts=E.facts())


def test_the_root_must_lie_on_the_disk_that_is_mounted() -> None:
    with pytest.raises(RefusedError, match="not below a data disk"):
        made(PREPARE, facts=blank())
    with pytest.raises(RefusedError, match="not below a data disk"):
        made(MAKE, facts=blank())


def test_log_limits_follow_the_moved_root_in_the_same_file() -> None:
    move, rotate = made(E.MOUNT, E.ROOT, ROTATE, facts=with_settings("{}")).steps[2:]
    before = str(move.args["daemon_json_after"])
    assert rotate.args["before_sha256"] == digest_of(before.encode())
    assert json.loads(str(rotate.args["after"])).keys() >= {"data-root", "log-opts"}


def with_settings(text: str) -> HostFacts:
    file = ConfigFile("/etc/docker/daemon.json", digest_of(text.encode()).removeprefix("sha256:"), tuple(text.splitlines()))
    known = E.facts()[ConfigFiles].by_path
    return E.facts(files=ConfigFiles({**known, file.path: file}))


def test_a_root_that_the_settings_name_before_docker_works_there_is_not_moved() -> None:
    with pytest.raises(RefusedError, match=r"names /mnt/data/docker, while docker works on /var/lib/docker"):
        made(E.MOUNT, E.ROOT, facts=with_settings('{"data-root": "/mnt/data/docker"}'))
    assert made(E.MOUNT, E.ROOT, facts=with_settings('{"data-root": "/var/lib/docker"}')).steps[-1].verb == "docker_root_move"


def on_root(root: str, settings: str = "{}", canonical: Mapping[str, str] | None = None, **changes: object) -> HostFacts:
    """A docker that works on `root`. canonical: where paths really are."""
    facts = with_settings(settings)
    paths = Paths({path: PathFact(path, real, True, None) for path, real in (canonical or {}).items()})
    return replace(facts, nouns={**facts.nouns, Paths: paths, Docker: E.docker(root_dir=root, **changes)})


def test_a_root_that_docker_was_given_as_a_flag_is_said_before_anything_is_planned() -> None:
    because = r"docker works on /srv/docker, and /etc/docker/daemon.json names no data-root: .* a flag .*--data-root"
    with pytest.raises(RefusedError, match=because) as told:
        made(E.MOUNT, E.ROOT, facts=on_root("/srv/docker"))
    assert "systemctl cat docker" in told.value.fix and told.value.exit_code == 3
    with pytest.raises(RefusedError, match=r"names /srv/other, while docker works on /srv/docker"):
        made(E.MOUNT, E.ROOT, facts=on_root("/srv/docker", '{"data-root": "/srv/other"}'))
    with pytest.raises(RefusedError, match=r"names /srv/other, while docker works on /var/lib/docker"):
        made(E.MOUNT, E.ROOT, facts=on_root("/var/lib/docker", '{"data-root": "/srv/other"}'))


@pytest.mark.parametrize(
    ("settings", "canonical"),
    [
        ('{"data-root": "/srv/docker"}', {}),
        ('{"data-root": "/srv/docker/"}', {}),
        ("{}", {"/var/lib/docker": "/srv/docker"}),
        ('{"data-root": "/opt/docker"}', {"/opt/docker": "/srv/docker"}),
    ],
)
def test_a_root_that_the_settings_or_a_link_say_is_moved(settings: str, canonical: Mapping[str, str]) -> None:
    steps = made(E.MOUNT, E.ROOT, facts=on_root("/srv/docker", settings, canonical)).steps
    assert steps[-1].args["src"] == "/srv/docker"


def test_a_docker_that_remaps_users_is_not_moved() -> None:
    remapped = on_root("/var/lib/docker/165536.165536", security_options=("name=seccomp,profile=builtin", "name=userns"))
    with pytest.raises(RefusedError, match="userns-remap"):
        made(E.MOUNT, E.ROOT, facts=remapped)


def test_what_is_already_so_is_not_planned_and_nothing_is_restarted() -> None:
    there = Paths({"/mnt/data/shop/db": PathFact("/mnt/data/shop/db", "/mnt/data/shop/db", True, None)})
    text = '{"log-driver": "json-file", "log-opts": {"max-size": "10000k", "max-file": "3"}}'
    facts = with_settings(text)
    facts = replace(facts, nouns={**facts.nouns, Paths: there})
    assert made(ROTATE, MAKE, REBOOT, facts=facts).steps == ()
    assert [s.verb for s in made(ROTATE, MAKE, E.step("reboot"), facts=facts).steps] == ["reboot"]


@pytest.mark.parametrize("text", ["[]", "{"])
def test_settings_that_are_no_object_are_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="not a JSON object"):
        made(ROTATE, facts=with_settings(text))


@pytest.mark.parametrize(
    "step",
    [E.step("reboot", when="maybe"), E.step("make_directories", paths="x"), E.step("set_log_rotation", max_bytes="1", files=1)],
)
def test_parameters_of_another_kind_are_told(step: StepSpec) -> None:
    with pytest.raises(ContractError):
        made(step, facts=E.facts())


CONTAINERD = E.step("set_containerd_root", to="/mnt/data/containerd")
CONFIG, DROPIN = "/etc/containerd/config.toml", "/etc/systemd/system/containerd.service.d/10-waveboard-data.conf"
ORDERED = ("[Unit]", "RequiresMountsFor=/mnt/data", "AssertPathIsMountPoint=/mnt/data")


def holding(facts: HostFacts, *files: ConfigFile) -> HostFacts:
    known = facts[ConfigFiles].by_path
    return replace(facts, nouns={**facts.nouns, ConfigFiles: ConfigFiles({**known, **{one.path: one for one in files}})})


def test_containerd_gets_its_root_before_docker_first_starts() -> None:
    *_, root, prepare = made(E.MOUNT, CONTAINERD, PREPARE, facts=blank()).steps
    assert (root.verb, prepare.verb) == ("containerd_root", "docker_prepare")
    assert root.args["root_mount"] == prepare.args["dst_mount"]
    assert (root.args["config_before_sha256"], root.args["dropin"]) == (None, True)
    assert f"# {DROPIN}: {', '.join(ORDERED[1:])}" in root.commands  # what is signed names every line that is written
    stock = ConfigFile(CONFIG, "5" * 64, (None, 'root = "/var/lib/containerd"'))
    *_, again = made(E.MOUNT, CONTAINERD, facts=holding(blank(), stock, ConfigFile(DROPIN, "6" * 64, ORDERED))).steps
    assert (again.args["config_before_sha256"], again.args["dropin"]) == ("sha256:" + "5" * 64, False)
    assert DROPIN not in "".join(again.commands) and "drop-in" not in "".join(again.undo_commands)


def test_a_containerd_that_is_so_is_left_alone() -> None:
    files = ConfigFile(CONFIG, "5" * 64, (None, 'root = "/mnt/data/containerd"')), ConfigFile(DROPIN, "6" * 64, ORDERED)
    assert [s.verb for s in made(E.MOUNT, CONTAINERD, facts=holding(blank(), *files)).steps] == ["disk_format", "mount_data"]
    running = E.facts(docker=E.docker(containerd_root="/mnt/data/containerd"))
    assert [s.verb for s in made(E.MOUNT, CONTAINERD, facts=running).steps] == ["disk_format", "mount_data"]


def test_a_containerd_that_may_hold_images_is_never_given_another_root() -> None:
    with pytest.raises(RefusedError, match=r"docker runs already.*may hold images"):
        made(E.MOUNT, CONTAINERD, facts=E.facts())
    with pytest.raises(RefusedError, match="not below a data disk"):
        made(CONTAINERD, facts=blank())
    with pytest.raises(RefusedError, match="says something else"):
        made(E.MOUNT, CONTAINERD, facts=holding(blank(), ConfigFile(DROPIN, "6" * 64, ("[Unit]", None))))


MEDIA, BOOKS = ("/mnt/media", "nas:/media"), ("/mnt/books", "nas:/books")


def share(path: str, source: str) -> StepSpec:
    return E.step("mount_share", source=source, target=path)


def shared(facts: HostFacts, *steps: StepSpec, asked: tuple[tuple[str, str], ...] = (MEDIA, BOOKS)) -> Plan:
    contract = E.contract()
    policies = {**contract.policies, "shop-1": replace(contract.policies["shop-1"], nfs_mounts=asked)}
    known = replace(contract, policies=policies)
    return planner.make(E.wave(*steps), known, {"shop-1": facts}, instance="i", proposer="me", gates="sha256:g", at=E.AT)


def empty(*more: PathFact) -> HostFacts:
    paths = {path: PathFact(path, None, False, "/mnt") for path, _ in (MEDIA, BOOKS)}
    return E.facts(paths=Paths({**paths, **{one.path: one for one in more}}))


def test_shares_are_mounted_from_fstab_one_edit_after_the_other() -> None:
    *_, disk, media, books = shared(empty(), E.MOUNT, share(*MEDIA), share(*BOOKS)).steps
    assert [s.verb for s in (disk, media, books)] == ["mount_data", "mount_share", "mount_share"]
    assert (media.args["fstab_edited_by"], books.args["fstab_edited_by"]) == (disk.id, media.id)
    assert "nofail" in str(media.args["options"]) and "_netdev" in str(media.args["options"])
    (alone,) = shared(empty(), share(*MEDIA)).steps
    assert alone.args["fstab_edited_by"] is None and alone.args["fstab_before_sha256"] == disk.args["fstab_before_sha256"]


def test_a_share_that_is_mounted_so_is_left_alone() -> None:
    made_so = (
        Mounts((Mount(9, 1, "0:50", "/", "/mnt/media", (), "nfs4", "nas:/media", ()),)),
        Fstab((FstabEntry("nas:/media", "/mnt/media", "nfs", ()),)),
    )
    facts = empty()
    assert shared(replace(facts, nouns={**facts.nouns, Mounts: made_so[0], Fstab: made_so[1]}), share(*MEDIA)).steps == ()
    for noun in made_so:  # mounted by hand, or named and not mounted: nothing is put over it
        with pytest.raises(RefusedError, match=r"nas:/media (is mounted )?at /mnt/media"):
            shared(replace(facts, nouns={**facts.nouns, type(noun): noun}), share(*MEDIA))


def test_only_what_a_contract_asks_for_is_mounted() -> None:
    with pytest.raises(RefusedError, match=r"no contract asks for nas:/media .* \(they ask for: nas:/books"):
        shared(empty(), share(*MEDIA), asked=(BOOKS,))


@pytest.mark.parametrize(
    "path",
    [
        PathFact("/mnt/media", "/mnt/media", True, None, non_empty=True),
        PathFact("/mnt/media", "/mnt/media", True, None, non_empty=None),
        PathFact("/mnt/media", None, False, "/mnt", blocked="/mnt"),
    ],
)
def test_a_share_never_hides_data(path: PathFact) -> None:
    with pytest.raises(RefusedError, match=r"not provably empty|could not be looked at"):
        shared(empty(path), share(*MEDIA))


def test_a_share_is_not_put_under_a_container_that_has_the_place() -> None:
    user = E.container("web", "web", ContainerMount("bind", "/srv", "/mnt/media/pictures"))
    facts = empty()
    docker = E.docker(containers=(user,))
    with pytest.raises(RefusedError, match="web has /mnt/media/pictures bound"):
        shared(replace(facts, nouns={**facts.nouns, Docker: docker}), share(*MEDIA))


FOREIGN = "1b4e28ba-2fa1-11d2-883f-b9a761bde3fb"


def mounted_by_others(spec: str = f"UUID={FOREIGN}", devno: str = "8:16", fstype: str = "ext4", root: str = "/") -> HostFacts:
    """The data disk already carries a filesystem that somebody made and mounted at the place asked for."""
    old = E.facts().nouns[Mounts]
    assert isinstance(old, Mounts)
    return E.facts(
        mounts=Mounts((*old.table, Mount(2, 1, devno, root, "/mnt/data", ("rw",), fstype, "/dev/sdb", ("rw",)))),
        links=DeviceLinks({f"/dev/disk/by-uuid/{FOREIGN}": "sdb"}),
        fstab=Fstab((FstabEntry(spec, "/mnt/data", fstype, ()),)),
    )


def test_a_data_disk_that_somebody_mounted_well_is_taken_as_it_is() -> None:
    """Nothing of it is planned, and what is moved there is bound to its own UUID."""
    steps = made(E.MOUNT, E.step("move_docker_root", to="/mnt/data/docker"), facts=mounted_by_others()).steps
    assert [step.verb for step in steps] == ["docker_root_move"]
    assert steps[0].args["dst_mount"] == {"target": "/mnt/data", "uuid": FOREIGN}


@pytest.mark.parametrize(
    "facts",
    [
        mounted_by_others(spec="/dev/sdb"),
        mounted_by_others(devno="8:17"),
        mounted_by_others(fstype="xfs"),
        mounted_by_others(root="/sub"),
    ],
)
def test_one_that_is_mounted_otherwise_is_settled_by_a_person_first(facts: HostFacts) -> None:
    with pytest.raises(RefusedError, match="already mounted"):
        made(E.MOUNT, facts=facts)
