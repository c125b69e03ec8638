"""A controller process of its own: drive the three steps of the simulated fleet kept in DIR, from wherever its journal stands.

`python -m tests.crash.wave_process DIR` prints one JSON line: how it ended, and whom the process spoke to over the network.
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.sim.fleet import Fleet
from tests.sim.runner import AT, DIGEST, SimWork, plan_of
from waveboard.model.change import Event
from waveboard.waves.decide import turn_limit
from waveboard.world.crash import crash_point
from waveboard.world.engine import DbosEngine
from waveboard.world.store.sql import open_store

RUN, LOCAL = "plan-5555", "sqlite:///.waveboard/state.db"


def listen() -> tuple[list[str], Callable[[str, tuple[object, ...]], None]]:
    """Names of network addresses asked for or connected to."""
    heard: list[str] = []

    def hook(name: str, args: tuple[object, ...]) -> None:
        if name in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            heard.append(f"{name} {args[1:] if name == 'socket.connect' else args[:2]}")

    return heard, hook


def main(folder: Path) -> None:
    heard, hook = listen()
    sys.addaudithook(hook)
    plan, fleet = plan_of("a", "b", "c"), Fleet.load(folder / "fleet.json")
    store, engine = open_store(LOCAL, folder), DbosEngine(LOCAL, folder)
    engine.claim(RUN)
    lease = store.acquire_lease(DIGEST, ["vm-a"], "one", datetime.now(UTC), 60)
    if not store.events(DIGEST):
        store.open_wave(Event(1, DIGEST, "opened", "", 0, AT, lease.fence, {}), ["nonce"])
    work = SimWork(plan, store, fleet, lease, hook=lambda place: crash_point("sim " + place))
    list(work.open_hosts())
    begun = engine.history(RUN)
    handle = engine.resume(RUN, work, turn_limit(plan)) if begun else engine.start(RUN, {}, work, turn_limit(plan))
    end = engine.wait(handle, 200)
    assert end.action is not None
    print(json.dumps({"end": end.action.kind.value, "drives": len(engine.history(RUN)), "network": heard}))
    store.release_lease(lease)
    engine.close()
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
