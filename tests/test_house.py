"""The house keeps its own rules: sizes, names, floors, and every verb known at the door and in the registry."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from waveboard.app.capabilities import CAPABILITIES
from waveboard.cli import waveboard
from waveboard.cli.table import COMMANDS
from waveboard.waves.shelf import kinds

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src" / "waveboard").rglob("*.py"))
FORBIDDEN = {"util", "utils", "helper", "helpers", "manager", "service", "handler", "common", "base", "core", "data", "info"}


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return {words}
    context = click.Context(command)
    found: set[tuple[str, ...]] = set()
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None, name
        found |= leaves(child, (*words, name))
    return found


def test_every_command_is_a_capability_and_every_capability_a_command() -> None:
    assert {c.command for c in CAPABILITIES} == leaves(waveboard)


def test_capability_names_are_unique_and_mutation_of_hosts_needs_a_person() -> None:
    assert len({c.name for c in CAPABILITIES}) == len(CAPABILITIES)
    assert {c.name for c in CAPABILITIES if c.approval == "manual"} == {
        "wave.approve",
        "wave.apply",
        "wave.undo",
        "wave.settle",
        "infra.vm.prove",
    }


def test_the_help_table_names_only_what_exists() -> None:
    for name, entry in COMMANDS.items():
        module = ROOT / "src" / (entry.where.split(":")[0].replace(".", "/") + ".py")
        assert module.exists(), name


def test_files_can_be_read_at_a_sitting() -> None:
    long = [f"{p.relative_to(ROOT)} {n}" for p in SOURCES if (n := len(p.read_text().splitlines())) > 400]
    assert not long


def test_no_script_hides_a_module_of_python() -> None:
    """A script's own directory comes first on its path: bench/copy.py was once what `import copy` found."""
    scripts = [path for room in ("bench", "tools", "hand") for path in (ROOT / room).glob("*.py")]
    assert scripts
    assert not [path for path in scripts if path.stem in sys.stdlib_module_names]


def test_no_pattern_has_a_group_that_gives_nothing_back() -> None:
    """Python before 3.11.5, which Debian 12 has, matches `(?:...)*+` wrongly: there no mount table at all could be read."""
    wrong = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+|\(\?>")
    assert wrong.search("(?:a+b)*+") and not wrong.search("a*+(b)+c++")
    assert [path.name for path in SOURCES if wrong.search(path.read_text())] == []


def test_no_drawer_names() -> None:
    drawers = [p for p in SOURCES if p.stem in FORBIDDEN or p.parent.name in FORBIDDEN]
    assert not drawers


def test_every_module_says_what_it_is() -> None:
    silent = [str(p.relative_to(ROOT)) for p in SOURCES if p.read_text().strip() and not p.read_text().lstrip().startswith('"""')]
    assert not silent


def test_step_kinds_carry_the_name_of_their_file() -> None:
    assert set(kinds()) == {p.stem for p in (ROOT / "src/waveboard/waves/steps").glob("*.py")} - {"__init__"}


def test_the_project_names_no_place_of_the_machine_it_was_made_on() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    here = re.compile(rb"/work/(?:main|shared|scratch)")
    found = [
        name
        for name in listed
        if name != "tests/test_house.py" and (ROOT / name).is_file() and here.search((ROOT / name).read_bytes())
    ]
    assert not found


@pytest.mark.parametrize("heavy", ["asyncssh", "dbos", "sqlalchemy", "pydantic", "alembic"])
def test_starting_the_door_imports_nothing_heavy(heavy: str) -> None:
    code = f"import sys; from waveboard.cli import run; run(['cap', 'list']); sys.exit('{heavy}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_agents_have_no_way_to_approve() -> None:
    reach = [p for p in SOURCES if "app.approve" in p.read_text() or "app import approve" in p.read_text()]
    assert {p.relative_to(ROOT / "src/waveboard").as_posix() for p in reach} == {"app/apply.py", "cli/change.py"}
