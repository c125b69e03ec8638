#!/usr/bin/python3 -I
"""The hand of waveboard as one file: every module of it stands below as text, word for word, and nothing else is ever loaded.

Made from the repository's hand/ by hand/build.py; docs/hand.md says what it does and how to make the same bytes again.
Search it like any text. A module is compiled when it is first needed, from the text read at the start: a hand that is replaced
while a step runs does not change the step.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

MODULES: dict[str, str] = {}
# hand/build.py puts the modules here


class Shipped:
    """Finds and loads the modules of this file for the import system, as a zip archive's importer would."""

    def __init__(self, path: str) -> None:
        """Raises: ImportError for every place but this file."""
        if path != __file__ and not path.startswith(__file__ + "/"):
            raise ImportError(path)
        self._inside = path[len(__file__) + 1 :].replace("/", ".")

    def find_spec(self, name: str, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in MODULES:
            return None
        package = any(one.startswith(name + ".") for one in MODULES)
        # no importlib.abc.Loader by name: importing that costs more than all modules of a short call
        spec = ModuleSpec(name, self, origin=f"{__file__}/{name.replace('.', '/')}", is_package=package)  # type: ignore[arg-type]
        if package:
            spec.submodule_search_locations = [str(spec.origin)]
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        exec(compile(MODULES[name], f"{__file__}/{name.replace('.', '/')}.py", "exec", dont_inherit=True), module.__dict__)

    def get_source(self, name: str) -> str:
        return MODULES[name]

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        for name in MODULES:
            package, _, last = name.rpartition(".")
            if package == self._inside:
                yield prefix + last, any(one.startswith(name + ".") for one in MODULES)


def start(argv: Sequence[str]) -> int:
    sys.path_hooks.insert(0, Shipped)
    sys.path.insert(0, __file__)
    sys.path_importer_cache.pop(__file__, None)  # Python asked at its start whether this file is an archive
    return int(importlib.import_module("wb_hand.protocol").main(list(argv)))


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
