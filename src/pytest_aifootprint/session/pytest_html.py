"""Rides on pytest-html's report: three columns with the direct cost of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_aifootprint.records.model import live_calls
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.reports import formatting

if TYPE_CHECKING:
    from pytest_aifootprint.session.presenter import Presenter
    from pytest_aifootprint.session.pricing import Direct

COLUMNS = (("carbon", "AI carbon"), ("energy", "AI energy"), ("calls", "AI calls"))
_NOTHING = [f'<td class="col-aifootprint_{name}"></td>' for name, _ in COLUMNS]


class HtmlColumns:
    """Columns behind those of others, filled for tests that called a model."""

    def __init__(self, presenter: Presenter) -> None:
        """Ask for the price of each such test."""
        self._cells: dict[tuple[str | None, str], list[str]] = {}
        presenter.on_direct.append(self._tell)

    def _tell(self, report: pytest.TestReport, run: TestRun, direct: Direct) -> None:
        del run
        carbon = direct.carbon.known_total
        energy, calls = direct.energy.total, live_calls(direct.calls)
        # A counter's joules are known at the end of the run.
        mark = "~" if direct.provisional else ""
        self._cells[_key(report)] = [
            _cell("carbon", carbon.central if carbon else 0.0, mark + formatting.suffix(carbon)),
            _cell("energy", energy.central, mark + formatting.energy(energy)),
            _cell("calls", float(calls), formatting.count(calls)),
        ]

    @pytest.hookimpl(trylast=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Last, so that what others do by number still hits what they mean."""
        cells.extend(
            f'<th class="sortable" data-column-type="aifootprint_{name}">{title}</th>' for name, title in COLUMNS
        )

    @pytest.hookimpl(trylast=True)
    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        """The cells of a test's call; empty for any other row, none for a row that somebody took out."""
        if cells:
            told = report.when == "call" and str(report.outcome) != "rerun"
            cells.extend(self._cells.get(_key(report), _NOTHING) if told else _NOTHING)


def _cell(name: str, value: float, text: str) -> str:
    """A cell that sorts by its value: pytest-html compares the text between the tags."""
    return f'<td class="col-aifootprint_{name}"><span hidden>{value:033.15f}</span>{text}</td>'


def _key(report: pytest.TestReport) -> tuple[str | None, str]:
    return getattr(report, "worker_id", None), report.nodeid
