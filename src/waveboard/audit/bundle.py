"""The evidence bundle: one JSON file a host (DESIGN section 5), both ways, and the gathering of an answer into one.

Output that is not UTF-8 stands under `stdout_b64` / `stderr_b64` instead. It does not say what evidence means.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import datetime

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
        document = json_text.read(raw)
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise _bad(f"its schema is not {SCHEMA}")
        identity = document["identity"]
        return Bundle(
            host=_text(document["host"]),
            collected_at=parse_instant(_text(document["collected_at"])),
            collector=_text(document["collector"]),
            identity=Identity(*(_maybe(identity[key]) for key in ("machine_id", "boot_id", "host_key"))),
            probes={_text(name): _evidence(_text(name), probe) for name, probe in document["probes"].items()},
            failure=_text(document.get("failure", "")),
        )
    except RecursionError:
        raise _bad("it is nested too deeply") from None
    except KeyError as error:
        raise _bad(f"it has no {error.args[0]}") from None
    except (ValueError, TypeError, AttributeError, Base64Error) as error:
        raise _bad(f"it does not fit {SCHEMA}: {type(error).__name__}") from None


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


def _evidence(name: str, probe: Mapping[str, object]) -> Evidence:
    exit_code, ms, truncated, argv = probe["exit"], probe["ms"], probe["truncated"], probe["argv"]
    if type(exit_code) is not int or type(ms) is not int or type(truncated) is not bool or not isinstance(argv, list):
        raise TypeError(name)
    evidence = Evidence(
        name, tuple(_text(word) for word in argv), exit_code, _bytes(probe, "stdout"), _bytes(probe, "stderr"), truncated, ms
    )
    if probe["sha256"] != evidence.sha256:
        raise _bad(f"the output of {name} does not match its digest")
    return evidence


def _bytes(probe: Mapping[str, object], key: str) -> bytes:
    if key in probe:
        return _text(probe[key]).encode("utf-8")
    return b64decode(_text(probe[key + "_b64"]), validate=True)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _maybe(value: object) -> str | None:
    return None if value is None else _text(value)


def _bad(because: str) -> EvidenceError:
    return EvidenceError("read the evidence bundle", because, "collect it again")
