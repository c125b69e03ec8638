"""disk_format: a filesystem on one blank disk, named by serial or link."""

from __future__ import annotations

from ..disks import find_disk, signatures, why_not_blank
from ..grammar import UUID, integer, one_of, or_null, word
from ..mounts import device_uuid
from ..refused import Json, Refused
from ..tools import run
from ..verb import Ctx, Verb


class DiskFormat(Verb):
    """An ext4 filesystem with a planned uuid on one provably blank disk."""

    keys = {
        "serial": or_null(word(r"[A-Za-z0-9._:+-]+", 128)),
        "by_id": or_null(word(r"[A-Za-z0-9._:+-]+", 255)),
        "size_bytes": integer(1 << 24, 1 << 56),
        "fstype": one_of("ext4"),
        "label": word(r"[A-Za-z0-9._-]{1,16}"),
        "uuid": word(UUID),
    }

    def judge(self, step: Json) -> None:
        super().judge(step)
        if (step["args"]["serial"] is None) == (step["args"]["by_id"] is None):
            raise Refused("bad-request", f"accept step {step['id']!r}", "exactly one of serial and by_id names the disk")

    def prepare(self, ctx: Ctx) -> Json:
        name = find_disk(ctx.args)
        if device_uuid(f"/dev/{name}") != ctx.args["uuid"]:
            self._demand_blank(ctx, name)
        return {"disk": name, "undo": "the filesystem stays; nothing of it is destroyed"}

    def _demand_blank(self, ctx: Ctx, name: str) -> None:
        why = why_not_blank(name)
        torn = ctx.notes.get("formatting") == ctx.args["uuid"] and not signatures(f"/dev/{name}")
        if why and not torn:  # torn: our own mkfs was cut off on the disk that was proven blank before it
            raise Refused(
                "precondition", f"format {ctx.args['serial'] or ctx.args['by_id']}", why, "the disk must be blank; look at it"
            )

    def do(self, ctx: Ctx) -> Json:
        name, uuid = find_disk(ctx.args), ctx.args["uuid"]
        device = f"/dev/{name}"
        ctx.phase("blank")
        if device_uuid(device) != uuid or run(["e2fsck", "-fn", device], check=False, seconds=1800).code != 0:
            if device_uuid(device) != uuid:
                self._demand_blank(ctx, name)
            elif ctx.notes.get("formatting") != uuid:
                raise Refused("precondition", f"use {device}", "it carries the planned uuid but its filesystem is not sound")
            ctx.note(formatting=uuid)
            ctx.phase("mkfs", disk=name)
            run(["mkfs.ext4", "-q", "-m", "1", "-U", uuid, "-L", ctx.args["label"], device], seconds=3600)
            run(["udevadm", "settle", "--timeout=30"], check=False)
        ctx.phase("verify")
        if device_uuid(device) != uuid or run(["e2fsck", "-fn", device], check=False, seconds=1800).code != 0:
            raise Refused("not-equal", f"verify {device}", "it does not carry a sound filesystem with the planned uuid")
        return {"disk": name, "uuid": uuid}

    def undo(self, ctx: Ctx) -> Json:
        ctx.phase("leave")
        return {"left": "the filesystem stays on the disk; nothing was destroyed"}

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        name = find_disk(ctx.args)
        if device_uuid(f"/dev/{name}") == ctx.args["uuid"]:
            return "DONE", [f"{name} carries {ctx.args['uuid']}"]
        why = why_not_blank(name)
        return ("PARTIAL", [why]) if why else ("NOT_DONE", [f"{name} is blank"])


VERB = DiskFormat()
