"""What an S3 service holds, read through its own port with signed requests."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import html
import http.client
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote

from .docker import setting
from .refused import Json, Refused
from .tools import MAX_OUTPUT


@dataclass(frozen=True)
class S3Access:
    port: int
    access_env: str
    secret_env: str


def s3_holds(container: Json, access: S3Access) -> Json:
    """Every bucket's keys with size and sha256 of the content, read through the service."""
    reader = S3(container, access)
    buckets = re.findall(r"<Bucket>.*?<Name>(.*?)</Name>.*?</Bucket>", reader.get("/", {})[0].decode(), re.S)
    held: Json = {"buckets": {}}
    objects = size = 0
    for bucket in sorted(html.unescape(one) for one in buckets):
        found = []
        for key in reader.keys(bucket):
            digest, length = reader.hash(bucket, key)
            found.append([key, length, digest])
            objects, size = objects + 1, size + length
        held["buckets"][bucket] = found
    held["summary"] = {"engine": "s3", "buckets": len(held["buckets"]), "objects": objects, "bytes": size}
    return held


class S3:
    """GET requests to one container's S3 port, signed with the key pair of its own environment (AWS signature version 4)."""

    def __init__(self, container: Json, access: S3Access) -> None:
        networks = container["NetworkSettings"]["Networks"] or {}
        addresses = [one["IPAddress"] for one in networks.values() if one.get("IPAddress")]
        self.host = addresses[0] if addresses else "127.0.0.1"
        self.port = access.port
        self.key, self.secret = setting(container, access.access_env) or "", setting(container, access.secret_env) or ""

    def open(self, path: str, query: Mapping[str, str]) -> http.client.HTTPResponse:
        now = datetime.now(timezone.utc)  # noqa: UP017 (3.9)
        day, moment = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
        where, asked = (
            quote(path, safe="/-_.~"),
            "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(query.items())),
        )
        host, empty = f"{self.host}:{self.port}", hashlib.sha256(b"").hexdigest()
        headers = f"host:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{moment}\n"
        names, scope = "host;x-amz-content-sha256;x-amz-date", f"{day}/us-east-1/s3/aws4_request"
        canonical = f"GET\n{where}\n{asked}\n{headers}\n{names}\n{empty}"
        to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = ("AWS4" + self.secret).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        proof = f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={signature}"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        sent = {"Host": host, "x-amz-content-sha256": empty, "x-amz-date": moment, "Authorization": proof}
        connection.request("GET", where + ("?" + asked if asked else ""), headers=sent)
        response = connection.getresponse()
        if response.status != 200:
            raise Refused("tool-failed", f"read {path} from the S3 service", f"HTTP {response.status}")
        return response

    def get(self, path: str, query: Mapping[str, str]) -> tuple[bytes, str]:
        with contextlib.closing(self.open(path, query)) as response:
            raw = response.read(MAX_OUTPUT)
        return raw, path

    def keys(self, bucket: str) -> Iterator[str]:
        token = ""
        for _page in range(100_000):
            more = {"continuation-token": token} if token else {}
            text = self.get(f"/{bucket}", {"list-type": "2", "max-keys": "1000", **more})[0].decode()
            yield from (html.unescape(one) for one in re.findall(r"<Contents>.*?<Key>(.*?)</Key>.*?</Contents>", text, re.S))
            found = re.search(r"<NextContinuationToken>(.*?)</NextContinuationToken>", text)
            if found is None or "<IsTruncated>true</IsTruncated>" not in text:
                return
            token = html.unescape(found.group(1))

    def hash(self, bucket: str, key: str) -> tuple[str, int]:
        whole, size = hashlib.sha256(), 0
        with contextlib.closing(self.open(f"/{bucket}/{key}", {})) as response:
            while chunk := response.read(1 << 20):
                whole.update(chunk)
                size += len(chunk)
        return whole.hexdigest(), size
