"""Limit docker's json-file logs in the daemon's settings, by compare-and-swap.

The daemon reads the limits when it starts, and a container keeps the limits it was made with: a restart and a new container later
they bind. Nothing is restarted here. Undo restores the file byte for byte. Source: docker's json-file logging driver.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from posixpath import normpath

from waveboard.model.change import Reversibility, Step
from waveboard.model.contract import StepSpec
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.evidence import digest_of
from waveboard.model.facts import ConfigFiles
from waveboard.waves.kind import Outlook, Rendered, StepKind

DAEMON_JSON = "/etc/docker/daemon.json"


def settings_text(outlook: Outlook) -> tuple[str | None, str]:
    """daemon.json's digest and text as the steps before leave it; (None, "") when there is none. Raises: RefusedError."""
    if outlook.daemon_json is not None:
        return digest_of(outlook.daemon_json.encode()), outlook.daemon_json
    found = outlook.facts[ConfigFiles].by_path.get(DAEMON_JSON)
    if found is None:
        return None, ""
    text = "".join(f"{line}\n" for line in found.lines if line is not None)
    try:
        good = None not in found.lines and isinstance(json.loads(text or "{}"), dict)
    except ValueError:
        good = False
    if not good:
        because = f"{DAEMON_JSON} is not a JSON object that may be told"
        raise RefusedError(f"plan {outlook.wave} on {outlook.facts.host}", because, "mend the file, or take the secret out of it")
    return found.digest, text


def named_root(outlook: Outlook) -> str | None:
    """The data-root that daemon.json names as the steps before leave it, None when it names none. Raises: RefusedError."""
    _, text = settings_text(outlook)
    named = json.loads(text).get("data-root") if text.strip() else None
    return normpath(str(named)) if named else None


def limits(spec: StepSpec, told: Mapping[str, object], size: str, files: str) -> dict[str, object]:
    """The keys of daemon.json that set the limits, {} when none are asked for; other log options stay."""
    numbers = [spec.params.get(name) for name in (size, files)]
    if numbers == [None, None]:
        return {}
    most, count = numbers
    if not isinstance(most, int) or not isinstance(count, int) or most < 1000 or count < 1:
        raise ContractError(f"render step {spec.kind}", f"{spec.place}: `{size}` and `{files}` are whole numbers", "give both")
    options = told.get("log-opts")
    kept = options if isinstance(options, dict) else {}
    return {"log-driver": "json-file", "log-opts": {**kept, "max-size": f"{most // 1000}k", "max-file": str(count)}}


def render(spec: StepSpec, outlook: Outlook, prefix: str) -> Rendered:
    digest, text = settings_text(outlook)
    told = json.loads(text) if text.strip() else {}
    wanted = {**told, **limits(spec, told, "max_bytes", "files")}
    if wanted == told:
        return Rendered((), outlook, f"{DAEMON_JSON} has these log limits already")
    after = json.dumps(wanted, indent=2) + "\n"
    step = Step(
        id=prefix,
        verb="write_file",
        host=outlook.facts.host,
        title="limit docker's logs",
        args={"path": DAEMON_JSON, "before_sha256": digest, "after": after, "mode": 0o644},
        reversibility=Reversibility.EXACT,
        commands=(f"# {DAEMON_JSON}: log-driver json-file, log-opts {json.dumps(wanted['log-opts'])}; dockerd --validate",),
        undo_commands=(f"# {DAEMON_JSON} restored byte for byte",),
        evidence=("docker",),
        limit_s=60,
    )
    return Rendered((step,), replace(outlook, daemon_json=after))


STEP = StepKind("set_log_rotation", ("max_bytes", "files"), ("max_bytes", "files"), render)
