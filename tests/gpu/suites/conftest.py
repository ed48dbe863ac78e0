"""What the suites of `make gpu-check` share: work for the card, and a counter reading of their own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

SIZE = 4096
_session = pytest.StashKey[tuple["Counter", tuple[int, float]]]()

Truth = Callable[[str], AbstractContextManager[None]]


class Card:
    """A matrix product that keeps the whole card busy, and how long one takes."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        generator = torch.Generator(device="cuda").manual_seed(1)
        self.a, self.b = (
            torch.randn(SIZE, SIZE, device="cuda", dtype=torch.bfloat16, generator=generator) for _ in range(2)
        )
        self.c = torch.empty_like(self.a)
        self.launch(200)  # warm-up: library handles, clocks
        started = time.perf_counter()
        self.launch(4000)
        self.kernel_s = (time.perf_counter() - started) / 4000

    def launch(self, n: int) -> None:
        """N products; back when the card has done them."""
        mm, a, b, c = self.torch.mm, self.a, self.b, self.c
        for _ in range(n):
            mm(a, b, out=c)
        self.torch.cuda.synchronize()

    def launches(self, seconds: float) -> int:
        """How many products take so long."""
        return max(1, round(seconds / self.kernel_s))


@pytest.fixture(scope="session")
def card() -> Card:
    return Card()


class Counter:
    """The card's own counter, and a line in the file $GPU_CHECK_REGIONS for everything measured with it."""

    def __init__(self) -> None:
        import pynvml

        pynvml.nvmlInit()
        self._nvml = pynvml
        self._handle = pynvml.nvmlDeviceGetHandleByIndex(0)

    def read(self) -> tuple[int, float]:
        return time.monotonic_ns(), self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) / 1e3

    def note(self, name: str, before: tuple[int, float]) -> None:
        (t0_ns, e0_j), (t1_ns, e1_j) = before, self.read()
        row: dict[str, Any] = {"name": name, "t0_ns": t0_ns, "t1_ns": t1_ns, "e0_j": e0_j, "e1_j": e1_j}
        with Path(os.environ["GPU_CHECK_REGIONS"]).open("a") as f:
            f.write(json.dumps(row) + "\n")

    def close(self) -> None:
        self._nvml.nvmlShutdown()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """The counter around the whole session, in the process that meters it."""
    if not hasattr(session.config, "workerinput"):
        counter = Counter()
        session.config.stash[_session] = counter, counter.read()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (found := session.config.stash.get(_session, None)) is not None:
        counter, before = found
        counter.note("session", before)
        counter.close()


@pytest.fixture(scope="session")
def truth() -> Iterator[Truth]:
    """What the card's counter takes around a synchronised region."""
    counter = Counter()

    @contextmanager
    def region(name: str) -> Iterator[None]:
        before = counter.read()
        yield
        counter.note(name, before)

    yield region
    counter.close()
