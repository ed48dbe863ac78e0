"""Prices before the run is over, with what was declared of the data centre."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.servers import UNSEEN
from pytest_aifootprint.impacts import resolve_grid
from pytest_aifootprint.meters.selection import select
from pytest_aifootprint.quantities import Range
from pytest_aifootprint.records.raw import TestRun
from pytest_aifootprint.session.pricing import Pricing

S = 1_000_000_000
G_PER_J = 100 / 3.6e6


def pricing(root: Path, hardware: Mapping[str, object]) -> Pricing:
    """Of a machine of which nothing is known but what is declared; 100 g/kWh."""
    selection = select(root=root, environ={}, hardware=hardware)
    return Pricing(resolve_grid("100 g/kWh", {}), {}, selection, {})


def a_test_of_ten_cpu_seconds() -> TestRun:
    run = TestRun(1, "test_it")
    run.edges = [1, 1, 0, 20 * S, 0, 10 * S]
    return run


def sure(value: Range | None) -> Range:
    assert value is not None
    return value


@pytest.mark.parametrize(("pue", "expected"), [(None, 1.15), (1.5, 1.5)])
def test_the_load_models_pue_is_inside_its_joules_and_out_of_the_sites_water(
    tmp_path: Path, pue: float | None, expected: float
) -> None:
    declared = {"machine": "vm", "wue_l_per_kwh": 2} | ({} if pue is None else {"pue": pue})
    cost = pricing(tmp_path, declared).direct(a_test_of_ten_cpu_seconds())

    joules = cost.energy.by_domain["cpu"].central
    assert joules == pytest.approx(10 * 2.0 * expected)
    assert sure(cost.carbon.use).central == pytest.approx(joules * G_PER_J)
    assert cost.water.site.central == pytest.approx(joules / expected * 2 / 3.6e6)


def test_without_a_pue_the_sites_water_is_that_of_all_joules(tmp_path: Path) -> None:
    declared = {"machine": "vm", "watts_per_cpu_second": 3, "wue_l_per_kwh": 2}
    cost = pricing(tmp_path, declared).direct(a_test_of_ten_cpu_seconds())

    assert cost.water.site.central == pytest.approx(30 * 2 / 3.6e6)


def test_what_a_server_here_is_estimated_to_use_gets_the_declared_pue(tmp_path: Path) -> None:
    call = AICall(
        "chat", "httpx", "local", "live", 0, 1, provider="local", model="llama-3.1-8b-instant", input_tokens=100,
        output_tokens=200, status=200, host="localhost:11434", notices=(UNSEEN,),
    )  # fmt: skip
    impact = pricing(tmp_path, {"pue": 1.5, "wue_l_per_kwh": 2}).pricer.call(call)

    joules = sure(impact.energy_j).central
    assert sure(impact.use_carbon_g).central == pytest.approx(1.5 * joules * G_PER_J)
    assert sure(impact.water_site_l).central == pytest.approx(joules * 2 / 3.6e6)
