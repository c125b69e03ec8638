"""Work under a limit of time: it ends, is cut, or is lost, and the rest goes on."""

import os
import re
import threading
from collections.abc import Mapping
from functools import partial

import pytest

from waveboard.model.bounded import Cut, Job, Lost, inline
from waveboard.world import forked


def endless() -> object:
    while True:
        pass


def pathological() -> object:
    """A regular expression that would need longer than the universe has: nothing but the kernel ends it."""
    return re.match(r"(a|aa)+$", "a" * 200 + "b")


def broken() -> object:
    raise LookupError("nothing there")


def gone() -> object:
    os._exit(9)


def mine() -> object:
    return os.getpid()


@pytest.mark.parametrize("run", [inline, forked.run])
def test_every_job_has_its_result_in_its_turn(run: object) -> None:
    jobs = [Job(str(n), partial(max, n, 0), 60.0) for n in (3, 1, 2)]
    found: Mapping[str, object] = run(jobs)  # type: ignore[operator]
    assert list(found.items()) == [("3", 3), ("1", 1), ("2", 2)]


@pytest.mark.parametrize("slow", [endless, pathological])
def test_what_outlives_its_limit_is_cut_and_the_rest_goes_on(slow: object) -> None:
    jobs = [Job("before", mine, 60.0), Job("slow", slow, 0.3), Job("after", mine, 60.0)]  # type: ignore[arg-type]
    found = forked.run(jobs)
    assert found["slow"] == Cut(0.3)
    assert {type(found["before"]), type(found["after"])} == {int} and found["before"] != found["after"]


def test_what_breaks_is_lost_and_the_rest_goes_on() -> None:
    found = forked.run([Job("broken", broken, 60.0), Job("gone", gone, 60.0), Job("after", mine, 60.0)])
    assert found["broken"] == Lost("LookupError: nothing there")
    assert found["gone"] == Lost("its process ended without an answer") and isinstance(found["after"], int)


def test_what_has_no_limit_runs_right_here() -> None:
    assert forked.run([Job("here", mine)]) == {"here": os.getpid()}
    assert forked.run([Job("there", mine, 60.0)])["there"] != os.getpid()


def test_a_large_result_comes_back_whole() -> None:
    assert forked.run([Job("large", partial(bytes, 5_000_000), 60.0)])["large"] == bytes(5_000_000)


def test_it_works_from_any_thread_and_leaves_no_child() -> None:
    found: dict[str, object] = {}
    thread = threading.Thread(target=lambda: found.update(forked.run([Job("a", endless, 0.2), Job("b", mine, 60.0)])))
    thread.start()
    thread.join()
    assert found["a"] == Cut(0.2) and isinstance(found["b"], int)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
