"""prefix_is: the text begins with one of these. The value itself is never shown: what lacks the prefix of a secret's reference
may be the secret.
"""

from collections.abc import Iterator

from waveboard.gates.gate import Deviation, Doubt
from waveboard.gates.kind import ON_RECORDS, Asked, Kind
from waveboard.gates.reading import Missing, kind_of
from waveboard.model.declared import Param


def run(asked: Asked) -> Iterator[Deviation | Doubt]:
    """Each value that begins otherwise, or is nothing but the prefix."""
    prefixes = asked.words("prefixes")
    wanted = " or ".join(f"`{one}`" for one in prefixes)
    for hit in asked.hits():
        if isinstance(hit, Doubt):
            yield hit
        elif isinstance(hit.value, Missing):
            yield asked.found("wrong-prefix", hit, f"{hit.value.why}; it should begin with {wanted}")
        elif not isinstance(hit.value, str):
            yield asked.found("wrong-prefix", hit, f"it is {kind_of(hit.value)}; it should begin with {wanted}")
        elif not hit.value.startswith(prefixes) or hit.value in prefixes:
            yield asked.found("wrong-prefix", hit, f"it should begin with {wanted} and go on")


KIND = Kind(
    "prefix_is",
    __doc__,
    {**ON_RECORDS, "prefixes": Param("texts", required=True)},
    {"wrong-prefix": "a text begins otherwise, or is not there"},
    run,
)
