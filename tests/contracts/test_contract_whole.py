"""What only shows in a whole workspace: several complaints together, broken and absent files, several guards."""

from collections.abc import Mapping

import pytest

from tests.contracts.kit_contracts import SOUND, judge, spoilt, without
from waveboard.model.contract import Unreadable


def test_a_contradiction_names_all_places() -> None:
    texts = {
        **spoilt(
            "placement.yaml",
            "boot_usage_warn_pct: 60, boot_usage_critical_pct: 80",
            "boot_usage_warn_pct: 80, boot_usage_critical_pct: 90",
        ),
        "loops/LOOP-STORE-20260226.scope.md": "---\nstatus: active\n---\nRoot usage stays below 70 %.\n",
    }
    told = [c for c in judge(texts).warnings if c.code == "contradicting-threshold"]
    assert len(told) == 3
    for complaint in told:
        for number, file in (
            ("60 %", "guard"),
            ("80 %", "guard"),
            ("80 %", "placement"),
            ("90 %", "placement"),
            ("70 %", "loops"),
        ):
            assert f"{number} at {file}" in complaint.message, complaint.message


def test_sentences_contradict_each_other_without_any_key() -> None:
    texts = without("guard.yaml", "placement.yaml", "packs.yaml", "waves/*.yaml", "services.yaml", "windows.yaml")
    texts = {**texts, "loops/LOOP-STORE-20260226.scope.md": "Root usage below 70 %.\n\nRoot usage at most 75 %.\n"}
    told = [str(c.place) for c in judge(texts).warnings if c.code == "contradicting-threshold"]
    assert told == ["loops/LOOP-STORE-20260226.scope.md:3:20"]


def test_a_loop_written_on_windows_has_its_front_matter() -> None:
    """Lines that end in CR LF are the same text."""
    loop = "---\nloop_id: LOOP-STORE-20260226\nstatus: closed\nowner: x\n---\nRoot usage stays below 70 %.\n"
    plain, crlf = (judge({**SOUND, "loops/LOOP-STORE-20260226.scope.md": text}) for text in (loop, loop.replace("\n", "\r\n")))
    assert [(c.code, str(c.place)) for c in crlf.complaints] == [(c.code, str(c.place)) for c in plain.complaints]


def test_all_errors_come_at_once() -> None:
    texts: Mapping[str, str] = {
        **SOUND,
        "hosts.yaml": SOUND["hosts.yaml"].replace("10.0.0.2", "'-x'"),
        "guard.yaml": SOUND["guard.yaml"].replace("60", "true").replace("80", "x"),
        "packs.yaml": SOUND["packs.yaml"].replace("D236]", "D999]"),
        "findings.yaml": "a: [\n",
    }
    files = {(c.place.file, c.code) for c in judge(texts).errors}
    assert files >= {
        ("hosts.yaml", "bad-value"),
        ("guard.yaml", "wrong-type"),
        ("packs.yaml", "dangling-reference"),
        ("findings.yaml", "syntax"),
    }


