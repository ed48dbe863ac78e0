"""From the settings to a role."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_aifootprint.detection.patching import Seams
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.options import option_error
from pytest_aifootprint.options.settings import Settings
from pytest_aifootprint.quantities.unfaked import REAL
from pytest_aifootprint.session.parts import RunningPart

if TYPE_CHECKING:
    from pytest_aifootprint.impacts import ModelOverride
    from pytest_aifootprint.impacts.contract import Grid
    from pytest_aifootprint.meters.contract import Selection
    from pytest_aifootprint.session.extensions import Extensions
    from pytest_aifootprint.session.regression import BaselineGate

SESSION = "aifootprint-session"
# Options of pytest under which no test runs: nothing to meter, no report to overwrite, no gate.
NO_TEST_RUNS = ("collectonly", "setuponly", "setupplan", "showfixtures", "show_fixtures_per_test", "cacheshow")


class Metering:
    """What exists while metering is on: the armed seams, then the role of this process.

    Attributes:
        recorder: where the seams report to. role: None until pytest is configured, or under --collect-only.
    """

    def __init__(self, settings: Settings, recorder: Recorder, seams: Seams) -> None:
        """Use ``arm``."""
        self.settings = settings
        self.recorder = recorder
        self.seams = seams
        self.role: Any = None
        # CPU ns of this thread that arming and starting took.
        self.arming_ns = self._began_ns = 0
        # Tests change the environment; what it says about this machine is what it said at the start.
        self.environ = dict(os.environ)

    @classmethod
    def arm(cls, config: pytest.Config, settings: Settings) -> Metering:
        """Arm the seams, before any conftest is imported."""
        del config
        recorder = Recorder()
        seams = Seams.arm(recorder)
        if settings.thread_context:
            seams.follow_threads()
        recorder.own_ns = 0  # who arms books it all
        return cls(settings, recorder, seams)

    def start(self, config: pytest.Config) -> None:
        """Pick the role.

        Raises:
            pytest.UsageError: for a grid, a report, a baseline or a table that cannot be used.
        """
        if self.role is not None:
            return
        self._began_ns = REAL.thread_time_ns()
        # Seams that were armed since, as conftests imported their libraries.
        self.arming_ns += self.recorder.own_ns
        worker = getattr(config, "workerinput", None)
        if worker is not None:
            from pytest_aifootprint.session.worker import Worker

            part = self._running_part(worker["workerid"])
            self.role = Worker(config, part, self._so_far_ns())
        else:
            self.role = self._presenting_role(config)
        if self.role is not None:
            config.pluginmanager.register(self.role, SESSION)

    def _so_far_ns(self) -> int:
        """CPU ns of this thread from arming until now, where metering begins."""
        return self.arming_ns + int(REAL.thread_time_ns()) - self._began_ns

    def disarm(self) -> None:
        """Undo every patch; more than once does no harm."""
        self.seams.disarm()

    def _presenting_role(self, config: pytest.Config) -> Any:
        from pytest_aifootprint.options.written import refuse_unknown
        from pytest_aifootprint.session.extensions import Extensions
        from pytest_aifootprint.session.presenter import Presenter
        from pytest_aifootprint.session.pricing import Pricing
        from pytest_aifootprint.session.riders import riders
        from pytest_aifootprint.session.roles import Controller, Single

        settings = self.settings
        refuse_unknown(config, self.environ)
        probe_reports(config, settings)
        runs = not any(getattr(config.option, mode, None) for mode in NO_TEST_RUNS)
        extensions = Extensions(config, settings.models, settings.tables_folder)
        grid = declared_grid(config, settings, self.environ, extensions, runs=runs)
        models = declared_models(settings)
        marginal = declared_marginal(settings)
        selection = declared_selection(settings, self.environ)
        gate = declared_gate(config, settings)
        if not runs:
            self.disarm()
            return None
        shared = settings.idle == "share"
        pricing = Pricing(
            grid, models, selection, self.environ, idle_shared=shared, extensions=extensions, marginal=marginal
        )
        presenter = Presenter(config, settings, selection, pricing, self.environ)
        riding = riders(config, presenter)
        if gate is not None:
            presenter.gate = gate
            config.pluginmanager.register(gate, "aifootprint-baseline")
        option = config.option
        presenter.arming_ns = self._so_far_ns
        role: Controller | Single
        if getattr(option, "tx", None) and getattr(option, "dist", "no") != "no":
            self.disarm()
            role = Controller(config, presenter)
        else:
            role = Single(config, self._running_part("main"), presenter)
        # After the presenter: of two hooks that want to be last, the later registered is.
        for name, rider in riding.items():
            config.pluginmanager.register(rider, name)
        return role

    def _running_part(self, worker: str) -> RunningPart:
        part = RunningPart(self.recorder, self.seams, worker)
        if self.settings.subprocess:
            from pytest_aifootprint.session.subprocesses import Subprocesses

            try:
                part.subprocesses = Subprocesses(self.recorder)
            except OSError as error:
                raise option_error("--aifootprint-subprocess", "temporary folder", str(error)) from None
        if self.settings.gpu_sync:
            from pytest_aifootprint.session.gpu_sync import GpuSync

            part.before_end = GpuSync(self.recorder)
        return part


def probe_reports(config: pytest.Config, settings: Settings) -> None:
    """Raise UsageError, one line, for a report that cannot be written, or that would take another file's place."""
    if not settings.reports:
        return
    from pytest_aifootprint.reports import Target, probe

    others = {}
    if settings.baseline is not None:
        # A run that failed would be the measure of the next.
        others["the baseline"] = settings.baseline[0]
    if xml := getattr(config.option, "xmlpath", None):
        named = os.path.expanduser(os.path.expandvars(xml))  # noqa: PTH111 - as pytest does
        others["the file of --junitxml"] = config.invocation_params.dir / named
    earlier: list[Target] = []
    for kind, target, value in settings.reports:
        try:
            probe(kind, target, earlier, others)
            earlier.append(target)
        except ValueError as error:
            raise value.error(str(error)) from None


