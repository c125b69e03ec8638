"""Work that makes no cycles, without Python's search for them. It frees nothing and knows not what the work is."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unsearched() -> Iterator[None]:
    """The search is off meanwhile: a fleet's facts are many to look through again and again. Whoever uses it has a test that says that
    its work makes no cycles."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.freeze()  # these two make everything as old as can be without a look at it; else the next search would begin with it
            gc.unfreeze()
            gc.enable()
