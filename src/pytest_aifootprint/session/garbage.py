"""Python's garbage collector waits while we work at the end of a run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """No collection of garbage inside; afterwards it is as it was.

    What the end of a run makes is alive until it is printed, and so many new objects would have the collector walk over
    all that the tests left in memory, several times.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
