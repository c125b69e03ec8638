"""The operation hello: who this host is, which disks it has, which hand this is."""

from __future__ import annotations

import hashlib
import re

from .disks import disk_bytes, disk_links, disk_names, disk_serials, why_not_blank
from .fence import highest_fence
from .files import text_of
from .grammar import content, demand_keys
from .journal import Journal, history
from .mounts import mounts
from .place import program
from .plan import identity
from .refused import Json
from .tools import run, version_of
from .windows import now_text

VERSION = 1


def disk_content(name: str) -> str:
    why = why_not_blank(name)
    if not why:
        return "blank"
    kind = run(["blkid", "-p", "-s", "TYPE", "-o", "value", f"/dev/{name}"], check=False).text.strip()
    if kind:
        return kind
    for told, word_ in (("partitions", "partitioned"), ("mounted", "in-use"), ("exclusively", "in-use"), ("holds bytes", "data")):
        if told in why:
            return word_
    return "unknown"


def op_hello(request: Json) -> Json:
    demand_keys(request, {"op": content()}, "the request")
    me = identity()
    disks = []
    for name in disk_names():
        if disk_bytes(name) and not re.match(r"loop|ram|zram|dm-|md|sr", name):
            devno = text_of(f"/sys/class/block/{name}/dev")
            one = {"name": name, "serial": text_of(f"/sys/class/block/{name}/serial") or min(disk_serials(name), default=None)}
            one["wwid"] = text_of(f"/sys/class/block/{name}/wwid") or text_of(f"/sys/class/block/{name}/device/wwid") or None
            mounted = any(mount.devno == devno for mount in mounts())
            disks.append(
                {
                    **one,
                    "by_id": disk_links(name),
                    "size_bytes": disk_bytes(name),
                    "content": disk_content(name),
                    "mounted": mounted,
                }
            )
    still_open = [key for key, plan in history(Journal().entries()).items() if plan.opened and plan.closed in ("", "halted")]
    with open(program(), "rb") as file:
        own = hashlib.sha256(file.read()).hexdigest()
    answer = {"version": VERSION, "sha256": own, "instance": me.instance, "hostname": me.hostname, "machine_id": me.machine_id}
    answer.update(boot_id=text_of("/proc/sys/kernel/random/boot_id"), now=now_text(), fence=highest_fence(), disks=disks)
    answer.update(plan=still_open[0] if still_open else None, rsync=version_of("rsync", "--version"))
    answer.update(
        docker=version_of("docker", "version", "--format", "{{.Server.Version}}"),
        compose=version_of("docker", "compose", "version", "--short"),
    )
    return answer