def test_a_broken_file_is_told_once_and_not_blamed_on_others() -> None:
    loaded = judge({**SOUND, "hosts.yaml": "ssh: {targets: 7}\n"})
    assert [(c.code, str(c.place)) for c in loaded.complaints] == [("wrong-type", "hosts.yaml:1:16")]


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ({**SOUND, "guard.yaml": Unreadable("is a directory")}, "unreadable-file"),
        ({**SOUND, "guard.yaml": Unreadable("leaves the workspace through a symbolic link")}, "unreadable-file"),
        ({**SOUND, "guard.yaml": Unreadable("no such file")}, "missing-file"),
        ({f: t for f, t in SOUND.items() if f != "guard.yaml"}, "missing-file"),
        ({**SOUND, "waveboard.yaml": Unreadable("no such file")}, "missing-file"),
        ({**SOUND, "guard.yaml": b"\xff\xfe"}, "not-utf8"),
        ({**SOUND, "waveboard.yaml": ""}, "empty"),
        ({**SOUND, "waveboard.yaml": "a: [\n"}, "syntax"),
        ({**SOUND, "waveboard.yaml": "- a\n"}, "wrong-type"),
        ({**SOUND, "waveboard.yaml": "name: x\n"}, "missing-key"),
        ({**SOUND, "guard.yaml": ""}, "empty"),
        ({**SOUND, "guard.yaml": "- a\n- b\n"}, "wrong-type"),
        ({**SOUND, "guard.yaml": "7\n"}, "wrong-type"),
        ({**SOUND, "gaps.yaml": b"\xff"}, "not-utf8"),
        ({**SOUND, "guard.yaml": "a" * (2**20 + 1)}, "too-large"),
    ],
)
def test_a_file_that_is_no_contract(texts: Mapping[str, str | bytes | Unreadable], code: str) -> None:
    loaded = judge(texts)
    assert loaded.contract is None
    assert code in {c.code for c in loaded.errors}
    assert len(loaded.errors) == 1


def test_a_guard_each_for_two_packs_and_the_ambiguities_of_it() -> None:
    two = {
        **SOUND,
        "waveboard.yaml": SOUND["waveboard.yaml"].replace("guard: guard.yaml", "guard: [guard.yaml, other.yaml]"),
        "other.yaml": SOUND["guard.yaml"].split("db_1_contract")[0].replace("60", "40"),
    }
    assert {c.code for c in judge(two).errors} == {"ambiguous-guard"}
    packs = SOUND["packs.yaml"].replace("    later: [D900]\n", "    guard: guard.yaml\n")
    extra = "  other:\n    mode: report\n    guard: other.yaml\n    hosts: [{}]\n    gates: [D235]\nlinks:"
    assert judge({**two, "packs.yaml": packs.replace("links:", extra.format("gate"))}).complaints == ()
    clash = judge({**two, "packs.yaml": packs.replace("links:", extra.format("db-1"))})
    assert [c.code for c in clash.errors] == ["ambiguous-guard"]


def test_a_known_key_that_nothing_reads_is_told_once_with_every_line() -> None:
    vms = SOUND["vms.yaml"].replace("    status:", "    health_probe_policy: nightly\n    status:")
    told = [c for c in judge({**SOUND, "vms.yaml": vms}).complaints if c.code == "unread-key"]
    assert [str(c.place) for c in told] == ["vms.yaml:6:5"]
    assert "2 other entries (line 14, 20)" in told[0].message


def test_a_malformed_id_is_told_without_any_register_to_look_in() -> None:
    texts = without("gaps.yaml", "loops/*.md")
    texts = {f: t for f, t in texts.items() if not f.startswith("loops/")}
    assert judge(texts).complaints == ()
    spoiled = texts["findings.yaml"].replace("GAP-OP-2", "GAP-2").replace("id: LOOP-STORE-20260226", "id: LOOP-STORE")
    codes = [c.code for c in judge({**texts, "findings.yaml": spoiled}).complaints]
    assert codes == ["dangling-reference"] * 2


def test_without_a_list_of_vms_nobody_misses_one() -> None:
    texts = without("vms.yaml", "derived.yaml")
    placement = texts["placement.yaml"].replace("  app.two:", "  elsewhere:")
    assert judge({**texts, "placement.yaml": placement}).complaints == ()


def test_a_placement_policy_may_hold_only_numbers() -> None:
    loaded = judge({**SOUND, "placement.yaml": "thresholds: {boot_usage_critical_pct: 50}\n"})
    assert [c.code for c in loaded.complaints] == ["contradicting-threshold", "undeclared-storage", "undeclared-storage"]


def test_entries_without_a_vm_id_do_not_share_one() -> None:
    placement = SOUND["placement.yaml"].replace("    vmid: 11\n", "").replace("    vmid: 12\n", "")
    assert judge({**SOUND, "placement.yaml": placement}).complaints == ()
