"""The line that a long run prints now and then."""

# ruff: noqa: RUF001 - the signs that are printed
from __future__ import annotations

from typing import Any

import pytest

from pytest_aifootprint.quantities import ZERO_G, Grams, Range
from pytest_aifootprint.reports.so_far import said

CARBON = Grams(Range.of(0.4, 1.2, 4.9, "model:m"))


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (100, "AI footprint so far: 1.2 gCO2e (0.4 – 4.9 g), 120 live calls, 57 of 300 tests"),
        (78, "AI footprint so far: 1.2 gCO2e (0.4 – 4.9 g), 120 live calls, 57 of 300 tests"),
        (72, "AI footprint so far: 1.2 gCO2e (0.4 – 4.9 g), 120 live calls, 57 tests"),
        (65, "AI footprint so far: 1.2 gCO2e (0.4 – 4.9 g), 120 live calls"),
        (50, "AI footprint so far: 1.2 gCO2e (0.4 – 4.9 g)"),
        (1, "AI footprint so far: 1.2 gCO2e"),
    ],
)
def test_as_much_as_fits(width: int, text: str) -> None:
    assert said(CARBON, 120, (57, 300), width) == text


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"mark": "~"}, "AI footprint so far: ~1.2 gCO2e (0.4 – 4.9 g), 120 live calls, 57 of 300 tests"),
        (
            {"not_priced": 3},
            "AI footprint so far: 1.2 gCO2e (0.4 – 4.9 g), 120 live calls, 3 not priced, 57 of 300 tests",
        ),
        ({"more": True}, "AI footprint so far: over 1.2 gCO2e, over 120 live calls, 57 of 300 tests"),
        ({"carbon": ZERO_G}, "AI footprint so far: 0 gCO2e, 120 live calls, 57 of 300 tests"),
        ({"tests": (5, 0)}, "AI footprint so far: 1.2 gCO2e (0.4 – 4.9 g), 120 live calls, 5 of 5 tests"),
        ({"live_calls": 1, "tests": (1, 1)}, "AI footprint so far: 1.2 gCO2e (0.4 – 4.9 g), 1 live call, 1 of 1 test"),
    ],
)
def test_what_is_not_sure_is_said(changed: dict[str, Any], text: str) -> None:
    assert said(**{"carbon": CARBON, "live_calls": 120, "tests": (57, 300), "width": 200, **changed}) == text
