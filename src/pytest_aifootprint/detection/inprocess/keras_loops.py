"""keras: training loops of the user's own: a model is called, gradients are taken, an optimizer applies them.

Under torch the loop is torch's business: the call waits with torch's own networks for an optimizer's step, of keras or
of torch. Elsewhere a call with ``training=True`` waits for the next step of an optimizer of keras in its thread. What
no step has followed when its test ends was inference.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol
from weakref import ref

from pytest_aifootprint.detection.inprocess.identity import NOBODY, Subject
from pytest_aifootprint.detection.inprocess.rows import Place, Rows, Span
from pytest_aifootprint.detection.inprocess.torch_identity import ById
from pytest_aifootprint.detection.inprocess.torch_training import Trainings
from pytest_aifootprint.detection.inprocess.watching import Done
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.detection.recorder import Recorder


class Loops(Protocol):
    """Where calls wait that may be training."""

    def may_train(self, done: Done, result: Any) -> bool:
        """Whether a call, with this first of its results, may turn out to be training."""

    def hold(self, model: Any, subject: Subject, span: Span, samples: int | None) -> None:
        """Let a call wait."""

    def step(self, optimizer: Any, done: Done) -> None:
        """An optimizer has applied gradients: that is what ``done`` tells of."""


class _AsTorch:
    """An optimizer of keras, for torch's seam: which weights it has."""

    __slots__ = ("__weakref__", "param_groups")

    def __init__(self, weights: list[Any]) -> None:
        self.param_groups = [{"params": [weight.value for weight in weights]}]


class _TorchLoops:
    """Under torch: its seam knows what gradients and steps are for."""

    def __init__(self, trainings: Trainings, rows: Rows) -> None:
        self._trainings = trainings
        self._rows = rows
        self._optimizers: ById[_AsTorch] = ById()

    def may_train(self, done: Done, result: Any) -> bool:
        return getattr(result, "requires_grad", False) is True and done.kwargs.get("training") is not False

    def hold(self, model: Any, subject: Subject, span: Span, samples: int | None) -> None:
        self._trainings.here.hold(model, subject, span, samples, self._rows)

    def step(self, optimizer: Any, done: Done) -> None:
        known = self._optimizers.get(optimizer)
        if known is None:
            weights = done.argument(1, "trainable_variables") or optimizer._trainable_variables  # noqa: SLF001
            known = self._optimizers.put(optimizer, _AsTorch(list(weights)))
        here = self._trainings.here
        here.begin_step()
        step = here.end_step()
        if step is not None:  # it began when keras's did
            _, cpu_ns, *counted = step
            here.step(known, (done.span.started_ns, cpu_ns - done.span.cpu_ns, counted[0], counted[1]))


class _Undecided:
    """Forwards of one model, in one thread and phase, that may yet turn out to be training."""

    of_phase = True

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


class _OwnLoops(threading.local):
    """Under other backends. ``__init__`` runs once in each thread."""

    def __init__(self, recorder: Recorder, rows: Rows) -> None:
        self._recorder = recorder
        self._rows = rows
        self._held: _Undecided | None = None

    def may_train(self, done: Done, result: Any) -> bool:
        del result
        return done.kwargs.get("training") is True

    def hold(self, model: Any, subject: Subject, span: Span, samples: int | None) -> None:
        owner, inferred = self._recorder.owner()
        place = Place(owner, inferred, "outside" if owner is None else owner.phase)
        held = self._held
        if held is None or not held.goes_on_with(model, subject, place):
            if held is not None:
                held.finish(abandoned=True)
            held = self._held = _Undecided(self._recorder, self._rows, model, subject, place)
            self._recorder.wait_for(held, owner)
        held.add(span, samples)

    def step(self, optimizer: Any, done: Done) -> None:
        del optimizer
        held, self._held = self._held, None
        if held is None or not held.settle(trained=True):
            self._rows.add("training", NOBODY, done.span, steps=1, count=0)


def loops_of(backend: str, arming: Arming, rows: Rows) -> Loops:
    """Those of a backend."""
    trainings = arming.lent.get("torch") if backend == "torch" else None
    return _OwnLoops(arming.recorder, rows) if trainings is None else _TorchLoops(trainings, rows)
