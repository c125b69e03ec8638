"""A redis is only stopped when its writes can be held back meanwhile: one acknowledged between the save and the stop would be lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hand.conftest import Sandbox
from tests.hand.room import hand

INSPECT = (
    '[{"Id": "c1", "Name": "/cache", "Config": {"Env": []}, "State": {"Running": true, "Status": "running", "ExitCode": 0}}]'
)


@pytest.fixture
def rooted(sandbox: Sandbox) -> Iterator[Sandbox]:
    hand.ROOT = str(sandbox.root)
    yield sandbox
    hand.ROOT = ""


def engine(sandbox: Sandbox, version: str, pause: str = "OK", save: str = "OK") -> None:
    """A docker with one redis container of that version, which notes everything it is asked."""
    sandbox.stub(
        "docker",
        f"""echo "$*" >> {sandbox.root}/asked
case "$*" in
  *inspect*) echo '{INSPECT}' ;;
  *"INFO server"*) printf '# Server\\r\\nredis_version:{version}\\r\\nredis_mode:standalone\\r\\n' ;;
  *PAUSE*) echo "{pause}" ;;
  *SAVE*) echo "{save}" ;;
esac""",
    )


def asked(sandbox: Sandbox) -> str:
    return (sandbox.root / "asked").read_text()


@pytest.mark.parametrize("version", ["6.0.16", "5.0.14", "2.8.1", "unknown"])
def test_an_old_redis_is_refused_before_any_container_is_stopped(rooted: Sandbox, version: str) -> None:
    engine(rooted, version)
    with pytest.raises(hand.Refused, match=r"6\.2") as refused:
        hand.stop_containers(["shop", "cache"], {"cache": "redis"})
    assert refused.value.code == "precondition" and refused.value.fix
    assert " stop" not in f" {asked(rooted)}".replace("\n", " ") and "SAVE" not in asked(rooted)


@pytest.mark.parametrize("version", ["6.2.0", "7.4.1", "10.0.0"])
def test_a_redis_that_holds_writes_back_is_saved_and_stopped(rooted: Sandbox, version: str) -> None:
    engine(rooted, version)
    with pytest.raises(hand.Refused, match="cleanly"):  # the stub never stops: everything before was done
        hand.stop_containers(["cache"], {"cache": "redis"})
    words = asked(rooted)
    assert words.index("PAUSE") < words.index("redis-cli -n 0 --raw SAVE") < words.index("stop -t 120")


@pytest.mark.parametrize("said", ["ERR unknown command 'CLIENT'", "NOPERM this user has no permissions", ""])
def test_a_redis_that_will_not_hold_writes_back_is_not_stopped(rooted: Sandbox, said: str) -> None:
    engine(rooted, "7.4.1", pause=said)
    with pytest.raises(hand.Refused, match="does not hold writes back"):
        hand.stop_container("cache", "redis")
    assert "stop -t" not in asked(rooted) and " SAVE" not in asked(rooted)


def test_writes_go_on_when_the_save_before_the_stop_fails(rooted: Sandbox) -> None:
    engine(rooted, "7.4.1", save="ERR Background save already in progress")
    with pytest.raises(hand.Refused, match="Background save"):
        hand.stop_container("cache", "redis")
    assert asked(rooted).index("PAUSE") < asked(rooted).index("UNPAUSE") and "stop -t" not in asked(rooted)
