"""The worker's prompt, rendered from a wave: what it may touch, the rules, what it must return, when it is accepted.

The same wave and order give the same bytes; the digest of these is in the dispatch receipt. Holds no sentence about any one fleet.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from waveboard.model.contract import WaveSpec

VERSION = "waveboard.prompt/1"
_MAY = {
    "controlled-runtime": "change only the hosts named below, only through an approved plan",
    "governance": "change contract files only; no host",
    "none": "change nothing at runtime; read only",
}


@dataclass(frozen=True, slots=True)
class Order:
    """What a dispatch adds to the wave: who works, on which plan, until when. plan: "" when none is approved yet."""

    task: str
    worker: str
    workspace: str
    contract: str
    plan: str
    until: datetime


def render(wave: WaveSpec, order: Order) -> str:
    """The whole text, with a newline at its end."""
    parts = [body(wave, order.workspace), _bullets("Accepted when all of this holds on a fresh audit", wave.exit)]
    parts.append(_bullets("Work order", _work(wave, order)))
    return "\n\n".join(parts) + f"\n\n{VERSION} {order.contract}\n"


def body(wave: WaveSpec, workspace: str) -> str:
    """What every worker of the wave is told, whoever it is: the operator's own words."""
    goal = f"{wave.goal[:1].lower()}{wave.goal[1:]}"
    parts = [
        wave.opening or f"You are the worker of wave {wave.id} of {workspace}: {goal}.",
        _bullets("Scope", wave.scope_notes or _scope(wave)),
        _bullets("Rules", wave.rules),
        _numbered("Required outputs", wave.outputs),
        _bullets("Acceptance target", wave.acceptance),
    ]
    return "\n\n".join(part for part in parts if part)


def _scope(wave: WaveSpec) -> list[str]:
    lines = [f"{wave.goal}."]
    lines += [f"Changes: {', '.join(wave.mutate_hosts)}."] if wave.mutate_hosts else []
    return lines + ([f"Read only: {', '.join(wave.read_only_hosts)}."] if wave.read_only_hosts else [])


def _work(wave: WaveSpec, order: Order) -> list[str]:
    plan = order.plan or "none approved yet: propose one with `waveboard plan`; a person approves it, you cannot"
    hosts = ", ".join(wave.mutate_hosts) or "no host"
    return [
        f"Task {order.task} for {order.worker}, until {order.until:%Y-%m-%dT%H:%M:%SZ}; after that you may not apply.",
        f"Mutation policy {wave.policy}: {_MAY[wave.policy]}. May be changed: {hosts}.",
        f"Plan: {plan}.",
        "Use `waveboard audit`, `plan`, `apply`, `undo`, `status`, `verify`; nothing else may change a host.",
        f"When done: `waveboard wave report {wave.id} FILE`; `--template` prints a report to fill in. Every change you made must be "
        "in it: both audits are compared with what you say, on every host of the wave.",
    ]


def _bullets(title: str, lines: Iterable[str]) -> str:
    told = [f"- {line}" for line in lines]
    return "\n".join([f"{title}:", *told]) if told else ""


def _numbered(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{title}:", *(f"{n}) {line}" for n, line in enumerate(lines, 1))]) if lines else ""
