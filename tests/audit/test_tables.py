"""The mount table and the files section, read in one go, beside the plain reading of one line after the other."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.audit.probes import _mountinfo, _records
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Evidence
from waveboard.model.facts import Mount

WORD = st.text(st.sampled_from("/ab:,=-.0123456789\\\t\r\x0b\x85\u0661\u2028é"), min_size=1, max_size=8)
NUMBER = st.integers(0, 99_999).map(str)
TAGS = st.lists(st.sampled_from(["shared:7", "master:3", "unbindable", "-x"]), max_size=3)
OPTIONS = st.sampled_from(["rw", "rw,relatime", "ro,lowerdir=" + "/l:" * 300, "rw,upperdir=/a\\054b"])
LINE = st.builds(
    lambda i, p, major, minor, root, target, options, tags, kind, source, more: " ".join(
        [i, p, f"{major}:{minor}", root, target, options, *tags, "-", kind, source, more]
    ),
    NUMBER, NUMBER, NUMBER, NUMBER, WORD, WORD.map(lambda word: "/" + word), OPTIONS, TAGS, st.sampled_from(["ext4", "overlay", "nfs4"]),
    WORD, OPTIONS,
)  # fmt: skip
BROKEN = LINE.flatmap(lambda line: st.integers(0, len(line)).map(lambda at: line[:at] + line[at + 1 :])) | WORD


def plainly(line: str) -> Mount | None:
    """proc_pid_mountinfo(5), field by field; None when a field is missing or is not what it must be."""
    fields = line.split(" ")
    if len(fields) < 6 or not all(re.fullmatch("[0-9]{1,10}", field) for field in (*fields[:2], *fields[2].split(":"))):
        return None
    if fields[2].count(":") != 1 or "-" not in fields[6:] or not fields[4].startswith("/"):
        return None
    dash = fields.index("-", 6)
    if len(fields) < dash + 4:
        return None
    shared = [tag.removeprefix("shared:") for tag in fields[6:dash] if tag.startswith("shared:")]
    return Mount(
        mount_id=int(fields[0]),
        parent_id=int(fields[1]),
        devno=fields[2],
        root=_mountinfo.unescape(fields[3]),
        target=_mountinfo.unescape(fields[4]),
        options=tuple(fields[5].split(",")),
        fstype=fields[dash + 1],
        source=_mountinfo.unescape(fields[dash + 2]),
        super_options=tuple(_mountinfo.unescape(one) for one in fields[dash + 3].split(",")),
        shared=shared[0] if shared else None,
    )


@given(st.lists(LINE, max_size=6))
def test_a_table_is_its_lines(lines: list[str]) -> None:
    assert _mountinfo.table("".join(line + "\n" for line in lines), "1") == tuple(map(plainly, lines))


@given(st.lists(LINE, max_size=3), BROKEN, st.lists(LINE, max_size=3))
def test_one_bad_line_makes_the_whole_table_unknown_and_is_named(before: list[str], bad: str, after: list[str]) -> None:
    text = "".join(line + "\n" for line in (*before, bad, *after))
    if plainly(bad) is not None:
        assert _mountinfo.table(text, "1") == tuple(map(plainly, (*before, bad, *after)))
        return
    with pytest.raises(EvidenceError) as told:
        _mountinfo.table(text, "pid 1")
    assert told.value.because == f"pid 1: a line does not fit: {bad[:80]!r}"


@pytest.mark.parametrize("text", ["36 1 8:1 / / rw - ext4 /dev/sda rw", "\n", "36 1 8:1 / / rw - ext4 /dev/sda rw\n\n"])
def test_a_cut_table_and_an_empty_line_are_refused(text: str) -> None:
    with pytest.raises(EvidenceError):
        _mountinfo.table(text, "1")


def test_a_file_has_its_own_lines_only_and_goes_on_when_it_is_told_of_again() -> None:
    said = "L nobody=1\nF /a\nL x=1\nX y=2\nF /b\nL S:disk/z\nF /a\nL w=3\nL\n"
    assert _records.records(Evidence("files", (), 0, said.encode())) == {"/a": ["x=1", "w=3"], "/b": ["S:disk/z"]}
    assert _records.devno("/run/udev/data/b8:16") == "8:16"
