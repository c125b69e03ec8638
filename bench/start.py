"""How long the door takes to open: CPU of `--help` and `cap list` beside `python -c pass`, in the same interleaved rounds.

`python bench/start.py [ROUNDS]`. CPU (user + system of the child) is the solid figure; wall moves with the machine's load. Compiled bytecode
is there, as in an installed program: without it (PYTHONDONTWRITEBYTECODE and none written before) every start compiles click anew.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "waveboard --help": ["-m", "waveboard", "--help"],
    "waveboard cap list": ["-m", "waveboard", "cap", "list"],
    "waveboard contracts check": ["-m", "waveboard", "--workspace", str(ROOT / "examples/mint"), "contracts", "check"],
}
REACH_MS = {"waveboard --help": 100, "waveboard cap list": 100}


def once(argv: list[str]) -> tuple[float, float]:
    """(cpu ms, wall ms) of one child."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu * 1000, (time.monotonic() - began) * 1000


def main(rounds: int) -> None:
    """Print the table."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for argv in COMMANDS.values():
        once(argv)
    for _ in range(rounds):
        for name, argv in COMMANDS.items():
            seen[name].append(once(argv))
    floor = statistics.median(cpu for cpu, _ in seen["python -c pass"])
    print(f"{rounds} rounds, load {os.getloadavg()[0]:.1f}")
    print(f"{'command':<28}{'cpu ms':>9}{'min':>7}{'wall ms':>9}{'x floor':>9}  reach")
    for name, runs in seen.items():
        cpu, wall = statistics.median(c for c, _ in runs), statistics.median(w for _, w in runs)
        reach = f"<= {REACH_MS[name]} ms cpu" if name in REACH_MS else ""
        print(f"{name:<28}{cpu:>9.0f}{min(c for c, _ in runs):>7.0f}{wall:>9.0f}{cpu / floor:>9.1f}  {reach}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
