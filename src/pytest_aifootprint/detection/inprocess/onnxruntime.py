"""onnxruntime: every way to run a session. The model's name is that of its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from pytest_aifootprint.detection.inprocess.rows import Rows, batch
from pytest_aifootprint.detection.inprocess.watching import outermost
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


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the sessions' methods."""
    rows = Rows(arming.recorder, "onnxruntime")
    names: WeakKeyDictionary[Any, str | None] = WeakKeyDictionary()

    def count(session: Any, /, args: tuple[Any, ...], started_ns: int, ended_ns: int, *, failed: bool) -> None:
        try:
            name = names[session]
        except KeyError:
            path = getattr(session, "_model_path", None)
            name = names[session] = model_name(path) if path else None
        feed = args[1] if len(args) > 1 else None
        samples = batch(next(iter(feed.values()), None)) if isinstance(feed, dict) else None
        rows.add("inference", name, started_ns, ended_ns, samples=samples, failed=failed)

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        return outermost(arming, "onnxruntime", original, count)

    for method in _METHODS:
        arming.replace(library.Session, method, watched)
