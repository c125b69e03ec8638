"""Four eyes are those of persons: every name under `approvals.people` must stand for exactly one. Knows no keys and no machine."""

from collections.abc import Iterator

from waveboard.contracts.check import Check, error, warning
from waveboard.contracts.estate import Estate
from waveboard.model.contract import Complaint


def run(estate: Estate) -> Iterator[Complaint]:
    read = estate.workspace
    approvals = read.value.approvals
    if approvals is None:
        return
    if approvals.four_eyes and not approvals.people:
        said = "four_eyes compares persons, and no person is named: nobody but an agent can plan or apply"
        fix = "add `people:` with each principal and the names it goes by (user@machine, WAVEBOARD_ACTOR)"
        yield warning(read.key("approvals", "four_eyes"), "approvals.four_eyes", "nobody-acts", said, fix)
    owner: dict[str, str] = {}
    for principal in approvals.people:
        if owner.setdefault(principal.casefold(), principal) != principal:
            said = f"`{principal}` stands for two persons, case aside"
            yield error(
                read.key("approvals", "people", principal),
                f"approvals.people.{principal}",
                "two-persons",
                said,
                "one name, one person",
            )
    for principal, names in approvals.people.items():
        for index, name in enumerate(names):
            held = owner.setdefault(name.casefold(), principal)
            if held != principal:
                said = f"`{name}` is a name of {held} as well"
                path = f"approvals.people.{principal}[{index}]"
                yield error(read.at("approvals", "people", principal, index), path, "two-persons", said, "one name, one person")


CHECK = Check(("nobody-acts", "two-persons"), run)
