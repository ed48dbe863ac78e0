"""torch: a network's outermost forward is an inference; forwards that lead to an optimizer's step are training.

A forward in train mode under autograd may be either: it waits for a step of an optimizer in its thread, and counts as
inference if none has come when the test ends. A step counts as one training, of the network that ran last.
Silent for functional code, and for ``.forward()`` called by hand.
"""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary, ref

from pytest_aifootprint.detection.inprocess.rows import Place, Rows, batch
from pytest_aifootprint.detection.inprocess.watching import outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.quantities.unfaked import REAL


class _Networks:
    """Names and sizes of networks: looked up once each, outside the watched call, without keeping them alive."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Any, tuple[str, int | None]] = WeakKeyDictionary()

    def describe(self, network: Any) -> tuple[str, int | None]:
        """A name, and the number of parameters (None while some are not made yet)."""
        known = self._known.get(network)
        if known is not None:
            return known
        name = _name(network)
        try:
            size = sum(parameter.numel() for parameter in network.parameters())
        except (AttributeError, ValueError):  # lazy ones have no size before the first forward
            return name, None
        self._known[network] = name, size
        return name, size


def _name(network: Any) -> str:
    """What a hub calls it, else its class."""
    network = getattr(network, "_orig_mod", network)  # what torch.compile has wrapped
    hub = getattr(getattr(network, "config", None), "_name_or_path", None)
    if isinstance(hub, str) and hub:
        return hub.rstrip("/").rsplit("/", 1)[-1] if hub.startswith((".", "/")) else hub
    kind = type(network)
    return f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"


class _Undecided:
    """Forwards of one network, in one thread and phase, that may yet turn out to be training."""

    def __init__(self, watch: _Watch, network: Any, described: tuple[str, int | None], place: Place) -> None:
        self._watch = watch
        self._network = ref(network)
        self._described = described
        self._place = place
        self._started_ns = 0
        self._duration_ns = 0
        self._samples: int | None = None
        self._settling = threading.Lock()
        self.count = 0

    def goes_on_with(self, network: Any, place: Place) -> bool:
        """Whether one more forward belongs here too."""
        return self._network() is network and self._place == place and not self._settling.locked()

    def add(self, started_ns: int, ended_ns: int, samples: int | None) -> None:
        """One more forward."""
        self.count += 1
        self._started_ns = self._started_ns or started_ns
        self._duration_ns += ended_ns - started_ns
        if samples is not None:
            self._samples = samples + (self._samples or 0)

    def settle(self, operation: str, count: int) -> bool:
        """Count what it turned out to be. False if that was done before."""
        if not self._settling.acquire(blocking=False):
            return False
        self._watch.recorder.done(self)
        name, size = self._described
        self._watch.rows.add(
            operation,
            name,
            self._started_ns,
            self._started_ns + self._duration_ns,
            samples=self._samples,
            parameters=size,
            count=count,
            at=self._place,
        )
        return True

    def so_far(self) -> None:
        """Whether it is inference or training is known only later."""

    def finish(self, *, abandoned: bool) -> None:
        """No step has come: they were inferences."""
        del abandoned
        self.settle("inference", self.count)


class _Watch(threading.local):
    """What is undecided in each thread. ``__init__`` runs once in each."""

    def __init__(self, recorder: Recorder, rows: Rows) -> None:
        self.recorder = recorder
        self.rows = rows
        self.undecided: _Undecided | None = None

    def hold(
        self, network: Any, described: tuple[str, int | None], times: tuple[int, int], samples: int | None
    ) -> None:
        """A forward that may be training."""
        owner, inferred = self.recorder.owner()
        place = Place(owner, inferred, "outside" if owner is None else owner.phase)
        held = self.undecided
        if held is None or not held.goes_on_with(network, place):
            if held is not None:
                held.finish(abandoned=True)
            held = self.undecided = _Undecided(self, network, described, place)
            self.recorder.wait_for(held, owner)
        held.add(*times, samples)

    def step(self) -> None:
        """An optimizer has taken a step: what was undecided was training."""
        held, self.undecided = self.undecided, None
        if held is None or not held.settle("training", 1):
            now_ns = REAL.monotonic_ns()
            self.rows.add("training", None, now_ns, now_ns)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch ``nn.Module.__call__`` and hook the optimizers' steps."""
    networks = _Networks()
    rows = Rows(arming.recorder, "torch")
    watch = _Watch(arming.recorder, rows)
    with_grad = library.is_grad_enabled

    def count(network: Any, /, args: tuple[Any, ...], started_ns: int, ended_ns: int, *, failed: bool) -> None:
        described = networks.describe(network)
        samples = batch(args[0]) if args else None
        if network.training and not failed and with_grad():
            watch.hold(network, described, (started_ns, ended_ns), samples)
        else:
            name, size = described
            rows.add("inference", name, started_ns, ended_ns, samples=samples, parameters=size, failed=failed)

    def stepped(*_: Any) -> None:
        if arming.active and not arming.nesting.depth:
            try:
                watch.step()
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                arming.recorder.error("torch", error)

    arming.replace(library.nn.Module, "__call__", lambda original: outermost(arming, "torch", original, count))
    from torch.optim.optimizer import register_optimizer_step_post_hook

    arming.on_undo(register_optimizer_step_post_hook(stepped).remove)
