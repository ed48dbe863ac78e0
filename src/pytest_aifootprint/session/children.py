"""Children that live from one test to the next: while no window is open they work for whoever started them."""

from __future__ import annotations

from array import array

from pytest_aifootprint.attribution.cputree import CpuTree
from pytest_aifootprint.attribution.proc import Key


class Children:
    """Who started which child, and what the children used between two tests (method: section 1).

    Attributes:
        flat_pieces: the fields of ``lanes.Piece``, for the lane of this process.
    """

    def __init__(self, tree: CpuTree) -> None:
        """Take the tree whose last look is asked."""
        self._tree = tree
        self._starter: dict[Key, int] = {}
        self._before: dict[Key, int] = {}
        self._since_ns = 0
        self.flat_pieces: array[int] = array("q")

    def test_over(self, owner: int, t_ns: int | None) -> None:
        """A test is over. ``t_ns``: the edge at which with it the last window closed; None if others are open."""
        if self._tree.busy:
            self.started_by(owner)
            if t_ns is not None:
                self._before, self._since_ns = self._tree.by_child_ns(), t_ns
        elif t_ns is not None:
            self._before = {}

    def started_by(self, owner: int) -> None:
        """Children that nobody was seen to start before this edge are this owner's: a fixture's, else a test's."""
        if self._tree.busy:
            for key in self._tree.by_child_ns():
                self._starter.setdefault(key, owner)

    def window_again(self, t_ns: int) -> None:
        """A window opens at this edge: what living children used since the last one closed is their starters'."""
        if not self._before:
            return
        now = self._tree.by_child_ns()
        for key, ns in self._before.items():
            used = now.get(key, ns) - ns
            owner = self._starter.get(key)
            if used > 0 and owner is not None:
                self.flat_pieces.extend((owner, 0, self._since_ns, t_ns, used, 0))
        self._before = {}
        for key in [key for key in self._starter if key not in now]:
            del self._starter[key]
