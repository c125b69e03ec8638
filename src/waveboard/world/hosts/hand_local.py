"""The hand as a child process on a directory that plays the host's root: for tests and the simulator, never for a real host."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from waveboard.model.contract import HostTarget
from waveboard.model.errors import HostError
from waveboard.world.hosts.hand_ssh import last_answer


class LocalHand:
    """Satisfies app.ports.Hand. roots: host id -> the directory that stands for its `/`."""

    def __init__(self, program: Path, roots: Mapping[str, Path]) -> None:
        self._program, self._roots = program, roots

    def call(self, target: HostTarget, request: Mapping[str, object], timeout_s: float) -> Mapping[str, object]:
        """Raises: HostError when the child was killed or left no answer."""
        cannot = f"ask the hand of {target.id} to {request.get('op')}"
        argv = [sys.executable, "-I", str(self._program), "--test-root", str(self._roots[target.id])]
        try:
            done = subprocess.run(argv, input=json.dumps(request).encode(), capture_output=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired:
            raise HostError(cannot, f"no answer within {timeout_s:.0f} s") from None
        return last_answer(done.stdout, cannot)
