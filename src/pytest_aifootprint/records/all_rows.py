"""A row for every test, where the user asked for that: of those of which only their cost is to be told, made when read.

100,000 finished rows take 290 MB, and most reports read them once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import overload

from pytest_aifootprint.records.collector import EveryTest
from pytest_aifootprint.records.model import TestFootprint
from pytest_aifootprint.records.raw import TestRun

_AT_A_TIME = 64


class AllRows(Sequence[TestFootprint]):
    """The rows of a run in order.

    Attributes:
        telling: those of which more is to be told than what they cost.
    """

    def __init__(self, telling: Mapping[int, TestFootprint], number: int, make: Callable[[int], TestFootprint]) -> None:
        """Take the finished rows by their place, how many there are in all, and what makes one of the others."""
        self.telling = tuple(telling.values())
        self._made = telling
        self._number = number
        self._make = make

    def __len__(self) -> int:
        """How many."""
        return self._number

    def __iter__(self) -> Iterator[TestFootprint]:
        """Each in turn. Some are made at a time: in turns with what the reader does, each took a fifth longer."""
        made, make = self._made, self._make
        for first in range(0, self._number, _AT_A_TIME):
            yield from [made.get(n) or make(n) for n in range(first, min(first + _AT_A_TIME, self._number))]

    @overload
    def __getitem__(self, place: int) -> TestFootprint: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[TestFootprint]: ...
    def __getitem__(self, place: int | slice) -> TestFootprint | Sequence[TestFootprint]:
        """One of them, or several."""
        places = range(self._number)[place]
        if isinstance(places, range):
            return tuple(self[one] for one in places)
        return self._made.get(places) or self._make(places)


def rows_of_all(every: EveryTest, row_of: Callable[[TestRun], TestFootprint], *, all_told: bool) -> AllRows:
    """The rows of every test; ``all_told``: of any there may be a notice."""
    kept = {n: run for n in range(len(every)) if (run := every.run(n) if all_told else every.kept(n)) is not None}
    return AllRows({n: row_of(run) for n, run in kept.items()}, len(every), lambda n: row_of(every.run(n)))
