"""The verbs of this hand: one a module, found by its name and loaded when a plan first names it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from ..verb import Verb


class Shelf(Mapping[str, Verb]):
    """Verbs by name. A name that no module bears is never imported."""

    def __init__(self) -> None:
        self._names = tuple(sorted(one.name for one in pkgutil.iter_modules(__path__)))

    def __getitem__(self, name: str) -> Verb:
        if name not in self._names:
            raise KeyError(name)
        verb: Verb = importlib.import_module(f"{__name__}.{name}").VERB
        return verb

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


VERBS = Shelf()
