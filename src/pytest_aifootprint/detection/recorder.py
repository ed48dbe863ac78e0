"""Where seen calls go: to the owner (a test, or a shared fixture being set up) they ran in.

Context variable first; else the process-wide current owner, with the call marked ``inferred``. A context variable can
be stale (an event loop made in an earlier test keeps that test's context), so an owner that is closed is passed over.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Protocol

from pytest_aifootprint.detection.calls import LOAD, AICall
from pytest_aifootprint.detection.servers import ServerWatch
from pytest_aifootprint.quantities.unfaked import REAL


class Owner(Protocol):
    """Who a call belongs to. The session makes them; detection only appends."""

    calls: list[AICall]
    loads: list[AICall]
    phase: str
    closed: bool
    tally: dict[tuple[object, ...], AICall]


class Pending(Protocol):
    """A call whose answer is not complete yet, such as a stream.

    Attributes:
        of_phase: it waits no longer than the phase that it began in; a stream may be read in the next one.
    """

    @property
    def of_phase(self) -> bool:
        """See above."""

    def finish(self, *, abandoned: bool) -> None:
        """Record the call with what is known. May be called twice; the second time does nothing."""

    def so_far(self) -> AICall | None:
        """The call as far as it is known now, or None if it says nothing before its end."""


class Sink(Protocol):
    """Where calls go in a process that runs no tests: a child of one that does."""

    def take(self, call: AICall) -> None:
        """A call is over."""

    def keep(self, row: AICall) -> None:
        """A row that further calls will be counted in was just taken."""

    def again(self, row: AICall) -> None:
        """One more call, or step of a training, was counted in a row."""

    def waits(self, pending: Pending) -> None:
        """A call waits for the rest of its answer, which may never come."""

    def ended(self, pending: Pending) -> None:
        """It waits no more."""


class Recorder:
    """The one place that detection reports to. One per process, made by the session, handed to every seam."""

    def __init__(self) -> None:
        self.context: ContextVar[Owner | None] = ContextVar("aifootprint_owner", default=None)
        self.current: Owner | None = None
        self.unowned: list[AICall] = []
        self.errors: list[str] = []
        # CPU that watching HTTP calls took, in ns: ours, not the test's. (In-process calls cost less than a clock.)
        self.own_ns = 0
        self.sink: Sink | None = None
        self.forks_to: str | None = None
        # CPU of this process, ns; the session, which knows the children, puts a clock here that has theirs in it.
        self.tree_cpu_ns: Any = REAL.process_time_ns
        # Reads the CPU clocks of local servers; the session sets it where there is somebody to bill.
        self.servers: ServerWatch | None = None
        self._unowned_tally: dict[tuple[object, ...], AICall] = {}
        self.pending: dict[int, tuple[Pending, Owner | None]] = {}

    def owner(self) -> tuple[Owner | None, bool]:
        """The owner of a call that starts now, and whether it was only inferred."""
        owner = self.context.get()
        if owner is not None and not owner.closed:
            return owner, False
        return self.current, self.current is not None

    def record(self, call: AICall, owner: Owner | None, *, inferred: bool) -> None:
        """Give a finished call to its owner; a call outside any window is kept as unowned."""
        if self.sink is not None:
            self.sink.take(call)
            return
        if owner is not None and owner.closed:
            # It was in flight when its test ended, whose record is on its way: better the wrong test than nowhere.
            owner = self.current
            inferred = owner is not None
        call.inferred = inferred
        if owner is None:
            call.phase = "outside"
            self.unowned.append(call)
            return
        call.phase = owner.phase
        (owner.loads if call.operation == LOAD else owner.calls).append(call)

    def tally(self, key: tuple[object, ...], owner: Owner | None, phase: str | None = None) -> AICall | None:
        """The row that equal in-process calls of the owner's current (or that) phase are counted in, if any."""
        if owner is None or self.sink is not None:
            return self._unowned_tally.get(key)
        return owner.tally.get((phase or owner.phase, *key))

    def counted(self, row: AICall) -> None:
        """One more call, or a step, is in a row now."""
        if self.sink is not None:
            self.sink.again(row)

    def start_tally(
        self,
        key: tuple[object, ...],
        call: AICall,
        owner: Owner | None,
        *,
        inferred: bool,
        phase: str | None = None,
    ) -> None:
        """Record the first of possibly many equal in-process calls, which may have been made in an earlier phase."""
        self.record(call, owner, inferred=inferred)
        if self.sink is not None:
            self.sink.keep(call)
        if owner is None or self.sink is not None:
            self._unowned_tally[key] = call
        else:
            mine = (phase or owner.phase, *key)  # mypy takes a star in the index for Python 3.11's
            owner.tally[mine] = call

    def wait_for(self, pending: Pending, owner: Owner | None) -> None:
        """Remember an unfinished call, so that it is not lost if the client stops reading."""
        self.pending[id(pending)] = (pending, owner)
        if self.sink is not None:
            self.sink.waits(pending)

    def done(self, pending: Pending) -> None:
        """The unfinished call has recorded itself."""
        if self.pending.pop(id(pending), None) is not None and self.sink is not None:
            self.sink.ended(pending)

    def flush(self, owner: Owner | None) -> None:
        """Finish what is pending for an owner (None: for all) as abandoned. Called when a test ends."""
        if not self.pending:
            return
        for pending, whose in list(self.pending.values()):
            if owner is None or whose is owner:
                pending.finish(abandoned=True)

    def phase_over(self, owner: Owner) -> None:
        """Count what only waited for more of its phase: forwards that a step of an optimizer might have followed."""
        if self.pending:
            for pending, whose in list(self.pending.values()):
                if whose is owner and pending.of_phase:
                    pending.finish(abandoned=False)

    def forget(self) -> None:
        """In a forked child: what the parent has in hand is the parent's."""
        self.current = None
        self.pending.clear()
        self._unowned_tally.clear()
        self.unowned.clear()

    def error(self, where: str, error: BaseException) -> None:
        """Keep an error of ours for the report: watching never raises into the watched call."""
        self.errors.append(f"{where}: {type(error).__name__}: {error}")
