"""What keras' training loop, and those of ``evaluate`` and ``predict``, work through: batches, samples, epochs.

Batches count when they are done, which keras tells its callbacks. How many samples they had is seen when they are drawn
from the data.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.keras_facts import size_of
from pytest_aifootprint.detection.inprocess.watching import Done
from pytest_aifootprint.detection.patching import Arming


class Work(threading.local):
    """What the outermost ``fit``, ``evaluate`` or ``predict`` of this thread has worked through.

    Attributes:
        fitting: inside a ``fit``, whose validations do not count. steps: batches. samples: None if unknown.
        epochs: that ended.
    """

    fitting = False
    steps = 0
    samples: int | None = 0
    epochs = 0
    _last = -1
    _drawn = 0
    _drawn_samples: int | None = 0

    def start(self) -> None:
        """A new call."""
        self.steps = self.samples = self.epochs = 0
        self.begin()

    def begin(self) -> None:
        """What was drawn so far was only looked at, to build the model. Batches are numbered anew."""
        self._last = -1
        self.undraw()

    def draw(self, data: Any) -> None:
        """A batch: (inputs, targets, weights)."""
        size = size_of(data)
        self._drawn += 1
        self._drawn_samples = None if size is None or self._drawn_samples is None else self._drawn_samples + size

    def undraw(self) -> None:
        """What was drawn is counted, or nobody's."""
        self._drawn = self._drawn_samples = 0

    def done(self, number: int, total: int | None) -> int:
        """Batches up to that number, of those of an epoch, are worked through. Returns how many are new."""
        if self._drawn:
            new, samples = self._drawn, self._drawn_samples
        else:  # inside a graph; batches that are worked through together may be more than there are
            new, samples = min(number, (total or number + 1) - 1) - self._last, None
        self.steps += new
        self.samples = None if samples is None or self.samples is None else self.samples + samples
        self._last = number
        self.undraw()
        return new


def whole_epochs(done: Done, work: Work) -> int | None:
    """The samples of a ``fit`` whose data were drawn inside a graph, where each epoch was all of an array."""
    size, split = size_of(done.argument(0, "x")), done.argument(6, "validation_split")
    if size is None or not work.epochs or done.argument(12, "steps_per_epoch") is not None:
        return None
    if split and done.argument(7, "validation_data") is None:
        size = math.floor(size * (1 - split))
    batches = math.ceil(size / (done.argument(2, "batch_size") or 32))
    return size * work.epochs if work.steps == batches * work.epochs else None


def working(work: Work, original: Callable[..., Any], *, fitting: bool) -> Callable[..., Any]:
    """Counts what a trainer's method works through, from its start."""

    def call(model: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        inside = work.fitting
        if not inside:
            work.start()
        try:
            work.fitting = inside or fitting
            return original(model, *args, **kwargs)
        finally:
            work.fitting = inside

    return call


def watch_batches(library: ModuleType, arming: Arming, work: Work) -> None:
    """Patch keras' list of callbacks, and where its backend draws data from."""
    nesting = arming.nesting
    callbacks = library.src.callbacks.callback_list.CallbackList

    def ended_epoch(*_: Any) -> None:
        work.epochs += 1

    def begins(*_: Any) -> None:
        if not work.fitting:
            work.begin()

    def trained(heard: Any, number: int, *_: Any) -> None:
        nesting.steps += work.done(number, heard.params.get("steps"))

    def inferred(heard: Any, number: int, *_: Any) -> None:
        if work.fitting:  # a validation, or a callback that predicts
            work.undraw()
        else:
            work.done(number, heard.params.get("steps"))

    for name, listener in {
        "on_epoch_begin": lambda *_: work.begin(),
        "on_epoch_end": ended_epoch,
        "on_train_batch_end": trained,
        "on_test_begin": begins,
        "on_test_batch_end": inferred,
        "on_predict_begin": begins,
        "on_predict_batch_end": inferred,
    }.items():
        arming.replace(callbacks, name, _heard_by(listener, arming))
    if library.backend.backend() != "tensorflow":  # which draws inside a graph
        _watch_data(library, arming, work)


def _watch_data(library: ModuleType, arming: Arming, work: Work) -> None:
    iterator = library.src.trainers.epoch_iterator.EpochIterator
    for kind in (iterator, *iterator.__subclasses__()):
        if "_get_iterator" in vars(kind):
            arming.replace(kind, "_get_iterator", lambda original: _drawing(original, arming, work))


def _heard_by(listener: Callable[..., None], arming: Arming) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def tell(callbacks: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if arming.active:
                try:
                    listener(callbacks, *args, *kwargs.values())
                except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                    arming.recorder.error("keras", error)
            return original(callbacks, *args, **kwargs)

        return tell

    return make


def _drawing(original: Any, arming: Arming, work: Work) -> Any:
    def drawn(data: Iterable[Any]) -> Iterator[Any]:
        __tracebackhide__ = True
        for each in data:
            work.draw(each)
            yield each

    def _get_iterator(iterator: Any, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        data = original(iterator, *args, **kwargs)
        return drawn(data) if arming.active else data

    return _get_iterator
