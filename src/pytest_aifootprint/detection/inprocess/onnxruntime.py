"""onnxruntime: every way to run a session. The model's name is that of its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subjects
from pytest_aifootprint.detection.inprocess.rows import Rows, batch
from pytest_aifootprint.detection.inprocess.watching import Done, outermost
from pytest_aifootprint.detection.patching import Arming

_METHODS = ("run", "run_async", "run_with_iobinding", "run_with_ort_values")
# Names that say nothing: the folder says it.
_PLAIN_STEMS = frozenset(
    {"model", "model_quantized", "model_optimized", "model_fp16", "model_int8", "model_q4", "encoder"}
)
_PLAIN_FOLDERS = frozenset({"onnx", "models", "model", "assets", "data", "weights", "snapshots"})
_PACKAGES = ("site-packages", "dist-packages")


def model_name(path: str) -> str:
    """A name for a model file: ``magika/standard_v3_3``, ``org/name`` of a hub cache, or the file's own.

    The package or repository that it came with is in front, where there is one; folders of the user are not.
    """
    parts = PurePath(path.replace("\\", "/")).parts
    stem = PurePath(parts[-1]).stem if parts else path
    origin = None
    folders = list(parts[:-1])
    for index, part in enumerate(parts[:-1]):
        if part.startswith("models--"):
            return part.removeprefix("models--").replace("--", "/")
        if part in _PACKAGES and index + 1 < len(parts) - 1:
            origin = parts[index + 1]
            folders = list(parts[index + 2 : -1])
    if stem in _PLAIN_STEMS:
        telling = [folder for folder in folders if folder not in _PLAIN_FOLDERS and folder not in ("/", "\\")]
        if telling:
            stem = telling[-1]
        elif origin is not None:
            return origin
    return f"{origin}/{stem}" if origin is not None else stem


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
