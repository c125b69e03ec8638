"""mount_share: an NFS export in fstab and mounted, at a mount point that cannot be written while it is bare."""

from __future__ import annotations

from ..files import sha_of
from ..grammar import DIGEST, STEP, is_path, one_of, or_null, word
from ..place import at
from ..refused import Json, Refused
from ..tools import run, tool
from ..verb import Ctx
from . import VERBS
from .mount_data import MountData


def mounted_share(target: str) -> tuple[str, str] | None:
    """Type and source of what is on top of target, None when nothing is mounted there."""
    found = None
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file.read().decode("utf-8", "surrogateescape").splitlines():
            words = line.split(" ")
            if words[4] == at(target):
                dash = words.index("-")
                found = (words[dash + 1], words[dash + 2])
    return found


class MountShare(MountData):
    """One NFS export by one fstab line, really mounted, at a mount point that cannot be written while it is bare."""

    keys = {
        "source": word(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):/[A-Za-z0-9._@+:/-]*", 400),
        "target": is_path,
        "fstype": one_of("nfs", "nfs4"),
        "options": word(r"[A-Za-z0-9_=.,:-]+", 200),
        "fstab_before_sha256": word(DIGEST),
        "fstab_edited_by": or_null(word(STEP)),
    }

    def line(self, args: Json) -> str:
        return f"{args['source']} {args['target']} {args['fstype']} {args['options']} 0 0"

    def dropins(self, args: Json) -> dict[str, bytes]:
        return {}

    def _ours(self, args: Json) -> bool:
        found = mounted_share(args["target"])
        return found is not None and found[0].startswith("nfs") and found[1] == args["source"]

    def _other(self, target: str) -> str | None:
        found = mounted_share(target)
        return None if found is None else f"{found[1]} ({found[0]})"

    def prepare(self, ctx: Ctx) -> Json:
        tool("mount.nfs")  # else mount would say no more than that it lacks a program
        return super().prepare(ctx)

    def _demanded(self, ctx: Ctx) -> str:
        """The plan's digest, or that of what the earlier step of this plan left."""
        if (by := ctx.args["fstab_edited_by"]) is None:
            return super()._demanded(ctx)
        earlier = Ctx(ctx.plan, ctx.plan.step(by), "do", 1, ctx.fence)
        verb = VERBS[earlier.step["verb"]]
        if not isinstance(verb, MountData) or earlier.kept("fstab") is None:
            raise Refused("out-of-order", "mount the share", f"step {by} has not edited /etc/fstab")
        return sha_of(verb._texts(earlier)[1])

    def _write_probe(self, ctx: Ctx, target: str) -> None:
        """An export may be read-only or hold root back: that it answers is all that is asked."""
        run(["stat", "-f", at(target)], seconds=30)


VERB = MountShare()
