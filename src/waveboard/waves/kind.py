"""A kind of step: what a wave may ask for, and how it becomes verbs of the hand. Rendering performs nothing.

A step file on the shelf renders do and undo side by side, so that a reviewer sees both at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from waveboard.model.change import Step
from waveboard.model.contract import HostPolicy, StepSpec
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.facts import ConfigFile, ConfigFiles, HostFacts


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the host will look like when the steps rendered so far have been applied.

    Later steps are rendered against it, so the plan is complete before anything runs.
    """

    facts: HostFacts
    policy: HostPolicy
    instance: str
    wave: str
    docker_root: str | None = None  # after a planned move; None: as the facts say
    data_uuid: str | None = None
    data_target: str | None = None
    edits: Mapping[str, tuple[str | None, ...]] | None = None  # files already edited by this plan: path -> lines now
    daemon_json: str | None = None  # docker's settings after a planned change; None: as the facts say
    planned: int = 0  # how many steps the plan has for this host so far
    edited_by: Mapping[str, str] | None = None  # and the id of the step that edited each last

    def file(self, path: str) -> ConfigFile:
        """The configuration file as the audit saw it. Raises: RefusedError when it was not read."""
        files = self.facts[ConfigFiles].by_path
        if path not in files:
            raise RefusedError(
                f"plan {self.wave} on {self.facts.host}",
                f"{path} was not read by the audit",
                "install the reader on the host (docs/evidence.md) and audit again",
            )
        return files[path]


@dataclass(frozen=True, slots=True)
class Rendered:
    """The steps of one spec, and the outlook after them. note: said to the operator when nothing is left to do."""

    steps: tuple[Step, ...]
    outlook: Outlook
    note: str = ""


@dataclass(frozen=True, slots=True)
class StepKind:
    """One kind on the shelf. params: names the wave file may give; required ones have no default anywhere."""

    kind: str
    params: tuple[str, ...]
    required: tuple[str, ...]
    render: Callable[[StepSpec, Outlook, str], Rendered]  # spec, outlook, id prefix such as "W8B-02"


def text_param(spec: StepSpec, name: str) -> str:
    """A required text parameter of a wave step. Raises: ContractError naming its place."""
    value = spec.params.get(name)
    if not isinstance(value, str) or not value:
        place = spec.place or "the wave file"
        raise ContractError(f"render step {spec.kind}", f"{place}: `{name}` must be given as text", f"add `{name}:` to the step")
    return value


def writers(spec: StepSpec) -> str:
    """`stopped` (nothing else writes: the service's own data must be equal before and after) or `live` (other hosts go on writing;
    the proof is the manifest taken with the service stopped). Raises: ContractError for anything else."""
    value = spec.params.get("writers", "live")
    if value not in ("stopped", "live"):
        raise ContractError(
            f"render step {spec.kind}", f"{spec.place}: `writers` is stopped or live, not {value!r}", "choose one"
        )
    return str(value)
