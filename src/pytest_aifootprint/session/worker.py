"""An xdist worker: runs tests and sends their records on the reports. Prices nothing, imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.session.parts import RunningPart

if TYPE_CHECKING:
    from pytest_aifootprint.session.scoping import MarkScopes
    from pytest_aifootprint.timeline.sampler import Sampler

ATTRIBUTE = "aifootprint_record"
OUTPUT = "aifootprint"
NO_SCOPES: dict[str, Any] = {"selected": [], "unknown": []}


class Worker:
    """The role of an xdist worker."""

    def __init__(self, config: pytest.Config, part: RunningPart, arming_ns: int = 0) -> None:
        """Register the hooks of a process that runs tests; ``arming_ns``: our CPU until now."""
        began_ns = REAL.thread_time_ns()
        self._arming_ns = arming_ns
        self.config = config
        self.part = part
        self._sent: TestRun | None = None
        self._carrying: list[pytest.TestReport] = []
        self._unsent: list[tuple[str, str]] = []
        self._sampler: Sampler | None = None
        told = config.workerinput.get(OUTPUT, {})  # type: ignore[attr-defined]
        if told.get("ticks"):
            self._sampler = part.sample_cpu()
        self._scopes: MarkScopes | None = None
        if told.get("scopes"):
            from pytest_aifootprint.session.scoping import MarkScopes

            self._scopes = MarkScopes(*told["scopes"])
        part.begin(config, on_test=self._on_test, on_report=self._on_report, scopes=self._scopes)
        part.clock.plugin_ns += REAL.thread_time_ns() - began_ns

    def _on_report(self, report: pytest.TestReport, run: TestRun) -> None:
        # A call report carries what is known so far: the controller judges limits on it. The teardown report carries
        # everything; after a rerun a later one replaces it.
        if report.when == "teardown" or (report.when == "call" and run.calls):
            try:
                setattr(report, ATTRIBUTE, run.to_wire())
                self._carrying.append(report)
            except (TypeError, ValueError) as error:
                self.part.recorder.error(f"record of {run.nodeid}", error)
            if report.when == "teardown":
                self._sent = run

    def _on_test(self, run: TestRun) -> None:
        # On their way to the controller; the reporter of this process keeps all reports.
        for report in self._carrying:
            report.__dict__.pop(ATTRIBUTE, None)
        self._carrying.clear()
        if self._sent is not run:
            self._unsent.append((run.nodeid, run.to_wire()))
        self._sent = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Send this process's totals: after pytest's own last teardowns, inside of xdist's wrapper."""
        part = self.part
        if self._sampler is not None:
            self._sampler.stop()
        part.end()
        lane = part.lane
        output: dict[str, Any] = {
            "boot_id": lane.boot_id,
            "start_ns": lane.start_ns,
            "end_ns": lane.end_ns,
            "plugin_ns": lane.plugin_ns,
            "arming_ns": self._arming_ns,
            "ticks": lane.flat_ticks.tolist(),
            "pieces": lane.flat_pieces.tolist(),
            "seams": part.seams_status(),
            "errors": [*part.recorder.errors, *part.clock.errors],
            "unowned": [c.to_wire() for c in part.recorder.unowned],
            "unsent": self._unsent,
            "strangers": part.strangers,
            "unseen_programs": list(part.unseen_programs),
            "coarse": part.coarse,
            "left_out": part.left_out.tests,
            "pid": REAL.getpid(),
            "scopes": self._scopes.to_wire() if self._scopes is not None else NO_SCOPES,
            "usage_error": part.markers.usage_error if part.markers is not None else None,
        }
        self.config.workeroutput[OUTPUT] = output  # type: ignore[attr-defined]
