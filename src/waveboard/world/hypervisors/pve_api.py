"""The Proxmox VE API as one client: token from a file, pinned certificate, every answer a value or one error. Knows nothing of VMs.

Verified against PVE 9's schema. A request that was refused changed nothing; one without an answer is unknown.
"""

import hashlib
import json
import re
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2

from waveboard.model.errors import HostError, RefusedError, StepError, UsageError
from waveboard.world.hypervisors.pve_answers import record
from waveboard.world.hypervisors.verbs import Now

CONNECT_S, ANSWER_S, LOCK_S, TASK_PAUSE_S = 10.0, 60.0, 60.0, 1.0
LARGEST = 32 * 2**20  # bytes of one answer: ten thousand VMs are a tenth of it
_TOKEN = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9._-]+![A-Za-z0-9._-]+=[A-Za-z0-9-]+")
_UPID = re.compile(r"UPID:([A-Za-z0-9.-]+):[0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]+:([A-Za-z0-9_-]+):[^:]*:[^:]+:")
_DOWN = (595, 596, 599, 502, 503, 504)  # pveproxy: the node does not answer


class PveApi:
    """One hypervisor's API. fingerprint: sha256 of its certificate, `AB:CD:…`; None: a public authority must have signed it."""

    def __init__(self, url: str, token: Path, fingerprint: str | None, clock: Now) -> None:
        self._url, self._clock, self._name = url.rstrip("/"), clock, urlsplit(url).netloc
        secret = _token(token)
        self.fingerprint, context = _trusted(url, fingerprint, self._name)
        self._client = httpx2.Client(
            base_url=f"{self._url}/api2/json",
            headers={"Authorization": f"PVEAPIToken={secret}"},
            verify=context,
            timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=False,
        )

    def get(self, path: str, /, **params: object) -> object:
        """The `data` of the answer."""
        return self._ask("GET", path, params=params)

    def send(self, method: str, path: str, **fields: object) -> object:
        """A change; waits a while for a lock that somebody else holds. A UPID is returned as it is."""
        begun = self._clock.now()
        while True:
            try:
                return self._ask(method, path, **({"params": fields} if method == "DELETE" else {"data": fields}))
            except Locked as locked:
                if (self._clock.now() - begun).total_seconds() >= LOCK_S:
                    raise RefusedError(locked.cannot, locked.because, locked.fix) from None
            self._clock.sleep(TASK_PAUSE_S)

    def upload(self, path: str, name: str, raw: bytes) -> object:
        """An ISO image into a storage."""
        return self._ask("POST", path, data={"content": "iso"}, files={"filename": (name, raw, "application/octet-stream")})

    def task(self, upid: object, limit_s: float, *, may_be_done: bool = False) -> None:
        """Waits until a task ended well. may_be_done: the change may have needed no task.

        Raises: StepError with the task's own words; HostError when it has not ended in time, or can no longer be followed, for whatever
        reason: it may run on, so the outcome is unknown.
        """
        if upid is None and may_be_done:
            return
        match = _UPID.fullmatch(upid) if isinstance(upid, str) else None
        if match is None:
            raise HostError(f"follow a task of {self._name}", "it was not told which one", "look at the task log of its node")
        node, kind, begun = match[1], match[2], self._clock.now()
        while True:
            try:
                told = record(self.get(f"/nodes/{node}/tasks/{quote(str(upid), safe='')}/status"))
            except RefusedError as why:
                raise HostError(f"follow {kind} on {node}", f"it may still run: {why.because}", f"task log: {upid}") from None
            if told.get("status") == "stopped":
                ended = str(told.get("exitstatus", "unknown"))
                if ended == "OK" or ended.startswith("WARNINGS"):
                    return
                raise StepError(f"finish {kind} on {node}", f"its task ended with: {ended[:500]}", f"task log: {upid}")
            if (self._clock.now() - begun).total_seconds() >= limit_s:
                raise HostError(f"finish {kind} on {node}", f"its task still runs after {limit_s:.0f} s", f"task log: {upid}")
            self._clock.sleep(TASK_PAUSE_S)

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def _ask(self, method: str, path: str, **how: object) -> object:
        cannot = f"{method} {path} of {self._name}"
        try:
            answer, raw = self._heard(method, path, how)
        except (httpx2.HTTPError, TimeoutError, _TooLargeError) as why:
            raise HostError(cannot, f"no answer ({type(why).__name__}: {why})", "is the node up? run the command again") from None
        told: object = None
        try:
            told = json.loads(raw)
        except (ValueError, RecursionError):
            if answer.status_code == 200:
                raise HostError(cannot, "its answer is not JSON", "is this the API of Proxmox VE?") from None
        if answer.status_code != 200:
            raise _refused(cannot, answer.status_code, _said(answer.reason_phrase, told))
        body = record(told)
        if "data" not in body:
            raise HostError(cannot, "its answer holds no `data`", "is this the API of Proxmox VE?")
        return body["data"]

    def _heard(self, method: str, path: str, how: dict[str, object]) -> tuple[httpx2.Response, bytes]:
        """The whole answer, within its bounds of bytes and time."""
        with self._client.stream(method, path, **how) as answer:  # type: ignore[arg-type]
            raw, until = b"", time.monotonic() + ANSWER_S
            for part in answer.iter_bytes():
                raw += part
                if len(raw) > LARGEST:
                    raise _TooLargeError(f"more than {LARGEST} bytes")
                if time.monotonic() > until:
                    raise TimeoutError(f"it did not end within {ANSWER_S:.0f} s")
        return answer, raw


