"""`python -m waveboard`."""

import signal

# Until the door stands an interrupt ends the process as it ends any other (130 to a shell), without a traceback; who has it ignored keeps that.
_heard = signal.getsignal(signal.SIGINT)
if _heard is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from waveboard.cli import main  # noqa: E402 (the lines above must come before it)

if _heard is signal.default_int_handler:
    signal.signal(signal.SIGINT, _heard)
main()
