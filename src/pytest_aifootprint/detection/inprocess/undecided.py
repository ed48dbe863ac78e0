"""Forwards that may turn out to be training: they wait for a step of an optimizer in their thread.

The optimizer need not be the model's library's (a keras model may be trained by one of torch), so all share one waiting
room. What no step has followed when the test ends was inference.
"""

from __future__ import annotations

import threading
from typing import Any
from weakref import ref

from pytest_aifootprint.detection.inprocess.identity import Subject
from pytest_aifootprint.detection.inprocess.rows import Place, Rows, Span
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.detection.recorder import Recorder


class _Undecided:
    """Forwards of one model, in one thread and phase, that may yet turn out to be training."""

    def __init__(self, recorder: Recorder, rows: Rows, model: Any, subject: Subject, place: Place) -> None:
        self._recorder = recorder
        self._rows = rows
        self._model = ref(model)
        self._subject = subject
        self._identity = subject.identity
        self._place = place
        self._started_ns = 0
        self._duration_ns = 0
        self._cpu_ns = 0
        self._samples: int | None = None
        self._settling = threading.Lock()
        self.count = 0

    def goes_on_with(self, model: Any, subject: Subject, place: Place) -> bool:
        """Whether one more forward belongs here too. A model that was quantised meanwhile is another one."""
        same = self._model() is model and self._identity is subject.identity
        return same and self._place == place and not self._settling.locked()

    def add(self, span: Span, samples: int | None) -> None:
        """One more forward."""
        self.count += 1
        self._started_ns = self._started_ns or span.started_ns
        self._duration_ns += span.ended_ns - span.started_ns
        self._cpu_ns += span.cpu_ns
        if samples is not None:
            self._samples = samples + (self._samples or 0)

    def settle(self, *, trained: bool) -> bool:
        """Count what it turned out to be. False if that was done before."""
        if not self._settling.acquire(blocking=False):
            return False
        self._recorder.done(self)
        self._rows.add(
            "training" if trained else "inference",
            self._subject,
            Span(self._started_ns, self._started_ns + self._duration_ns, self._cpu_ns),
            samples=self._samples,
            steps=1 if trained else None,
            count=0 if trained else self.count,
            at=self._place,
        )
        return True

    def so_far(self) -> None:
        """Whether it is inference or training is known only later."""

    def finish(self, *, abandoned: bool) -> None:
        """No step has come: they were inferences."""
        del abandoned
        self.settle(trained=False)


class Forwards(threading.local):
    """What is undecided in each thread. ``__init__`` runs once in each."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._held: _Undecided | None = None

    @classmethod
    def of(cls, arming: Arming) -> Forwards:
        """The one that all frameworks of a session share."""
        shared: Forwards = arming.lent.setdefault("forwards", cls(arming.recorder))
        return shared

    def hold(self, rows: Rows, model: Any, subject: Subject, span: Span, samples: int | None) -> None:
        """A forward that may be training, to be counted in the rows of its framework."""
        owner, inferred = self._recorder.owner()
        place = Place(owner, inferred, "outside" if owner is None else owner.phase)
        held = self._held
        if held is None or not held.goes_on_with(model, subject, place):
            if held is not None:
                held.finish(abandoned=True)
            held = self._held = _Undecided(self._recorder, rows, model, subject, place)
            self._recorder.wait_for(held, owner)
        held.add(span, samples)

    def step(self) -> bool:
        """An optimizer has taken a step: what was undecided was training. False if nothing was."""
        held, self._held = self._held, None
        return held is not None and held.settle(trained=True)
