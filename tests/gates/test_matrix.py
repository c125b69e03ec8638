"""Every cell of the storage verdict matrix: tier by class, and what flags and confidence do to it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.gates import seeds
from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.matrix import CELLS, CODES, COLUMNS, FLAGS, UNSEEN, Kind, Question, below, judge
from waveboard.model.contract import HostPolicy, Place, Sourced
from waveboard.model.finding import Severity
from waveboard.model.graph import Confidence, PlacementClass

OK, DOUBT = "ok", "doubt"
P = PlacementClass
# notes on storage, the verdict matrix; tank-docker follows nfs-media but for a declared data_mount
TABLE = {
    "boot-only": {
        P.BOOT: OK,
        P.MIXED: "unexpected-non-boot",
        P.DATA: "unexpected-non-boot",
        P.NET: "unexpected-non-boot",
        P.NETDISK: "unexpected-non-boot",
    },
    "tank-vms": {P.BOOT: "boot-backed", P.MIXED: "mixed-disks", P.DATA: OK, P.NET: "wrong-tier", P.NETDISK: "network-disk"},
    "tank-docker": {P.BOOT: "boot-backed", P.MIXED: "mixed-disks", P.DATA: "wrong-tier", P.NET: DOUBT, P.NETDISK: "wrong-tier"},
    "nfs-media": {P.BOOT: "boot-backed", P.MIXED: "mixed-disks", P.DATA: "wrong-tier", P.NET: DOUBT, P.NETDISK: "wrong-tier"},
    "local-ext4": {P.BOOT: DOUBT, P.MIXED: "mixed-disks", P.DATA: OK, P.NET: "network-backed", P.NETDISK: "network-disk"},
}
EVERYWHERE = {P.VOLATILE: "volatile", P.LAYER: "no-mount", P.UNKNOWN: DOUBT}


def policy(tier: str | None, **rest: object) -> HostPolicy:
    given_tier = Sourced(tier, Place("p")) if tier else None
    return replace(HostPolicy("h"), tier=given_tier, **rest)  # type: ignore[arg-type]


def ask(kind: PlacementClass, of: HostPolicy, *flags: str, **rest: object) -> list[str]:
    asked = {key: rest.pop(key) for key in ("kind", "host_path", "database") if key in rest}
    placement = seeds.placement("/x", kind, *flags, **rest)  # type: ignore[arg-type]
    question = Question("s", "x", placement)._replace(**asked)  # type: ignore[arg-type]
    said = [one.code if isinstance(one, Deviation) else DOUBT for one in judge(question, of)]
    return said or [OK]


@pytest.mark.parametrize("tier", COLUMNS)
@pytest.mark.parametrize("kind", PlacementClass)
def test_every_cell(tier: str, kind: PlacementClass) -> None:
    assert ask(kind, policy(tier)) == [(TABLE[tier] | EVERYWHERE)[kind]]


@pytest.mark.parametrize("kind", PlacementClass)
def test_without_a_tier_only_what_every_tier_forbids_is_certain(kind: PlacementClass) -> None:
    assert ask(kind, policy(None)) == [EVERYWHERE.get(kind, DOUBT)]
    assert ask(kind, policy("tank-vmz")) == [EVERYWHERE.get(kind, DOUBT)]


@given(
    st.sampled_from(sorted(COLUMNS)),
    st.sampled_from(PlacementClass),
    st.sets(st.sampled_from([*FLAGS, *UNSEEN, "ANONYMOUS", "BOOT_DISK_OTHER_FS", "BLOCKED"])),
    st.sampled_from([Confidence.DECLARED, Confidence.LEXICAL, Confidence.NONE]),
)
def test_what_was_not_observed_never_clears(tier: str, kind: PlacementClass, flags: set[str], confidence: Confidence) -> None:
    seen = ask(kind, policy(tier), *sorted(flags))
    guessed = ask(kind, policy(tier), *sorted(flags), confidence=confidence)
    assert guessed != [OK]
    assert [one for one in guessed if one not in (OK, DOUBT)] == [one for one in seen if one not in (OK, DOUBT)]


@given(
    st.sampled_from(sorted(COLUMNS)),
    st.sampled_from(PlacementClass),
    st.sets(st.sampled_from([*FLAGS, "ANONYMOUS"]), min_size=1),
)
def test_a_flag_never_turns_a_violation_green(tier: str, kind: PlacementClass, flags: set[str]) -> None:
    assert ask(kind, policy(tier), *sorted(flags)) != [OK]


@pytest.mark.parametrize("flag", UNSEEN)
def test_what_could_not_be_seen_is_a_doubt_in_every_tier(flag: str) -> None:
    assert {tuple(ask(P.BOOT, policy(tier), flag)) for tier in COLUMNS} == {(DOUBT,)}


def test_second_partition_of_the_boot_disk_has_its_own_code_and_its_knob() -> None:
    assert ask(P.BOOT, policy("tank-vms"), "BOOT_DISK_OTHER_FS") == ["boot-disk-partition"]
    assert ask(P.BOOT, policy("tank-vms", boundary="filesystem"), "BOOT_DISK_OTHER_FS") == [OK]
    assert ask(P.BOOT, policy("tank-vms", boundary="filesystem")) == ["boot-backed"]


def test_network_block_knob() -> None:
    assert ask(P.NETDISK, policy("tank-vms", allow_network_block=True)) == [OK]


def test_the_export_must_be_the_declared_one() -> None:
    of = policy("nfs-media", nfs_mounts=(("/media", "nas:/tank/media"),))
    assert ask(P.NET, of, source="nas:/tank/media/") == [OK]
    assert ask(P.NET, of, source="nas:/tank/media2") == ["wrong-export"]
    assert ask(P.NET, of, source=None) == ["wrong-export"]


def test_a_zvol_is_right_for_tank_docker_only_below_the_declared_mount() -> None:
    of = policy("tank-docker", data_mount=Sourced("/mnt/docker", Place("p")))
    assert ask(P.DATA, of, host_path="/mnt/docker/volumes") == [OK]
    assert ask(P.DATA, of, host_path="/mnt/docker2") == ["wrong-tier"]
    assert ask(P.DATA, policy("nfs-media", data_mount=Sourced("/x", Place("p")))) == ["wrong-tier"]


def test_local_ext4_is_a_prefix_and_a_filesystem() -> None:
    of = policy("local-ext4", data_mount=Sourced("/opt/appdata", Place("p")))
    assert ask(P.BOOT, of, host_path="/opt/appdata/immich") == [OK]
    assert ask(P.BOOT, of, host_path="/opt/appdata-old") == ["wrong-prefix"]
    assert ask(P.BOOT, of, host_path="/opt/appdata", fstype="overlay") == ["wrong-prefix"]


@pytest.mark.parametrize("tier", COLUMNS)
def test_no_database_on_a_network_filesystem(tier: str) -> None:
    of = policy(tier, nfs_mounts=(("/x", "nas:/x"),))
    assert ask(P.NET, of, source="nas:/x", database=True) == ["database-on-network"]


def test_an_image_store_is_told_at_medium_at_most() -> None:
    question = Question("s", "x", seeds.placement("/x", P.BOOT), Kind.IMAGE_STORE)
    assert [one.severity for one in judge(question, policy("tank-vms")) if isinstance(one, Deviation)] == [Severity.MEDIUM]


def test_an_unknown_future_of_the_mount_is_a_doubt() -> None:
    assert ask(P.DATA, policy("tank-vms"), "PERSISTENCE_UNKNOWN") == [DOUBT]
    assert ask(P.BOOT, policy("tank-vms"), "PERSISTENCE_UNKNOWN") == [DOUBT, "boot-backed"]


def test_the_cause_is_told_once() -> None:
    assert ask(P.BOOT, policy("tank-vms"), "FSTAB_NOT_MOUNTED") == ["not-mounted"]
    assert ask(P.BOOT, policy("tank-vms"), "LATE_MOUNT") == ["late-mount"]
    assert ask(P.BOOT, policy("boot-only"), "LATE_MOUNT") == ["late-mount"]
    assert ask(P.BOOT, policy("tank-vms"), "ANONYMOUS") == ["anonymous-volume", "boot-backed"]
    assert ask(P.BOOT, policy("boot-only"), "ANONYMOUS") == ["anonymous-volume"]


def test_every_code_of_the_table_is_documented() -> None:
    cells = {cell[0] for row in CELLS.values() for cell in row.values() if cell}
    assert cells | {code for code, _ in FLAGS.values()} <= set(CODES)


def test_below_is_by_components() -> None:
    assert below("/a/b", "/a") and below("/a", "/a/") and below("/x", "/") and not below("/ab", "/a")


def test_doubts_name_what_they_doubt() -> None:
    said = list(judge(Question("docker-root", "the root", seeds.placement("/x", P.UNKNOWN)), policy("tank-vms")))
    assert said == [Doubt("docker-root", "the root: seeded as UNKNOWN")]
