"""The timeline of a saved report: what was written is read, and what is none is refused in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_aifootprint.records.timeline import Timeline
from pytest_aifootprint.reports.saved.file import SavedError
from pytest_aifootprint.reports.saved.timeline import timeline_of, timeline_row

TERMS = ("ai_tests", "shared_fixtures", "other_tests", "rest")
LINE = Timeline(
    0.25, (0.0, 0.25, 0.5), {"cpu": {term: (0.125, 3.0, float(n)) for n, term in enumerate(TERMS)}},
    {"live": (1, 0, 2)}, {"live": (1, 1, 2)},
)  # fmt: skip


def test_what_was_written_is_read() -> None:
    assert timeline_of(json.loads(json.dumps(timeline_row(LINE)))) == LINE


def test_an_older_report_has_none() -> None:
    assert timeline_of(None) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"bin_s": 0.0}, {"bin_s": "1"}, {"bin_s": None}, {"start_s": []}, {"start_s": 3}, {"start_s": [0.0, 1.0]},
        {"power_w": []}, {"power_w": {"cpu": {"ai_tests": [1, 2, 3]}}}, {"calls_begun": {"live": [1, 2]}},
        {"calls_begun": {"live": [1, 2, -3]}}, {"calls_open": {"live": [1, 2, 0.5]}}, {"calls_open": None},
        {"start_s": [0.0, float("inf"), 1.0]}, {"start_s": [0, -1, 2]}, {"start_s": [0, 10**400, 1]},
        {"start_s": [True, False, True]},
    ],
)  # fmt: skip
def test_what_is_no_timeline_is_refused_in_one_line(wrong: dict[str, Any]) -> None:
    with pytest.raises(SavedError, match=r"^run\.timeline is no timeline") as caught:
        timeline_of({**timeline_row(LINE), **wrong})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("row", [[], "text", 3, {}])
def test_what_is_no_object_is_refused(row: object) -> None:
    with pytest.raises(SavedError, match=r"^run\.timeline is no timeline"):
        timeline_of(row)
