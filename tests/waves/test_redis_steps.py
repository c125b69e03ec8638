"""Redis made durable, and a volume given its name: what is planned, what is refused, and the exact lines."""

import json
from dataclasses import replace

import pytest

from tests.waves import estate as E
from waveboard.model.change import Plan, Step
from waveboard.model.errors import ContractError, RefusedError
from waveboard.model.facts import (
    ConfigFile,
    ConfigFiles,
    DeviceLinks,
    Docker,
    HostFacts,
    Mount,
    Mounts,
    RedisConfig,
    Volume,
)
from waveboard.waves import show
from waveboard.waves.compose_command import start_with_log, with_log
from waveboard.waves.compose_edit import applied
from waveboard.waves.compose_volume import key_for, named

LIVE = E.step("redis_aof_live", container="cache")
PERSIST = E.step("redis_aof_persist", container="cache")
NAME = E.step("name_volume", container="cache", volume="shop_cache", to="/mnt/data/shop/cache")
COMMAND = ("redis-server", "--save", "60 1")
UUID = "12345678-1234-1234-1234-123456789abc"


def host(command: tuple[str, ...] | None = COMMAND, *, bound: str = "", mounted: bool = True, lines: object = None) -> HostFacts:
    """The small estate after its data disk is mounted; bound: the cache already keeps its data there by a bind."""
    docker = E.docker()
    db, cache = docker.containers
    mount = replace(cache.mounts[0], type="bind", name="", source=bound) if bound else cache.mounts[0]
    docker = replace(docker, containers=(db, replace(cache, command=command, mounts=(mount,))))
    root, data = E.facts()[Mounts].table[0], Mount(2, 1, "8:16", "/", "/mnt/data", ("rw",), "ext4", "/dev/sdb", ("rw",))
    files = {
        "/etc/fstab": E.facts().nouns[ConfigFiles].by_path["/etc/fstab"],
        E.COMPOSE: ConfigFile(E.COMPOSE, "2" * 64, lines or E.LINES),
    }
    return E.facts(  # type: ignore[no-any-return]
        docker=docker,
        mounts=Mounts((root, data) if mounted else (root,)),
        links=DeviceLinks({f"/dev/disk/by-uuid/{UUID}": "sdb"}),
        files=ConfigFiles(files),
        redis=RedisConfig({"cache": {"dir": "/data", "save": "60 1", "appendonly": "no"}}),
    )


def planned(*steps: object, facts: HostFacts | None = None) -> Plan:
    return E.planned(*steps, facts=host() if facts is None else facts)


def after(step: Step, lines: tuple[str | None, ...] = E.LINES) -> str:
    edits = step.args["compose_edits"]
    assert isinstance(edits, list)
    return "\n".join(str(line) for line in applied(lines, edits))


def test_the_three_steps_follow_each_other_in_one_file() -> None:
    live, persist, name = planned(LIVE, PERSIST, NAME).steps
    assert [s.verb for s in (live, persist, name)] == ["redis_aof_live", "redis_aof_persist", "name_volume"]
    assert live.args == {"container": "cache", "data_path": "/data"} and live.downtime_s == 0 and not live.stops
    assert (persist.args["compose_edited_by"], name.args["compose_edited_by"]) == (None, "m1-02")
    assert name.args["source"] == {"kind": "volume", "name": E.ANONYMOUS}
    assert name.args["dst_mount"] == {"target": "/mnt/data", "uuid": UUID}
    assert not any(s.deletes for s in (live, persist, name)) and all(s.undo_commands for s in (live, persist, name))


def test_the_command_is_the_container_s_own_and_one_option_more() -> None:
    told = after(planned(PERSIST).steps[0])
    assert 'cache:\n    command: ["redis-server", "--save", "60 1", "--appendonly", "yes"]\n    image: redis' in told
    assert told.replace('    command: ["redis-server", "--save", "60 1", "--appendonly", "yes"]\n', "") == "\n".join(
        map(str, E.LINES)
    )


def test_the_volume_is_declared_with_its_name_and_bound_to_the_directory() -> None:
    told = after(planned(NAME).steps[0])
    assert told.startswith(
        "volumes:\n  cache:\n    name: shop_cache\n    driver: local\n    driver_opts:\n"
        "      type: none\n      o: bind\n      device: /mnt/data/shop/cache\nservices:"
    )
    assert "  cache:\n    volumes:\n      - cache:/data\n    image: redis" in told


def test_data_that_lies_where_it_belongs_is_not_copied() -> None:
    name = planned(NAME, facts=host(bound="/mnt/data/shop/cache")).steps[0]
    assert name.args["source"] == {"kind": "bind", "path": name.args["dst"]} and name.copy_bytes == 0
    assert any("nothing is copied" in line for line in name.commands) and any(
        "stays with it" in line for line in name.undo_commands
    )


