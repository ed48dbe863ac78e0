"""Two seconds of work that its test does not wait for, and a test that does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

SIZE = 16384
"""Large: the driver queues about a thousand launches, and the next one waits for a place."""


class Large:
    """Products that take milliseconds each."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.a, self.b = (torch.randn(SIZE, SIZE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
        self.c = torch.empty_like(self.a)
        self.launch(5)
        self.wait()
        started = time.perf_counter()
        self.launch(20)
        self.wait()
        self.count = max(1, round(2 / ((time.perf_counter() - started) / 20)))

    def launch(self, n: int) -> None:
        """N products; back before the card has done them."""
        for _ in range(n):
            self.torch.mm(self.a, self.b, out=self.c)

    def wait(self) -> None:
        self.torch.cuda.synchronize()


@pytest.fixture(scope="module")
def large() -> Large:
    return Large()


@pytest.fixture(scope="class")
def pair(large: Large, truth: Any) -> Iterator[None]:
    """The counter around both tests: read after a rest, so that no work before them is in it."""
    time.sleep(1)
    with truth("pair"):
        yield


class TestPair:
    def test_launch(self, large: Large, pair: None) -> None:
        large.launch(large.count)

    def test_next(self, large: Large, pair: None) -> None:
        large.wait()


def test_that_waits() -> None:
    time.sleep(2)
