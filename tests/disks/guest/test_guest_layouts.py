"""Layouts on device-mapper, md, NFS, 9p and docker volumes, in a virtual machine: our answer, the raw images' truth, the old way."""

import pytest

from tests.disks.guest.conftest import GuestBuilt
from waveboard.audit.placement import Resolver
from waveboard.model.graph import Placement, PlacementClass

pytestmark = [pytest.mark.disks, pytest.mark.long]

# layout: class, disks the filesystem rests on, a flag that must be told
LAYOUTS = {
    "part_boot": ("BOOT", "boot", ""),
    "data_disk": ("DATA", "data", ""),
    "lv_on_boot": ("BOOT", "boot", "BOOT_DISK_OTHER_FS"),
    "lv_on_data": ("DATA", "pv", "VG_SHARED_WITH_BOOT"),
    "lv_striped": ("MIXED", "boot pv", ""),
    "lv_linear2": ("MIXED", "boot pv", ""),
    "lv_thin": ("MIXED", "boot pv", ""),
    "md_mixed": ("MIXED", "boot mirror", ""),
    "crypt_on_boot": ("BOOT", "boot", "BOOT_DISK_OTHER_FS"),
    "nfs_loopback": ("BOOT", "boot", ""),
    "host_9p": ("NET", "", ""),
    "d_vol_bindopt_stopped": ("BOOT", "boot", ""),
    "d_vol_nfsopt": ("BOOT", "boot", ""),
}
# the filesystem needs both disks, the marker's blocks are on one: a linear volume's first half, a thin pool's data
ON_ONE_OF_THEM = {"lv_linear2": {"pv"}, "lv_thin": {"pv"}}
# an export, and a volume option of a container that does not run, are paths nobody asked the host about
BY_SPELLING = {"nfs_loopback", "d_vol_nfsopt", "d_vol_bindopt_stopped"}
BESIDE = {"host_9p": {"share"}}


def where(built: GuestBuilt, layout: str) -> Placement:
    resolver = Resolver(built.facts)
    return resolver.where_container(*built.inside[layout]) if layout in built.inside else resolver.where(built.paths[layout])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_in_the_guest_is_placed(guest_built: GuestBuilt, layout: str) -> None:
    if layout in guest_built.absent:
        pytest.skip(guest_built.absent[layout])
    kind, images, flag = LAYOUTS[layout]
    found = where(guest_built, layout)
    assert found.placement.value == kind, found.why
    assert {guest_built.disks.get(disk, disk) for disk in found.disks} == set(images.split()), found.why
    assert flag in ("", *found.flags), found.flags
    expected = ON_ONE_OF_THEM.get(layout) or BESIDE.get(layout) or set(images.split())
    assert guest_built.truth[layout] == expected, "the raw images say otherwise"
    assert found.boot is (kind in ("BOOT", "MIXED"))
    assert found.confidence.value == ("lexical" if layout in BY_SPELLING else "observed")


def test_the_score_in_the_guest(guest_built: GuestBuilt, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the table: the old way compares the names that findmnt gives for the path and for /."""
    wrong, rows = set(), []
    for layout, (kind, *_) in LAYOUTS.items():
        if layout in guest_built.absent:
            rows.append(f"{layout:22} skipped: {guest_built.absent[layout]}")
            continue
        said = guest_built.naive[layout]
        passed = said != guest_built.naive["/"]
        bad = passed and kind != "DATA"
        wrong |= {layout} if bad else set()
        found = where(guest_built, layout)
        disks = ",".join(sorted(guest_built.disks.get(disk, disk) for disk in found.disks)) or "-"
        truth = ",".join(sorted(guest_built.truth[layout])) or "-"
        verdict = "PASS, wrong" if bad else "pass" if passed else "fail"
        rows.append(f"{layout:22} {truth:12} {(said or '(not seen)')[:26]:26} {verdict:12} {disks:12} {found.placement.value}")
    with capsys.disabled():
        print(f"\n{'layout':22} {'truth':12} {'findmnt says':26} {'old verdict':12} {'disks':12} class")
        print("\n".join(rows))
        print(f"old way wrong on {len(wrong)} of {len(rows) - len(guest_built.absent)}")
    assert wrong == set(LAYOUTS) - {"part_boot", "data_disk", "lv_on_data"} - set(guest_built.absent)
    assert all(
        where(guest_built, layout).placement is not PlacementClass.DATA
        for layout, (kind, *_) in LAYOUTS.items()
        if kind != "DATA" and layout not in guest_built.absent
    )
