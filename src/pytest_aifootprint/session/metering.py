"""From the settings to a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_aifootprint.detection.patching import Seams
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.options import Settings, option_error
from pytest_aifootprint.session.parts import RunningPart

if TYPE_CHECKING:
    from pytest_aifootprint.impacts import ModelOverride
    from pytest_aifootprint.impacts.contract import Grid
    from pytest_aifootprint.meters.contract import Selection

SESSION = "aifootprint-session"


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

    @classmethod
    def arm(cls, config: pytest.Config, settings: Settings) -> Metering:
        """Arm the seams, before any conftest is imported."""
        del config
        recorder = Recorder()
        return cls(settings, recorder, Seams.arm(recorder))

    def start(self, config: pytest.Config) -> None:
        """Pick the role.

        Raises:
            pytest.UsageError: for a grid, a report or a table that cannot be used.
        """
        if self.role is not None:
            return
        worker = getattr(config, "workerinput", None)
        if worker is not None:
            from pytest_aifootprint.session.worker import OUTPUT, Worker

            part = RunningPart(self.recorder, self.seams, worker["workerid"])
            self.role = Worker(config, part)
            if worker.get(OUTPUT, {}).get("ticks"):
                self.role.tick()
        else:
            self.role = self._presenting_role(config)
        if self.role is not None:
            config.pluginmanager.register(self.role, SESSION)

    def disarm(self) -> None:
        """Undo every patch; more than once does no harm."""
        self.seams.disarm()

    def _presenting_role(self, config: pytest.Config) -> Any:
        from pytest_aifootprint.session.presenter import Presenter
        from pytest_aifootprint.session.pricing import Pricing
        from pytest_aifootprint.session.roles import Controller, Single

        checked = check(config, self.settings)
        if config.option.collectonly:
            self.disarm()
            return None
        pricing = Pricing(checked.grid, checked.models, checked.selection)
        presenter = Presenter(config, self.settings, checked.selection, pricing)
        option = config.option
        if getattr(option, "tx", None) and getattr(option, "dist", "no") != "no":
            self.disarm()
            return Controller(config, presenter)
        return Single(config, RunningPart(self.recorder, self.seams), presenter)


class Checked:
    """What only the process that prints needs to know, checked before any test runs."""

    def __init__(self, grid: Grid, models: Mapping[str, ModelOverride], selection: Selection) -> None:
        """Take what was found good."""
        self.grid = grid
        self.models = models
        self.selection = selection


def check(config: pytest.Config, settings: Settings) -> Checked:
    """Resolve grid, reports and tables.

    Raises:
        pytest.UsageError: one line naming the option, its origin, the value and what is valid.
    """
    import os

    from pytest_aifootprint.impacts import ModelOverride
    from pytest_aifootprint.impacts.grids import resolve_grid
    from pytest_aifootprint.meters.load_model import validate_hardware
    from pytest_aifootprint.meters.selection import select
    from pytest_aifootprint.reports import report_writer

    for kind, path, value in settings.reports:
        try:
            report_writer(kind).probe(path)
        except ValueError as error:
            raise value.error(str(error)) from None
    text = settings.grid.text
    if text is None:
        text = config.hook.pytest_aifootprint_grid(config=config)
    try:
        grid = resolve_grid(text, os.environ)
    except ValueError as error:
        raise settings.grid.error(str(error)) from None
    try:
        hardware = validate_hardware(settings.hardware)
    except ValueError as error:
        raise option_error("[tool.aifootprint.hardware]", settings.tables_origin, str(error)) from None
    models = {}
    for name, table in settings.models.items():
        try:
            models[name] = ModelOverride.from_table(name, table)
        except ValueError as error:
            raise option_error(f'[tool.aifootprint.models."{name}"]', settings.tables_origin, str(error)) from None
    selection = select(environ=os.environ, hardware=hardware, recorded=settings.recorded_meter)
    return Checked(grid, models, selection)
