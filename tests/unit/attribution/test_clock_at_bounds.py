"""The lane's clock at moments between its readings: found in a run of many readings as in one of few."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from pytest_aifootprint.attribution.lanes import Lane
from pytest_aifootprint.attribution.ticks import _outermost

STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=7, max_size=60)


@given(STEPS, st.lists(st.integers(0, 60), min_size=2, max_size=3, unique=True).map(sorted), st.integers(1, 3))
def test_first_and_last_reading_between_two_bounds_are_those_of_all(
    steps: list[tuple[int, int]], bounds: list[int], stride: int
) -> None:
    points = [*zip(accumulate(t for t, _ in steps), accumulate(c for _, c in steps), strict=True)]
    points = [point for first in range(stride) for point in points[first::stride]]

    def outermost(found: list[tuple[int, int]]) -> dict[int, tuple[tuple[int, int], tuple[int, int]]]:
        bins: dict[int, list[tuple[int, int]]] = {}
        for point in found:
            bins.setdefault(max(bisect_right(bounds, point[0]) - 1, 0), []).append(point)
        return {i: (min(inside), max(inside)) for i, inside in bins.items()}

    times, clocks = zip(*points, strict=True)
    assert outermost([*_outermost(bounds, times, clocks)]) == outermost(points)


def test_of_many_readings_few_are_looked_at() -> None:
    times = range(0, 10_000, 10)
    assert len([*_outermost([0, 5000, 10_000], times, times)]) == 4


def test_sums_of_owners_are_made_again_when_more_was_booked() -> None:
    lane = Lane("main", "boot")
    lane.add((1, 1, 1, 0, 10, 0, 5))
    assert lane.cpu_ns_by_owner() == {1: 5}
    assert lane.cpu_ns_by_owner() is lane.cpu_ns_by_owner()
    lane.add((2, 1, 1, 10, 20, 5, 8))
    lane.flat_pieces.extend((1, 1, 0, 10, 4, 0))
    assert lane.cpu_ns_by_owner() == {1: 9, 2: 3}
