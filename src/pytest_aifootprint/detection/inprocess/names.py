"""What a model is called: the file it was read from, the repository or package that this came with."""

from __future__ import annotations

from pathlib import PurePath

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


def hub_revision(path: str) -> str | None:
    """The commit in a path of a hub's cache (``models--org--name/snapshots/COMMIT/...``)."""
    parts = PurePath(path.replace("\\", "/")).parts
    for index in range(len(parts) - 2):
        if parts[index].startswith("models--") and parts[index + 1] == "snapshots":
            return parts[index + 2]
    return None
