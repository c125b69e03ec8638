"""The storage rules there are, found in `rules/`, and what they together put into a VM. Knows none by name."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from waveboard.model.contract import HostPolicy
from waveboard.model.vm import VmSpec
from waveboard.vms import rules as drawer
from waveboard.vms.rule import Configured, Rule, Stage


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule, by id. Raises: TypeError for a shelf file without RULE; AssertionError for an id given twice."""
    found: dict[str, Rule] = {}
    for name in sorted(module.name for module in iter_modules(drawer.__path__)):
        rule = getattr(import_module(f"{drawer.__name__}.{name}"), "RULE", None)
        if not isinstance(rule, Rule):
            raise TypeError(f"{drawer.__name__}.{name} exports no RULE")
        if rule.id in found:
            raise AssertionError(f"{rule.id} stands twice on the shelf")
        found[rule.id] = rule
    return tuple(found[key] for key in sorted(found))


def configuration(vm: VmSpec, policy: HostPolicy, given: Sequence[Rule] | None = None) -> dict[str, object]:
    """Everything the rules ask provision to put into the VM's configuration."""
    found: dict[str, object] = {}
    for rule in rules() if given is None else given:
        stage = rule.stages.get(Stage.PROVISION)
        if isinstance(stage, Configured) and rule.asked(vm, policy):
            put: Mapping[str, object] = stage.puts(vm)
            found.update(put)
    return found
