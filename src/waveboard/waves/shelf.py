"""The kinds of step there are, found on the shelf by file name. Renders nothing."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from waveboard.model.contract import StepShape
from waveboard.waves import steps
from waveboard.waves.kind import StepKind


@cache
def kinds() -> Mapping[str, StepKind]:
    """Every kind by name. Raises: AssertionError for a file that exports another kind than its own."""
    found: dict[str, StepKind] = {}
    for module in pkgutil.iter_modules(steps.__path__):
        kind = importlib.import_module(f"{steps.__name__}.{module.name}").STEP
        if kind.kind != module.name:
            raise AssertionError(f"{module.name}.py must export the kind of its own name, not {kind.kind}")
        found[kind.kind] = kind
    return found


def shapes() -> Mapping[str, StepShape]:
    """What each kind takes in a wave file, for the contracts to check."""
    return {name: StepShape(kind.params, kind.required) for name, kind in kinds().items()}
