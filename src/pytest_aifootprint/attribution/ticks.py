"""The ticks of a counter, and the CPU time that every owner had in each of them (method: section 2).

A lane's CPU clock was read at the edges of its spans and at its own ticks; between two of those moments it is taken as
a straight line. A span that crosses a tick's end is cut there, on that line: its pieces add up to what its edges say.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from operator import gt
from typing import Literal

from msgspec import Struct

from pytest_aifootprint.attribution.lanes import PIECE_FIELDS, SPAN_FIELDS, TICK_FIELDS, Lane
from pytest_aifootprint.timeline.readings import CounterReadings

Weight = Literal["cpu", "time"]
Point = tuple[int, int]

_OWNER_BITS = 40


class Grid(Struct):
    """The ticks of a run: ``bounds`` has one entry more than the rest.

    Attributes:
        bounds: ns of CLOCK_MONOTONIC, rising. joules: what the counter took in the tick; None where it said nothing.
        whole: the counter was read at both ends and could always be read in between.
        used: CPU ns of each owner (lane number and owner in one integer, see ``owner_of``), signed.
        plugin: CPU ns of the plugin, signed.
    """

    bounds: list[int]
    joules: list[float | None]
    whole: list[bool]
    used: list[dict[int, int]]
    plugin: list[int]


def owner_of(code: int) -> tuple[int, int]:
    """Number of the lane and owner."""
    return code >> _OWNER_BITS, code & ((1 << _OWNER_BITS) - 1)


def grid_of(readings: CounterReadings, lanes: Sequence[Lane], weight: Weight) -> Grid:
    """Ticks between the readings, and before and after them as far as the lanes reach, with what each owner used."""
    bounds: list[int] = []
    energy: list[float] = []
    for t, joules in zip(readings.t_ns, readings.energy_j, strict=True):
        if not bounds or t > bounds[-1]:
            bounds.append(t)
            energy.append(joules)
    gaps = sorted(gap.t_ns for gap in readings.gaps)
    took: list[float | None] = []
    whole: list[bool] = []
    for i in range(1, len(bounds)):
        joules = energy[i] - energy[i - 1]
        took.append(joules if joules >= 0 else None)
        whole.append(joules >= 0 and bisect_left(gaps, bounds[i - 1]) == bisect_right(gaps, bounds[i]))
    times = [t for lane in lanes for t in extent(lane)]
    if times and (not bounds or min(times) < bounds[0]):
        bounds.insert(0, min(times))
        if len(bounds) > 1:
            took.insert(0, None)
            whole.insert(0, False)
    if times and max(times) > bounds[-1]:
        bounds.append(max(times))
        took.append(None)
        whole.append(False)
    grid = Grid(bounds, took, whole, [{} for _ in took], [0] * len(took))
    _fill(grid, lanes, weight)
    return grid


def used_in(bounds: Sequence[int], lanes: Sequence[Lane], weight: Weight) -> list[dict[int, int]]:
    """Between each two bounds: ns that each owner used (see ``owner_of``), signed. The bounds go round all windows."""
    grid = Grid(list(bounds), [], [], [{} for _ in bounds[1:]], [0] * (len(bounds) - 1))
    _fill(grid, lanes, weight)
    return grid.used


def _fill(grid: Grid, lanes: Sequence[Lane], weight: Weight) -> None:
    for number, lane in enumerate(lanes if grid.used else ()):
        _add_spans(grid, lane, number << _OWNER_BITS, weight)
        _add_pieces(grid, lane, number << _OWNER_BITS, weight)
        if weight == "cpu":
            _add_plugin(grid, lane)


def extent(lane: Lane) -> Iterable[int]:
    """Moments between which all of a lane lies, in ns of CLOCK_MONOTONIC."""
    flat = lane.flat_spans
    if flat:
        yield min(flat[3::SPAN_FIELDS])
        yield max(flat[4::SPAN_FIELDS])
    if lane.flat_pieces:
        yield min(lane.flat_pieces[2::PIECE_FIELDS])
        yield max(lane.flat_pieces[3::PIECE_FIELDS])
    if lane.start_ns and lane.end_ns:
        yield lane.start_ns
        yield lane.end_ns


def _add_spans(grid: Grid, lane: Lane, code: int, weight: Weight) -> None:
    flat, n, bounds, used = lane.flat_spans, SPAN_FIELDS, grid.bounds, grid.used
    starts, ends = flat[3::n], flat[4::n]
    clock0, clock1 = (starts, ends) if weight == "time" else (flat[5::n], flat[6::n])
    at_bounds: list[int] = bounds if weight == "time" else []
    last = len(used) - 1
    i, low, high = 0, bounds[0], bounds[1]
    for owner, sign, t0, t1, c0, c1 in zip(flat[0::n], flat[2::n], starts, ends, clock0, clock1, strict=True):
        if not low <= t0 < high:
            i = min(bisect_right(bounds, t0) - 1, last)
            low, high = bounds[i], bounds[i + 1]
        key = code | owner
        if t1 <= high:
            tick = used[i]
            tick[key] = tick.get(key, 0) + sign * (c1 - c0)
            continue
        at_bounds = at_bounds or _clock_at_bounds(bounds, lane)
        j, before = i, c0
        while t1 > bounds[j + 1]:
            used[j][key] = used[j].get(key, 0) + sign * (at_bounds[j + 1] - before)
            before = at_bounds[j + 1]
            j += 1
        used[j][key] = used[j].get(key, 0) + sign * (c1 - before)


def _add_pieces(grid: Grid, lane: Lane, code: int, weight: Weight) -> None:
    """A piece has no clock to be cut on: it is even over its time."""
    bounds, used = grid.bounds, grid.used
    last = len(used) - 1
    for piece in lane.pieces():
        ns = piece.cpu_ns if weight == "cpu" else piece.time_ns
        t0, length = piece.t0_ns, piece.t1_ns - piece.t0_ns
        key = code | piece.owner
        i, before = min(max(bisect_right(bounds, t0) - 1, 0), last), 0
        while i < last and bounds[i + 1] < piece.t1_ns:
            now = ns * (bounds[i + 1] - t0) // length
            used[i][key] = used[i].get(key, 0) + now - before
            before = now
            i += 1
        used[i][key] = used[i].get(key, 0) + ns - before


def _clock_at_bounds(bounds: list[int], lane: Lane) -> list[int]:
    """The lane's CPU clock at every bound, from the nearest moments before and after it at which it was read."""
    flat, n = lane.flat_spans, SPAN_FIELDS
    first: list[Point | None] = [None] * len(bounds)
    final: list[Point | None] = [None] * len(bounds)
    columns = (
        (flat[3::n], flat[5::n]),
        (flat[4::n], flat[6::n]),
        (lane.flat_ticks[0::TICK_FIELDS], lane.flat_ticks[1::TICK_FIELDS]),
    )
    for times, clocks in columns:
        for point in _outermost(bounds, times, clocks):
            i = max(bisect_right(bounds, point[0]) - 1, 0)
            early, late = first[i], final[i]
            if early is None or point < early:
                first[i] = point
            if late is None or point > late:
                final[i] = point
    before: list[Point | None] = [None]
    for point_or_none in final[:-1]:
        before.append(point_or_none or before[-1])
    after: list[Point | None] = [None] * len(bounds)
    following: Point | None = None
    for i in range(len(bounds) - 1, -1, -1):
        following = after[i] = first[i] or following
    return [_between(a, b, at) for a, b, at in zip(before, after, bounds, strict=True)]


