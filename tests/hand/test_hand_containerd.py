"""The one line of containerd's settings that the hand changes, and that every other byte stays."""

import pytest

from tests.hand.room import hand

ROOT = "/mnt/data/containerd"
LINE = f'root = "{ROOT}"\n'
STOCK = 'version = 2\n#root = "/var/lib/containerd"\n\n[plugins]\n  [plugins."x"]\n    root = "/opt/x"\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", LINE),
        ("version = 2", LINE + "version = 2"),
        (STOCK, LINE + STOCK),
        ('version = 2\nroot = "/old"  # ours\n[grpc]\n', f"version = 2\n{LINE}[grpc]\n"),
        ("  root='/old'\n", LINE),
        (LINE, LINE),
        ('disabled_plugins = ["cri"]\n\n[x]\nroot = 1\n', LINE + 'disabled_plugins = ["cri"]\n\n[x]\nroot = 1\n'),
    ],
)
def test_only_the_line_of_the_root_changes(before: str, after: str) -> None:
    made = hand.containerd_with(before, ROOT)
    assert made == after and hand.containerd_with(made, ROOT) == made
    assert hand.containerd_named(made) == ROOT


def test_a_file_that_names_two_roots_is_a_persons_to_mend() -> None:
    with pytest.raises(hand.Refused, match="names two"):
        hand.containerd_with('root = "/a"\nroot = "/b"\n', ROOT)


def test_the_root_of_a_plugin_is_not_containerds() -> None:
    assert hand.containerd_named('version = 2\n[plugins.x]\nroot = "/opt/x"\n') is None
    assert hand.containerd_named("version = 2\nroot = '/a'\nstate = '/b'\n") == "/a"


def test_a_line_of_fstab_for_a_share() -> None:
    args = {"source": "nas:/media", "target": "/mnt/media", "fstype": "nfs", "options": "defaults,_netdev,nofail"}
    assert hand.MountShare().line(args) == "nas:/media /mnt/media nfs defaults,_netdev,nofail 0 0"
    accepts = hand.MountShare.keys["source"]
    assert all(accepts(one) for one in ("nas:/media", "192.0.2.1:/", "[2001:db8::1]:/srv/a b".replace(" ", "_")))
    assert not any(accepts(one) for one in ("nas:media", "nas:/a b", "-o:/x y", "nas:/a\n/ ext4", "/dev/sda"))
