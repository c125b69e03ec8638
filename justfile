# The bench. Every recipe is also one plain command; `just` is in the dev environment (uv run just …).

# list the recipes
default:
    @just --list

# format, lint, types, import contracts, tests: what CI runs
check:
    ./bin/test

# the long matrices as well (QEMU guests, every crash point, every layout)
test-long:
    ./bin/test long

# fast tests only: no lab, no disks
test-fast:
    uv run --frozen pytest -m "not lab and not disks and not long"

# write what the formatter and the linter can mend by themselves
format:
    uv run --frozen ruff format . && uv run --frozen ruff check --fix .

# the main job on two real hosts
demo:
    ./bin/waveboard lab demo
