"""For every test: a machine that is busy fails none of them, and two of them never change the same machine at once."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What makes hosts, loop devices or mounts runs in one process, one after the other; `-n 2` runs the rest beside it."""
    for item in items:
        mounts = "data_disk" in getattr(item, "fixturenames", ())
        if mounts or item.get_closest_marker("lab") or item.get_closest_marker("disks"):
            item.add_marker(pytest.mark.xdist_group("machine"))
