"""The board as the markdown document an operator keeps: seven sections, every claim with its key. Says only what the board holds."""

import re
from collections.abc import Iterable, Iterator

from waveboard.model.board import Board, Cause, WaveRow
from waveboard.model.units import instant_text

_POLICY = {
    "none": "no runtime mutation",
    "controlled-runtime": "controlled runtime mutation",
    "governance": "governance mutation only",
}
_LIVE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def render(board: Board) -> str:
    """The whole document, with a newline at its end."""
    parts = [
        *_head(board),
        *_truth(board),
        *_causes(board),
        *_map(board),
        *_gates(board),
        *_procedure(board),
        *_prompts(board),
        *_closeout(board),
    ]
    return "\n".join(parts) + "\n"


def _head(board: Board) -> Iterator[str]:
    yield from ("---", f"status: {'closed' if _closed(board) else 'working'}", f'owner: "{_plain(board.owner)}"')
    yield from (f"rendered: {instant_text(board.at)}", f"scope: {_plain(board.name)}-wave-orchestration")
    yield from (f"contract: {board.contract}", "---", "", f"# {_plain(board.name).capitalize()} wave orchestration board", "")


def _closed(board: Board) -> bool:
    return bool(board.waves) and all(w.closing and not w.closing.failing and w.closing.outcome == "done" for w in board.waves)


def _truth(board: Board) -> Iterator[str]:
    seq, digest = board.chain
    yield from ("## 1) Current Truth (Receipt-backed)", "")
    yield f"- Receipts: {seq} in the chain, the last `{digest[:23]}…`" if seq else "- Receipts: none yet"
    for pack in board.packs:
        enforced = [gate for gate in pack.gates if pack.modes.get(gate, pack.mode).value == "enforce"]
        mode = "enforce" if len(enforced) == len(pack.gates) else f"enforce for {','.join(enforced)}" if enforced else "report"
        on, due = ", ".join(pack.hosts), pack.promotion
        rule = f"; promoted after {due.runs} stable runs, {due.min_interval_s} s apart" if due else ""
        yield f"- Gates of the pack {pack.id} ({mode}){f' on {on}' if on else ''}{rule}: `{','.join(pack.gates)}`"
    yield "- Verification:" if board.verified or board.said else "- Verification: nothing was judged yet"
    for told in (*board.verified, *board.said):
        yield f"  - `{told.run_key}` ({_plain(told.result)})"
    yield from (f"- Open loops: {len(board.open_loops)}", f"- Open gaps: {len(board.open_gaps)}", "")


def _causes(board: Board) -> Iterator[str]:
    yield from ("## 2) Drift Root Cause (Why this keeps recurring)", "")
    for number, producer in enumerate(board.producers, 1):
        still = f"open: {', '.join(producer.open)}" if producer.open else "its gaps are settled"
        yield f"{number}. `{_plain(producer.name)}`: {_plain(producer.says)} ({still})"
    if board.producers:
        yield ""
    for cause in board.causes:
        yield f"- {_plain(cause.title)} ({', '.join((*cause.stor, *cause.gaps)) or 'linked to nothing'}): {_observed(cause)}"
    yield from ("Nothing is registered as a cause.", "") if not (board.causes or board.producers) else ("",)


def _observed(cause: Cause) -> str:
    if cause.observed is None:
        return "not looked at yet"
    if cause.observed:
        return f"still observed ({', '.join(cause.observed)})"
    return f"not known ({_plain('; '.join(cause.unseen))})" if cause.unseen else "not observed in the newest runs"


def _map(board: Board) -> Iterator[str]:
    yield from ("## 3) Wave Map (authoritative linkage)", "")
    yield "| Wave | Goal | Primary STOR | Gap IDs | Loop IDs | Mutation Policy | May change | Read only | State |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in board.waves:
        spec = row.spec
        cells = (spec.id, spec.goal, ", ".join(spec.stor), ", ".join(spec.gaps), "; ".join(spec.loops), _POLICY[spec.policy],
                 ", ".join(spec.mutate_hosts), ", ".join(spec.read_only_hosts))  # fmt: skip
        state = row.state + (f", with {row.worker}" if row.worker else "")
        yield "| " + " | ".join(_cell(cell) for cell in (*cells, state)) + " |"
    yield ""


def _gates(board: Board) -> Iterator[str]:
    yield from ("## 4) Wave Entry/Exit Gates", "")
    for row in board.waves:
        for side, conditions in (("entry", row.spec.entry), ("exit", row.spec.exit)):
            if conditions:
                yield f"### {row.spec.id} {side}"
                yield from (f"- {_condition(row, side, text)}" for text in conditions)
                yield ""


def _condition(row: WaveRow, side: str, text: str) -> str:
    told = f"`{_LIVE.sub('?', text)}`"
    if side == "entry" or row.closing is None:
        return told
    failing = next((f for f in row.closing.failing if f.startswith(text)), "")
    return f"{told}: did not hold ({_plain(failing.removeprefix(text).lstrip(': '))})" if failing else f"{told}: held"


def _procedure(board: Board) -> Iterator[str]:
    steps = ["`./bin/ops cap run session.start`", "`./bin/ops cap run loops.status`", "`./bin/ops cap run gaps.status`"]
    apart = [f"{row.spec.id} not beside {', '.join(row.spec.excludes)}" for row in board.waves if row.spec.excludes]
    steps.append("Dispatch one wave at a time" + (f" ({'; '.join(apart)})." if apart else "."))
    yield from ("## 5) Control Terminal Procedure", "", "1. `cd` to the workspace")
    yield from (f"{number}. {step}" for number, step in enumerate(steps, 2))
    yield "6. After each wave:"
    yield from (f"   - `./bin/ops cap run verify.pack.run {pack.id}`" for pack in board.packs[:1])
    yield from ("   - `./bin/ops cap run loops.status`", "   - `./bin/ops cap run gaps.status`")
    yield from (
        "   - capture `WAVEX_ORCHESTRATION_RECEIPT` (X is the wave's id without its W): `waveboard wave close` files it",
        "",
    )


def _prompts(board: Board) -> Iterator[str]:
    yield from ("## 6) Worker Prompts", "")
    for row in board.waves:
        fence = "`" * (max((len(run) for run in re.findall(r"`+", row.prompt)), default=2) + 1 if "```" in row.prompt else 3)
        yield from (
            f"### Prompt: {row.spec.id} ({_plain(row.spec.goal)})",
            "",
            f"{fence}text",
            _LIVE.sub("?", row.prompt.strip("\n")),
        )
        yield from (fence, "")


def _closeout(board: Board) -> Iterator[str]:
    yield from ("## 7) Closeout Receipt Contract", "", "Each wave must return:")
    yield from (f"- {item}" for item in board.items)
    closed: Iterable[WaveRow] = [row for row in board.waves if row.closing]
    if closed:
        yield from ("", "| Wave | Closeout | Outcome | Conditions that did not hold |", "|---|---|---|---|")
    for row in closed:
        assert row.closing is not None
        cells = (row.spec.id, f"`{row.closing.run_key}`", row.closing.outcome, "; ".join(row.closing.failing) or "none")
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _plain(text: str) -> str:
    """One line without control characters; markdown that would make a link or a tag is left as text."""
    return _LIVE.sub("?", " ".join(text.split())).replace("<", "&lt;").replace("](", "] (")


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")
