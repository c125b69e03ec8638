"""A lab of the tests' own beside anybody's: other name, state, addresses and network; only the image cache is shared."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab.settings import Settings

NAME = os.environ.get("WAVEBOARD_TEST_LAB", "wbtest")  # so that two checkouts can test on one machine


def why_not() -> str | None:
    """Why this machine cannot run the lab, or None."""
    if not sys.platform.startswith("linux"):
        return "the lab needs Linux"
    if os.geteuid() != 0:
        return "the lab needs root (mounts and loop devices)"
    if not Path("/usr/bin/dpkg").exists():
        return "the lab needs a Debian-like machine"
    return None


def own_settings(name: str = NAME) -> Settings:
    environment = {key: value for key, value in os.environ.items() if key == "WAVEBOARD_LAB_CACHE"}
    return lab.from_environment({**environment, "WAVEBOARD_LAB_NAME": name})


@pytest.fixture(scope="session")
def running_lab() -> Iterator[lab.Lab]:
    """Both hosts, drifted. A test that changes one resets it (see `fresh`)."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    settings = own_settings()
    lab.down(settings=settings)
    try:
        yield lab.up(settings=settings)
    finally:
        lab.down(settings=settings)
        shutil.rmtree(settings.state)


@pytest.fixture
def fresh(running_lab: lab.Lab) -> Iterator[lab.Host]:
    """mint-data for a test that changes it; drifted again afterwards."""
    yield running_lab.host("mint-data")
    lab.reset(["mint-data"], settings=running_lab.settings)
