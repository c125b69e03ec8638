"""Adoption at the door: the recorded fleet into a workspace that only names its hosts, merged as the page says, checked, judged, planned."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from waveboard.app import machine, read
from waveboard.cli import run
from waveboard.contracts.dump import dump
from waveboard.contracts.joined import free_place
from waveboard.contracts.nodes import plain
from waveboard.contracts.text import read as parse
from waveboard.model.document import Recorded
from waveboard.wiring import read_bundle_file, site_of

MINT = Path(__file__).resolve().parents[2] / "examples" / "mint"
FLEET = MINT / "fleet"
HOSTS = "ssh:\n  targets:\n    - {id: mint-data, host: 127.0.0.1}\n    - {id: mint-apps, host: 127.0.0.2}\n"
WORKSPACE = "schema: waveboard/1\nname: shop\ncontracts:\n  hosts: hosts.yaml\n"
SIGNED = """approvals: {allowed_signers: signers, quorum: 1, four_eyes: false}
windows: windows.yaml
"""
WINDOW = """windows:
  - {id: W1, kind: allow, hosts: [mint-data, mint-apps], not_before: "2026-01-01T00:00:00Z", not_after: "2099-01-01T00:00:00Z", overrun: rollback}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    directory = tmp_path / "shop"
    directory.mkdir(mode=0o700)
    for name, text in {"waveboard.yaml": WORKSPACE, "hosts.yaml": HOSTS, "windows.yaml": WINDOW, "signers": ""}.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o600)
    return directory


def said(capsys: pytest.CaptureFixture[str], shop: Path, *words: str, code: int) -> str:
    capsys.readouterr()
    got = run(["--workspace", str(shop), *words])
    out = capsys.readouterr()
    assert got == code, (words, got, out.out[-3000:], out.err)
    return out.out if code not in (1, 3) else out.err


def told(capsys: pytest.CaptureFixture[str], shop: Path, *words: str, code: int) -> dict:  # type: ignore[type-arg]
    return json.loads(said(capsys, shop, *words, "--json", code=code))  # type: ignore[no-any-return]


def merged(shop: Path, lines: dict[str, list[str]], more: str = "") -> None:
    """What the page tells the operator: waveboard.yaml names the drafts."""
    document, _ = parse("waveboard.yaml", (shop / "waveboard.yaml").read_bytes())
    assert document is not None
    value = plain(document.root)
    assert isinstance(value, dict)
    for key, names in lines.items():
        holder = value["contracts"] if key.startswith("contracts.") else value
        holder[key.removeprefix("contracts.")] = names
    (shop / "waveboard.yaml").write_text(dump(value) + more)


@pytest.mark.parametrize(
    ("host", "kinds"),
    [
        (
            "mint-data",
            ["disk_format", "mount_data", "docker_root_move", "service_relocate", "service_relocate", "reboot"],
        ),
        ("mint-apps", ["disk_format", "mount_data", "docker_root_move", "reboot"]),
    ],
)
def test_a_recorded_host_is_adopted_merged_judged_and_planned(
    shop: Path, capsys: pytest.CaptureFixture[str], host: str, kinds: list[str]
) -> None:
    bundle = str(FLEET / f"{host}.json")
    before = {p: p.read_bytes() for p in shop.iterdir() if p.is_file()}
    made = told(capsys, shop, "adopt", host, "--evidence", bundle, code=2)
    assert {p: p.read_bytes() for p in before} == before  # nothing of the operator's is touched
    merged(shop, made["waveboard_yaml"], SIGNED)
    check = told(capsys, shop, "contracts", "check", code=0)
    assert check["errors"] == [] and {w["code"] for w in check["warnings"]} == {"proposed-waiver"}
    report = told(capsys, shop, "verify", f"adopted-{host}", "--evidence", bundle, code=5)  # nobody said how old evidence may be
    found = [f for g in report["gates"] for f in g["findings"]]
    assert {f["fingerprint"] for f in found} == {p["fingerprint"] for p in made["proposals"]} != set()
    assert not any(f["waiver"] for f in found)  # a proposal covers nothing
    waivers = shop / "adopted" / host / "waivers.yaml"
    waivers.write_text(waivers.read_text().replace("owner: to be named", 'owner: "@ann"'))
    report = told(capsys, shop, "verify", f"adopted-{host}", "--evidence", bundle, code=5)  # nobody said how old evidence may be
    assert all(f["waiver"].startswith(f"ADOPT-{host}-") for g in report["gates"] for f in g["findings"])
    site = site_of(shop, print)
    known = machine.bootstrap_plan(site, host, read.replayed(site, {host: read_bundle_file(bundle)}, Recorded()))
    assert [step.verb for step in known.plan.steps] == kinds
    assert {"SR-002", "SR-004", "SR-005", "SR-013"} <= {r["rule"] for r in made["not_ready"]}


