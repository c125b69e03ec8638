"""file_exists: there is such a file. That it is not there is a failure; that it cannot be looked for is unknown."""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import Asked, Kind
from waveboard.model.declared import Param
from waveboard.model.facts import Unavailable


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """One deviation when it is certain that the file is not there."""
    assert asked.sight is not None
    if asked.sight.absent:
        yield asked.noted("file-missing", "file", "there is no such file")
    elif isinstance(asked.sight.seen, Unavailable):
        yield Doubt(asked.sight.address, asked.sight.seen.reason)


KIND = Kind("file_exists", __doc__, {"doc": Param("alias", required=True)}, {"file-missing": "a file is not there"}, run)
