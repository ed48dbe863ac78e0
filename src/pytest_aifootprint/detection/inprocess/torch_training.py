"""torch: forwards, backwards and steps of optimizers, put together to trainings of networks.

A forward whose result has gradients may be training or not. It waits:

- for a step of an optimizer that holds parameters of the network: then it was training, in whichever mode;
- else for the end of its test or phase. If gradients have come to a network in train mode and no optimizer has stepped
  without it since, they were used by hand (``w -= lr * w.grad``): training, one step for each backward. If not, or in
  eval mode (a saliency map), inference; the backward is part of its time.

A backward and a step are part of the training of the largest of the networks that they were for. No time is counted
twice: what a step's closure runs is taken off the step's own. ``torch.autograd.grad`` trains nothing. Steps inside a
backward (an optimizer for each parameter, in hooks) are not counted, their backward is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import ref

from pytest_aifootprint.detection.inprocess.identity import NOBODY, Subject
from pytest_aifootprint.detection.inprocess.rows import Place, Rows, Span
from pytest_aifootprint.detection.inprocess.torch_identity import ById
from pytest_aifootprint.detection.recorder import Owner, Recorder
from pytest_aifootprint.quantities.unfaked import REAL


class Work:
    """Time spent.

    Attributes:
        started_ns: when the first of it began; 0 for none. duration_ns, cpu_ns: of all of it.
    """

    __slots__ = ("cpu_ns", "duration_ns", "started_ns")

    def __init__(self) -> None:
        self.started_ns = self.duration_ns = self.cpu_ns = 0

    def add(self, started_ns: int, duration_ns: int, cpu_ns: int) -> None:
        """More of it."""
        self.started_ns = self.started_ns or started_ns
        self.duration_ns += duration_ns
        self.cpu_ns += cpu_ns

    def span(self) -> Span:
        """As one span."""
        return Span(self.started_ns, self.started_ns + self.duration_ns, self.cpu_ns)


class Undecided:
    """Forwards of one network, in one thread, phase and mode, that may be training."""

    of_phase = True

    def __init__(self, training: Training, rows: Rows, network: Any, subject: Subject, place: Place) -> None:
        """``training`` is of this thread; ``finish`` may be called from another one."""
        self.network: Callable[[], Any] = ref(network)
        self.subject = subject
        self.mode = bool(network.training)
        self.place = place
        self.work = Work()
        self.backwards = 0
        self.stepped = False
        self._count = 0
        self._samples: int | None = None
        self._recorder = training.recorder
        self._rows = rows
        self._held = training.held
        self._key = id(network)
        self._finishing = threading.Lock()

    def goes_on_with(self, network: Any, subject: Subject, owner: Owner | None, phase: str) -> bool:
        """Whether one more forward belongs here too."""
        place = self.place
        return (
            place.owner is owner
            and place.phase == phase
            and self.network() is network
            and self.subject.identity is subject.identity
            and self.mode == network.training
        )

    def add(self, span: Span, samples: int | None) -> None:
        """One more forward."""
        self._count += 1
        self.work.add(span.started_ns, span.ended_ns - span.started_ns, span.cpu_ns)
        if samples is not None:
            self._samples = samples + (self._samples or 0)

    def trained(self) -> None:
        """A step has come: so far it was training. More may come."""
        if not self._finishing.locked():
            self._settle("training", 1, 0)
            self.work, self.backwards, self._count, self._samples = Work(), 0, 0, None

    def _settle(self, operation: str, steps: int | None, count: int) -> None:
        self._rows.add(
            operation, self.subject, self.work.span(), samples=self._samples, steps=steps, count=count, at=self.place
        )

    def so_far(self) -> None:
        """Whether it is inference or training is known only later."""

    def finish(self, *, abandoned: bool) -> None:
        """No step will come any more."""
        del abandoned
        if not self._finishing.acquire(blocking=False):
            return
        if self._held.get(self._key) is self:
            del self._held[self._key]
        self._recorder.done(self)
        if self.mode and self.backwards:
            self._settle("training", None if self.stepped else self.backwards, 0)
        elif self._count:
            self._settle("inference", None, self._count)


class _Seen:
    """What is known of a network that may be trained.

    Attributes:
        probes: its first and its last parameter that are trained. stepped: an optimizer has trained it.
    """

    def __init__(self, network: Any) -> None:
        trained = [weight for weight in _parameters(network) if weight.requires_grad and weight.is_leaf]
        self.probes = [ref(weight) for weight in (trained[:1] + trained[-1:])]
        self.stepped = False

    def reached(self) -> bool:
        """Whether it has gradients."""
        return any((weight := probe()) is not None and weight.grad is not None for probe in self.probes)


class _Holding:
    """Which networks an optimizer trains."""

    def __init__(self, optimizer: Any) -> None:
        self._groups = len(optimizer.param_groups)
        self._ids = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
        self._verdicts: ById[bool] = ById()
        self.last: Subject = NOBODY

    def is_of(self, optimizer: Any) -> bool:
        """Whether the optimizer is still as it was."""
        return len(optimizer.param_groups) == self._groups

    def has(self, network: Any) -> bool:
        """Whether the optimizer holds a parameter of a network."""
        verdict = self._verdicts.get(network)
        if verdict is None:
            verdict = self._verdicts.put(network, any(id(weight) in self._ids for weight in _parameters(network)))
        return verdict


class Training:
    """What is undecided in one thread.

    Args:
        recorder, rows: where it goes. all_threads: what they know together.
    """

    def __init__(self, recorder: Recorder, rows: Rows, all_threads: Trainings) -> None:
        self.recorder = recorder
        self.rows = rows
        self.held: dict[int, Undecided] = {}
        self._seen = all_threads.seen
        self._holdings = all_threads.holdings
        self._stepping = all_threads.stepping
        self._counted = Work()  # all forwards and backwards of this thread
        self._loose = Work()  # backwards through no network that waits
        self._loose_owner: Owner | None = None
        # Of the step that has begun: when, and what had been counted by then.
        self._step: tuple[int, int, int, int] | None = None

    def hold(self, network: Any, subject: Subject, span: Span, samples: int | None, rows: Rows | None = None) -> None:
        """A forward that may be training, to be counted in the ``rows`` of a library on top of torch, or in torch's."""
        owner, inferred = self.recorder.owner()
        phase = "outside" if owner is None else owner.phase
        held = self.held.get(id(network))
        if held is None or not held.goes_on_with(network, subject, owner, phase):
            if held is not None:
                held.finish(abandoned=True)
            place = Place(owner, inferred, phase)
            held = self.held[id(network)] = Undecided(self, rows or self.rows, network, subject, place)
            self.recorder.wait_for(held, owner)
        held.add(span, samples)
        self.passed(span)

    def passed(self, span: Span) -> None:
        """Time that is counted."""
        self._counted.add(span.started_ns, span.ended_ns - span.started_ns, span.cpu_ns)

    def backward(self, span: Span) -> None:
        """Gradients have come."""
        self.passed(span)
        reached = [held for held in self.held.values() if self._reached(held)]
        for held in reached:
            held.backwards += 1
        work = _largest(reached).work if reached else self._loose_here()
        work.add(span.started_ns, span.ended_ns - span.started_ns, span.cpu_ns)

    def begin_step(self) -> None:
        """An optimizer begins a step."""
        counted = self._counted
        if self._step is None:
            self._stepping.append(None)
        self._step = (REAL.monotonic_ns(), REAL.process_time_ns(), counted.duration_ns, counted.cpu_ns)

    def end_step(self) -> tuple[int, int, int, int] | None:
        """It has ended. None if it is the outer one of two that are one (a wrapper's, or by ``super().step()``)."""
        step, self._step = self._step, None
        if step is not None:
            self._stepping.pop()
        return step

    def step(self, optimizer: Any, step: tuple[int, int, int, int]) -> None:
        """An optimizer has taken a step: what was undecided of its networks was training."""
        counted, loose = self._counted, self._loose_here()
        started_ns, cpu_ns, counted_ns, counted_cpu_ns = step
        loose.add(
            started_ns,
            REAL.monotonic_ns() - started_ns - (counted.duration_ns - counted_ns),
            REAL.process_time_ns() - cpu_ns - (counted.cpu_ns - counted_cpu_ns),
        )
        self._loose = Work()
        holding = self._holdings.get(optimizer)
        if holding is None or not holding.is_of(optimizer):
            holding = self._holdings.put(optimizer, _Holding(optimizer))
        trained = []
        for held in list(self.held.values()):
            network = held.network()
            if network is None:
                continue
            if holding.has(network):
                if not held.stepped:
                    self._of(network).stepped = held.stepped = True
                trained.append(held)
            elif not self._of(network).stepped:
                held.backwards = 0  # its gradients are only passed on
        if not trained:
            self.rows.add("training", holding.last, loose.span(), steps=1, count=0)
            return
        largest = _largest(trained)
        largest.work.add(loose.started_ns, loose.duration_ns, loose.cpu_ns)
        holding.last = largest.subject
        for held in trained:
            held.trained()

    def _loose_here(self) -> Work:
        owner = self.recorder.owner()[0]
        if owner is not self._loose_owner:  # what is left of another test trained nothing
            self._loose, self._loose_owner = Work(), owner
        return self._loose

    def _reached(self, held: Undecided) -> bool:
        network = held.network()
        if network is None:
            return False
        seen = self._of(network)
        held.stepped = seen.stepped
        return seen.reached()

    def _of(self, network: Any) -> _Seen:
        return self._seen.get(network) or self._seen.put(network, _Seen(network))


class Trainings:
    """What is undecided, over all threads.

    Args:
        recorder, rows: where it goes.

    Attributes:
        seen: what is known of networks. holdings: of optimizers. stepping: has an item for each step under way.
    """

    def __init__(self, recorder: Recorder, rows: Rows) -> None:
        self.seen: ById[_Seen] = ById()
        self.holdings: ById[_Holding] = ById()
        self.stepping: list[None] = []
        self._threads = _Threads(lambda: Training(recorder, rows, self))

    @property
    def here(self) -> Training:
        """What is undecided in this thread."""
        return self._threads.here


class _Threads(threading.local):
    def __init__(self, make: Callable[[], Training]) -> None:
        """Runs once in each thread."""
        self.here = make()


def _parameters(network: Any) -> list[Any]:
    try:
        return list(network.parameters())
    except Exception:  # noqa: BLE001 - a method of the user's may raise anything; the notice comes with the identity
        return []


def _largest(held: list[Undecided]) -> Undecided:
    return held[0] if len(held) == 1 else max(held, key=lambda one: one.subject.identity.parameters or 0)
