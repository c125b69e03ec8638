"""Servers and mount options in words a resolver can use: who serves a share, which directories an overlay is made of."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

NETWORK = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ceph",
        "lustre",
        "gpfs",
        "afs",
        "beegfs",
        "orangefs",
        "pvfs2",
        "glusterfs",
        "ncpfs",
        "coda",
    ]
)
FUSE_NETWORK = frozenset(
    "fuse." + name
    for name in [
        "sshfs",
        "rclone",
        "s3fs",
        "glusterfs",
        "ceph",
        "ceph-fuse",
        "davfs",
        "davfs2",
        "curlftpfs",
        "gcsfuse",
        "goofys",
        "mfs",
        "moosefs",
        "seaweedfs",
        "juicefs",
        "blobfuse",
        "blobfuse2",
        "mount-s3",
    ]
)
HOST_SHARE = frozenset(["9p", "virtiofs", "vboxsf", "prl_fs", "vmhgfs", "drvfs", "fuse.vmhgfs-fuse", "fuse.prl_fsd"])
MEMORY = frozenset(["tmpfs", "ramfs", "rootfs", "devtmpfs", "hugetlbfs"])
KERNEL = frozenset(
    [
        "proc",
        "sysfs",
        "cgroup",
        "cgroup2",
        "devpts",
        "mqueue",
        "securityfs",
        "debugfs",
        "tracefs",
        "pstore",
        "bpf",
        "configfs",
        "fusectl",
        "binfmt_misc",
        "efivarfs",
        "selinuxfs",
        "rpc_pipefs",
        "nsfs",
        "usbfs",
        "nfsd",
        "smackfs",
        "apparmorfs",
        "functionfs",
    ]
)
STACKED = frozenset(["ecryptfs", "fuse.bindfs", "fuse.gocryptfs"])  # their source is the directory below


_OSTREE_IMAGE = "/run/ostree/.private/cfsroot-lower"  # OSTREE_COMPOSEFS_LOWERMNT
_LITERAL = re.compile(r"[0-9]+(\.[0-9]+){3}|[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*")


def option(options: Iterable[str], *names: str) -> str | None:
    """The value of the first `name=value` option, None when there is none."""
    for name in names:
        for item in options:
            if item.startswith(name) and item[len(name) : len(name) + 1] == "=":
                return item[len(name) + 1 :]
    return None


def server(source: str, options: Sequence[str]) -> tuple[str | None, str]:
    """(address or name of the server, path it exports) of an NFS, CIFS or sshfs source. addr= is the kernel's word."""
    if source.startswith("//"):
        host, _, path = source[2:].partition("/")
    elif source.startswith("["):
        host, _, path = source[1:].partition("]:")
    else:
        host, colon, path = source.partition(":/")
        path = "/" + path if colon else ""
    address = option(options, "addr", "mountaddr") or host.rpartition("@")[2]
    return address.strip("[]").partition("%")[0].lower() or None, path


def monitors(source: str, options: Sequence[str]) -> tuple[str, ...]:
    """Addresses or names of a CephFS's monitors, without ports; () when the mount does not tell them. Source: mount.ceph(8), which writes
    them before the path (`a:6789,[b]:3300:/path`) or, since Quincy, as mon_addr=a:3300/b:3300 beside `user@fsid.name=/path`."""
    told = option(options, "mon_addr")
    listed = told.split("/") if told else source.partition(":/")[0].split(",") if ":/" in source else []
    return tuple(filter(None, map(_without_port, listed)))


def _without_port(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0].lower()
    return (address.partition(":")[0] if address.count(":") == 1 else address).lower()


def is_own(address: str | None, own: frozenset[str] | None) -> bool | None:
    """True when the server is this very host; None when nobody can tell: no addresses, or a name, which may be any address."""
    if address is None:
        return None
    address = _plain_address(address)
    if address in ("localhost", "::1", "0.0.0.0", "::") or address.startswith("127."):  # noqa: S104 (compared, not bound: it means this host)
        return True
    if not own or not _LITERAL.fullmatch(address):
        return None
    return address in own  # which are spelled so by the probe


def _plain_address(told: str) -> str:
    """One spelling for one address, an IPv4 one in IPv6 clothes as itself; a name as it is."""
    try:
        address = ip_address(told)
    except ValueError:
        return told
    return str(getattr(address, "ipv4_mapped", None) or address)


def layers(options: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """(upperdir, lowerdirs) of an overlay. A value cut at an escaped comma is put together again; \\: \\, and \\\\ are undone. The image
    that ostree mounts where no table shows it lies beside the layer with the data, and is not named beside it."""
    whole: list[str] = []
    for item in options:
        if whole and (len(whole[-1]) - len(whole[-1].rstrip("\\"))) % 2:
            whole[-1] += "," + item
        else:
            whole.append(item)
    upper, lowers = None, []
    for item in whole:
        key, _, value = item.partition("=")
        if key == "upperdir":
            upper = _plain(value)
        elif key == "lowerdir":
            lowers += [_plain(part) for part in _split(value) if part]
        elif key in ("lowerdir+", "datadir+"):
            lowers.append(_plain(value))
    return upper, tuple(lower for lower in lowers if lower != _OSTREE_IMAGE) or tuple(lowers)


def _split(value: str) -> list[str]:
    parts, start, at = [], 0, 0
    while at < len(value):
        if value[at] == "\\":
            at += 1
        elif value[at] == ":":
            parts.append(value[start:at])
            start = at + 1
        at += 1
    return [*parts, value[start:]]


def _plain(value: str) -> str:
    if "\\" not in value:
        return value
    out, at = [], 0
    while at < len(value):
        at += value[at] == "\\" and value[at + 1 : at + 2] in (":", ",", "\\")
        out.append(value[at])
        at += 1
    return "".join(out)
