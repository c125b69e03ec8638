"""The mount table and the files section, read in one go, beside the plain reading of one line after the other."""

import re
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.audit.probes import _mountinfo, _records, addresses, fstab
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Evidence
from waveboard.model.facts import Fstab, Mount
from waveboard.model.mounts import MadeTable

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
    if len(fields) < 6 or not all(re.fullmatch("0|[1-9][0-9]{0,9}", field) for field in (*fields[:2], *fields[2].split(":"))):
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


def test_a_table_without_a_dash_is_not_read_to_its_end_from_each_of_its_lines() -> None:
    """20,000 such lines took minutes."""
    assert not _mountinfo._LINE.match("36 1 8:1 / /a rw shared:1\nshared:2 - ext4 /dev/sda rw\n")
    with pytest.raises(EvidenceError, match="'36 1 8:1 / / rw x'"):
        _mountinfo.table("36 1 8:1 / / rw x\n" * (_mountinfo.MOUNTS_MAX - 1), "1")


def test_a_file_has_its_own_lines_only_and_goes_on_when_it_is_told_of_again() -> None:
    said = "L nobody=1\nF /a\nL x=1\nX y=2\nF /b\nL S:disk/z\nF /a\nL w=3\nL\n"
    told = _records.records(Evidence("files", (), 0, said.encode()))
    assert {path: _records.lines(sent) for path, sent in told.items()} == {"/a": ["x=1", "w=3"], "/b": ["S:disk/z"]}
    assert _records.devno("/run/udev/data/b8:16") == "8:16"


def test_what_a_file_says_begins_no_other_file() -> None:
    told = _records.records(Evidence("files", (), 0, "F /a\nL x=1\x85F /forged\u2028F /forged\nL y=2\n".encode()))
    assert list(told) == ["/a"]


@given(st.lists(LINE, max_size=6), st.data())
def test_a_row_is_made_alone_as_in_the_whole_table(lines: list[str], data: st.DataObject) -> None:
    """Rows by number, by mount point and by id, asked for in any order."""
    whole = tuple(row for row in map(plainly, lines) if row is not None)
    table = _mountinfo.table("".join(line + "\n" for line in lines), "1")
    for number in data.draw(st.permutations(range(len(whole)))):
        row = whole[number]
        assert table[number] == row
        assert list(table.at(row.target)) == [one for one in whole if one.target == row.target]
        last = max(at for at, one in enumerate(whole) if one.mount_id == row.mount_id)
        assert table.number_of(row.mount_id) == MadeTable(whole).number_of(row.mount_id) == last
    assert table.number_of(100_000) is None
    assert (len(table), table.at("nowhere"), table[:], hash(table)) == (len(whole), (), whole, hash(whole))


def test_two_tables_that_differ_in_one_field_do_not_share_a_row() -> None:
    line = "36 1 8:1 / /a rw - ext4 /dev/sda rw\n"
    first = _mountinfo.table(line, "1")
    assert first[0].source == "/dev/sda"
    for old, new in (
        ("36", "37"),
        (" 1 ", " 2 "),
        ("8:1", "8:2"),
        (" / ", " /r "),
        ("/a", "/b"),
        ("sda", "sdb"),
        ("ext4", "xfs"),
    ):
        assert _mountinfo.table(line.replace(old, new, 1), "1") != first


def test_a_unit_of_one_host_is_not_taken_for_anothers() -> None:
    def entries(device: str) -> object:
        said = f"F /etc/systemd/system/d.mount\nL What={device}\nL Where=/d\nF /etc/systemd/system/x.wants/d.mount\nL What=w\n"
        files = Evidence("files", (), 0, said.encode())
        found = fstab.parse({"fstab": Evidence("fstab", (), 0, b""), "meta": Evidence("meta", (), 0, b""), "files": files})
        assert isinstance(found, Fstab)
        return [entry.spec for entry in found.entries]

    assert [entries("/dev/sda"), entries("/dev/sdb"), entries("/dev/sda")] == [["/dev/sda"], ["/dev/sdb"], ["/dev/sda"]]


@given(st.lists(st.sampled_from(["0000", "0001", "0a0b", "ffff", "1000"]), min_size=8, max_size=8).map("".join))
def test_an_address_is_spelled_as_ipaddress_spells_it(digits: str) -> None:
    assert addresses._short(digits) == str(IPv6Address(int(digits, 16)))
