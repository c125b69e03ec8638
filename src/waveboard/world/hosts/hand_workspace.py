"""The workspace's own hand: exact edits of contract files by compare-and-swap, asked in the words of docs/hand.md. Reaches no host.

What became of an edit is told by the file itself: it has the bytes before, the bytes after, or somebody else's.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from waveboard.model.contract import WORKSPACE_HOST, HostTarget
from waveboard.model.errors import UsageError
from waveboard.world.files import write_whole
from waveboard.world.hosts.calls import Calls

Json = Mapping[str, object]


class HandRouter:
    """The Hand port: the workspace's name goes to its own hand, every other to the hosts'."""

    def __init__(self, hosts: Calls, directory: Path) -> None:
        self._hosts, self._workspace = hosts, WorkspaceHand(directory)

    def call(self, target: HostTarget, request: Json, timeout_s: float) -> Json:
        """As the Hand port says."""
        if target.id == WORKSPACE_HOST:
            return self._workspace.call(target, request, timeout_s)
        return self._hosts.call(target, request, timeout_s)


class WorkspaceHand:
    """The Hand port over one directory: every request carries the edit it is about, so nothing is remembered between them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def call(self, target: HostTarget, request: Json, timeout_s: float) -> Json:
        """ops: read (file); do, undo, status and holds of an edit (args); the rest of the hand's words need nothing here."""
        op = request.get("op")
        if op == "read":
            return {"ok": True, "raw": self._path(str(request["file"])).read_bytes()}
        if op in ("do", "undo", "status", "holds"):
            return self._step(str(op), request)
        return {"ok": True, "aside": []}

    def _step(self, op: str, request: Json) -> Json:
        args = request.get("args")
        if not isinstance(args, dict):
            raise UsageError("edit the workspace", "the request carries no edit", "plan the promotion again")
        back = op == "undo" or request.get("phase") == "undo"
        before, after = str(args["before_sha256"]), str(args["after_sha256"])
        path = self._path(str(args["file"]))
        raw = path.read_bytes()
        now = f"sha256:{sha256(raw).hexdigest()}"
        wanted = before if back else after
        outcome = {name: args[name] for name in ("file", "edits", "before_sha256", "after_sha256")}
        if op == "status":
            return {"ok": True, "state": "done", "outcome": outcome} if now == wanted else {"ok": True, "state": "unknown"}
        if op == "holds":
            held = {after: "DONE", before: "NOT_DONE"}.get(now, "PARTIAL")
            return {"ok": True, "holds": held, "reasons": [f"{args['file']} is {now[:19]}"]}
        if now == wanted:
            return {"ok": True}
        if now != (after if back else before):
            return _refused(str(args["file"]), "somebody else has changed it since the plan was made")
        changed = _edited(raw, args["edits"], back)
        if f"sha256:{sha256(changed).hexdigest()}" != wanted:
            return _refused(str(args["file"]), "the edits do not lead to the bytes that were signed")
        write_whole(path, changed, path.stat().st_mode & 0o777)
        return {"ok": True}

    def _path(self, name: str) -> Path:
        path = (self._directory / name).resolve()
        if not path.is_relative_to(self._directory.resolve()) or not path.is_file():
            raise UsageError(f"edit {name}", "it is no file of the workspace", "plan the promotion again")
        return path


def _edited(raw: bytes, edits: object, back: bool) -> bytes:
    """Forwards by the offsets in the file before; backwards by those the earlier edits have moved."""
    assert isinstance(edits, Sequence)
    moved = 0
    for edit in edits:
        old, new = str(edit["old"]).encode(), str(edit["new"]).encode()
        there, put = (new, old) if back else (old, new)
        at = int(edit["at"]) + (0 if back else moved)
        if raw[at : at + len(there)] != there:
            return b""
        raw = raw[:at] + put + raw[at + len(there) :]
        moved += len(new) - len(old)
    return raw


def _refused(file: str, because: str) -> Json:
    return {"ok": False, "error": {"code": "file-changed", "cannot": f"edit {file}", "because": because, "fix": "plan it again"}}
