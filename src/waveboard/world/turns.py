"""What the engines share: one turn of a run and the errors around it. Drives nothing by itself."""

from typing import Protocol

from waveboard.model.change import Action, ActionKind
from waveboard.model.errors import HaltedError, RefusedError, UsageError


class Driven(Protocol):
    """The Work port, by shape."""

    def next_action(self) -> Action: ...

    def perform(self, action: Action) -> None: ...


ENDING = (ActionKind.FINISH, ActionKind.ROLLED_BACK, ActionKind.HALT)


def turn(work: Driven) -> Action:
    """One decision and its act. Raises: what perform raises."""
    action = work.next_action()
    work.perform(action)
    return action


def too_many(run: str, limit: int) -> HaltedError:
    """The error for a run that does not come to an end."""
    return HaltedError(f"drive {run}", f"{limit} turns did not bring it to an end", "read its journal; resume goes on from there")


def never_started(run: str) -> UsageError:
    """The error for a run nobody knows."""
    return UsageError(f"resume {run}", "it was never started", "start it with `waveboard apply`")


def unfinished(run: str) -> RefusedError:
    """The error for starting what is to be resumed."""
    return RefusedError(f"start {run}", "an earlier drive of it has not ended", "resume it")
