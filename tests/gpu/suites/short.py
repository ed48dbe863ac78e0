"""Tests that are over before the counter has moved, beside one that is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest


def test_long_before(card: Any, truth: Any) -> None:
    with truth("long"):
        card.launch(card.launches(1.5))


@pytest.fixture(scope="class")
def train(truth: Any) -> Iterator[None]:
    """The counter around all of the short tests: set up by the first, torn down after the last."""
    with truth("train"):
        yield


class TestTrain:
    @pytest.mark.parametrize("i", range(100))
    def test_five_ms(self, i: int, card: Any, train: None) -> None:
        card.launch(card.launches(0.005))


def test_wait_between() -> None:
    time.sleep(1.5)


def test_alone_five_ms(card: Any) -> None:
    card.launch(card.launches(0.005))


def test_wait_after() -> None:
    time.sleep(1.5)