def test_a_person_reads_the_settings_before_and_every_line_that_changes() -> None:
    text = show.text(planned(LIVE, PERSIST, NAME), "sha256:d")
    assert "now: dir='/data' save='60 1' appendonly='no'" in text
    assert '#   +    command: ["redis-server"' in text and "#   +      device: /mnt/data/shop/cache" in text
    assert "3 with an undo; about 40 s of downtime" in text


def test_what_is_done_already_is_not_planned_again() -> None:
    assert planned(PERSIST, facts=host(("redis-server", "--appendonly", "yes"))).steps == ()
    facts = host()
    docker = facts.nouns[type(E.docker())]
    volume = Volume("shop_cache", "local", "/v", {"type": "none", "o": "bind", "device": "/mnt/data/shop/cache"}, {})
    cache = replace(docker.containers[1], mounts=(replace(docker.containers[1].mounts[0], name="shop_cache"),))  # type: ignore[attr-defined]
    done = replace(
        facts, nouns={**facts.nouns, type(docker): replace(docker, containers=(docker.containers[0], cache), volumes=(volume,))}
    )  # type: ignore[attr-defined, type-var]
    assert planned(NAME, facts=done).steps == ()


REFUSED = [
    ("a command nobody may tell", (PERSIST,), host(None), "does not tell the command"),
    ("no data disk below", (NAME,), host(mounted=False), "not below a mounted data disk"),
    ("another engine", (E.step("redis_aof_live", container="db"),), None, "db is postgres, not redis"),
    ("another engine to persist", (E.step("redis_aof_persist", container="db"),), None, "db is postgres, not redis"),
    ("a volume of that key", (replace(NAME, params={**NAME.params, "volume": "shop_pgdata"}),),
     host(lines=(*E.LINES, "volumes:", "  pgdata:")), "already declares a volume"),
    ("a list over several lines", (PERSIST,), host(lines=(*E.LINES, "    command:", None, None)), "list over several lines"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "facts", "because"), [row[1:] for row in REFUSED], ids=[str(row[0]) for row in REFUSED])
def test_what_cannot_be_done_safely_is_not_planned(steps: tuple[object, ...], facts: HostFacts | None, because: str) -> None:
    with pytest.raises(RefusedError, match=because):
        planned(*steps, facts=facts)


def test_where_the_bytes_belong_has_no_default() -> None:
    with pytest.raises(ContractError, match="data_dir"):
        planned(E.step("name_volume", container="cache", volume="shop_cache"))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["redis-server"], ["redis-server", "--appendonly", "yes"]),
        (["redis-server", "--appendonly", "no", "--port", "1"], ["redis-server", "--appendonly", "yes", "--port", "1"]),
        (["redis-server", "--appendonly", "no", "--appendonly", "no"], ["redis-server", "--appendonly", "yes"]),
    ],
)
def test_the_last_word_on_the_log_is_yes(words: list[str], wanted: list[str]) -> None:
    assert with_log(words) == wanted


def test_a_command_on_one_line_is_replaced_in_place() -> None:
    lines = ("services:", "  r:", "    command: redis-server /etc/r.conf", "    image: x")
    told = applied(lines, start_with_log("f", lines, "r", ["redis-server", "/etc/r.conf"]))
    assert told == (*lines[:2], '    command: ["redis-server", "/etc/r.conf", "--appendonly", "yes"]', lines[3])
    told = applied(lines, start_with_log("f", lines, "r", ["redis-server", "$X"]))
    assert json.loads(str(told[2]).partition("command: ")[2])[1] == "$$X"  # compose would put a variable there


def test_a_declared_volume_joins_the_others() -> None:
    lines = ("services:", "  r:", "    volumes:", "      - /old:/data:rw", "volumes:", "  other:", None)
    told = applied(lines, named("f", lines, "r", "/data", "r", "p_r", "/d"))
    assert told[3] == "      - r:/data:rw" and told[4:6] == ("volumes:", "  r:") and told[-2:] == ("  other:", None)
    assert key_for("p", "p_r") == "r" and key_for("p", "x_r") == "x_r"


def test_the_plan_says_what_stands_in_the_layer_of_a_redis_that_is_made_anew() -> None:
    facts = host()
    docker = facts[Docker]
    wrote = tuple(replace(one, writable_bytes=512) for one in docker.containers)
    there = replace(facts, nouns={**facts.nouns, Docker: replace(docker, containers=wrote)})
    (step,) = planned(PERSIST, facts=there).steps
    assert step.commands[1].startswith("# refused too if cache holds more in its own layer")
    assert step.commands[2] == "#   (now: 512 B by docker's count)"