class _TooLargeError(Exception):
    """An answer beyond its bound."""


class Locked(RefusedError):
    """Somebody else's task holds the VM now."""


class Gone(RefusedError):
    """What was asked about is not there, or not on that node, any more."""


class Forbidden(RefusedError):
    """The token may not ask that, or is none any more: what was asked about is not known."""


def _refused(cannot: str, status: int, said: str) -> RefusedError | HostError:
    if status in _DOWN:
        return HostError(cannot, f"the node is down or does not answer ({status} {said})", "bring it back, then go on")
    if status == 401:
        return Forbidden(
            cannot, f"the API token is not accepted: {said}", "check the token file, and that the token is not expired"
        )
    if status == 403:
        fix = "give the token's user and the token itself that privilege (pveum acl modify)"
        return Forbidden(cannot, f"the API token lacks rights: {said}", fix)
    if "no quorum" in said or "not quorate" in said:
        return RefusedError(cannot, f"the cluster has no quorum: {said}", "bring its nodes back")
    if "is locked" in said or "can't lock file" in said:
        return Locked(cannot, said, "wait until that task ends, or look why it hangs (qm unlock only when nothing works on it)")
    kind = Gone if "does not exist" in said else RefusedError
    return kind(cannot, f"{status} {said}", "correct what it names, then plan again")


def _said(phrase: str, told: object) -> str:
    """What an error says, from a body that may be anything."""
    body = told if isinstance(told, dict) else {}
    words = [str(body["message"]).strip() if body.get("message") else phrase]
    wrong = body.get("errors")
    if isinstance(wrong, dict):
        words += [f"{key}: {str(value).strip()}" for key, value in wrong.items()]
    return "".join(c for c in "; ".join(words) if c.isprintable())[:800]


def _token(path: Path) -> str:
    """`user@realm!name=secret`. Raises: UsageError when it is absent, of another form, or readable by others."""
    fix = "write USER@REALM!NAME=SECRET into it (pveum user token add …), chmod 600"
    try:
        open_to_others = path.stat().st_mode & 0o077
        text = path.read_text().strip()
    except OSError as why:
        raise UsageError(f"read the API token {path}", why.strerror or str(why), fix) from None
    if open_to_others:
        raise UsageError(f"read the API token {path}", "others can read it", f"chmod 600 {path}; make a new token")
    if not _TOKEN.fullmatch(text):
        raise UsageError(f"read the API token {path}", "it is not one", fix)
    return text


def _trusted(url: str, pinned: str | None, name: str) -> tuple[str, ssl.SSLContext]:
    """The certificate's fingerprint, and a context that trusts exactly that certificate. The token is not sent before."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(f"reach {url}", "it is no https address", "url: https://HOST:8006")
    open_ = ssl.create_default_context()
    if pinned is not None:
        open_.check_hostname, open_.verify_mode = False, ssl.CERT_NONE  # the fingerprint decides, below, before anything is sent
    fix = "is the node up, and its certificate the one you know? `pvenode cert info` prints its fingerprint"
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), CONNECT_S) as plain,
            open_.wrap_socket(plain, server_hostname=parts.hostname) as secure,
        ):
            der = secure.getpeercert(binary_form=True) or b""
    except OSError as why:
        raise HostError(f"reach {name}", str(why), fix) from None
    digest = hashlib.sha256(der).hexdigest().upper()
    seen = ":".join(digest[n : n + 2] for n in range(0, 64, 2))
    if pinned is None:
        return seen, open_
    if seen != pinned:
        raise RefusedError(f"trust {name}", f"its certificate is {seen}, and {pinned} is pinned", fix)
    exact = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    exact.check_hostname = False
    exact.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    exact.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(der))
    return seen, exact
