"""JAX: the steps of optax's optimizers. There is no model object, and what is compiled runs without any Python.

A step outside ``jax.jit`` is counted each time; its time is that of applying the updates, the gradients' is not known.
One inside is met once, when it is traced: that is a training whose steps and time are unknown, with a notice. Inference
is not seen. Why not more: docs/explanation/detection-in-process.md.
"""

from __future__ import annotations

import sys
from collections import Counter
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import Identity, Subject
from pytest_aifootprint.detection.inprocess.rows import Rows, Span
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.unfaked import REAL

UNSEEN = "steps-unseen"


class _Optax:
    """Watches one import of optax."""

    def __init__(self, arming: Arming) -> None:
        jax = sys.modules["jax"]
        self._arming = arming
        self._rows = Rows(arming.recorder, "optax")
        self._flatten = jax.tree_util.tree_flatten
        self._tracer = jax.core.Tracer
        self._subjects: dict[tuple[object, ...], Subject] = {}
        self._identities: dict[tuple[object, ...], Identity] = {}

    def apply_updates(self, original: Any) -> Any:
        """The function that ends each step: weights and updates in, new weights out."""
        arming = self._arming

        def apply_updates(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if not arming.active:
                return original(*args, **kwargs)
            started_ns, cpu_ns = REAL.monotonic_ns(), REAL.process_time_ns()
            result = original(*args, **kwargs)
            try:
                self._stepped(result, Span(started_ns, REAL.monotonic_ns(), REAL.process_time_ns() - cpu_ns))
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                arming.recorder.error("optax", error)
            return result

        return apply_updates

    def _stepped(self, weights: Any, span: Span) -> None:
        leaves, kind = self._flatten(weights)
        traced = any(isinstance(leaf, self._tracer) for leaf in leaves)
        if self._arming.nesting.depth:
            self._arming.nesting.steps += not traced
            return
        # Models have no name and no object here: those of one shape are taken for one.
        key = (kind, traced, *[getattr(leaf, "shape", None) for leaf in leaves])
        subject = self._subjects.get(key)
        if subject is None:
            subject = self._subjects[key] = self._look(leaves, traced=traced)
        if traced:
            now_ns = span.ended_ns  # tracing is no training
            self._rows.add("training", subject, Span(now_ns, now_ns, 0), count=0, notice=UNSEEN)
        else:
            self._rows.add("training", subject, span, steps=1, count=0)

    def _look(self, leaves: list[Any], *, traced: bool) -> Subject:
        sizes: Counter[str] = Counter()
        for leaf in leaves:
            sizes[str(leaf.dtype)] += leaf.size
        precision = sizes.most_common(1)[0][0] if sizes else None
        found = (None, sum(sizes.values()), precision, None if traced else _device(leaves))
        # Other shapes may add up to the same: rows are by identity.
        identity = self._identities.setdefault(found, Identity(*found))
        return Subject(identity, lambda: None)


def _device(leaves: list[Any]) -> str | None:
    device = getattr(leaves[0], "device", None) if leaves else None
    platform = getattr(device, "platform", None)  # one that is spread over devices has none
    if platform is None or platform == "cpu":
        return platform
    return f"{'cuda' if platform == 'gpu' else platform}:{getattr(device, 'id', 0)}"


def install(library: ModuleType, arming: Arming) -> None:
    """Patch ``optax.apply_updates``, by which flax's training states step too."""
    arming.replace(library, "apply_updates", _Optax(arming).apply_updates)  # type: ignore[arg-type]
