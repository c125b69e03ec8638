"""mount_share: an NFS export in fstab and mounted, at a mount point that cannot be written while it is bare."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..files import read_bytes, sha_of, swap, write_atomic
from ..fstab import FSTAB, fstab_complaints, fstab_with, fstab_without
from ..grammar import DIGEST, STEP, is_path, one_of, or_null, word
from ..guards import immutable, is_guard, leave_guard
from ..place import at
from ..refused import Json, Refused
from ..tools import run, tool
from ..undo_timer import arm_undo_timer, disarm_undo_timer
from ..units import systemctl
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

    def _mounted(self, args: Json) -> bool:
        found = mounted_share(args["target"])
        if found is not None and not (found[0].startswith("nfs") and found[1] == args["source"]):
            raise Refused("precondition", f"mount at {args['target']}", f"{found[1]} ({found[0]}) is mounted there")
        return found is not None

    def prepare(self, ctx: Ctx) -> Json:
        tool("mount.nfs")  # else mount would say no more than that it lacks a program
        now = read_bytes(FSTAB)
        if ctx.kept("fstab") is None:
            if sha_of(now) != self._demanded(ctx):
                raise Refused("changed", "mount the share", "/etc/fstab is not what the plan was made from", "plan again")
            self._bare_target(ctx.args["target"])
            fstab_with(now.decode(), self.line(ctx.args))
            ctx.keep("fstab", now)
        return {"fstab": sha_of(ctx.kept("fstab") or b""), "line": self.line(ctx.args)}

    def _demanded(self, ctx: Ctx) -> str:
        """Digest that fstab must have: the plan's, or what the earlier step of this plan left."""
        if (by := ctx.args["fstab_edited_by"]) is None:
            return str(ctx.args["fstab_before_sha256"])
        earlier = Ctx(ctx.plan, ctx.plan.step(by), "do", 1, ctx.fence)
        verb = VERBS[earlier.step["verb"]]
        if not isinstance(verb, MountData) or earlier.kept("fstab") is None:
            raise Refused("out-of-order", "mount the share", f"step {by} has not edited /etc/fstab")
        return sha_of(verb._texts(earlier)[1])

    def _try_line(self, ctx: Ctx, after: bytes) -> None:
        target, table = ctx.args["target"], f"{ctx.plan.directory}/fstab.try"
        write_atomic(table, after, 0o600)
        verified = run(["findmnt", "--verify", "--tab-file", at(table)], check=False)
        if complaints := fstab_complaints(verified.text + verified.err.decode("utf-8", "replace"), target):
            raise Refused("precondition", "add the fstab line", f"findmnt --verify says {'; '.join(complaints)}")
        if self._mounted(ctx.args):
            return
        run(["mount", "-T", at(table), at(target)], seconds=120)
        try:
            self._mounted(ctx.args)
        finally:
            run(["umount", at(target)], seconds=120)

    def _write_probe(self, ctx: Ctx, target: str) -> None:
        """An export may be read-only or hold root back: that it answers is all that is asked."""
        run(["stat", "-f", at(target)], seconds=30)

    def _facts(self, args: Json, after: bytes) -> Iterator[tuple[str, bool]]:
        yield "fstab holds the line", self.line(args) in read_bytes(FSTAB).decode("utf-8", "replace").splitlines()
        found = mounted_share(args["target"])
        yield f"{args['source']} is mounted at {args['target']}", found is not None and found[1] == args["source"]

    def do(self, ctx: Ctx) -> Json:
        args, target = ctx.args, ctx.args["target"]
        before, after = self._texts(ctx)
        ctx.phase("point")
        if not self._mounted(args):
            self._bare_target(target)
            if "made_target" not in ctx.notes:
                ctx.note(made_target=not os.path.lexists(at(target)))
            os.makedirs(at(target), 0o755, exist_ok=True)
            leave_guard(target)
        arm_undo_timer(ctx)
        ctx.phase("try")
        if read_bytes(FSTAB) != after:
            self._try_line(ctx, after)
        ctx.phase("fstab")
        swap(FSTAB, sha_of(before), after)
        systemctl("daemon-reload")
        ctx.phase("mount")
        if not self._mounted(args):
            run(["mount", at(target)], seconds=120)
        ctx.phase("verify")
        if bad := [name for name, good in self._facts(args, after) if not good]:
            raise Refused("not-equal", "verify the mount", f"not: {', '.join(bad)}")
        self._write_probe(ctx, target)
        disarm_undo_timer(ctx)
        return {"fstab": sha_of(after), "target": target, "source": args["source"]}

    def undo(self, ctx: Ctx) -> Json:
        args, target = ctx.args, ctx.args["target"]
        before, after = self._texts(ctx)
        ctx.phase("umount")
        found = mounted_share(target)
        if found is not None and found[1] == args["source"]:
            ran = run(["umount", at(target)], seconds=120, check=False)
            if ran.code != 0:
                raise Refused("refused", f"unmount {target}", ran.said, "stop what still uses it, then undo again")
        ctx.phase("fstab")
        now = read_bytes(FSTAB)
        exact = now in (before, after)
        if now != before:
            swap(FSTAB, sha_of(now), before if exact else fstab_without(now.decode(), self.line(args)).encode())
        systemctl("daemon-reload")
        ctx.phase("point")
        if os.path.lexists(at(target)) and is_guard(target):
            immutable(target, False)
            if ctx.notes.get("made_target"):
                os.rmdir(at(target))
        disarm_undo_timer(ctx)
        return {"fstab_exact": exact}


VERB = MountShare()
