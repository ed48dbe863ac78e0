"""Geometry of the HTML page's charts: numbers for its SVG, no text and no colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from msgspec import Struct

WIDTH = 100.0
TERMS = ("ai_tests", "shared_fixtures", "other_tests", "rest")


class Slice(Struct, frozen=True):
    """A part of a bar: where it begins and how wide it is, of ``WIDTH``."""

    name: str
    x: float
    width: float


class Bar(Struct, frozen=True):
    """A bar in slices; ``low`` and ``high`` are the ends of its whisker, None without one."""

    slices: tuple[Slice, ...]
    low: float | None = None
    high: float | None = None


def bar(parts: Iterable[tuple[str, float | None]], whole: float, ends: tuple[float, float] | None = None) -> Bar:
    """A bar of these parts on a scale that ends at ``whole``; what is unknown has no width."""
    slices, x = [], 0.0
    for name, value in parts:
        width = _scaled(value or 0.0, whole)
        if width:
            slices.append(Slice(name, round(x, 3), round(width, 3)))
        x += width
    if ends is None:
        return Bar(tuple(slices))
    return Bar(tuple(slices), round(_scaled(ends[0], whole), 3), round(min(_scaled(ends[1], whole), WIDTH), 3))


def _scaled(value: float, whole: float) -> float:
    return WIDTH * value / whole if whole > 0 else 0.0


def areas(columns: Sequence[tuple[str, Sequence[float]]], most: float, height: float) -> list[tuple[str, str]]:
    """Columns on top of each other as paths of steps, the first at the bottom: name and path.

    A bin is as wide as ``WIDTH`` over their number; ``most`` is as high as ``height``.
    """
    number = len(columns[0][1]) if columns else 0
    base = [0.0] * number
    found = []
    for name, values in columns:
        top = [b + v for b, v in zip(base, values, strict=True)]
        if any(values):
            found.append((name, _steps(base, top, most, height)))
        base = top
    return found


def _steps(base: Sequence[float], top: Sequence[float], most: float, height: float) -> str:
    """A path along the top and back along the base; a level that lasts is one line."""

    def levels(values: Sequence[float]) -> list[tuple[str, int, int]]:
        at = [f"{height - (height * value / most if most else 0.0):.4g}" for value in values]
        groups = [list(group) for _, group in groupby(range(len(at)), key=at.__getitem__)]
        return [(at[group[0]], group[0], group[-1] + 1) for group in groups]

    step = WIDTH / len(top)
    there = "".join(f"V{y}H{end * step:.4g}" for y, _, end in levels(top))
    back = "".join(f"V{y}H{start * step:.4g}" for y, start, _ in reversed(levels(base)))
    return f"M0 {height:.4g}{there}{back}Z"


def ticks(values: Sequence[int]) -> list[Slice]:
    """A mark for each bin with something in it; neighbours are one."""
    step = WIDTH / max(len(values), 1)
    found: list[Slice] = []
    start: int | None = None
    for i, value in enumerate((*values, 0)):
        if value and start is None:
            start = i
        elif not value and start is not None:
            found.append(Slice("", round(start * step, 3), round((i - start) * step, 3)))
            start = None
    return found
