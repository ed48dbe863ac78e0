from __future__ import annotations

import pytest

from pytest_aifootprint.meters.contract import LoadModel
from pytest_aifootprint.quantities import Range, Watts


@pytest.fixture(scope="session")
def vm() -> LoadModel:
    """2 W per busy CPU second, 0.6 W per idle CPU, 4 CPUs."""
    active, idle = Watts(Range.of(1.1, 2.0, 3.6, "cpu_w")), Watts(Range.of(0.4, 0.6, 1.0, "idle_w"))
    return LoadModel(
        "load model: VM", "no counter", active, idle, 4, includes_ram=True, boundary="wall", source="CCF", machine="vm"
    )
