"""What rides on the reports of other plugins: made only where such a report was asked for."""

from __future__ import annotations

import pytest

from pytest_aifootprint.session.presenter import Presenter


def riders(config: pytest.Config, presenter: Presenter) -> dict[str, object]:
    """The riders of this run by the name to register them under, once the presenter is registered."""
    found: dict[str, object] = {}
    if getattr(config.option, "xmlpath", None):
        from pytest_aifootprint.session.junit import JunitProperties

        found["aifootprint-junit"] = JunitProperties(config, presenter)
    if getattr(config.option, "htmlpath", None) and hasattr(config.hook, "pytest_html_results_table_row"):
        from pytest_aifootprint.session.pytest_html import HtmlColumns

        found["aifootprint-html"] = HtmlColumns(presenter)
    return found


def key_of(report: pytest.TestReport) -> tuple[str | None, str]:
    """What a test's reports have in common: its worker and its id."""
    return getattr(report, "worker_id", None), report.nodeid
