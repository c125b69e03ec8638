"""The machines the lab plays: their names, ids and disk sizes; it knows no policy and judges nothing."""

from __future__ import annotations

from dataclasses import dataclass

from lab.errors import LabError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """One host of the specification. Sizes are bytes; `root_use` is the planted use of `/` in percent."""

    name: str
    vmid: int
    containers: tuple[str, ...]
    boot_bytes: int
    data_bytes: int
    root_use: float

    def serial(self, role: str) -> str:
        """Disk serial as the guest sees it: `mint-data-boot`, `mint-data-data`."""
        return f"{self.name}-{role}"

    @property
    def inner_address(self) -> str:
        """The address inside the lab's own network, which only the lab can reach."""
        return f"10.77.0.{self.vmid}"


APPS = (
    "artwork",
    "files-api",
    "finance-adapter",
    "order-form",
    "order-intake",
    "pricing",
    "quote-page",
    "shipping",
)

ESTATE = (
    Machine(
        "mint-data",
        212,
        ("mint-modules-minio", "mint-modules-postgres", "mint-modules-redis"),
        boot_bytes=2560 * MIB,
        data_bytes=4096 * MIB,
        root_use=80.6,
    ),
    Machine(
        "mint-apps",
        213,
        tuple(f"mint-apps-{app}" for app in APPS),
        boot_bytes=2560 * MIB,
        data_bytes=4096 * MIB,
        root_use=45.6,
    ),
)


def machine(name: str) -> Machine:
    for one in ESTATE:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in ESTATE)
    raise LabError(f"cannot find the lab host {name!r}: because the lab has only {known}")