def declared_gate(config: pytest.Config, settings: Settings) -> BaselineGate | None:
    """The baseline, read before any test runs. Raises UsageError for one that cannot be used."""
    if settings.baseline is None:
        return None
    from pytest_aifootprint.session.regression import declared_baseline

    return declared_baseline(config, settings)


def declared_grid(
    config: pytest.Config, settings: Settings, environ: Mapping[str, str], extensions: Extensions, *, runs: bool
) -> Grid | None:
    """The grid that somebody named; None to look it up when it is needed. Raises UsageError for an unknown zone.

    Plugins are asked here for rows and grids, and Electricity Maps if that is what was named, if tests will run
    (``runs``): before any window.
    """
    text = settings.grid.text
    if text is None and not extensions.any:
        return None
    from pytest_aifootprint.quantities.tables import CatalogueError

    read = partial(_grid_named, config=config, environ=environ, extensions=extensions, runs=runs)
    grid: Grid | None = None
    try:
        if runs:
            extensions.change_rows()
        grid = extensions.local_grid(read) if text is None else read(text)
        if runs:
            grid = extensions.amended_local_grid(grid, read)
            extensions.change_provider_grids()
    except CatalogueError as error:
        # A data file of this package is broken. The tests run all the same; the end of the run says what is missing.
        extensions.not_heard(error)
    except ValueError as error:
        raise settings.grid.error(str(error)) from None
    return grid


def _grid_named(
    text: str | None, *, config: pytest.Config, environ: Mapping[str, str], extensions: Extensions, runs: bool
) -> Grid:
    """The grid of a text, or the one that the environment names. Raises ValueError: one line."""
    from pytest_aifootprint.catalogue.electricitymaps import is_live
    from pytest_aifootprint.impacts import resolve_grid

    if text is not None and is_live(text):
        from pytest_aifootprint.session.live_grid import electricity_maps

        return electricity_maps(text, config, environ, extensions.catalogue, runs=runs)
    return resolve_grid(text, environ, extensions.catalogue)


def declared_models(settings: Settings) -> dict[str, ModelOverride]:
    """The user's own models. Raises UsageError for a table that cannot be used."""
    models: dict[str, ModelOverride] = {}
    if not settings.models:
        return models
    from pytest_aifootprint.catalogue import default_catalogue
    from pytest_aifootprint.impacts import ModelOverride
    from pytest_aifootprint.impacts.lineage import check_declared

    for name, table in settings.models.items():
        try:
            models[name] = ModelOverride.from_table(name, table, settings.tables_folder)
        except ValueError as error:
            raise option_error("[tool.aifootprint.models]", settings.tables_origin, str(error)) from None
    try:
        check_declared(models, default_catalogue())
    except ValueError as error:
        raise option_error("[tool.aifootprint.models]", settings.tables_origin, str(error)) from None
    return models


def declared_marginal(settings: Settings) -> dict[str, Grid]:
    """The user's marginal factors. Raises UsageError for a table that cannot be used."""
    if not settings.marginal:
        return {}
    from pytest_aifootprint.catalogue import default_catalogue
    from pytest_aifootprint.impacts.marginal import read_marginal

    try:
        return read_marginal(settings.marginal, default_catalogue())
    except ValueError as error:
        raise option_error("[tool.aifootprint.marginal]", settings.tables_origin, str(error)) from None


def declared_selection(settings: Settings, environ: Mapping[str, str]) -> Selection:
    """The meters of this machine, as declared. Raises UsageError for a hardware table that cannot be used."""
    from pytest_aifootprint.meters.hardware import validate_hardware
    from pytest_aifootprint.meters.selection import select

    try:
        hardware = validate_hardware(settings.hardware)
    except ValueError as error:
        raise option_error("[tool.aifootprint.hardware]", settings.tables_origin, str(error)) from None
    try:
        return select(environ=environ, hardware=hardware, recorded=settings.recorded_meter)
    except (ValueError, OSError) as error:
        raise option_error("recorded meter", "environment PYTEST_AIFOOTPRINT_RECORDED_METER", str(error)) from None
