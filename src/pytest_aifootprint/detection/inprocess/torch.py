"""torch: a network's outermost forward is an inference; forwards that lead to an optimizer's step are training.

A forward in train mode under autograd may be either: it waits for a step of an optimizer in its thread, and counts as
inference if none has come when the test ends. Steps count for the network that ran last.
Silent for functional code, and for ``.forward()`` called by hand.
"""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any
from weakref import ref

from pytest_aifootprint.detection.inprocess.identity import NOBODY, Facts, Identity, Subject, Subjects, class_name
from pytest_aifootprint.detection.inprocess.rows import Place, Rows, Span, batch
from pytest_aifootprint.detection.inprocess.watching import Done, outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.quantities.unfaked import REAL


def describe(network: Any, facts: Facts) -> Identity:
    """A name, and the number of parameters (None while some are not made yet)."""
    name = facts.get(lambda: _name(network))
    try:
        size = sum(parameter.numel() for parameter in network.parameters())
    except (AttributeError, ValueError):  # lazy ones have no size before the first forward
        facts.unsettled = True
        size = None
    return Identity(name or class_name(type(network)), size)


def _name(network: Any) -> str:
    """What a hub calls it, else its class."""
    network = getattr(network, "_orig_mod", network)  # what torch.compile has wrapped
    hub = getattr(getattr(network, "config", None), "_name_or_path", None)
    if isinstance(hub, str) and hub:
        return hub.rstrip("/").rsplit("/", 1)[-1] if hub.startswith((".", "/")) else hub
    return class_name(type(network))


class _Undecided:
    """Forwards of one network, in one thread and phase, that may yet turn out to be training."""

    def __init__(self, watch: _Watch, network: Any, subject: Subject, place: Place) -> None:
        self._watch = watch
        self._network = ref(network)
        self._subject = subject
        self._place = place
        self._started_ns = 0
        self._duration_ns = 0
        self._cpu_ns = 0
        self._samples: int | None = None
        self._settling = threading.Lock()
        self.count = 0

    def goes_on_with(self, network: Any, place: Place) -> bool:
        """Whether one more forward belongs here too."""
        return self._network() is network and self._place == place and not self._settling.locked()

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
        self._watch.recorder.done(self)
        self._watch.rows.add(
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


class _Watch(threading.local):
    """What is undecided in each thread. ``__init__`` runs once in each."""

    def __init__(self, recorder: Recorder, rows: Rows) -> None:
        self.recorder = recorder
        self.rows = rows
        self.undecided: _Undecided | None = None

    def hold(self, network: Any, subject: Subject, span: Span, samples: int | None) -> None:
        """A forward that may be training."""
        owner, inferred = self.recorder.owner()
        place = Place(owner, inferred, "outside" if owner is None else owner.phase)
        held = self.undecided
        if held is None or not held.goes_on_with(network, place):
            if held is not None:
                held.finish(abandoned=True)
            held = self.undecided = _Undecided(self, network, subject, place)
            self.recorder.wait_for(held, owner)
        held.add(span, samples)

    def step(self) -> None:
        """An optimizer has taken a step: what was undecided was training."""
        held, self.undecided = self.undecided, None
        if held is None or not held.settle(trained=True):
            now_ns = REAL.monotonic_ns()
            self.rows.add("training", NOBODY, Span(now_ns, now_ns, 0), steps=1, count=0)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch ``nn.Module.__call__`` and hook the optimizers' steps."""
    networks = Subjects(describe)
    rows = Rows(arming.recorder, "torch")
    watch = _Watch(arming.recorder, rows)
    with_grad = library.is_grad_enabled

    def count(network: Any, done: Done, /) -> None:
        subject = networks.of(network)
        samples = batch(done.args[0]) if done.args else None
        if network.training and not done.failed and with_grad():
            watch.hold(network, subject, done.span, samples)
        else:
            rows.add("inference", subject, done.span, samples=samples, failed=done.failed)

    def stepped(*_: Any) -> None:
        if arming.active and not arming.nesting.depth:
            try:
                watch.step()
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                arming.recorder.error("torch", error)

    arming.replace(library.nn.Module, "__call__", lambda original: outermost(arming, "torch", original, count))
    from torch.optim.optimizer import register_optimizer_step_post_hook

    arming.on_undo(register_optimizer_step_post_hook(stepped).remove)
