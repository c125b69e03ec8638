"""Every output format: valid, complete, and not moved by what a host says."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveboard.gates import (
    escape,
    report_json,
    report_junit,
    report_markdown,
    report_prometheus,
    report_sarif,
    report_text,
    shelf,
)
from waveboard.model.errors import EvidenceError
from waveboard.model.finding import Finding, GateReport, Mode, PackReport, Severity, Verdict

EVIL = '\x1b[2Jevil\n\u202egpj.exe</testcase><b>|`x`[a](http://b) @root "q" \\ & \x00 \ud800 # 100%'
FINDING = Finding(
    "D236",
    "box",
    "boot-backed",
    f"container:{EVIL}:/data",
    Severity.HIGH,
    f"data of {EVIL} is on boot",
    "move it",
    (("disks", "sda"),),
    ("sha256:1",),
    ("STOR-002",),
    ("GAP-OP-942",),
    ("LOOP-A",),
)
REPORT = PackReport(
    pack="mint",
    reports=(
        GateReport("D235", "placement", Verdict.PASS, Mode.ENFORCE, Severity.HIGH, hosts=("box",)),
        GateReport(
            "D236",
            "persistence",
            Verdict.FAIL,
            Mode.REPORT,
            Severity.HIGH,
            (FINDING, replace(FINDING, code="volatile", severity=Severity.CRITICAL, waiver="W-1")),
            (f"other: redis: {EVIL}",),
            ("box",),
            skipped=("small: nobody asked",),
        ),
        GateReport(
            "D237", "budget", Verdict.UNKNOWN, Mode.REPORT, Severity.LOW, reasons=("box: Usage: timed out",), hosts=("box",)
        ),
        GateReport("D238", "surface", Verdict.NOT_APPLICABLE, Mode.REPORT, Severity.LOW, skipped=("box: nobody asked",)),
        GateReport("D239", "snapshot", Verdict.ERROR, Mode.REPORT, Severity.LOW, reasons=("canary: blind",), canary=False),
    ),
    contract="sha256:" + "ab" * 32,
    evidence=(("box", "sha256:1"),),
    at="2026-03-01T12:00:00Z",
    waived=1,
    counts={"gates": 5, "pass": 1},
    later=("D174",),
)
TEXTS = {
    "text": report_text.render(REPORT),
    "markdown": report_markdown.render(REPORT),
    "junit": report_junit.render(REPORT),
    "sarif": report_sarif.render(REPORT, dict(shelf.gates())),
    "prometheus": report_prometheus.render(REPORT),
    "json": report_json.to_bytes(REPORT, "CAP-1").decode(),
}


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_a_host_says_reaches_a_terminal_raw(name: str) -> None:
    text = TEXTS[name]
    assert text.endswith("\n")
    assert not [c for c in text if not (c.isprintable() or c == "\n")]
    text.encode()  # no lone surrogate


@pytest.mark.parametrize("name", TEXTS)
def test_every_format_tells_the_whole_truth(name: str) -> None:
    text = TEXTS[name]
    wanted = ["D235", "D236", "D237", "D238", "D239", FINDING.fingerprint, "timed out", "blind"]
    if name == "prometheus":
        wanted = ["D235", "D236", "D237", "D238", "D239", FINDING.fingerprint]
    assert not [one for one in wanted if one not in text.replace("\\", "")]


def test_text_is_read_by_people() -> None:
    text = TEXTS["text"]
    assert "PASS           D235 placement  (enforce)  box" in text
    assert "FAIL           D236 persistence  (report)  box" in text
    assert "    high      box  boot-backed  container:\\u001b[2Jevil\\u000a\\u202egpj.exe" in text
    assert "waived by W-1" in text and "STOR-002 · GAP-OP-942 · LOOP-A" in text
    assert "mint: 6 gates: 1 pass, 1 fail, 1 unknown, 1 not-applicable, 1 error, 1 waived, 1 not built yet" in text
    assert "not complete: D236, D237, D239 could not see everything" in text
    assert len(text.splitlines()) == 23


def test_a_gate_with_findings_never_stands_there_as_a_pass() -> None:
    assert not re.search(r"^PASS.*D23[6-9]", TEXTS["text"], re.MULTILINE)


def test_json_comes_back_as_it_went() -> None:
    clean = replace(FINDING, subject="s", message="m")
    whole = replace(REPORT, reports=(replace(REPORT.reports[1], findings=(clean,), reasons=("a: b",)), *REPORT.reports[2:]))
    whole = replace(whole, waived=0)
    assert report_json.from_bytes(report_json.to_bytes(whole)) == whole
    told = json.loads(TEXTS["json"])
    assert (told["schema"], told["run_key"], told["complete"], told["exit"]) == ("waveboard.verify/1", "CAP-1", False, 5)
    assert told["gates"][1]["findings"][0]["fingerprint"] == FINDING.fingerprint
    assert list(told) == [
        *(
            "schema",
            "run_key",
            "pack",
            "at",
            "contract",
            "policy",
            "evidence",
            "documents",
            "inputs",
            "complete",
            "exit",
            "summary",
            "counts",
            "later",
            "gates",
        ),
    ]


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b'{"schema": "waveboard.verify/2"}', b'{"schema": "waveboard.verify/1"}', b"[" * 100000, b"\xff"]
)
def test_what_is_no_report_is_refused(raw: bytes) -> None:
    with pytest.raises(EvidenceError, match="cannot read a verify report"):
        report_json.from_bytes(raw)


def test_junit_counts_are_those_of_its_cases() -> None:
    root = ElementTree.fromstring(TEXTS["junit"])
    for element in (root, *root.findall("testsuite")):
        cases = list(element.iter("testcase"))
        found = {kind: sum(1 for case in cases if case.find(kind) is not None) for kind in ("failure", "error", "skipped")}
        assert element.attrib["tests"] == str(len(cases))
        assert (element.attrib["failures"], element.attrib["errors"], element.attrib["skipped"]) == tuple(
            str(found[kind]) for kind in ("failure", "error", "skipped")
        )
    passed = [case.attrib for case in root.iter("testcase") if not [child for child in case if child.tag != "system-out"]]
    assert passed == [{"classname": "mint.D235", "name": "box"}], "only the gate that passed has a case that passed"
    assert root.find(".//failure").attrib["type"] == "boot-backed"  # type: ignore[union-attr]


def test_junit_shows_a_gate_that_judged_documents() -> None:
    alone = [
        GateReport("D174", "parity", verdict, Mode.REPORT, Severity.HIGH) for verdict in Verdict if verdict is not Verdict.FAIL
    ]
    root = ElementTree.fromstring(report_junit.render(replace(REPORT, reports=tuple(alone))))
    told = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert set(told) == {"parity"} and root.get("tests") == "4"
    kinds = [[child.tag for child in case] for case in root.iter("testcase")]
    assert sorted(kinds) == [[], ["error"], ["error"], ["skipped"]]


def test_sarif_has_what_2_1_0_asks() -> None:
    log = json.loads(TEXTS["sarif"])
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json") and len(log["runs"]) == 1
    run = log["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["D235", "D236", "D237", "D238", "D239"] and run["tool"]["driver"]["name"] == "waveboard"
    for result in run["results"]:
        assert result["ruleId"] in rules and result["message"]["text"]
        assert result["kind"] in ("pass", "open", "notApplicable", "fail")
        assert (result["level"] == "none") is (result["kind"] != "fail")  # SARIF 2.1.0, 3.27.10
    first = next(result for result in run["results"] if result["kind"] == "fail")
    assert first["partialFingerprints"] == {"waveboardFinding/v1": FINDING.fingerprint} and first["level"] == "error"
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "hosts/box"
    assert [len(result.get("suppressions", [])) for result in run["results"] if result["kind"] == "fail"] == [0, 1]
    assert run["invocations"][0]["executionSuccessful"] is False


# exposition format 0.0.4: a sample is name{label="escaped",…} value
SAMPLE = re.compile(r'[a-z_]+\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,(?=[a-z]))?)*\} -?[0-9.e+]+')


def test_prometheus_lines_parse_and_families_are_whole() -> None:
    family, seen = "", set()
    for line in TEXTS["prometheus"].splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in seen
            seen.add(family)
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {family} gauge"
        else:
            assert SAMPLE.fullmatch(line) and line.startswith(family + "{"), line
    series = [line.rpartition(" ")[0] for line in TEXTS["prometheus"].splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))
    assert 'waveboard_gate_verdict{pack="mint",gate="D237",mode="report",verdict="unknown"} 1' in TEXTS["prometheus"]
    assert 'waveboard_pack_complete{pack="mint"} 0' in TEXTS["prometheus"]


def test_markdown_makes_no_markup_of_host_text() -> None:
    text = TEXTS["markdown"]
    body = text[text.index("### D236") :]
    assert "<b>" not in body and "@root" not in body and "[a](" not in body and "http://" not in body
    assert "| D236 | persistence | fail | report | box | 2 |" in text and "| D174 | | not built yet | | | |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}


@given(st.text(alphabet=st.characters(), max_size=40))
def test_sinks_keep_their_promises(text: str) -> None:
    assert escape.plain(text).isprintable()
    assert ElementTree.fromstring(f'<a b="{escape.xml(text)}">{escape.xml(text)}</a>').text == (escape.plain(text) or None)
    assert re.fullmatch(r'(?:[^"\\]|\\["\\])*', escape.label(text))
    assert re.fullmatch(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*", escape.uri(text))
    escape.valid(text).encode()
    assert not re.search(
        r"(?<!\\)[|`*_\[\]()!#]|[<>@:]", re.sub(r"&(#?[a-z0-9]+);", "", escape.markdown(text)).replace("\\\\", "")
    )


def test_long_text_is_cut_and_says_so() -> None:
    assert escape.plain("x" * 5000) == "x" * 2000 + "… (3000 more characters)"
