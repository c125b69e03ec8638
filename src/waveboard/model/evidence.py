"""What a host really said: raw probe output, kept byte for byte. Nothing here interprets it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

Digest = str  # "sha256:<64 hex>"


def digest_of(raw: bytes) -> Digest:
    """The content address used everywhere in this house."""
    return "sha256:" + sha256(raw).hexdigest()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One probe's raw output. exit: the command's status (124/137 = its own time limit); ms: wall time on the host.

    Host bytes are hostile: `stdout` is never formatted into a command and is escaped at every sink.
    """

    name: str
    argv: tuple[str, ...]
    exit: int
    stdout: bytes
    stderr: bytes = b""
    truncated: bool = False
    ms: int = 0

    @property
    def sha256(self) -> Digest:
        """Digest of the raw stdout bytes."""
        return digest_of(self.stdout)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered. Any of the three may be None when it could not be read (a recorded tree has no host key)."""

    machine_id: str | None = None
    boot_id: str | None = None
    host_key: str | None = None  # "SHA256:…" as ssh-keygen -l prints it


@dataclass(frozen=True, slots=True)
class Bundle:
    """One host's evidence: the file format of DESIGN section 5.

    failure: why the host has no (complete) answer, "" when it has one. An incomplete bundle makes every fact unavailable.
    """

    host: str
    collected_at: datetime
    collector: Digest
    identity: Identity
    probes: Mapping[str, Evidence] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """What to feed to one host's `/bin/sh -s`: its own parameter block (audit.program.parameters), then the constant program,
    which all hosts' asks share. An ask made by hand may hold everything in `program`.
    """

    host: str
    program: str
    parameters: str = ""

    @property
    def text(self) -> str:
        """The whole of it."""
        return self.parameters + self.program


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host said. host_key: fingerprint of the key that answered, None where no SSH was involved.

    bundled: `raw` is a recorded bundle file (replay), not frames. audit.bundle.gather reads frames, from_json bundle files.
    """

    raw: bytes
    host_key: str | None = None
    bundled: bool = False
