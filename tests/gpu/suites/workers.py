"""The same work in every test, for two workers on one card."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("i", range(6))
def test_part(i: int, card: Any, truth: Any) -> None:
    with truth(f"part-{i}"):
        card.launch(12000)
