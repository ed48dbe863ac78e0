"""Named pure functions from quantities to footprints, and the ``Pricer`` that a session asks."""

from pytest_aifootprint.impacts.contract import CallImpact, Grid, Training
from pytest_aifootprint.impacts.grids import resolve_grid
from pytest_aifootprint.impacts.overrides import ModelOverride
from pytest_aifootprint.impacts.pricer import Pricer

__all__ = ["CallImpact", "Grid", "ModelOverride", "Pricer", "Training", "resolve_grid"]
