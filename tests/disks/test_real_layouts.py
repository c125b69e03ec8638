"""The layouts of docs/storage-graph.md on real disks: our answer, the raw images' truth, what comparing names would have said."""

import subprocess
from pathlib import Path

import pytest

from tests.disks.conftest import Built
from waveboard.audit.placement import Resolver
from waveboard.model.graph import Placement, PlacementClass

pytestmark = pytest.mark.disks

# layout: class, images
HOST = {
    "part_boot": ("BOOT", "boot"),
    "part2_same_disk": ("BOOT", "boot"),
    "data_disk": ("DATA", "data"),
    "bind_boot": ("BOOT", "boot"),
    "bind_data": ("DATA", "data"),
    "btrfs_multi": ("MIXED", "boot vdd"),
    "btrfs_sub": ("DATA", "vde"),
    "loop_on_boot": ("BOOT", "boot"),
    "loop_on_data": ("DATA", "data"),
    "loop_deleted": ("BOOT", "boot"),
    "loop_on_btrfs_sub": ("DATA", "vde"),
    "symlink_to_boot": ("BOOT", "boot"),
    "symlink_to_data": ("DATA", "data"),
    "shadowed": ("BOOT", "boot"),
    "mount_over_mount": ("BOOT", "boot"),
    "propagated": ("BOOT", "boot"),
    "tmpfs": ("VOLATILE", ""),
    "zram": ("VOLATILE", ""),
    "overlay_upper_boot": ("BOOT", "boot"),
    "overlay_upper_data": ("DATA", "data"),
    "data_not_in_fstab": ("DATA", "vdf"),
    "xfs_extlog": ("MIXED", "boot vdg"),
    "fstab_not_mounted": ("BOOT", "boot"),
    "path_missing": ("UNKNOWN", ""),
    "automount_done": ("DATA", "vdh"),
    "automount_pending": ("UNKNOWN", ""),
}
INSIDE = {
    "d_writable_layer": ("LAYER", "data"),
    "d_bind_boot": ("BOOT", "boot"),
    "d_bind_data": ("LAYER", "data"),  # a link below it leads into the writable layer
    "d_late_mount": ("BOOT", "boot"),
    "d_named": ("DATA", "data"),
    "d_vol_bindopt": ("BOOT", "boot"),
    "d_tmpfs": ("VOLATILE", ""),
    "d_parent_anon": ("DATA", "data"),
    "d_nested": ("BOOT", "boot"),
    "d_symlink_out": ("LAYER", "data"),
}
FLAGS = {
    "part2_same_disk": "BOOT_DISK_OTHER_FS",
    "shadowed": "SHADOWED",
    "mount_over_mount": "SHADOWED",
    "data_not_in_fstab": "NOT_PERSISTED",
    "fstab_not_mounted": "FSTAB_NOT_MOUNTED",
    "path_missing": "PATH_MISSING",
    "automount_pending": "AUTOFS_PENDING",
    "d_late_mount": "LATE_MOUNT",
    "d_parent_anon": "ANONYMOUS",
}
ONE_FILE_ON_ONE_DISK = {"xfs_extlog"}  # the filesystem needs both disks, the marker is on one
NOT_BUILT = (  # no device-mapper, md, NFS server, 9p or docker here: tests/disks/guest builds them in a virtual machine
    "lv_on_boot, lv_on_data, lv_striped, lv_linear2, lv_thin, md_mixed, crypt_on_boot, nfs_loopback, host_9p,"
    " d_vol_bindopt_stopped, d_vol_nfsopt"
)


def where(built: Built, layout: str) -> Placement:
    resolver = Resolver(built.facts)
    if layout in INSIDE:
        return resolver.where_container("c1", built.inside[layout])
    return resolver.where(built.layouts[layout])


@pytest.mark.parametrize("layout", [*HOST, *INSIDE])
def test_a_real_layout_is_placed(built: Built, layout: str) -> None:
    if layout == "zram" and layout not in built.layouts:
        pytest.skip("this kernel has no zram control")
    kind, images = {**HOST, **INSIDE}[layout]
    found = where(built, layout)
    assert found.placement.value == kind, found.why
    assert {built.disks.get(disk, disk) for disk in found.disks} == set(images.split()), found.why
    assert FLAGS.get(layout, "") in ("", *found.flags), found.flags
    truth = built.truth[layout]
    if layout in ONE_FILE_ON_ONE_DISK:
        assert truth < set(images.split())
    elif kind != "UNKNOWN":
        assert truth == set(images.split()), "the raw images say otherwise"
    if kind not in ("UNKNOWN", "LAYER"):
        boot = {built.disks.get(disk, disk) for disk in Resolver(built.facts).boot_set}
        assert boot == {"boot"}
        assert found.boot is bool(truth & boot or kind == "MIXED")


def test_the_score(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the table: the old way compares the names that findmnt gives for the path and for /."""
    wrong, rows = 0, []
    for layout, (kind, _) in HOST.items():
        if layout not in built.layouts:
            continue
        said = built.naive[layout].strip("|")
        passed = said != built.naive_root
        bad = passed and kind != "DATA"
        wrong += bad
        found = where(built, layout)
        disks = ",".join(built.disks.get(disk, disk) for disk in found.disks) or "-"
        truth = ",".join(sorted(built.truth[layout])) or "-"
        rows.append(
            f"{layout:20} {truth:9} {said[:34]:34} {'PASS, wrong' if bad else 'pass' if passed else 'fail':12} {disks:9} {kind}"
        )
    with capsys.disabled():
        print(f"\n{'layout':20} {'truth':9} {'findmnt says':34} {'old verdict':12} {'disks':9} class")
        print("\n".join(rows))
        print(f"old way wrong on {wrong} of {len(rows)}; not built here: {NOT_BUILT}")
    assert wrong >= 13
    assert all(
        where(built, layout).placement is not PlacementClass.DATA
        for layout, (kind, _) in HOST.items()
        if kind != "DATA" and layout in built.layouts
    )


def test_nothing_of_the_build_is_mounted_here(built: Built) -> None:
    """The build's namespace is gone by now, and with it every mount and every loop that was only held by one."""
    assert "/disks0/root" not in Path("/proc/self/mountinfo").read_text()
    inner = subprocess.run(["losetup", "-n", "-O", "BACK-FILE", "-a"], capture_output=True, text=True, check=True).stdout
    assert "/srv/img1" not in inner and "img4" not in inner
