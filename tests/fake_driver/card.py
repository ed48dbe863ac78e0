"""What a test in an inner run tells the live cards of the fake driver to do (tests/unit/meters/live_card.h)."""

from __future__ import annotations

import atexit
import os
import time

STEP_NS = 100_000_000


def tell(what: str, card: int, *rest: object, at_ns: int = 0) -> None:
    """An event, from now on."""
    words = (what, card, at_ns or time.monotonic_ns(), *rest)
    with open(os.environ["FAKE_NVML_EVENTS"], "a") as f:  # noqa: PTH123 - appended in one write
        f.write(" ".join(map(str, words)) + "\n")


def hold(card: int = 0, pid: int = 0) -> None:
    """A context: of this process, whose end closes it, or of another."""
    tell("hold", card, pid or os.getpid())
    if pid in {0, os.getpid()}:
        atexit.register(tell, "drop", card, os.getpid())


_held: set[tuple[int, int]] = set()


def work(seconds: float, watts: int = 600, *, card: int = 0, pid: int = 0, wait: bool = True) -> None:
    """A kernel, and wait for it. Whoever works has a context."""
    pid = pid or os.getpid()
    if (card, pid) not in _held:
        _held.add((card, pid))
        hold(card, pid)
    start_ns = time.monotonic_ns()
    end_ns = start_ns + round(seconds * 1e9)
    tell("work", card, end_ns, pid, watts * 1000, at_ns=start_ns)
    if wait:
        while (left_s := (end_ns - time.monotonic_ns()) / 1e9) > 0:
            time.sleep(left_s)


def fail(code: int, *keys: str, card: int = 0) -> None:
    """From now on the driver answers with this code."""
    for key in keys or ("all",):
        tell("fault", card, key, code)


def reset(millijoules: int, card: int = 0) -> None:
    """The counter begins anew at this value."""
    tell("reset", card, millijoules)
