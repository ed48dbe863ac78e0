"""Clocks that only move when a test works: the truth of a run is then known to the nanosecond.

Copied into an inner run's folder as its conftest. Replaced is what the kernel gives: the clocks, and what a thread
waits on; a recorded meter plays the joules.
"""

from __future__ import annotations

import os
import random
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_aifootprint.quantities.unfaked import REAL

S = 1_000_000_000
TICK_NS = S // 10
GIVE_UP_S = 60.0


class World:
    """Wall time and this process's CPU time, in ns. ``work`` moves both; at every tick the sampler gets its turn."""

    def __init__(self) -> None:
        self.t_ns = 1000 * S
        self.cpu_ns = 5 * S
        self.turn = threading.Condition()
        self.waiting_until: int | None = None
        self.ended = False

    def work(self, wall_s: float, cpus: float) -> None:
        """So many seconds pass in which this process keeps so many CPUs busy."""
        left = round(wall_s * S)
        while left:
            step = min(left, TICK_NS - self.t_ns % TICK_NS)
            with self.turn:
                self.t_ns += step
                self.cpu_ns += round(step * cpus)
                self.turn.notify_all()
                asked = self.turn.wait_for(lambda: not self._sampler_is_due(), GIVE_UP_S)
            assert asked, "the sampler did not take its turn"
            left -= step

    def _sampler_is_due(self) -> bool:
        return self.waiting_until is not None and self.waiting_until <= self.t_ns


WORLD = World()


class Stopped:
    """What the sampler waits on, in the world's time."""

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        with WORLD.turn:
            self._set = True
            WORLD.turn.notify_all()

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout_s: float) -> bool:
        with WORLD.turn:
            WORLD.waiting_until = WORLD.t_ns + round(timeout_s * S)
            WORLD.turn.notify_all()
            WORLD.turn.wait_for(lambda: self._set or WORLD._sampler_is_due())
            if self._set:
                WORLD.waiting_until = None
            # Else the world stands still until the sampler waits again.
            return self._set


def now_ns() -> int:
    return WORLD.t_ns


time.monotonic_ns = now_ns
time.thread_time_ns = lambda: 0
REAL.monotonic_ns = now_ns
REAL.process_time_ns = lambda: WORLD.cpu_ns
REAL.thread_time_ns = lambda: 0

import pytest_aifootprint.timeline.sampler as _sampler  # noqa: E402 - after the clocks

_sampler.threading = SimpleNamespace(Event=Stopped, Thread=threading.Thread)  # type: ignore[assignment, attr-defined]


@pytest.fixture
def world() -> World:
    return WORLD


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Whole modules keep together, as pytest's own order does; a seed shuffles what it may."""
    seed = os.environ.get("WORLD_SEED")
    if seed:
        order = random.Random(int(seed))
        modules = sorted({item.path for item in items})
        order.shuffle(modules)
        order.shuffle(items)
        items.sort(key=lambda item: modules.index(item.path))
