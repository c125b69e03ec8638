"""Every probe against its cases (tests/cases/probes/<probe>/*.yaml), and against bytes nobody meant."""

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from waveboard.audit.probe import Probe, shelf
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Evidence
from waveboard.model.facts import Unavailable
from waveboard.model.mounts import MountTable

CASES = Path(__file__).parents[1] / "cases" / "probes"
FILES = sorted(CASES.glob("*/*.yaml"))


def probe_named(name: str) -> Probe:
    found: Probe = import_module(f"waveboard.audit.probes.{name}").PROBE
    return found


def sections_of(case: Mapping[str, Any]) -> dict[str, Evidence]:
    """Shorthand: a section may be just its output."""
    told = {"meta": "uid 1000\n", **case["sections"]}
    found = {}
    for name, section in told.items():
        section = section if isinstance(section, dict) else {"stdout": section}
        found[name] = Evidence(
            name,
            tuple(section.get("argv", ())),
            section.get("exit", 0),
            section.get("stdout", "").encode(),
            section.get("stderr", "").encode(),
            section.get("truncated", False),
        )
    return found


def plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple | list | MountTable):
        return [plain(item) for item in value]
    return value


def agrees(expected: object, found: object) -> bool:
    """Mappings may say less than was found; lists and values may not."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(key in found and agrees(item, found[key]) for key, item in expected.items())
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(agrees, expected, found))
    return expected == found


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_case(file: Path) -> None:
    case = yaml.safe_load(file.read_text())
    try:
        found = probe_named(file.parent.name).parse(sections_of(case))
    except EvidenceError as error:
        found = Unavailable(error.because)
    if "unavailable" in case:
        assert isinstance(found, Unavailable), found
        assert case["unavailable"] in found.reason
    else:
        assert agrees(case["gives"], plain(found)), plain(found)


def test_every_probe_has_a_case_that_gives_and_one_that_does_not() -> None:
    for probe in shelf():
        name = probe.parse.__module__.rsplit(".", 1)[-1]
        cases = [yaml.safe_load(file.read_text()) for file in FILES if file.parent.name == name]
        assert any("gives" in case for case in cases), name
        assert any("unavailable" in case for case in cases), name


LINES = st.lists(
    st.sampled_from(
        [
            "dev sda",
            "at /devices/x/block/sda",
            "number 8:0",
            "size 9",
            "size ²",
            "partition 1",
            "slave sdb",
            "pool btrfs u",
            "member sda",
            "36 1 8:1 / / rw shared:1 - ext4 /dev/sda rw",
            "|-- 1.2.3.4",
            "   /32 host LOCAL",
            "F /etc/x.wants/a.mount",
            "L What=x",
            "L Where=/a",
            "F b8:0",
            "L S:disk/x",
            "L E:ID_SERIAL=z",
            "a\tb\t1\t\t9\t\t1\t",
            "usage 1 2 3 4 5 6 /",
            "path /x\t/x\t1\t\t5\t\t1\t",
            "4096 1 1 1 1 1 /x",
            "1000000 /tmp/x",
            "x",
            "",
            "UUID=1 /x ext4",
            "f 00",
            '{"doc":"end","ok":true}',
            '{"doc":"docker.info","ok":true,"body":{}}',
            '{"doc":"docker.info","ok":true,"body":[]}',
            '{"doc":"docker.volumes","ok":true,"body":{"Volumes":[null]}}',
            "[]",
            '{"doc":"host.tmp","ok":true,"body":{"complete":true,"files":[[1]]}}',
            '{"doc":"redis","ok":true,"body":3}',
        ]
    )
)
OUTPUT = st.one_of(
    st.binary(max_size=200),
    LINES.map(lambda lines: "\n".join(lines).encode()),
    LINES.map(lambda lines: "".join(f"{x}\n" for x in lines).encode()),
)


@pytest.mark.parametrize("probe", shelf(), ids=lambda probe: probe.gives.__name__)
@settings(max_examples=150)
@given(data=st.data())
def test_no_bytes_raise_anything_but_evidence_errors(probe: Probe, data: st.DataObject) -> None:
    sections = {
        name: Evidence(
            name,
            ("describe", "/x"),
            data.draw(st.sampled_from([0, 0, 0, 1, 137])),
            data.draw(OUTPUT),
            data.draw(st.binary(max_size=20)),
        )
        for name in (*probe.needs, *probe.also)
    }
    try:
        found = probe.parse(sections)
    except EvidenceError:
        return
    assert isinstance(found, Unavailable | probe.gives)
