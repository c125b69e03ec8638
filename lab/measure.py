"""What the planted services hold, as checksums: the demo's and the tests' own truth, taken without waveboard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from lab.errors import LabError
from lab.host import Host

_TABLES = """select format('select %L, count(*), coalesce(md5(string_agg(t::text, chr(10) order by t::text)), %L) from %I.%I t',
 schemaname||'.'||tablename, '', schemaname, tablename) from pg_tables
 where schemaname not in ('pg_catalog','information_schema') order by 1 \\gexec"""
_KEYS = """local ks = redis.call('keys', '*') table.sort(ks) local h = '' for _, k in ipairs(ks) do
 h = redis.sha1hex(h .. k .. redis.sha1hex(redis.call('dump', k))) end return {#ks, h}"""
_S3 = "curl -fsS --retry 30 --retry-delay 1 --retry-all-errors --aws-sigv4 aws:amz:us-east-1:s3 --user mint:mint-lab-only"


@dataclass(frozen=True, slots=True)
class Measured:
    """rows, keys, objects: how many; the texts beside them are digests over every row, value and byte."""

    rows: int
    postgres: str
    keys: int
    redis: str
    objects: int
    s3: str

    def lines(self) -> tuple[str, ...]:
        return (
            f"postgres  {self.rows} rows     {self.postgres[:24]}",
            f"redis     {self.keys} keys       {self.redis[:24]}",
            f"s3        {self.objects} objects     {self.s3[:24]}",
        )


def measure(data: Host) -> Measured:
    """Everything in the three services of mint-data. Raises: LabError when one does not answer."""
    rows = _said(data, "docker exec -i mint-modules-postgres psql -qAtX -v ON_ERROR_STOP=1 -U postgres mint", _TABLES)
    counted = [line.split("|") for line in rows.splitlines() if "|" in line]
    redis = _said(data, f'docker exec -i mint-modules-redis redis-cli eval "{_KEYS}" 0').split()
    listing = _said(data, f"{_S3} 'http://127.0.0.1:9000/quotes?list-type=2'")
    names = sorted(re.findall(r"<Key>([^<]+)</Key>", listing))
    sums = _said(data, "\n".join(f"{_S3} http://127.0.0.1:9000/quotes/{name} | sha256sum" for name in names))
    return Measured(
        sum(int(parts[1]) for parts in counted),
        sha256(rows.encode()).hexdigest(),
        int(redis[0]),
        redis[1],
        len(names),
        sha256(("\n".join(names) + sums).encode()).hexdigest(),
    )


def root_use(host: Host) -> float:
    """Used share of `/` in percent, as df counts it."""
    used, free = (int(x) for x in _said(host, "df -B1 --output=used,avail / | tail -n 1").split())
    return 100 * used / (used + free)


def config_digests(data: Host) -> dict[str, str]:
    """sha256 of the files a wave edits, "absent" where there is none."""
    files = ("/etc/fstab", "/etc/docker/daemon.json", "/opt/stacks/mint-data/docker-compose.yml")
    told = _said(data, "; ".join(f"sha256sum {f} 2>/dev/null || echo absent {f}" for f in files))
    return {name: digest for digest, name in (line.split() for line in told.splitlines())}


def _said(host: Host, script: str, stdin: str | None = None) -> str:
    done = host.root_run(script, seconds=180, stdin=stdin)
    if done.returncode != 0:
        raise LabError(f"cannot measure {host.name}: because {script.split()[0]} said: {done.stderr.strip()[-300:]}")
    return done.stdout
