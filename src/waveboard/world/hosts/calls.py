"""A hand by its shape: what a router hands requests on to."""

from collections.abc import Mapping
from typing import Protocol

from waveboard.model.contract import HostTarget


class Calls(Protocol):
    """app.ports.Hand; the world does not import the floor above it."""

    def call(self, target: HostTarget, request: Mapping[str, object], timeout_s: float) -> Mapping[str, object]: ...
