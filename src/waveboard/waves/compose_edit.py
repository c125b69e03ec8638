"""Line edits that give one compose service's data path a bind mount, leaving every other byte of the file alone.

Works on lines as the audit saw them (lines that may hold secrets are None), so it needs no YAML round trip and no secret.
Raises RefusedError for shapes it cannot edit safely (flow style, anchors): better a refusal than a guess.
"""

import re
from collections.abc import Mapping, Sequence

from waveboard.model.errors import RefusedError

Edit = Mapping[str, object]  # {"line": 1-based, "old": text, "new": [lines]}
_KEY = re.compile(r"^(\s*)([A-Za-z0-9_.\-\"']+):\s*(#.*)?$")


def _refuse(path: str, because: str) -> RefusedError:
    return RefusedError(f"edit {path}", because, "write the service's `volumes:` as a plain list, one `- source:target` a line")


def indent_of(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def block(lines: Sequence[str | None], start: int, indent: int) -> int:
    """Index after the last line of the block that the key at `start` opens. A None line belongs to the block it stands in."""
    end = start + 1
    for i in range(start + 1, len(lines)):
        line = lines[i]
        if line is not None and line.strip() and not line.lstrip().startswith("#"):
            if indent_of(line) <= indent and not (indent_of(line) == indent and line.lstrip().startswith("- ")):
                break
            end = i + 1
    return end


def find(lines: Sequence[str | None], key: str, start: int, end: int) -> tuple[int, int] | None:
    """The key among the direct children of a block: (index, indent). Deeper keys of the same name are not it."""
    seen = [indent_of(t) for t in lines[start:end] if t is not None and t.strip() and not t.lstrip().startswith("#")]
    child = min(seen, default=0)
    for i in range(start, end):
        line = lines[i]
        match = _KEY.match(line) if line is not None else None
        if match and match.group(2).strip("\"'") == key and len(match.group(1)) == child:
            return i, child
    return None


def service_block(path: str, lines: Sequence[str | None], service: str) -> tuple[int, int, int]:
    """Where a service stands: index of its key, indent of its key, index after its last line. Raises: RefusedError."""
    services = find(lines, "services", 0, len(lines))
    if services is None:
        raise _refuse(path, "it has no plain `services:` block")
    at = find(lines, service, services[0] + 1, block(lines, *services))
    if at is None:
        raise _refuse(path, f"it has no plain service `{service}:`")
    return (*at, block(lines, *at))


def _target(item: str) -> str | None:
    """The container path of a short-form entry `src:dst[:mode]` or `dst`."""
    text = item.strip().removeprefix("- ").split(" #")[0].strip().strip("\"'")
    parts = text.split(":")
    if any(ch in text for ch in "{}[]&*"):
        return None
    return parts[0] if len(parts) == 1 else parts[1]


def bind(path: str, lines: Sequence[str | None], service: str, data_path: str, source: str) -> tuple[Edit, ...]:
    """Edits after which `service` mounts `source`, a host directory or a volume's key, at `data_path`. Raises: RefusedError."""
    start, indent, end = service_block(path, lines, service)
    for i in range(start + 1, end):
        line = lines[i]
        if line is not None and re.match(r"^\s*volumes:\s*\S", line) and not re.match(r"^\s*volumes:\s*#", line):
            raise _refuse(path, f"line {i + 1} writes the volumes of `{service}` in flow style")
    entry = f"- {source}:{data_path}"
    volumes = find(lines, "volumes", start + 1, end)
    if volumes is None:
        step = next((indent_of(t) - indent for t in lines[start + 1 : end] if t is not None and t.strip()), 2)
        pad = " " * (indent + step)
        return ({"line": start + 1, "old": lines[start], "new": [lines[start], f"{pad}volumes:", f"{pad}  {entry}"]},)
    vol_end = block(lines, *volumes)
    items = [i for i in range(volumes[0] + 1, vol_end) if (t := lines[i]) is not None and t.lstrip().startswith("- ")]
    for i in items:
        line = lines[i]
        assert line is not None
        if re.match(r"^\s*-\s*(type|source|target|bind|volume):", line):
            raise _refuse(path, f"line {i + 1} uses the long volume form for `{service}`")
        if _target(line) == data_path:
            old = line.strip().removeprefix("- ").split(" #")[0].strip().strip("\"'").split(":")
            mode = f":{old[2]}" if len(old) > 2 else ""
            return ({"line": i + 1, "old": line, "new": [f"{' ' * indent_of(line)}{entry}{mode}"]},)
    pad = " " * (indent_of(str(lines[items[0]])) if items else volumes[1] + 2)
    return ({"line": volumes[0] + 1, "old": lines[volumes[0]], "new": [lines[volumes[0]], f"{pad}{entry}"]},)


def applied(lines: Sequence[str | None], edits: Sequence[Edit]) -> tuple[str | None, ...]:
    """The lines after the edits, so that a later step can edit the same file."""
    after: list[str | None] = []
    by_line = {edit["line"]: edit["new"] for edit in edits}
    for number, line in enumerate(lines, 1):
        new = by_line.get(number)
        if isinstance(new, list):
            after.extend(new)
        else:
            after.append(line)
    return tuple(after)


def shown(edits: Sequence[Edit]) -> str:
    """The edits as a person reads them in a plan."""
    told = []
    for edit in edits:
        new = edit["new"] if isinstance(edit["new"], list) else []
        told += [f"#   +{line}" for line in new if line != edit["old"]] if edit["old"] in new else []
        told += [] if edit["old"] in new else [f"#   -{edit['old']}", *(f"#   +{line}" for line in new)]
    return "\n".join(told)
