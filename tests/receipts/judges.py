"""Both verifiers behind one question, so that every test asks both and they must agree."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from waveboard.model.errors import ReceiptError
from waveboard.receipts import sshsig
from waveboard.receipts.verify import verify
from waveboard.world.ssh_keygen import SshKeygen

TOOL = Path(__file__).parents[2] / "tools" / "verify_receipts.py"
KEYGEN = SshKeygen(sshsig.parse, sshsig.NAMESPACE)


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("independent_verifier", TOOL)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


STRANGER = _load()


def ours(files: Mapping[str, bytes], **pins: object) -> str:
    """What our verifier objects to, "" when it accepts."""
    try:
        verify(files, KEYGEN.principal_of, **pins)
    except ReceiptError as error:
        return str(error)
    return ""


def theirs(files: Mapping[str, bytes], **pins: str) -> str:
    """What the independent verifier objects to, "" when it accepts."""
    try:
        STRANGER.check(dict(files), **pins)
    except STRANGER.Invalid as error:
        return str(error)
    return ""
