"""The Proxmox VE API as one client: token from a file, pinned certificate, every answer a value or one error. Knows nothing of VMs.

Verified against PVE 9's schema. A request that was refused changed nothing; one without an answer is unknown.
"""

import hashlib
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlsplit

import httpx2

from waveboard.model.errors import HostError, RefusedError, StepError, UsageError
from waveboard.world.hypervisors.verbs import Now

CONNECT_S, ANSWER_S, LOCK_S, TASK_PAUSE_S = 10.0, 60.0, 60.0, 1.0
_TOKEN = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9._-]+![A-Za-z0-9._-]+=[A-Za-z0-9-]+")
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

    def task(self, upid: object, limit_s: float) -> None:
        """Waits until a task ended well. Raises: StepError with the task's own words; HostError when it has not ended in time, or its
        node went away: the outcome is unknown."""
        if not isinstance(upid, str) or not upid.startswith("UPID:"):
            return
        node, kind = upid.split(":")[1], upid.split(":")[5]
        at, begun = f"/nodes/{node}/tasks/{quote(upid, safe='')}", self._clock.now()
        while True:
            told = record(self.get(f"{at}/status"))
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
        request: Callable[..., httpx2.Response] = self._client.request
        try:
            answer = request(method, path, **how)
        except httpx2.HTTPError as why:
            raise HostError(cannot, f"no answer ({type(why).__name__}: {why})", "is the node up? run the command again") from None
        if answer.status_code == 200:
            try:
                return record(answer.json()).get("data")
            except ValueError:
                raise HostError(cannot, "its answer is not JSON", "is this the API of Proxmox VE?") from None
        raise _refused(cannot, answer)


class Locked(RefusedError):
    """Somebody else's task holds the VM now."""


def _refused(cannot: str, answer: httpx2.Response) -> RefusedError | HostError:
    said = _said(answer)
    if answer.status_code in _DOWN:
        return HostError(
            cannot, f"the node is down or does not answer ({answer.status_code} {said})", "bring it back, then go on"
        )
    if answer.status_code == 401:
        return RefusedError(
            cannot, f"the API token is not accepted: {said}", "check the token file, and that the token is not expired"
        )
    if answer.status_code == 403:
        fix = "give the token's user and the token itself that privilege (pveum acl modify)"
        return RefusedError(cannot, f"the API token lacks rights: {said}", fix)
    if "no quorum" in said or "not quorate" in said:
        return RefusedError(cannot, f"the cluster has no quorum: {said}", "bring its nodes back")
    if "is locked" in said or "can't lock file" in said:
        return Locked(cannot, said, "wait until that task ends, or look why it hangs (qm unlock only when nothing works on it)")
    return RefusedError(cannot, f"{answer.status_code} {said}", "correct what it names, then plan again")


def _said(answer: httpx2.Response) -> str:
    words = [answer.reason_phrase]
    try:
        told = record(answer.json())
    except ValueError:
        told = {}
    if told.get("message"):
        words = [str(told["message"]).strip()]
    wrong = told.get("errors")
    if isinstance(wrong, dict):
        words += [f"{key}: {str(value).strip()}" for key, value in wrong.items()]
    return "".join(c for c in "; ".join(words) if c.isprintable())[:800]


def record(value: object) -> Mapping[str, object]:
    """A JSON object as it came; an empty one where something else came."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[Mapping[str, object]]:
    """A JSON list's objects; nothing where something else came."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def whole(value: object) -> int:
    """A number as PVE writes it, in JSON or in a text; 0 for none."""
    return int(cast(int, value) or 0)


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
