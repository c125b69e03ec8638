"""`python -m waveboard`."""

from waveboard.cli import main

main()
