"""The hand's room of modules and the one file it is shipped as: what may stand in a module, and that the file is the modules."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hand import build
from tests.hand.conftest import Sandbox
from tests.hand.room import hand
from waveboard.model.errors import UsageError
from waveboard.world.hosts import programs

SOURCES = build.modules() | {"front": (build.SOURCES / "front.py").read_text()}
TREES = {name: ast.parse(text, feature_version=(3, 9)) for name, text in SOURCES.items()}
LOADERS = {"front", "wb_hand.protocol", "wb_hand.verbs"}  # load modules of the hand by name; no other may load anything by name


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.split(".")[0] for one in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).split(".")[0]


@pytest.mark.parametrize("name", SOURCES)
def test_a_module_is_python_3_9_of_the_standard_library_without_a_shell(name: str) -> None:
    assert set(imported(TREES[name])) <= set(sys.stdlib_module_names)
    assert name in LOADERS or not {"importlib", "pkgutil", "runpy"} & set(imported(TREES[name]))
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.keyword):
            assert node.arg != "shell"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            assert node.attr not in ("system", "popen", "removedirs")
        if isinstance(node, ast.Name):
            assert node.id not in ("eval", "__import__", *(() if name == "front" else ("exec",)))


def test_only_retire_removes_a_tree_and_nothing_prunes() -> None:
    holders = {
        (name, one.name)
        for name, tree in TREES.items()
        for one in ast.walk(tree)
        if isinstance(one, ast.ClassDef)
        and any(isinstance(part, ast.Attribute) and part.attr == "rmtree" for part in ast.walk(one))
    }
    assert holders == {("wb_hand.verbs.retire", "Retire")} and build.hand_file().count(b"rmtree") == 1
    nodes = [one for tree in TREES.values() for one in ast.walk(tree)]
    words = [one.value for one in nodes if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    assert not [word for word in words if word in ("prune", "-F", "--force", "-rf", "--privileged", "--volumes", "-V", "down")]


def test_a_module_is_read_at_a_sitting() -> None:
    assert {name: lines for name, text in SOURCES.items() if (lines := text.count("\n")) >= 400} == {}


def test_every_verb_is_a_module_that_is_described() -> None:
    described = (Path(__file__).parents[2] / "docs/hand.md").read_text()
    assert list(hand.VERBS) == sorted(p.stem for p in (build.SOURCES / "wb_hand/verbs").glob("[!_]*.py"))
    for name, verb in hand.VERBS.items():
        assert isinstance(verb, hand.Verb) and f"\n### {name} (" in described
    assert hand.VERBS.get("verb") is None and hand.VERBS.get("os") is None and hand.VERBS.get("..protocol") is None


def test_the_file_holds_every_module_word_for_word_and_is_always_the_same(tmp_path: Path) -> None:
    made = build.hand_file()
    assert made.startswith(b"#!/usr/bin/python3 -I\n")
    found: dict[str, str] = {}
    for node in ast.parse(made.decode(), feature_version=(3, 9)).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            found[ast.literal_eval(node.targets[0].slice)] = ast.literal_eval(node.value)
    assert found == build.modules() and all(f"r'''{text}'''".encode() in made for text in found.values())
    file = tmp_path / "wb-hand"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-I", build.__file__, str(file)], check=True, env=environment, timeout=60)
    assert file.read_bytes() == made and file.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("text", ["a = '''b'''\n", "a = 1", "a = 1\r\n", "a = '\0'\n"])
def test_a_source_that_would_not_stay_as_it_is_is_not_built(tmp_path: Path, text: str) -> None:
    (tmp_path / "wb_hand").mkdir()
    (tmp_path / "front.py").write_text(build.MARK)
    (tmp_path / "wb_hand/odd.py").write_bytes(text.encode())
    with pytest.raises(ValueError, match=r"wb_hand\.odd"):
        build.hand_file(tmp_path)


def test_hello_names_the_file_as_it_is(sandbox: Sandbox) -> None:
    (sandbox.root / "sys/class/block").mkdir(parents=True)
    told = sandbox.ask({"op": "hello"})
    assert told["ok"] and told["sha256"] == hashlib.sha256(build.hand_file()).hexdigest()


def test_a_hand_that_is_replaced_while_it_runs_goes_on_as_it_was(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "wb-hand"
    path.write_bytes(build.hand_file())
    code = "import os, runpy, sys; path = sys.modules['__main__'].__file__ = sys.argv[1]; loaded = runpy.run_path(path);"
    code += "os.unlink(path); sys.exit(loaded['start'](sys.argv[2:]))"
    argv = [sys.executable, "-I", "-c", code, str(path), "--test-root", str(sandbox.root)]
    done = subprocess.run(argv, input=b'{"op": "journal"}', capture_output=True, timeout=60, check=False)
    assert json.loads(done.stdout) == {"head": None, "lines": [], "more": False, "ok": True} and not path.exists()


def test_the_sources_are_found_installed_and_in_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "src/waveboard"
    with pytest.raises(UsageError, match="holds them"):
        programs.sources(package)
    for place in (tmp_path / "hand", package / "hand"):  # what is inside the package comes first
        place.mkdir(parents=True)
        (place / "build.py").touch()
        assert programs.sources(package) == place
    shipped = tomllib.loads((build.SOURCES.parent / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert shipped["force-include"] == {"hand": "waveboard/hand"}
    assert programs.hand() == build.hand_file() and programs.reader() == (build.SOURCES / "wb_ro.py").read_bytes()
