"""The line that a long run prints now and then."""

from __future__ import annotations

from pytest_aifootprint.quantities import Grams
from pytest_aifootprint.reports import formatting


def said(  # noqa: PLR0913 - what the line says
    carbon: Grams,
    live_calls: int,
    tests: tuple[int, int],
    width: int,
    *,
    mark: str = "",
    not_priced: int = 0,
    more: bool = False,
) -> str:
    """``AI footprint so far: 1.2 gCO2e (0.4 - 4.9 g), 120 live calls, 57 of 300 tests``, or as much as fits.

    Args:
        carbon: grams CO2e of the tests' own windows and calls.
        live_calls: of the same tests.
        tests: how many are over, and how many there are.
        width: that there is for it.
        mark: in front of a figure that the end of the run may change.
        not_priced: calls that are not in the figure.
        more: not all tests are in the figures yet.
    """
    figure = f"AI footprint so far: {'over ' if more else ''}{mark}{formatting.suffix(carbon)}"
    span = f" ({formatting.carbon_range(carbon)})" if carbon.factors and not more else ""
    calls = f", {'over ' if more else ''}{formatting.counted(live_calls, 'live call')}"
    calls += f", {formatting.count(not_priced)} not priced" if not_priced else ""
    done, all_of_them = tests
    after = f", {formatting.count(done)} of {formatting.counted(max(done, all_of_them), 'test')}"
    short = f", {formatting.counted(done, 'test')}"
    for text in (figure + span + calls + after, figure + span + calls + short, figure + span + calls, figure + span):
        if len(text) <= width:
            return text
    return figure
