from __future__ import annotations

from array import array

import pytest

from pytest_aifootprint.attribution.idle import busy_at, idle_power
from pytest_aifootprint.meters.contract import LoadModel, MemoryModel, Unreadable
from pytest_aifootprint.quantities import Basis
from pytest_aifootprint.timeline.readings import BusyReadings, CounterReadings

S = 1_000_000_000
TICK = S // 10


def run(powers: list[float], busy_shares: list[float], n_cpu: int = 4) -> tuple[CounterReadings, BusyReadings]:
    """Ticks of 100 ms with these watts and these shares of the machine busy."""
    readings, busy = CounterReadings("cpu", "recorded"), BusyReadings()
    joules = seconds = 0.0
    for i in range(len(powers) + 1):
        readings.t_ns.append(i * TICK)
        readings.energy_j.append(joules)
        busy.t_ns.append(i * TICK)
        busy.busy_s.append(seconds)
        if i < len(powers):
            joules += powers[i] * 0.1
            seconds += busy_shares[i] * 0.1 * n_cpu
    return readings, busy


def test_the_fifth_percentile_of_quiet_ticks(vm: LoadModel) -> None:
    powers = [10.0 + i * 0.01 for i in range(21)]
    readings, busy = run([*powers, *[80.0] * 50], [*[0.01] * 21, *[0.9] * 50])
    idle = idle_power(readings, busy, 4, vm)
    assert idle.power_w == pytest.approx(10.01)
    assert (idle.basis, idle.n) == (Basis.MEASURED, 21)


def test_too_few_quiet_ticks_are_no_percentile_but_a_line(vm: LoadModel) -> None:
    shares = [0.01] * 19 + [0.25, 0.5, 0.75, 1.0]
    readings, busy = run([12.0 + 40.0 * s for s in shares], shares)
    idle = idle_power(readings, busy, 4, vm)
    assert idle.power_w == pytest.approx(12.0)
    assert (idle.basis, idle.n) == (Basis.MODELLED, 23)


@pytest.mark.parametrize(
    ("powers", "shares"),
    [
        ([50.0] * 4, [0.2, 0.4, 0.6, 0.8]),  # four ticks are no line
        ([50.0] * 30, [0.5] * 30),  # nor is a cloud in one place
        ([50.0, 40.0, 30.0, 20.0, 10.0], [0.2, 0.4, 0.6, 0.8, 1.0]),  # power that falls with load
        ([1.0, 20.0, 40.0, 60.0, 80.0], [0.2, 0.4, 0.6, 0.8, 1.0]),  # an intercept below zero
        ([100.0] * 5, [0.2, 0.4, 0.6, 0.8, 1.0]),  # power that load does not move: all of it would be idle
        ([80.0, 30.0, 90.0, 20.0, 85.0], [0.2, 0.4, 0.6, 0.8, 1.0]),  # nor explain
    ],
    ids=["few", "no spread", "falling", "negative", "constant", "unexplained"],
)
def test_where_the_run_does_not_tell_the_model_does(powers: list[float], shares: list[float], vm: LoadModel) -> None:
    idle = idle_power(*run(powers, shares), 4, vm)
    assert idle.power_w == pytest.approx(2.4)
    assert (idle.basis, idle.n, idle.how) == (Basis.MODELLED, 0, "load model: VM")


def test_ticks_with_a_gap_or_too_short_are_left_out(vm: LoadModel) -> None:
    readings, busy = run([10.0] * 20, [0.0] * 20)
    assert idle_power(readings, busy, 4, vm).n == 20
    readings.gaps.append(Unreadable(5 * TICK + 1, "EIO", "none"))
    assert idle_power(readings, busy, 4, vm).n == 0
    readings.gaps.clear()
    readings.t_ns[1] = S // 1000
    assert idle_power(readings, busy, 4, vm).n == 0


def test_without_busy_readings_or_a_model_nothing_is_known() -> None:
    readings, _ = run([10.0] * 30, [0.0] * 30)
    for fallback in (None, MemoryModel("in cpu", None, "CCF")):
        idle = idle_power(readings, BusyReadings(), 4, fallback)
        assert (idle.power_w, idle.basis, idle.n) == (0.0, Basis.ASSUMED, 0)


def test_busy_seconds_between_readings_lie_on_a_line_and_stay_flat_outside() -> None:
    busy = BusyReadings(array("q", [10, 20, 40]), array("d", [1.0, 2.0, 6.0]))
    assert busy_at(busy, [0, 10, 15, 20, 30, 40, 50]) == [1.0, 1.0, 1.5, 2.0, 4.0, 6.0, 6.0]
    assert busy_at(BusyReadings(), [1, 2]) == [0.0, 0.0]
