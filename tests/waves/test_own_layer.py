"""A plan that makes a container anew says what stands in its own layer, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.waves import estate as E
from tests.waves.test_amounts import BIND_THERE, FULL, NAME, planned
from waveboard.model.facts import Container, Docker, WriteSurfaces
from waveboard.waves.estimate import move_seconds

LISTED = WriteSurfaces({"db": (("/tmp/up", 3000),)})


def wrote(size: int | None, *others: Container, **docker: object) -> Docker:
    first, *rest = others or E.docker().containers
    return E.docker(containers=(replace(first, writable_bytes=size), *rest), **docker)


@pytest.mark.parametrize(("step", "first", "there"), [(E.DB, (), 5_000_000), (NAME, (BIND_THERE,), 0)])
def test_what_it_wrote_is_named_carried_and_counted(step: object, first: tuple[Container, ...], there: int) -> None:
    made = planned(E.MOUNT, step, docker=wrote(4000, *first), surfaces=LISTED).steps[-1]
    shown, back = "\n".join(made.commands), "\n".join(made.undo_commands)
    assert "LAYER/ /mnt/data/" in shown and ".wb-layer-<plan>/" in shown
    assert "all that db wrote beside its mounts (4.0 kB by docker's count, /tmp/up 3.0 kB); compared, kept" in shown
    assert shown.index("docker stop") < shown.index("LAYER/") < shown.index("compose.yml, compare") < shown.index("up --no-start")
    assert shown.index("up --no-start") < shown.index("its layer gets back all") < shown.index("docker start db")
    assert back.index("docker stop") < back.index(".wb-undo-layer-<plan>/") < back.index("its layer gets all of that")
    assert (made.amount, made.copy_bytes) == ("measured", there + 8000)
    assert made.downtime_s == move_seconds(there + 8000)


def test_a_layer_nobody_measured_is_not_nothing() -> None:
    made = planned(E.MOUNT, E.DB, docker=wrote(None)).steps[-1]
    assert made.amount == "unknown" and "wrote beside its mounts (size not measured)" in "\n".join(made.commands)
    assert planned(E.MOUNT, E.DB, docker=wrote(None), usage=FULL).steps[-1].amount == "at-most"


def test_a_layer_that_cannot_be_carried_is_told_as_a_reason_to_refuse() -> None:
    made = planned(E.MOUNT, E.DB, docker=wrote(4000, driver="btrfs")).steps[-1]
    for shown in ("\n".join(made.commands), "\n".join(made.undo_commands)):
        assert "# refused if db wrote anything beside its mounts (4.0 kB by docker's count): the driver is btrfs" in shown
        assert "LAYER/" not in shown


def test_the_way_back_of_a_data_root_says_what_becomes_of_layers() -> None:
    made = planned(E.MOUNT, E.ROOT).steps[-1]
    assert "into their own layers is not carried back: it is kept in /mnt/data/docker.wb-undone-<plan>" in made.undo_commands[3]
