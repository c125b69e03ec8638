"""A list of entries in a YAML file, rewritten: what changed is changed, and all beside it stays as it was written, comments included."""

from collections.abc import Mapping, Sequence

from waveboard.contracts.dump import dump
from waveboard.contracts.nodes import Document, Node, Scalar, Series, Table, as_written
from waveboard.contracts.text import REGISTER, read

Entry = Mapping[str, object]
Patch = tuple[int, int, str]  # from, to: offsets in the text as it was; then what stands there


def rewritten(document: Document, key: str, wanted: Sequence[Entry], heads: Entry) -> str:
    """The file's text with the list `key` as wanted: its own entries where they stand, in their order, and what is more after them.

    heads: keys beside the list that change as soon as anything does, where the file has them. An entry that is written in a way
    nothing can be put into is written anew; where the list itself is, so is the file, and its comments are lost. No value ever is.
    """
    text, root = document.text, document.root
    assert isinstance(root, Table), "a file with a list under a key"
    listed = root.entries[key]
    own = listed.items if isinstance(listed, Series) else []
    if as_written(listed) == [dict(one) for one in wanted]:
        return text
    patches = [patch for node, want in zip(own, wanted, strict=False) for patch in _entry(text, node, want)]
    patches += [
        _put(text, name, root.keys[name].start, root.entries[name], heads[name]) for name in heads if name in root.entries
    ]
    if len(wanted) > len(own) > 0:
        start = own[-1].span.start
        indent = text[text.rfind("\n", 0, start) + 1 : start].partition("-")[0]
        more = [f"{indent}- {_block(one, indent + '  ')}" for one in wanted[len(own) :]]
        at = _line_end(text, _end(text, own[-1]))
        patches.append((at, at, "".join(f"\n{one}" for one in more)))
    meant = {
        **_entries(root),
        key: [dict(one) for one in wanted],
        **{name: heads[name] for name in heads if name in root.entries},
    }
    made = _patched(text, patches)
    return made if _says(document.file, made) == meant else dump(meant)


def _entry(text: str, node: Node, want: Entry) -> list[Patch]:
    if as_written(node) == dict(want):
        return []
    start, end = node.span.start, _end(text, node)
    indent = " " * (node.span.col - 1)
    if isinstance(node, Table) and text[start] != "{":
        have = _entries(node)
        patches = [
            _put(text, name, node.keys[name].start, node.entries[name], value, indent)
            for name, value in want.items()
            if name in have and have[name] != value
        ]
        at = _line_end(text, end)
        patches += [(at, at, f"\n{indent}{_block({name: value}, indent)}") for name, value in want.items() if name not in have]
        here = [(a - start, b - start, new) for a, b, new in patches]
        if _says("", f"{indent}{_patched(text[start:at], here)}\n") == dict(want):
            return patches
    return [_instead(text, start, end, _block(want, indent), indent)]


def _put(text: str, name: str, start: int, node: Node, value: object, indent: str = "") -> Patch:
    return _instead(text, start, _end(text, node), _block({name: value}, indent), indent)


def _instead(text: str, start: int, end: int, new: str, indent: str) -> Patch:
    """Of a comment behind what is replaced: behind several lines it could become text, so it goes before them."""
    line_end = _line_end(text, end)
    rest = text[end:line_end].strip()
    return (start, line_end, f"{rest}\n{indent}{new}") if "\n" in new and rest.startswith("#") else (start, end, new)


def _block(value: Entry, indent: str) -> str:
    """Its lines as they stand behind `indent`, without the last line's end."""
    first, *more = dump(dict(value)).rstrip("\n").split("\n")
    return "\n".join([first, *(f"{indent}{line}" if line else "" for line in more)])


def _end(text: str, node: Node) -> int:
    """Where its last character is: libyaml ends a block where the next thing begins."""
    if isinstance(node, Scalar):
        return node.span.start + len(text[node.span.start : node.span.end].rstrip()) if node.block else node.span.end
    inside = node.items if isinstance(node, Series) else list(node.entries.values())
    return node.span.end if text[node.span.start] in "[{" or not inside else _end(text, inside[-1])


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    end = len(text) if found < 0 else found
    return end - 1 if text[end - 1 : end] == "\r" else end


def _patched(text: str, patches: Sequence[Patch]) -> str:
    """Line ends of what is put in are those of the text."""
    made, line_end = text, "\r\n" if "\r\n" in text else "\n"
    for start, end, new in sorted(patches, reverse=True):
        made = made[:start] + new.replace("\n", line_end) + made[end:]
    return made


def _entries(node: Table) -> dict[str, object]:
    return {key: as_written(child) for key, child in node.entries.items()}


def _says(file: str, text: str) -> object:
    document, wrong = read(file, text.encode(), REGISTER)
    return as_written(document.root) if document and not wrong else None
