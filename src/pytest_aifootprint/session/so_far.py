"""On a terminal, at most once a minute: what the tests came to so far."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_aifootprint.quantities import ZERO_G
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.session.environment import ci_environment
from pytest_aifootprint.session.parts import must_raise

if TYPE_CHECKING:
    from pytest_aifootprint.records.raw import TestRun
    from pytest_aifootprint.session.presenter import Presenter

# Seconds between two lines, for our own test suite.
EVERY = "PYTEST_AIFOOTPRINT_SO_FAR_EVERY_S"
EVERY_S = 60
# Priced for one line. A suite with more tests than this in a minute gets a lower bound, not a pause.
MOST_PRICED = 1000
NEVER = sys.maxsize


class SoFar:
    """Stands between a role and the collector: hands records on, and now and then prints what they come to.

    Records are handed on between tests, when no window is open. The direct cost of each is priced then, once.
    """

    def __init__(self, presenter: Presenter, between_tests: Callable[[], bool]) -> None:
        """Take the presenter, and what says that no test is open in this process."""
        self._presenter = presenter
        self._between_tests = between_tests
        every = os.environ.get(EVERY, "")
        self._every_ns = (int(every) if every.isdecimal() else EVERY_S) * 1_000_000_000
        self._due_ns = REAL.monotonic_ns() + self._every_ns
        self._session: pytest.Session | None = None
        self._seen = self._calls = self._not_priced = 0
        self._carbon = ZERO_G
        self._mark = ""

    def add(self, run: TestRun) -> None:
        """A test is over."""
        self._presenter.collector.add(run)
        if REAL.monotonic_ns() >= self._due_ns and self._between_tests():
            self._show()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """The session knows how many tests there are."""
        self._session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """From here on the summary speaks."""
        self._due_ns = NEVER

    def _show(self) -> None:
        reporter = reporter_on_terminal(self._presenter.config)
        if reporter is None or self._presenter.collector.n_tests >= self._n_tests:  # behind the last the summary comes
            self._due_ns = NEVER
            return
        try:
            self._price()
            if self._calls:
                from pytest_aifootprint.reports.terminal import write_between

                write_between(reporter, self._text)
        except Exception as error:
            self._due_ns = NEVER
            if must_raise():
                raise
            self._presenter.collector.errors.append(f"cost so far: {type(error).__name__}: {error}")
            return
        self._due_ns = REAL.monotonic_ns() + self._every_ns

    @property
    def _n_tests(self) -> int:
        return 0 if self._session is None else self._session.testscollected

    def _price(self) -> None:
        from pytest_aifootprint.quantities import total
        from pytest_aifootprint.records.model import live_calls

        tests = self._presenter.collector.tests
        grams = [self._carbon]
        for run in tests[self._seen : self._seen + MOST_PRICED]:
            self._seen += 1
            if run.calls:
                direct = self._presenter.direct(run)
                grams.append(direct.carbon.total)
                self._mark = "~" if direct.provisional else self._mark
                self._calls += live_calls(direct.calls)
                self._not_priced += sum(c.call.count for c in direct.calls if not c.impact.priced)
        self._carbon = total(grams)

    def _text(self, width: int) -> str:
        from pytest_aifootprint.reports.so_far import said

        collector = self._presenter.collector
        return said(
            self._carbon,
            self._calls,
            (collector.n_tests, self._n_tests),
            width,
            mark=self._mark,
            not_priced=self._not_priced,
            more=self._seen < len(collector.tests),
        )


def reporter_on_terminal(config: pytest.Config) -> Any:
    """The reporter of pytest itself, where a person watches it; else None.

    Not with ``-s``: there the tests write to the terminal themselves, and pytest shows no progress either.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    watched = (
        type(reporter) is pytest.TerminalReporter
        and bool(reporter.isatty)
        and config.get_verbosity() >= 0
        and config.getoption("capture") != "no"
        and not ci_environment()
    )
    return reporter if watched else None
