"""What a redis holds."""

from __future__ import annotations

import re

from .docker import docker, setting
from .refused import Json, Refused

REDIS_LOOK = """local r = redis.call('SCAN', ARGV[1], 'COUNT', 2000)
local out = {r[1]}
local function add(h, v)
  if type(v) == 'table' then for _, x in ipairs(v) do h = add(h, x) end return redis.sha1hex(h .. ']') end
  return redis.sha1hex(h .. tostring(v))
end
for _, k in ipairs(r[2]) do
  local name = redis.sha1hex(k)
  if redis.call('PTTL', k) ~= -1 then out[#out + 1] = name .. ' ttl'
  else
    local t = redis.call('TYPE', k).ok
    local v
    if t == 'string' then v = {redis.call('GET', k)}
    elseif t == 'list' then v = redis.call('LRANGE', k, 0, -1)
    elseif t == 'set' then v = redis.call('SMEMBERS', k) table.sort(v)
    elseif t == 'zset' then v = redis.call('ZRANGE', k, 0, -1, 'WITHSCORES')
    elseif t == 'stream' then v = redis.call('XRANGE', k, '-', '+')
    elseif t == 'hash' then
      local f = redis.call('HGETALL', k) v = {}
      for i = 1, #f, 2 do v[#v + 1] = redis.sha1hex(f[i]) .. redis.sha1hex(f[i + 1]) end
      table.sort(v)
    else v = {redis.call('DUMP', k)} end
    out[#out + 1] = name .. ' ' .. add(t, v)
  end
end
return out"""


def redis_access(container: Json) -> tuple[list[str], dict[str, str]]:
    """Words and environment for `docker exec` that let redis-cli in: the password never stands in an argument or a message."""
    words = command_of(container)
    secret = setting(container, "REDIS_PASSWORD") or next(
        iter(re.findall(r"--requirepass[\s\"']+([^\s\"'$]+)", " ".join(words))), None
    )
    file = next((one for one in words[1:] if one.startswith("/") and one.endswith(".conf")), None)
    if secret is None and file is not None:
        text = docker("exec", container["Id"], "cat", file, check=False).text
        secret = next(iter(re.findall(r"(?mi)^\s*requirepass\s+[\"']?([^\s\"']+)", text)), None)
    return (["-e", "REDISCLI_AUTH"], {"REDISCLI_AUTH": secret}) if secret else ([], {})


def command_of(container: Json) -> list[str]:
    """Entry point and command the container was made with."""
    config = container["Config"]
    return [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]


def redis_cli(container: Json, *argv: str, database: str = "0", seconds: float = 60, check: bool = True) -> str:
    """redis-cli inside the container; its password, when the container has one, travels in the environment only."""
    given, env = redis_access(container)
    ran = docker(
        "exec", *given, container["Id"], "redis-cli", "-n", database, "--raw", *argv, seconds=seconds, check=check, env=env
    )
    text = ran.text
    if check and re.match(r"(ERR|NOAUTH|NOPERM|LOADING|MISCONF|WRONGPASS|BUSY)\b", text):
        raise Refused("tool-failed", f"ask redis {argv[0]}", text.strip()[:300])
    return text


def redis_holds(container: Json) -> Json:
    """Per database every key without expiry with a hash of its typed content; keys with expiry are only counted."""
    databases = re.findall(r"^db([0-9]+):keys=([0-9]+)", redis_cli(container, "INFO", "keyspace"), re.M)
    held: Json = {"databases": {}}
    keys = volatile = 0
    for number, _ in databases:
        found: dict[str, str] = {}
        cursor = "0"
        for _turn in range(100_000):
            cursor, *lines = redis_cli(container, "EVAL", REDIS_LOOK, "0", cursor, database=number).splitlines()
            found.update(line.split(" ") for line in lines if line)  # type: ignore[misc]
            if cursor == "0":
                break
        lasting = {key: value for key, value in found.items() if value != "ttl"}
        keys, volatile = keys + len(lasting), volatile + len(found) - len(lasting)
        held["databases"][number] = sorted(lasting.items())
    held["summary"] = {"engine": "redis", "keys": keys, "keys_with_expiry": volatile}
    return held
