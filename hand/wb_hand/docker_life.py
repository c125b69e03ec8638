"""Docker and its containers stopped so that nothing acknowledged is lost, and started so that they are well."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from .docker import demand_container, docker, docker_root, inspect
from .files import text_of_real
from .mounts import mounted_below
from .place import at
from .redis import redis_cli
from .refused import Json, Refused
from .tools import run
from .units import systemctl

SAVE_S, STOP_S = 600, 240  # the longest a redis may take to save, and any container to stop


def wait_for(what: str, seconds: float, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    why = "it did not happen"
    while True:
        try:
            if ready():
                return
        except (Refused, OSError, http.client.HTTPException) as failed:
            why = str(failed)
        if time.monotonic() >= deadline:
            raise Refused("timeout", f"see {what} within {seconds:.0f} s", why)
        time.sleep(0.25)


def start_docker(containerd: bool) -> None:
    for unit in (["containerd.service"] if containerd else []) + ["docker.socket", "docker.service"]:
        systemctl("reset-failed", unit, check=False)
    if containerd:
        systemctl("start", "containerd.service")
    ran = systemctl("start", "docker.service", check=False)
    if ran.code != 0:
        tail = run(["journalctl", "-u", "docker.service", "-n", "5", "--no-pager", "-o", "cat"], check=False).text.strip()
        raise Refused("tool-failed", "start docker", f"{ran.said}; its log ends: {tail[-700:]}")
    wait_for("docker answer", 60, lambda: docker_root() is not None)


def stop_docker(containerd: bool, tree: str) -> None:
    """Stop socket, daemon and containerd, then see that no mount and no open file is left below `tree`."""
    systemctl("stop", "docker.socket", "docker.service")
    if containerd:
        systemctl("stop", "containerd.service")

    def quiet() -> bool:
        left = mounted_below(tree) or users_of(tree)
        if left:
            raise Refused("precondition", f"have {tree} to itself", f"still in use: {', '.join(left[:5])}")
        return True

    wait_for(f"{tree} at rest", 30, quiet)


def users_of(tree: str) -> list[str]:
    """Processes with an open file, working directory or root below tree, as "pid name"."""
    found = []
    for pid in (one for one in os.listdir("/proc") if one.isdigit() and int(one) != os.getpid()):
        links = [f"/proc/{pid}/cwd", f"/proc/{pid}/root"]
        with contextlib.suppress(OSError):
            links += [f"/proc/{pid}/fd/{one}" for one in os.listdir(f"/proc/{pid}/fd")]
        for link in links:
            with contextlib.suppress(OSError):
                if (os.readlink(link) + "/").startswith(at(tree) + "/"):
                    found.append(f"{pid} {text_of_real(f'/proc/{pid}/comm')}")
                    break
    return found


def start_containers(names: Sequence[str]) -> None:
    """Start what is not running, in this order, waiting for each to run."""
    for name in names:
        found = demand_container(name)
        if not found["State"]["Running"]:
            docker("start", name, seconds=180)
        wait_for(f"container {name} run", 60, lambda name=name: bool(demand_container(name)["State"]["Running"]))  # type: ignore[misc]


def healthy(names: Sequence[str]) -> list[str]:
    """Those whose health check is green."""
    return [name for name in names if (demand_container(name)["State"].get("Health") or {}).get("Status") == "healthy"]


def demand_well(names: Sequence[str], were_healthy: Sequence[str], seconds: float = 180) -> None:
    """Each is running; one that was healthy is healthy again; one without a health check has not restarted for 3 s."""

    def well(name: str) -> bool:
        state = demand_container(name)["State"]
        if not state["Running"] or state["Restarting"]:
            raise Refused("tool-failed", f"see {name} well", f"it is {state['Status']} with exit status {state['ExitCode']}")
        if name in were_healthy:
            return (state.get("Health") or {}).get("Status") == "healthy"
        begun = datetime.fromisoformat(state["StartedAt"][:19] + "+00:00").timestamp()
        return time.time() - begun > 3

    for name in names:
        wait_for(f"{name} well", seconds, lambda name=name: well(name))  # type: ignore[misc]


def demand_pausable(name: str) -> None:
    """A running redis must hold writes back between its save and its stop: one acknowledged in between would be lost."""
    found = inspect(name)
    if found is None or not found["State"]["Running"]:
        return
    told = re.search(r"^redis_version:([0-9]+)\.([0-9]+)", redis_cli(found, "INFO", "server"), re.M)
    if told is None or (int(told[1]), int(told[2])) < (6, 2):
        version = f"redis {told[1]}.{told[2]}" if told else "a redis of unknown version"
        fix = "upgrade it first, or stop its writers and it yourself and plan again"
        raise Refused("precondition", f"stop {name}", f"{version} cannot hold writes back (CLIENT PAUSE WRITE, since 6.2)", fix)


def stop_containers(names: Sequence[str], engines: Mapping[str, str]) -> None:
    for name in names:
        if engines.get(name) == "redis":
            demand_pausable(name)
    for name in names:
        stop_container(name, engines.get(name, "other"))


def hold_writes(name: str, found: Json) -> None:
    """A redis answers no write any more, for as long as its save and its stop may take. Raises: Refused when it does not."""
    demand_pausable(name)
    held = redis_cli(found, "CLIENT", "PAUSE", str(1000 * (SAVE_S + STOP_S)), "WRITE", check=False).strip()
    if held != "OK":
        because = f"it does not hold writes back ({held[:200]}): what it acknowledges between its save and its stop would be lost"
        raise Refused("precondition", f"stop {name}", because, "allow it CLIENT PAUSE, or stop its writers and it yourself")


def save_redis(name: str, found: Json) -> str:
    """Hold its writes back and save. Raises: Refused when it does neither; its clients then write on."""
    hold_writes(name, found)
    try:
        saved = redis_cli(found, "SAVE", seconds=SAVE_S).strip()
        if saved != "OK":
            raise Refused("tool-failed", f"save {name} before it stops", saved[:300])
    except Refused:
        write_on(found)
        raise
    return saved


def write_on(found: Json) -> None:
    """Its clients wait no longer, if it still runs."""
    with contextlib.suppress(Refused):
        redis_cli(found, "CLIENT", "UNPAUSE", check=False)


def stop_container(name: str, engine: str) -> Json:
    """Stop so that nothing acknowledged is lost; says how. Raises: Refused when it had to be killed."""
    found = inspect(name)
    if found is None or not found["State"]["Running"]:
        return {"container": name, "was": "not running"}
    how: Json = {"container": name, "was": "running"}
    argv = ["stop", "-t", "120"]
    if engine == "redis":
        how["save"] = save_redis(name, found)
    if engine == "postgres" and found["Config"].get("StopSignal") not in ("SIGINT", "2"):
        argv += ["--signal", "SIGINT"]  # fast shutdown; SIGTERM would wait for every client
    try:
        docker(*argv, name, seconds=STOP_S)
    except Refused:
        if engine == "redis":
            write_on(found)
        raise
    state = demand_container(name)["State"]
    how["exit"] = state["ExitCode"]
    if state["Running"] or (state["ExitCode"] == 137 and engine != "other"):
        raise Refused("tool-failed", f"stop {name} cleanly", f"it ended with {state['ExitCode']}")
    return how
