"""torch: a network's outermost forward is an inference; forwards that lead to an optimizer's step are training.

A forward in train mode under autograd may be either: it waits for a step of an optimizer in its thread, and counts as
inference if none has come when the test ends. Steps count for the network that ran last.
Silent for functional code, and for ``.forward()`` called by hand.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import NOBODY, Facts, Identity, Subjects, class_name
from pytest_aifootprint.detection.inprocess.rows import Rows, Span, batch
from pytest_aifootprint.detection.inprocess.undecided import Forwards
from pytest_aifootprint.detection.inprocess.watching import Done, outermost
from pytest_aifootprint.detection.patching import Arming
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


def install(library: ModuleType, arming: Arming) -> None:
    """Patch ``nn.Module.__call__`` and hook the optimizers' steps."""
    networks = Subjects(describe)
    rows = Rows(arming.recorder, "torch")
    forwards = Forwards.of(arming)
    with_grad = library.is_grad_enabled

    def count(network: Any, done: Done, /) -> None:
        subject = networks.of(network)
        samples = batch(done.args[0]) if done.args else None
        if network.training and not done.failed and with_grad():
            forwards.hold(rows, network, subject, done.span, samples)
        else:
            rows.add("inference", subject, done.span, samples=samples, failed=done.failed)

    def stepped(*_: Any) -> None:
        if arming.active and not arming.nesting.depth:
            try:
                if not forwards.step():
                    now_ns = REAL.monotonic_ns()
                    rows.add("training", NOBODY, Span(now_ns, now_ns, 0), steps=1, count=0)
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                arming.recorder.error("torch", error)

    arming.replace(library.nn.Module, "__call__", lambda original: outermost(arming, "torch", original, count))
    from torch.optim.optimizer import register_optimizer_step_post_hook

    arming.on_undo(register_optimizer_step_post_hook(stepped).remove)
