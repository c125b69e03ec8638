"""Waivers past their end, as complaints of `contracts check`. The contracts stay usable: an expired waiver stops nobody's night."""

from datetime import datetime

from waveboard.contracts.check import error
from waveboard.model.contract import Complaint, Contract, Place
from waveboard.model.units import instant_text


def expired(contract: Contract, at: datetime) -> tuple[Complaint, ...]:
    """One error a waiver, in the file's order."""
    return tuple(
        error(
            waiver.place or Place(""),
            f"waivers.{waiver.id}",
            "expired-waiver",
            f"the waiver `{waiver.id}` of {waiver.owner} ended at {instant_text(waiver.until)} and covers nothing any more",
            "repair what it covered and take it out, or have its owner answer for it anew",
        )
        for waiver in contract.registers.waivers
        if waiver.until is not None and waiver.until <= at
    )