def _outermost(bounds: Sequence[int], times: Sequence[int], clocks: Sequence[int]) -> Iterable[Point]:
    """Of points in the order of their time, the first and the last between each two bounds; else all."""
    if len(times) <= 2 * len(bounds) or any(map(gt, times, islice(times, 1, None))):
        return zip(times, clocks, strict=True)
    edges = [0, *(bisect_left(times, bound) for bound in bounds), len(times)]
    wanted: set[int] = set()
    for low, high in pairwise(edges):
        if low < high:
            # What was read at one moment belongs together.
            wanted.update(range(low, bisect_right(times, times[low])))
            wanted.update(range(bisect_left(times, times[high - 1]), high))
    return [(times[i], clocks[i]) for i in wanted]


def _between(a: Point | None, b: Point | None, at: int) -> int:
    if a is None or b is None:
        return (a or b or (0, 0))[1]
    if b[0] == a[0]:
        return b[1]
    return a[1] + (b[1] - a[1]) * (at - a[0]) // (b[0] - a[0])


def _add_plugin(grid: Grid, lane: Lane) -> None:
    """Spread the plugin's own CPU on straight lines: 0 at the lane's start, its ticks, the whole at its end."""
    bounds = grid.bounds
    start = lane.start_ns or bounds[0]
    end = max(lane.end_ns or bounds[-1], start)
    ticks = zip(lane.flat_ticks[0::TICK_FIELDS], lane.flat_ticks[2::TICK_FIELDS], strict=True)
    points = [(start, 0), *(tick for tick in ticks if start < tick[0] < end), (end, lane.plugin_ns)]
    before, i = 0, 0
    for tick, bound in enumerate(bounds[1:]):
        while i < len(points) and points[i][0] <= bound:
            i += 1
        now = lane.plugin_ns if i == len(points) else _between(points[i - 1] if i else None, points[i], bound)
        grid.plugin[tick] += now - before
        before = now
