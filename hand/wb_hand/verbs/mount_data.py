"""mount_data: the data disk in fstab and mounted, docker ordered after it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..files import plain_path, read_bytes, read_or_none, sha_of, swap, write_atomic
from ..fstab import FSTAB, fstab_complaints, fstab_with, fstab_without
from ..grammar import DIGEST, UUID, is_path, one_of, truth, word
from ..guards import immutable, is_guard, leave_guard
from ..mounts import mounted_uuid
from ..place import at
from ..refused import Json, Refused
from ..tools import run
from ..undo_timer import arm_undo_timer, disarm_undo_timer
from ..units import systemctl
from ..verb import Ctx, Verb, verdict

DROPIN = "/etc/systemd/system/{unit}.service.d/10-waveboard-data.conf"


def after_mount(target: str) -> bytes:
    """The drop-in with which a unit starts only after that mount."""
    return f"[Unit]\nRequiresMountsFor={target}\nAssertPathIsMountPoint={target}\n".encode()


class MountData(Verb):
    """One fstab line by uuid, really mounted, with docker unable to start without it."""

    keys = {
        "uuid": word(UUID),
        "target": is_path,
        "fstype": one_of("ext4", "xfs"),
        "options": word(r"[A-Za-z0-9_=.,:-]+", 200),
        "fstab_before_sha256": word(DIGEST),
        "docker_dropin": truth,
        "containerd_dropin": truth,
    }

    def line(self, args: Json) -> str:
        return f"UUID={args['uuid']} {args['target']} {args['fstype']} {args['options']} 0 2"

    def dropins(self, args: Json) -> dict[str, bytes]:
        return {
            DROPIN.format(unit=unit): after_mount(args["target"]) for unit in ("docker", "containerd") if args[f"{unit}_dropin"]
        }

    def _texts(self, ctx: Ctx) -> tuple[bytes, bytes]:
        """fstab before and after; before is the backup once there is one."""
        kept = ctx.kept("fstab")
        before = read_bytes(FSTAB) if kept is None else kept  # the backup of an empty table is empty
        return before, fstab_with(before.decode(), self.line(ctx.args)).encode()

    def prepare(self, ctx: Ctx) -> Json:
        now = read_bytes(FSTAB)
        if ctx.kept("fstab") is None:
            if sha_of(now) != self._demanded(ctx):
                raise Refused(
                    "changed",
                    f"mount at {ctx.args['target']}",
                    "/etc/fstab is not what the plan was made from",
                    "audit again and plan again",
                )
            self._bare_target(ctx.args["target"])
            for path in self.dropins(ctx.args):
                if read_or_none(path) is not None:
                    raise Refused("precondition", f"write {path}", "it exists already")
            fstab_with(now.decode(), self.line(ctx.args))
            ctx.keep("fstab", now)
        return {
            "fstab": sha_of(ctx.kept("fstab") or b""),
            "line": self.line(ctx.args),
            "target_existed": os.path.lexists(at(ctx.args["target"])),
        }

    def _demanded(self, ctx: Ctx) -> str:
        """Digest that fstab must have before this step."""
        return str(ctx.args["fstab_before_sha256"])

    def _bare_target(self, target: str) -> None:
        plain_path(target)
        if os.path.lexists(at(target)) and not is_guard(target):
            raise Refused(
                "precondition",
                f"mount at {target}",
                "it is not an empty directory",
                "data may lie under it: look before anything else",
            )

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
        ctx.phase("dropins")
        for path, raw in self.dropins(args).items():
            os.makedirs(at(os.path.dirname(path)), 0o755, exist_ok=True)
            swap(path, None, raw)
        systemctl("daemon-reload")
        ctx.phase("verify")
        if bad := [name for name, good in self._facts(args) if not good]:
            raise Refused("not-equal", "verify the mount", f"not: {', '.join(bad)}")
        self._write_probe(ctx, target)
        disarm_undo_timer(ctx)
        return {"fstab": sha_of(after), "target": target, "line": self.line(args)}

    def _mounted(self, args: Json) -> bool:
        """Raises: Refused when something else is mounted there."""
        if self._ours(args):
            return True
        if (found := self._other(args["target"])) is not None:
            raise Refused("precondition", f"mount at {args['target']}", f"{found} is mounted there")
        return False

    def _ours(self, args: Json) -> bool:
        """Whether what the line names is what is mounted there."""
        return bool(mounted_uuid(args["target"]) == args["uuid"])

    def _other(self, target: str) -> str | None:
        """What is mounted there, in words; None for nothing."""
        found = mounted_uuid(target)
        return None if found is None else f"filesystem {found}"

    def _try_line(self, ctx: Ctx, after: bytes) -> None:
        """The new table is verified, and that very line really mounted and read back, before /etc/fstab changes."""
        target, table = ctx.args["target"], f"{ctx.plan.directory}/fstab.try"
        write_atomic(table, after, 0o600)
        verified = run(["findmnt", "--verify", "--tab-file", at(table)], check=False)
        complaints = fstab_complaints(verified.text + verified.err.decode("utf-8", "replace"), target)
        if complaints:
            raise Refused("precondition", "add the fstab line", f"findmnt --verify says {'; '.join(complaints)}")
        if self._mounted(ctx.args):
            return
        run(["mount", "-T", at(table), at(target)], seconds=120)
        try:
            if not self._ours(ctx.args):
                raise Refused("not-equal", "add the fstab line", f"mounting it gave {self._other(target) or 'nothing'}")
        finally:
            run(["umount", at(target)], seconds=120)

    def _write_probe(self, ctx: Ctx, target: str) -> None:
        path = f"{target}/.wb-probe-{ctx.short}"
        write_atomic(path, b"waveboard\n")
        good = read_bytes(path) == b"waveboard\n"
        os.unlink(at(path))
        if not good:
            raise Refused("not-equal", f"write to {target}", "what was written did not come back")

    def _facts(self, args: Json) -> Iterator[tuple[str, bool]]:
        yield "fstab holds the line", self.line(args) in read_bytes(FSTAB).decode("utf-8", "replace").splitlines()
        yield f"{self.line(args).split()[0]} is mounted at {args['target']}", self._ours(args)
        for path, raw in self.dropins(args).items():
            yield f"{path} is in place", read_or_none(path) == raw

    def undo(self, ctx: Ctx) -> Json:
        args, target = ctx.args, ctx.args["target"]
        before, after = self._texts(ctx)
        ctx.phase("dropins")
        for path, raw in self.dropins(args).items():
            if read_or_none(path) == raw:
                os.unlink(at(path))
                with contextlib.suppress(OSError):  # the directory goes only if it is empty
                    os.rmdir(at(os.path.dirname(path)))
        systemctl("daemon-reload")  # before umount: else docker would be stopped along with its mount
        ctx.phase("umount")
        if self._ours(args):
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

    def holds(self, ctx: Ctx) -> tuple[str, list[str]]:
        facts, target = dict(self._facts(ctx.args)), ctx.args["target"]
        bare = not os.path.lexists(at(target)) or not (is_guard(target) and immutable(target))
        return verdict(facts, not any(facts.values()) and bare)


VERB = MountData()
