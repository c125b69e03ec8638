"""The hand's modules as the tests reach into them: any name of any module, and a name replaced is replaced wherever it is used."""

from __future__ import annotations

import importlib
from typing import Any

from hand.build import modules

MODULES = [importlib.import_module(f"hand.{name}") for name in modules() if name != "wb_hand"]


class Room:
    """Has every module's names as its own attributes. Setting ROOT moves the root that plays the host's."""

    def __init__(self) -> None:
        for module in MODULES:
            vars(self).update(vars(module))
        for module in MODULES:  # a module's own things before what another calls by the same name
            made_here = {name: one for name, one in vars(module).items() if getattr(one, "__module__", "") == module.__name__}
            vars(self).update(made_here)

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self)[name]
        for module in MODULES:
            if vars(module).get(name, self) is before:
                setattr(module, name, value)
        vars(self)[name] = value


hand: Any = Room()
