"""A host as the planner sees it, small enough to read: one compose stack on the boot disk, one blank data disk."""

from dataclasses import replace
from datetime import UTC, datetime

from waveboard.model.change import Plan
from waveboard.model.contract import (
    ApprovalPolicy,
    Contract,
    FindingsMap,
    HostPolicy,
    Overrun,
    Place,
    Service,
    StepSpec,
    WaveSpec,
    Window,
)
from waveboard.model.evidence import Identity
from waveboard.model.facts import (
    BlockDevice,
    BlockDevices,
    ConfigFile,
    ConfigFiles,
    Container,
    ContainerMount,
    DeviceLinks,
    Docker,
    Fstab,
    HostFacts,
    Mount,
    Mounts,
    Swaps,
    Unavailable,
    Volume,
)
from waveboard.waves.plan import make

AT = datetime(2026, 2, 26, 3, 0, tzinfo=UTC)
COMPOSE = "/opt/stacks/shop/compose.yml"
LINES = (
    "services:",
    "  db:",
    "    image: pg",
    None,
    None,
    "    volumes:",
    "      - pgdata:/var/lib/postgresql/data",
    "  cache:",
    "    image: redis",
)
ANONYMOUS = "a" * 64
MACHINE = "0" * 32


def container(name: str, service: str, mount: ContainerMount, state: str = "running") -> Container:
    labels = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": service,
        "com.docker.compose.project.config_files": COMPOSE,
    }
    return Container((name * 64)[:64], name, "i", "sha256:1", state, 100, labels, (mount,), writable_bytes=0)


def docker(**changes: object) -> Docker:
    volumes = (
        Volume("pgdata", "local", "/var/lib/docker/volumes/pgdata/_data", {}, {}, 5_000_000),
        Volume(ANONYMOUS, "local", f"/var/lib/docker/volumes/{ANONYMOUS}/_data", {}, {"com.docker.volume.anonymous": ""}, 1000),
    )
    mounts = (
        ContainerMount("volume", "/var/lib/postgresql/data", volumes[0].mountpoint, "pgdata", "local"),
        ContainerMount("volume", "/data", volumes[1].mountpoint, ANONYMOUS, "local"),
    )
    made = Docker(
        root_dir="/var/lib/docker",
        driver="overlay2",
        driver_status={},
        security_options=(),
        version="26.1",
        live_restore=False,
        containers=(container("db", "db", mounts[0]), container("cache", "cache", mounts[1])),
        volumes=volumes,
        layers_bytes=10_000_000,
        build_cache_bytes=0,
        daemon_json='{"log-driver": "local"}',
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def facts(**nouns: object) -> HostFacts:
    disks = {
        "sda": BlockDevice("sda", "8:0", 50 * 10**9, "/devices/pci/sda", serial="boot"),
        "sdb": BlockDevice("sdb", "8:16", 100 * 10**9, "/devices/pci/sdb", serial="disk-1"),
    }
    files = {
        "/etc/fstab": ConfigFile("/etc/fstab", "1" * 64, ("LABEL=root / ext4 defaults 0 1",)),
        COMPOSE: ConfigFile(COMPOSE, "2" * 64, LINES),
        "/etc/docker/daemon.json": ConfigFile("/etc/docker/daemon.json", "6" * 64, ('{"log-driver": "local"}',)),
    }
    made: dict[type, object] = {
        BlockDevices: BlockDevices(disks),
        Mounts: Mounts((Mount(1, 0, "8:0", "/", "/", ("rw",), "ext4", "/dev/sda", ("rw",)),)),
        Fstab: Fstab(()),
        DeviceLinks: DeviceLinks({}),
        Swaps: Swaps(()),
        ConfigFiles: ConfigFiles(files),
        Docker: docker(),
    }
    made |= {type(noun): noun for noun in nouns.values()}
    return HostFacts("shop-1", AT, Identity(MACHINE, "boot", "SHA256:key"), "sha256:" + "3" * 64, made)


def step(kind: str, **params: object) -> StepSpec:
    return StepSpec(kind, "shop-1", params, Place("waves/M.yaml", 9, 3))


MOUNT = step("mount_data_disk", serial="disk-1", target="/mnt/data", fstype="ext4", label="shop")
ROOT = step("move_docker_root", to="/mnt/data/docker")
DB = step("relocate_service", container="db", to="/mnt/data/shop/db")
CACHE = step("relocate_service", container="cache", to="/mnt/data/shop/cache", writers="stopped")


def wave(*steps: StepSpec, **changes: object) -> WaveSpec:
    made = WaveSpec(
        "M1", "move", "controlled-runtime", ("shop-1",), (), (), (), (), (), (), (), steps, overrun=Overrun("rollback")
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def contract(**changes: object) -> Contract:
    services = (
        Service("db", "postgres", ("/var/lib/postgresql/data",)),
        Service("cache", "redis", ("/data",)),
    )
    made = Contract(
        name="shop",
        owner="@me",
        digest="sha256:" + "4" * 64,
        files={},
        targets=(),
        policies={"shop-1": HostPolicy("shop-1", services=services)},
        findings=FindingsMap(),
        packs={},
        waves={},
        windows=(Window("W", "allow", ("shop-1",), AT, AT.replace(hour=6)),),
        approvals=ApprovalPolicy("trust/allowed_signers", 1, True),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def planned(*steps: StepSpec, facts: HostFacts | Unavailable, under: Contract | None = None, **changes: object) -> Plan:
    """The plan of these steps on the one host. under: contracts, the estate's own when absent; changes: fields of the wave."""
    found = {"shop-1": facts}
    return make(
        wave(*steps, **changes), under or contract(), found, instance="i", proposer="p@x", gates="sha256:" + "5" * 64, at=AT
    )
