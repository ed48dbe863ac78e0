"""The two idle levels of a card."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_aifootprint.attribution.gpu_curve import COUNTED, Curve
from pytest_aifootprint.attribution.gpu_idle import gpu_idle
from pytest_aifootprint.meters.gpu import GpuSignals
from pytest_aifootprint.quantities import Basis

S = 10**9


def card(seconds: float, watts: Callable[[float], float], load: Callable[[float], int]) -> tuple[Curve, GpuSignals]:
    curve, signals = Curve([0]), GpuSignals()
    for i in range(round(seconds * 50)):
        t = i / 50
        curve.t_ns.append(round((t + 0.02) * S))
        curve.joules.append(watts(t) * 0.02)
        curve.kind.append(COUNTED)
    for i in range(round(seconds * 10) + 1):
        signals.load_t_ns.append(round(i / 10 * S))
        signals.load_percent.append(load(i / 10))
    return curve, signals


def ours_from(second: float) -> Callable[[int], bool]:
    return lambda t_ns: t_ns >= second * S


def test_bare_and_held_are_told_apart_by_our_context() -> None:
    curve, signals = card(20, lambda t: 76 if t < 5 else 122 if t < 10 else 700, lambda t: 0 if t < 10 else 100)
    levels = gpu_idle(curve, signals, ours_from(5))
    assert levels.bare_w == pytest.approx(76)
    assert levels.held_w == pytest.approx(122)
    assert levels.basis is Basis.MEASURED


def test_what_runs_at_a_constant_low_power_is_not_idle() -> None:
    curve, signals = card(20, lambda t: 90 if t < 18 else 120, lambda t: 30 if t < 18 else 0)
    assert gpu_idle(curve, signals, ours_from(0)).held_w == pytest.approx(120, abs=1)


def test_load_that_shows_only_later_counts_for_the_moment_before() -> None:
    # The driver's load is of the last moments: work that began at 5.0 s shows at 5.5 s.
    curve, signals = card(10, lambda t: 76 if t < 5 else 20, lambda t: 0 if t < 5.5 else 100)
    assert gpu_idle(curve, signals, ours_from(99)).bare_w == pytest.approx(76)


def test_a_counter_in_steps_does_not_make_idle_zero() -> None:
    # Read as often as it steps, it shows no step in some ticks and two in others.
    curve, signals = card(10, lambda t: 0 if round(t * 50) % 2 else 152, lambda _: 0)
    assert gpu_idle(curve, signals, ours_from(99)).bare_w == pytest.approx(76, rel=0.03)


def test_without_a_bare_moment_the_held_level_stands_in_and_says_so() -> None:
    curve, signals = card(10, lambda _: 122, lambda _: 0)
    levels = gpu_idle(curve, signals, ours_from(0))
    assert levels.bare_w == pytest.approx(122)
    assert levels.basis is Basis.ASSUMED
    assert "no moment without one" in levels.how


@pytest.mark.parametrize("load", [100, -1])
def test_a_card_that_never_rests_or_does_not_say_has_no_idle(load: int) -> None:
    curve, signals = card(10, lambda _: 400, lambda _: load)
    levels = gpu_idle(curve, signals, ours_from(0))
    assert levels.bare_w == 0
    assert levels.basis is Basis.ASSUMED


def test_a_moment_in_doubt_belongs_to_neither_level() -> None:
    curve, signals = card(15, lambda t: 76 if t < 5 else 10 if t < 7 else 122, lambda _: 0)
    levels = gpu_idle(curve, signals, lambda t_ns: None if 5 * S <= t_ns < 7 * S else t_ns >= 7 * S)
    assert levels.bare_w == pytest.approx(76)
    assert levels.held_w == pytest.approx(122)
