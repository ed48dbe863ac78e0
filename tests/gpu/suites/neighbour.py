"""One test, while a process that is none of ours keeps the same card busy."""

from __future__ import annotations

from typing import Any


def test_beside_a_neighbour(card: Any, truth: Any) -> None:
    with truth("beside"):
        card.launch(24000)
