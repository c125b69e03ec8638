"""The board's rules on real hosts: while a governance wave is open, an approved plan that would change a host is refused."""

from __future__ import annotations

import json

import pytest

from lab.measure import config_digests
from tests.lab.test_wave_on_lab import Desk, desk

__all__ = ["desk"]
pytestmark = pytest.mark.lab


def test_an_open_governance_wave_blocks_an_approved_plan(desk: Desk) -> None:
    data = desk.running.host("mint-data")
    files = config_digests(data)
    assert "W8A is open" in desk.ok("wave", "open", "W8A")
    desk.planned()
    said = desk.ok("apply", "w8b.plan", code=3)
    assert "W8A is open since" in said and "no runtime mutation of mint-data" in said and "waveboard wave close" in said
    assert config_digests(data) == files and "unopened" in desk.ok("status")
    closed = desk.ok("wave", "close", "W8A")
    assert "green by host" in closed and "WAVE8A_ORCHESTRATION_RECEIPT" in closed
    shown = json.loads(desk.ok("receipts", "show", "WAVE8A_ORCHESTRATION_RECEIPT"))
    assert shown["predicate"]["kind"] == "closeout" and len(shown["predicate"]["body"]["items"]) == 7
    desk.ok("apply", "w8b.plan")
    assert "W8B" in desk.ok("wave", "open", "W8A", code=3)  # now the other way round: W8B is open
    desk.ok("undo", "w8b.plan")
    desk.ok("wave", "open", "W8A")
    desk.ok("receipts", "verify")