def test_what_nobody_said_is_asked_and_never_guessed(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = told(capsys, shop, "adopt", "mint-data", "--evidence", str(FLEET / "mint-data.json"), code=2)
    open_ = {"id", "log_rotation", "thresholds", "redis", "backup", "evidence_max_age_s"}
    assert {q["what"] for q in made["questions"]} == open_
    drafts = shop / "adopted" / "mint-data"
    everything = "".join(p.read_text() for p in drafts.iterdir() if p.suffix == ".yaml" and p.name != "waivers.yaml")
    written = "\n".join(line for line in everything.splitlines() if not line.startswith("#"))
    for number in ("_pct", "max_age", "max_size_mb", "vmid", "template", "cpu_cores"):
        assert number not in written, number
    page = (drafts / "ADOPTION.md").read_text()
    assert all(p["fingerprint"] in page for p in made["proposals"]) and "log_rotation: {max_size_mb" in page


def test_a_persons_word_is_the_draft(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--evidence", str(FLEET / "mint-apps.json"), "--tier", "boot-only", "--vmid", "213", "-o", str(shop / "elsewhere"))
    made = told(capsys, shop, "adopt", "mint-apps", *words, code=5)  # nothing is wrong; how old evidence may be is unknown
    assert made["proposals"] == [] and "waivers.yaml" not in made["files"]
    assert "id: 213" in (shop / "elsewhere" / "vm.lifecycle.yaml").read_text()
    assert "data_disk" not in (shop / "elsewhere" / "infra.vm.profiles.yaml").read_text()
    assert made["waveboard_yaml"]["contracts.vms"] == ["elsewhere/vm.lifecycle.yaml"]


def test_a_host_whose_docker_could_not_be_seen_is_an_honest_unknown(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = json.loads((FLEET / "mint-data.json").read_text())
    del bundle["probes"]["docker"]
    (tmp_path / "dark.json").write_text(json.dumps(bundle))
    made = told(capsys, shop, "adopt", "mint-data", "--evidence", str(tmp_path / "dark.json"), code=2)
    assert any(one.startswith("docker: docker: not collected") for one in made["unknown"])
    profile = (shop / "adopted" / "mint-data" / "infra.vm.profiles.yaml").read_text()
    assert "serial: mint-data-data" in profile and "\n      docker_data_root" not in profile
    assert "services: []" in (shop / "adopted" / "mint-data" / "services.yaml").read_text()
    merged(shop, made["waveboard_yaml"])
    assert told(capsys, shop, "contracts", "check", code=0)["errors"] == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nobody", "--evidence", "{fleet}/mint-data.json"), 1, "the contracts name no such host"),
        (("mint-apps", "--evidence", "{fleet}/mint-data.json"), 1, "the evidence is of mint-data"),
        (("mint-data", "--evidence", "{fleet}/nothing.json"), 1, "cannot read the evidence"),
        (("mint-data", "--evidence", "{fleet}/mint-data.json", "--data-disk", "disk-9"), 1, "0 disks carry it"),
        (("mint-data", "--evidence", "{fleet}/mint-data.json", "--data-disk", "mint-data-boot"), 1, "it is the boot disk"),
        (("mint-data", "--evidence", "{fleet}/mint-data.json", "-o", "{shop}"), 1, "is there already"),
        (("mint-data", "--evidence", "{fleet}/mint-data.json", "--mount", "not/absolute"), 1, "found the text 'not/absolute'"),
    ],
)
def test_bad_input_is_one_error_and_leaves_nothing(
    shop: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, says: str
) -> None:
    given = [word.format(fleet=FLEET, shop=shop) for word in words]
    out = said(capsys, shop, "adopt", *given, code=code)
    assert says in out and out.count("error: cannot") == 1
    assert not (shop / "adopted").exists() and not [p for p in shop.iterdir() if p.name.startswith(".adopted")]


def test_a_host_that_gave_no_answer_is_not_drafted(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = json.loads((FLEET / "mint-data.json").read_text())
    (tmp_path / "down.json").write_text(json.dumps({**bundle, "probes": {}, "failure": "unreachable"}))
    run(["--workspace", str(shop), "adopt", "mint-data", "--evidence", str(tmp_path / "down.json")])
    assert "cannot adopt mint-data: unreachable" in capsys.readouterr().err
    assert run(["--workspace", str(shop), "adopt", "mint-data"]) == 5  # nobody answers at that address
    assert not (shop / "adopted").exists()


@pytest.fixture
def mint(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    directory = tmp_path / "mint"
    shutil.copytree(MINT, directory, ignore=shutil.ignore_patterns("fleet", ".waveboard"))
    for path in (directory, directory / "waveboard.yaml"):
        path.chmod(path.stat().st_mode & ~0o022)
    return directory


def test_what_the_contracts_say_is_not_written_again(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = told(capsys, mint, "adopt", "mint-data", "--evidence", str(FLEET / "mint-data.json"), code=2)
    assert made["files"] == ["waivers.yaml"] and made["by_hand"] == [] and made["contradictions"] == []
    report = told(capsys, mint, "verify", "mint-storage", "--evidence", str(FLEET), code=2)
    expected = {f["fingerprint"] for g in report["gates"] for f in g["findings"] if f["host"] == "mint-data"}
    assert {p["fingerprint"] for p in made["proposals"]} == expected
    assert "root.used_pct <= 8" in (mint / "adopted" / "mint-data" / "waivers.yaml").read_text()  # it may not grow meanwhile
    words = ("adopt", "mint-data", "--evidence", str(FLEET / "mint-data.json"), "--mount", "/srv", "-o", str(mint / "x"))
    assert "infra.storage.placement.policy.yaml:" in said(capsys, mint, *words, code=1)
    waivers = mint / "adopted" / "mint-data" / "waivers.yaml"
    waivers.write_text(waivers.read_text().replace("owner: to be named", 'owner: "@ronny"'))
    merged(mint, made["waveboard_yaml"])
    report = told(capsys, mint, "verify", "mint-storage", "--evidence", str(FLEET), code=2)
    assert all(f["waiver"] for g in report["gates"] for f in g["findings"] if f["host"] == "mint-data")


def test_a_host_whose_data_belongs_on_a_share_is_given_no_disk(
    mint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """docker-host: the placement policy names a share as its data mount, and the evidence shows none and a blank disk."""
    bundle = {**json.loads((FLEET / "mint-apps.json").read_text()), "host": "docker-host"}
    (tmp_path / "b.json").write_text(json.dumps(bundle))
    made = told(capsys, mint, "adopt", "docker-host", "--evidence", str(tmp_path / "b.json"), code=2)
    profile = (mint / "adopted" / "docker-host" / "infra.vm.profiles.yaml").read_text()
    assert "tier: tank-docker" in profile and "data_disk:" not in profile and "nfs_mounts" not in profile
    (share,) = made["contradictions"]
    assert "192.168.1.184:/tank/docker at /mnt/docker; the host does not have it mounted" in share
    words = (
        "adopt",
        "docker-host",
        "--evidence",
        str(tmp_path / "b.json"),
        "-o",
        str(mint / "x"),
        "--data-disk",
        "mint-apps-data",
    )
    assert "its data belongs on a share" in said(capsys, mint, *words, code=1)


def test_a_vm_that_is_half_known_keeps_its_files_and_is_told_the_one_line(
    mint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """finance-stack is in lifecycle and placement, its profile has no storage, and services.yaml does not know it."""
    bundle = {**json.loads((FLEET / "mint-apps.json").read_text()), "host": "finance-stack"}
    (tmp_path / "finance.json").write_text(json.dumps(bundle))
    files = {p: p.read_bytes() for p in mint.rglob("*.yaml")}
    made = told(capsys, mint, "adopt", "finance-stack", "--evidence", str(tmp_path / "finance.json"), code=2)
    assert {p: p.read_bytes() for p in files} == files
    assert set(made["files"]) == {"infra.vm.profiles.yaml", "services.yaml", "packs.yaml", "waivers.yaml"}
    mount, line = made["by_hand"]
    assert mount.startswith("infra.storage.placement.policy.yaml:") and "add `data_mount: /mnt/data` to this host" in mount
    place, _, rest = line.partition(": ")
    assert rest == "write `profile: adopted-finance-stack` there in place of `spine-ready-v1`"
    file, number, _ = place.split(":")
    lines = (mint / file).read_text().splitlines()
    assert "spine-ready-v1" in lines[int(number) - 1]
    lines[int(number) - 1] = lines[int(number) - 1].replace("spine-ready-v1", "adopted-finance-stack")
    (mint / file).write_text("\n".join(lines) + "\n")
    merged(mint, made["waveboard_yaml"])
    assert told(capsys, mint, "contracts", "check", code=0)["errors"] == []
    report = told(capsys, mint, "verify", "adopted-finance-stack", "--evidence", str(tmp_path / "finance.json"), code=5)
    found = {f["fingerprint"] for g in report["gates"] for f in g["findings"] if f["host"] == "finance-stack"}
    assert found == {p["fingerprint"] for p in made["proposals"]}


def test_what_the_profile_says_is_neither_asked_nor_proposed(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its profile has tier, data disk, docker's place and log limits; only waivers are drafted."""
    made = told(capsys, mint, "adopt", "mint-data", "--evidence", str(FLEET / "mint-data.json"), code=2)
    assert made["files"] == ["waivers.yaml"] and made["questions"] == [] and made["proposed"] == []
    page = (mint / "adopted" / "mint-data" / "ADOPTION.md").read_text()
    assert "log_rotation: {max_size_mb" not in page


def test_what_the_profile_says_and_a_draft_must_say_too_is_still_told(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The placement policy is silent, so its draft chooses a tier and a mount."""
    policy = mint / "infra.storage.placement.policy.yaml"
    document, _ = parse(policy.name, policy.read_bytes())
    assert document is not None
    value = plain(document.root)
    assert isinstance(value, dict) and isinstance(value["vm_storage"], dict)
    del value["vm_storage"]["mint-data"]
    policy.write_text(dump(value))
    made = told(capsys, mint, "adopt", "mint-data", "--evidence", str(FLEET / "mint-data.json"), code=2)
    assert "infra.storage.placement.policy.yaml" in made["files"]
    assert {t["what"] for t in made["proposed"]} == {"tier", "mount"}
    assert "log_rotation" not in {q["what"] for q in made["questions"]}


def test_rules_that_could_not_be_seen_are_not_called_fine(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every violation is waived and no gate is in doubt; whether the VM is ready cannot be told from evidence alone."""
    words = ("adopt", "mint-data", "--evidence", str(FLEET / "mint-data.json"))
    first = told(capsys, mint, *words, code=2)
    waivers = mint / "adopted" / "mint-data" / "waivers.yaml"
    waivers.write_text(waivers.read_text().replace("owner: to be named", 'owner: "@ronny"'))
    merged(mint, first["waveboard_yaml"])
    out = said(capsys, mint, *words, "-o", str(mint / "again"), code=5)
    assert "0 violations; 9 waived already" in out and "(unknown)" in out
    assert "waivers.yaml" not in out and "counts yet" not in out and "nothing is drafted" in out
    assert [p.name for p in (mint / "again").iterdir()] == ["ADOPTION.md"]
    page = (mint / "again" / "ADOPTION.md").read_text()
    assert "waivers.yaml" not in page and "counts yet" not in page


def test_a_second_adoption_outside_the_workspace_is_copied_beside_the_first(
    mint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("adopt", "mint-data", "--evidence", str(FLEET / "mint-data.json"))
    first = told(capsys, mint, *words, "-o", str(tmp_path / "one"), code=2)
    key = "contracts.waivers"
    assert first["waveboard_yaml"][key] == ["waivers.yaml", "adopted/mint-data/waivers.yaml"]
    shutil.copytree(tmp_path / "one", mint / "adopted" / "mint-data")
    merged(mint, first["waveboard_yaml"])
    (mint / "adopted" / "mint-data-2").mkdir()  # there, and named by nobody yet
    second = told(capsys, mint, *words, "-o", str(tmp_path / "two"), code=2)
    third = "adopted/mint-data-3"
    assert second["waveboard_yaml"][key] == [*first["waveboard_yaml"][key], f"{third}/waivers.yaml"]
    out = said(capsys, mint, *words, "-o", str(tmp_path / "three"), code=2)
    assert f"copied to {third}" in out and f"{third}/waivers.yaml" in out
    shutil.copytree(tmp_path / "two", mint / third)
    merged(mint, second["waveboard_yaml"])
    assert told(capsys, mint, "contracts", "check", code=0)["errors"] == []


def test_a_draft_that_a_pattern_names_already_is_not_named_twice(mint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = mint / "waveboard.yaml"
    now = next(line for line in named.read_text().splitlines() if line.strip().startswith("waivers:"))
    named.write_text(named.read_text().replace(now, '  waivers: [waivers.yaml, "adopted/*/waivers.yaml"]'))
    words = ("adopt", "mint-data", "--evidence", str(FLEET / "mint-data.json"))
    first = told(capsys, mint, *words, code=2)
    assert "waivers.yaml" in first["files"] and "contracts.waivers" not in first["waveboard_yaml"]
    assert first["counts_already"] == ["adopted/mint-data/waivers.yaml"]
    page = (mint / "adopted/mint-data/ADOPTION.md").read_text()
    assert (
        "adopted/mint-data/waivers.yaml counts already" in page.replace("\n", " ") and "nothing counts yet" not in page.casefold()
    )
    assert told(capsys, mint, "contracts", "check", code=0)["errors"] == []


def test_a_place_that_waveboard_yaml_names_is_taken_even_where_nothing_lies() -> None:
    assert free_place("h", ["hosts.yaml", "./adopted/h/waivers.yaml"], lambda at: False) == "adopted/h-2"
    assert free_place("h", ["adopted/h-2/waivers.yaml"], lambda at: at == "adopted/h") == "adopted/h-3"
    assert free_place("h", ["adopted/h-2/waivers.yaml"], lambda at: False) == "adopted/h"


def test_data_that_stays_in_a_directory_of_the_boot_disk_has_a_contract(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its gates need the place (`data_mount`), and its profile has no disk that could say it."""
    words = ("--evidence", str(FLEET / "mint-apps.json"), "--tier", "local-ext4", "--mount", "/srv/app")
    made = told(capsys, shop, "adopt", "mint-apps", *words, code=2)
    assert made["proposals"] and {p["code"] for p in made["proposals"]} == {"wrong-prefix"}, made["proposals"]
    assert "data_mount: /srv/app" in (shop / "adopted" / "mint-apps" / "infra.storage.placement.policy.yaml").read_text()
