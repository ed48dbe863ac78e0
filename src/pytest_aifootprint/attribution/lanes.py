"""What a process that runs tests leaves behind: spans of CPU time with their owners, flat and cheap.

A lane is one process: the only one, or one xdist worker. A span says that from ``t0`` to ``t1`` the process worked for
an owner, and what its CPU clock said at both edges. Owners are integers, counted up within the lane: a test, or one
set-up or teardown of a fixture of wider than function scope. A fixture's span lies inside the span of the test that
happened to trigger it; that test gets the same span again with sign -1, so a sum over spans counts every nanosecond
once.

The CPU clock of a lane is ``Tree(t)`` (method: section 1) minus what this plugin itself used.

A piece is what no clock reading at an owner's own edges can say: its part of a stretch in which several tests ran at
the same time, the CPU of a server that is not our child, a child's CPU while no window was open.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct, field

SPAN_FIELDS = 7
PIECE_FIELDS = 6
TICK_FIELDS = 3
PHASES = ("setup", "call", "teardown")
CALL, TEARDOWN = 1, 2
UNNAMED = -2
"""The owner of the spans of all tests of a lane of which no report will ever speak by name."""


class Span(NamedTuple):
    """One span; times in ns of CLOCK_MONOTONIC, ``c`` in ns of the lane's CPU clock."""

    owner: int
    phase: int
    sign: int
    t0_ns: int
    t1_ns: int
    c0_ns: int
    c1_ns: int


class Piece(NamedTuple):
    """CPU ns that ran for an owner between two moments, evenly; and how much of that time was its own.

    ``time_ns`` is what a device divided by time (a GPU) or reserved by time goes by: 0 where the owner has a span then.
    """

    owner: int
    phase: int
    t0_ns: int
    t1_ns: int
    cpu_ns: int
    time_ns: int


class Tick(NamedTuple):
    """The lane's CPU clock and the plugin's own CPU at a moment; taken only where a counter is sampled.

    ``plugin_ns`` counts up from 0 at the lane's start, on the clock that ends at ``Lane.plugin_ns``.
    """

    t_ns: int
    cpu_ns: int
    plugin_ns: int


class Lane(Struct):
    """The spans of one process.

    Attributes:
        worker: ``main``, ``gw0``, ... boot_id: of its kernel: lanes of another host are domains of their own.
        start_ns, end_ns: CLOCK_MONOTONIC when metering started and ended in this process.
        plugin_ns: CPU that this plugin used in this process, in no span.
    """

    worker: str
    boot_id: str
    start_ns: int = 0
    end_ns: int = 0
    plugin_ns: int = 0
    flat_spans: array[int] = field(default_factory=lambda: array("q"))
    flat_ticks: array[int] = field(default_factory=lambda: array("q"))
    flat_pieces: array[int] = field(default_factory=lambda: array("q"))
    _summed: tuple[tuple[int, int], dict[int, int]] | None = None

    def add(self, span: Span | tuple[int, int, int, int, int, int, int]) -> None:
        """Append one span."""
        self.flat_spans.extend(span)

    def spans(self) -> Iterator[Span]:
        """All spans in the order they were added."""
        flat = self.flat_spans
        for i in range(0, len(flat), SPAN_FIELDS):
            yield Span(*flat[i : i + SPAN_FIELDS])

    def pieces(self) -> Iterator[Piece]:
        """All pieces in the order they were added."""
        flat = self.flat_pieces
        for i in range(0, len(flat), PIECE_FIELDS):
            yield Piece(*flat[i : i + PIECE_FIELDS])

    def ticks(self) -> Iterator[Tick]:
        """All ticks in time order."""
        flat = self.flat_ticks
        for i in range(0, len(flat), TICK_FIELDS):
            yield Tick(*flat[i : i + TICK_FIELDS])

    def cpu_ns_by_owner(self) -> Mapping[int, int]:
        """CPU ns of every owner: the signed sum of its spans, and its pieces. Several ask; it is made once."""
        lengths = len(self.flat_spans), len(self.flat_pieces)
        if self._summed is None or self._summed[0] != lengths:
            self._summed = lengths, self._sum()
        return self._summed[1]

    def _sum(self) -> dict[int, int]:
        flat, n = self.flat_spans, SPAN_FIELDS
        cpu: dict[int, int] = {}
        # Columns instead of spans: half a million spans are summed at the end of a run.
        for owner, sign, c0, c1 in zip(flat[0::n], flat[2::n], flat[5::n], flat[6::n], strict=True):
            cpu[owner] = cpu.get(owner, 0) + sign * (c1 - c0)
        for piece in self.pieces():
            cpu[piece.owner] = cpu.get(piece.owner, 0) + piece.cpu_ns
        return cpu

    def time_ns_by_owner(self) -> dict[int, int]:
        """Wall ns of every owner: the signed sum of its spans, and its own time in pieces."""
        time: dict[int, int] = {}
        for span in self.spans():
            time[span.owner] = time.get(span.owner, 0) + span.sign * (span.t1_ns - span.t0_ns)
        for piece in self.pieces():
            time[piece.owner] = time.get(piece.owner, 0) + piece.time_ns
        return time
