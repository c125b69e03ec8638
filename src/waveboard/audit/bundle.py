"""The evidence bundle: one JSON file a host (DESIGN section 5), both ways, and the gathering of an answer into one.

Output that is not UTF-8 stands under `stdout_b64` / `stderr_b64` instead. It does not say what evidence means.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import datetime

from msgspec import DecodeError, Struct, ValidationError, convert
from msgspec.json import Decoder

from waveboard.audit import frames, json_text
from waveboard.model import canonical
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Bundle, Digest, Evidence, Identity, digest_of
from waveboard.model.units import instant_text, parse_instant

SCHEMA = "waveboard.evidence/1"
BYTES_MAX = 32 * 2**20
_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


def gather(host: str, raw: bytes, nonce: str, collector: Digest, at: datetime, host_key: str | None = None) -> Bundle:
    """The bundle of one answer in frames. A stream that is not whole gives a bundle without probes that says why."""
    at = at.replace(microsecond=0)  # what the file can say
    try:
        probes = frames.parse(raw, nonce)
    except EvidenceError as error:
        return failed(host, error.because, collector, at, host_key)
    return Bundle(host, at, collector, _identity(probes.get("meta"), host_key), probes)


def failed(host: str, why: str, collector: Digest, at: datetime, host_key: str | None = None) -> Bundle:
    """The bundle of a host that gave no answer: every fact will be unavailable for this reason."""
    return Bundle(host, at.replace(microsecond=0), collector, Identity(host_key=host_key), {}, why or "no answer")


def digest(bundle: Bundle) -> Digest:
    """The content address of the bundle's one spelling."""
    return digest_of(to_json(bundle))


def to_json(bundle: Bundle) -> bytes:
    """Canonical bytes of the file."""
    document: dict[str, object] = {
        "schema": SCHEMA,
        "host": bundle.host,
        "collected_at": instant_text(bundle.collected_at),
        "collector": bundle.collector,
        "identity": {
            "machine_id": bundle.identity.machine_id,
            "boot_id": bundle.identity.boot_id,
            "host_key": bundle.identity.host_key,
        },
        "probes": {name: _probe_json(evidence) for name, evidence in bundle.probes.items()},
    }
    if bundle.failure:
        document["failure"] = bundle.failure
    return canonical.encode(document)


def from_json(raw: bytes) -> Bundle:
    """The bundle in the file, each digest checked against its bytes. Raises: EvidenceError."""
    if len(raw) > BYTES_MAX:
        raise _bad(f"it has {len(raw)} bytes, more than {BYTES_MAX}")
    try:
        file = _file(raw)
        if file.schema != SCHEMA:
            raise _bad(f"its schema is not {SCHEMA}")
        told = file.identity
        return Bundle(
            host=file.host,
            collected_at=parse_instant(file.collected_at),
            collector=file.collector,
            identity=Identity(told.machine_id, told.boot_id, told.host_key),
            probes={name: _evidence(name, probe) for name, probe in file.probes.items()},
            failure=file.failure,
        )
    except RecursionError:
        raise _bad("it is nested too deeply") from None
    except (ValueError, ValidationError, Base64Error) as error:
        raise _bad(f"it does not fit {SCHEMA}: {error if isinstance(error, ValidationError) else type(error).__name__}") from None


class _Output(Struct):
    argv: tuple[str, ...]
    exit: int
    sha256: str
    truncated: bool
    ms: int
    stdout: str | None = None
    stdout_b64: str | None = None
    stderr: str | None = None
    stderr_b64: str | None = None


class _Who(Struct):
    machine_id: str | None
    boot_id: str | None
    host_key: str | None


class _File(Struct):
    schema: str
    host: str
    collected_at: str
    collector: str
    identity: _Who
    probes: dict[str, _Output]
    failure: str = ""


_DECODER = Decoder(_File)


def _file(raw: bytes) -> _File:
    """What msgspec refuses, the standard library judges, as in json_text. Raises: ValueError, ValidationError, RecursionError."""
    try:
        return _DECODER.decode(raw if raw.isascii() else raw.decode())  # bytes that nobody reads must be UTF-8 too
    except (DecodeError, UnicodeDecodeError):
        return convert(json_text.read(raw), _File)


def _identity(meta: Evidence | None, host_key: str | None) -> Identity:
    told = dict(line.partition(" ")[::2] for line in meta.stdout.decode("utf-8", "replace").splitlines()) if meta else {}
    machine, boot = (value if _ID.fullmatch(value := told.get(key, "")) else None for key in ("machine_id", "boot_id"))
    return Identity(machine, boot, host_key)


def _probe_json(evidence: Evidence) -> Mapping[str, object]:
    return {
        "argv": list(evidence.argv),
        "exit": evidence.exit,
        **_output("stdout", evidence.stdout),
        **_output("stderr", evidence.stderr),
        "sha256": evidence.sha256,
        "truncated": evidence.truncated,
        "ms": evidence.ms,
    }


def _output(key: str, raw: bytes) -> Mapping[str, str]:
    try:
        return {key: raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {key + "_b64": b64encode(raw).decode()}


def _evidence(name: str, told: _Output) -> Evidence:
    out, err = _bytes(told.stdout, told.stdout_b64), _bytes(told.stderr, told.stderr_b64)
    evidence = Evidence(name, told.argv, told.exit, out, err, told.truncated, told.ms)
    if told.sha256 != evidence.sha256:
        raise _bad(f"the output of {name} does not match its digest")
    return evidence


def _bytes(text: str | None, encoded: str | None) -> bytes:
    if text is not None:
        return text.encode("utf-8")
    if encoded is None:
        raise ValueError("neither text nor base64")
    return b64decode(encoded, validate=True)


def _bad(because: str) -> EvidenceError:
    return EvidenceError("read the evidence bundle", because, "collect it again")
