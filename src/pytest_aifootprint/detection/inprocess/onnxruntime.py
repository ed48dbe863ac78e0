"""onnxruntime: every way to run a session. The model's name is that of its file."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subjects
from pytest_aifootprint.detection.inprocess.names import model_name
from pytest_aifootprint.detection.inprocess.rows import Rows, batch
from pytest_aifootprint.detection.inprocess.watching import Done, outermost
from pytest_aifootprint.detection.patching import Arming

__all__ = ["describe", "install", "model_name"]

_METHODS = ("run", "run_async", "run_with_iobinding", "run_with_ort_values")


def describe(session: Any, facts: Facts) -> Identity:
    """What a session tells of its model."""
    path = facts.get(lambda: session._model_path)  # noqa: SLF001 - kept by no public name
    return Identity(model_name(path) if path else None, file=path or None)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the sessions' methods."""
    rows = Rows(arming.recorder, "onnxruntime")
    sessions = Subjects(describe)

    def count(session: Any, done: Done, /) -> None:
        feed = done.argument(1, "input_feed")
        samples = batch(next(iter(feed.values()), None)) if isinstance(feed, dict) else None
        rows.add("inference", sessions.of(session), done.span, samples=samples, failed=done.failed)

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        return outermost(arming, "onnxruntime", original, count)

    for method in _METHODS:
        arming.replace(library.Session, method, watched)
