"""For every test: a machine that is busy fails none of them, and a run that is told to stop puts away what it made."""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_sessionstart() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: fixtures take their machines and disks away
