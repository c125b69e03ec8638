"""ssh settings that would let any machine answer for a host. waveboard does not obey them: host keys come from `known_hosts`."""

import re
from collections.abc import Iterator

from waveboard.contracts.check import Check, warning
from waveboard.contracts.estate import Estate
from waveboard.model.contract import Complaint

_CODE = "ignored-insecure"
_LOOSE = re.compile(
    r"StrictHostKeyChecking[= ]*(?:no|off|accept-new)|KnownHostsFile[= ]*/dev/null|ProxyCommand|ForwardAgent[= ]*yes", re.I
)
_FIX = "take it out; keep the host's key in the workspace's known_hosts file"


def run(estate: Estate) -> Iterator[Complaint]:
    for read in estate.hosts:
        defaults = read.value.ssh.defaults
        if defaults and str(defaults.strict_host_key_checking).lower() in ("no", "off", "false", "accept-new"):
            loc = ("ssh", "defaults", "strict_host_key_checking")
            said = (
                f"host key checking is off here ({defaults.strict_host_key_checking!r}); waveboard ignores it and always checks"
            )
            yield warning(read.at(*loc), ".".join(loc), _CODE, said, _FIX)
        if defaults and str(defaults.user_known_hosts_file) == "/dev/null":
            loc = ("ssh", "defaults", "user_known_hosts_file")
            yield warning(
                read.at(*loc), ".".join(loc), _CODE, "host keys are thrown away here; waveboard ignores it and pins them", _FIX
            )
        for at, target in enumerate(read.value.ssh.targets):
            if target.ssh_extra_opts in (None, "", []):
                continue
            place, path = read.at("ssh", "targets", at, "ssh_extra_opts"), f"ssh.targets[{at}].ssh_extra_opts"
            if _LOOSE.search(str(target.ssh_extra_opts)):
                said = "these ssh options weaken the connection; waveboard ignores them: its options are fixed"
                yield warning(place, path, _CODE, said, _FIX)
            else:
                said = "`ssh_extra_opts`: waveboard's ssh options are fixed"
                key = read.key("ssh", "targets", at, "ssh_extra_opts")
                yield warning(key, path, "unread-key", said, "say user, port and jump host with their own keys")


CHECK = Check((_CODE, "unread-key"), run)
