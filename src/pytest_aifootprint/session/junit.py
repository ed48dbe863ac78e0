"""Rides on pytest's own ``--junitxml``: a test's direct cost at once, everything else when the file is written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_aifootprint.quantities import Notice
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.reports.junit_values import Properties, at_once
from pytest_aifootprint.session.parts import must_raise
from pytest_aifootprint.session.presenter import Presenter
from pytest_aifootprint.session.pricing import Direct
from pytest_aifootprint.session.riders import key_of

XUNIT1 = frozenset({"xunit1", "legacy"})


class JunitProperties:
    """Properties in the file that pytest writes.

    In the family xunit1 they stand on the tests. The schema of xunit2, pytest's default, has no place for them there
    (Jenkins' xUnit plugin refuses such a file, pytest #5202): they stand with the suite's.
    """

    def __init__(self, config: pytest.Config, presenter: Presenter) -> None:
        """Note the file as pytest names it, before a test can change the working directory."""
        named = os.path.expanduser(os.path.expandvars(config.option.xmlpath))  # noqa: PTH111 - as pytest does
        self.path = Path(os.path.abspath(named))  # noqa: PTH100 - links as they are, as pytest does
        self._prefix = config.option.junitprefix or ""
        self._presenter = presenter
        self._on_tests = config.getini("junit_family") in XUNIT1
        self._told: dict[tuple[str | None, str], Properties] = {}
        if self._on_tests:
            presenter.on_direct.append(self._tell)

    def _tell(self, report: pytest.TestReport, run: TestRun, direct: Direct) -> None:
        del run
        told = at_once(direct.carbon, direct.energy, direct.tokens, [*direct.calls])
        # Not on the item: there they would pile up over reruns, and a worker's item is elsewhere.
        report.user_properties.extend(told)
        self._told[key_of(report)] = told

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of a test's reports, pytest reads the properties off the last."""
        if self._told and report.when == "teardown" and type(report) is pytest.TestReport:
            report.user_properties.extend(self._told.pop(key_of(report), ()))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Put in what is known now. After pytest has written the file, and after the run has its price."""
        run = self._presenter.footprint
        if run is None:
            return
        from pytest_aifootprint.reports.junit_amend import NotAmendedError, amend

        try:
            amend(self.path, run, on_tests=self._on_tests, prefix=self._prefix)
        except NotAmendedError as error:
            self._notice(str(error))
        except Exception as error:  # an error of ours must not change a run
            if must_raise():
                raise
            self._notice(f"{self.path}: {type(error).__name__}: {error}")

    def _notice(self, reason: str) -> None:
        presenter = self._presenter
        run = presenter.footprint
        assert run is not None
        notice = Notice("junit-not-amended", f"no properties in the JUnit file, which is as pytest wrote it: {reason}")
        presenter.footprint = replace(run, notices=(*run.notices, notice))
        if presenter.config.pluginmanager.get_plugin("terminalreporter") is None:
            sys.stderr.write(f"aifootprint: {notice.message}\n")
