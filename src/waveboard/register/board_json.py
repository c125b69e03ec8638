"""The board for programs: every noun of it under its own name, in no layout. Says only what the board holds."""

from waveboard.model.board import Board, Cause, Closing, Producer, Told, WaveRow
from waveboard.model.contract import Pack, WaveSpec
from waveboard.model.units import instant_text

Json = dict[str, object]


def board_row(board: Board) -> Json:
    """In the order of the board. receipts.head: None when there is none yet."""
    count, head = board.chain
    return {
        "name": board.name,
        "owner": board.owner,
        "at": instant_text(board.at),
        "contract": board.contract,
        "receipts": {"count": count, "head": head or None},
        "packs": [_pack(one) for one in board.packs],
        "verified": [_told(one) for one in board.verified],
        "said": [_told(one) for one in board.said],
        "open_loops": list(board.open_loops),
        "open_gaps": list(board.open_gaps),
        "causes": [_cause(one) for one in board.causes],
        "producers": [_producer(one) for one in board.producers],
        "waves": [_wave(one) for one in board.waves],
        "items": list(board.items),
    }


def wave_row(found: WaveSpec) -> Json:
    """A wave as it is written."""
    return {
        "id": found.id,
        "goal": found.goal,
        "policy": found.policy,
        "mutate": list(found.mutate_hosts),
        "read_only": list(found.read_only_hosts),
        "stor": list(found.stor),
        "gaps": list(found.gaps),
        "loops": list(found.loops),
        "excludes": list(found.excludes),
        "entry": list(found.entry),
        "exit": list(found.exit),
        "steps": [f"{s.kind} on {s.host}: {', '.join(f'{k}={v}' for k, v in s.params.items())}" for s in found.steps],
        "draft": found.draft,
    }


def _pack(pack: Pack) -> Json:
    """modes: of every gate, whether the pack or the gate says it."""
    due = pack.promotion
    return {
        "id": pack.id,
        "hosts": list(pack.hosts),
        "modes": {gate: pack.modes.get(gate, pack.mode).value for gate in pack.gates},
        "later": list(pack.later),
        "evidence_max_age_s": pack.evidence_max_age_s,
        "promotion": {"runs": due.runs, "min_interval_s": due.min_interval_s} if due else None,
    }


def _told(run: Told) -> Json:
    return {"run_key": run.run_key, "at": instant_text(run.at), "result": run.result}


def _cause(cause: Cause) -> Json:
    """observed: None when nobody looked."""
    return {
        "id": cause.id,
        "title": cause.title,
        "stor": list(cause.stor),
        "gaps": list(cause.gaps),
        "loop": cause.loop,
        "observed": None if cause.observed is None else list(cause.observed),
        "unseen": list(cause.unseen),
    }


def _producer(producer: Producer) -> Json:
    return {"name": producer.name, "gaps": list(producer.gaps), "open": list(producer.open), "says": producer.says}


def _wave(row: WaveRow) -> Json:
    """worker: "" when nobody has it. closing: None before its first closeout."""
    closing = _closing(row.closing) if row.closing else None
    return {**wave_row(row.spec), "state": row.state, "worker": row.worker, "closing": closing, "prompt": row.prompt}


def _closing(closing: Closing) -> Json:
    told = {"run_key": closing.run_key, "at": instant_text(closing.at), "outcome": closing.outcome}
    return {**told, "failing": list(closing.failing)}
