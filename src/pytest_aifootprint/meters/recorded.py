"""A meter that plays a script: the truth is known, so every joule that a test gets can be checked.

The file is JSON::

    {"domains": {"cpu": [[0, 0.0], [3000000000, 30.0],
                         [4000000000, {"reason": "unplugged", "remedy": "plug it in"}],
                         [5000000000, 50.0]],
                 "gpu0": [[0, 0.0], [5000000000, 1500.0]]},
     "busy_s": [[0, 0.0], [5000000000, 4.0]],
     "cards": {"gpu0": "NVIDIA L4"},
     "relative": true}

Times are nanoseconds, ascending; joules and busy seconds never fall. Between two points values are interpolated
linearly; between a point and an unreadable one, and before the first and after the last, the meter is unreadable. With
``relative`` (the default) time 0 is the first time that any meter of the script is asked, otherwise that of the clock.
``cards`` (optional) names a domain's card, as its driver would.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import Struct

from pytest_aifootprint.meters.contract import Reading, Unreadable
from pytest_aifootprint.quantities import Basis

_KEYS = ("domains", "busy_s", "cards", "relative")
_OUTSIDE = Unreadable(0, "the script of the recorded meter does not reach this moment", "add points to the script")


class Point(Struct, frozen=True):
    """A moment of the script, and what is read then."""

    t_ns: int
    value: float | Unreadable


class Recording:
    """A script, and the clock that all its meters share.

    Args:
        domains: domain to its points. busy: the machine's busy CPU seconds, if scripted. cards: their names, by domain.
        relative: time 0 is the first time that anything is read. clock: CLOCK_MONOTONIC in ns.

    Raises:
        ValueError: points out of order, or a value that falls.
    """

    def __init__(
        self,
        domains: Mapping[str, Sequence[Point]],
        busy: Sequence[Point] = (),
        *,
        relative: bool = True,
        clock: Callable[[], int] = time.monotonic_ns,
        cards: Mapping[str, str] | None = None,
    ) -> None:
        for name, points in (*domains.items(), ("busy_s", busy)):
            _check(name, points)
        self._busy = busy
        self._clock = clock
        self._origin_ns: int | None = None if relative else 0
        self.meters = tuple(
            RecordedMeter(domain, points, self.now, (cards or {}).get(domain, "")) for domain, points in domains.items()
        )

    def now(self) -> tuple[int, int]:
        """The clock, and the time in the script, both in ns."""
        t_ns = self._clock()
        if self._origin_ns is None:
            self._origin_ns = t_ns
        return t_ns, t_ns - self._origin_ns

    @property
    def busy_s(self) -> Callable[[], float | None] | None:
        """Reads the scripted busy CPU seconds of the machine; None where none are scripted."""
        return self._read_busy if self._busy else None

    def _read_busy(self) -> float | None:
        value = _at(self._busy, self.now()[1])
        return None if isinstance(value, Unreadable) else value


class RecordedMeter:
    """One domain of a recording; ``card``: its name, "" for what is none."""

    name = "recorded"
    basis = Basis.MEASURED

    def __init__(
        self, domain: str, points: Sequence[Point], now: Callable[[], tuple[int, int]], card: str = ""
    ) -> None:
        self.domain = domain
        self.card = card
        self.reason = f"recorded meter, {len(points)} points"
        self._points = points
        self._now = now

    def read(self) -> Reading | Unreadable:
        """What the script says now."""
        t_ns, script_ns = self._now()
        value = _at(self._points, script_ns)
        return Unreadable(t_ns, value.reason, value.remedy) if isinstance(value, Unreadable) else Reading(t_ns, value)

    def close(self) -> None:
        """Nothing is held open."""


def load_recording(path: Path, *, clock: Callable[[], int] = time.monotonic_ns) -> Recording:
    """Read a script.

    Raises:
        ValueError: what is wrong with the file, in one line that names it. OSError: it cannot be read.
    """
    try:
        return _recording(json.loads(path.read_text(encoding="utf-8")), clock)
    except (ValueError, TypeError, KeyError) as e:
        raise ValueError(f"recorded meter {path}: {e}") from e


def _recording(data: Any, clock: Callable[[], int]) -> Recording:
    if not isinstance(data, dict) or not isinstance(data.get("domains"), dict):
        raise ValueError('it needs an object "domains"')  # noqa: TRY004 - the content is wrong, not our type
    unknown = sorted(set(data) - set(_KEYS))
    if unknown:
        raise ValueError(f"unknown keys {unknown}, valid: {', '.join(_KEYS)}")
    domains = {name: [_point(p) for p in points] for name, points in data["domains"].items()}
    busy = [_point(p) for p in data.get("busy_s", ())]
    cards = data.get("cards", {})
    if not isinstance(cards, dict) or not all(name in domains and isinstance(c, str) for name, c in cards.items()):
        raise ValueError(f'"cards" must give names to domains of the script, got {cards!r}')
    return Recording(domains, busy, relative=bool(data.get("relative", True)), clock=clock, cards=cards)


def _point(pair: Any) -> Point:
    t_ns, value = pair
    if value is None or isinstance(value, dict):
        said = value or {}
        return Point(int(t_ns), Unreadable(0, said.get("reason", "scripted"), said.get("remedy", "nothing to do")))
    return Point(int(t_ns), float(value))


def _check(name: str, points: Sequence[Point]) -> None:
    for before, after in pairwise(points):
        if after.t_ns <= before.t_ns:
            raise ValueError(f"{name}: times must ascend, {after.t_ns} follows {before.t_ns}")
    values = [p.value for p in points if not isinstance(p.value, Unreadable)]
    if any(after < before for before, after in pairwise(values)):
        raise ValueError(f"{name}: values must not fall")


def _at(points: Sequence[Point], t_ns: int) -> float | Unreadable:
    i = bisect_right(points, t_ns, key=lambda p: p.t_ns) - 1
    if i < 0:
        return _OUTSIDE
    left = points[i]
    if isinstance(left.value, Unreadable) or left.t_ns == t_ns:
        return left.value
    if i + 1 == len(points):
        return _OUTSIDE
    right = points[i + 1]
    if isinstance(right.value, Unreadable):
        return right.value
    return left.value + (right.value - left.value) * ((t_ns - left.t_ns) / (right.t_ns - left.t_ns))
