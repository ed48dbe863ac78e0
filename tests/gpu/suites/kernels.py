"""The same kernel, N and 4N launches, five times each in shuffled order, all warmed up and synchronised."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

ORDER = [f"{what}-{i}" for what in ("n", "4n") for i in range(5)]
random.Random(20260801).shuffle(ORDER)


@pytest.fixture(scope="session")
def n(card: Any) -> int:
    return int(card.launches(2.2))


@pytest.mark.parametrize("name", ORDER)
def test_launches(name: str, card: Any, n: int, truth: Any) -> None:
    count = 4 * n if name.startswith("4n") else n
    with truth(name):
        card.launch(count)


def test_that_waits() -> None:
    time.sleep(2)
