"""A store that waveboard cannot keep its state in. Never repeats the address: a password may be part of it."""

import re
from collections.abc import Iterator

from waveboard.contracts.check import Check, error
from waveboard.contracts.estate import Estate
from waveboard.model.contract import Complaint

_STORES = re.compile(r"sqlite(\+\w+)?:///(?!:memory:($|\?))[^?].*|postgresql(\+\w+)?://.+")
_KIND = re.compile(r"(\w{1,30})(\+\w+)?://")


def run(estate: Estate) -> Iterator[Complaint]:
    store = estate.workspace.value.store
    if store is None or _STORES.fullmatch(store):
        return
    kind = _KIND.match(store)
    if kind is None:
        said = "this is no store's address"
    elif kind[1] == "sqlite":
        said = "this `sqlite` store names no file, and state that ends with the process is no state"
    else:
        said = f"there is no store of the kind `{kind[1]}`"
    fix = "write sqlite:///FILE (below the workspace) or postgresql://USER@HOST/DATABASE, or leave `store` out"
    yield error(estate.workspace.at("store"), "store", "unknown-store", said, fix)


CHECK = Check(("unknown-store",), run)
