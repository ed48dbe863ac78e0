"""fastText: predictions, vectors, trainings and loads. Tried with fasttext-wheel 0.9.2 and fasttext-predict 0.9.2.

The functions make an object in Python around one in C++; what is known is known of the latter, because that is
all a training is given. Neither tells the number of weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subject, Subjects
from pytest_aifootprint.detection.inprocess.names import hub_revision, model_name
from pytest_aifootprint.detection.inprocess.rows import Rows
from pytest_aifootprint.detection.inprocess.watching import Done, loading, outermost
from pytest_aifootprint.detection.patching import Arming

_OPERATIONS = {
    "predict": "inference",
    "get_sentence_vector": "embedding",
    "get_word_vector": "embedding",
    "get_nearest_neighbors": "inference",
    "get_analogies": "inference",
    "test": "inference",
    "test_label": "inference",
    "get_meter": "inference",
}
_OF_A_FILE = frozenset({"test", "test_label", "get_meter"})


def describe(core: Any, facts: Facts) -> Identity:
    """What a model tells that came from no file: how it was trained."""
    kind = facts.get(lambda: core.getArgs().model.name) if hasattr(core, "getArgs") else None
    return Identity(f"fasttext.{kind or 'FastText'}", device="cpu")


class _Models:
    """Watches models."""

    def __init__(self, arming: Arming) -> None:
        self._arming = arming
        self._rows = Rows(arming.recorder, "fasttext")
        self._subjects = Subjects(describe)

    def asked(self, name: str, operation: str) -> Callable[[Any], Any]:
        """For a method that uses a model."""

        def count(model: Any, done: Done, /) -> None:
            samples: int | None = 1
            if name in _OF_A_FILE:
                samples = done.result[0] if name == "test" and not done.failed else None
            elif name == "predict" and isinstance(lines := done.argument(0, "text"), list):
                samples = len(lines)
            self._rows.add(operation, self._subject(model), done.span, samples=samples, failed=done.failed)

        return lambda original: outermost(self._arming, "fasttext", original, count)

    def trained(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For the function that all trainings call, with the object in C++ and its arguments."""

        def count(core: Any, done: Done, /) -> None:
            epochs = getattr(done.argument(0, "args"), "epoch", None)
            self._rows.add(
                "training",
                self._subjects.of(core),
                done.span,
                epochs=float(epochs) if isinstance(epochs, int) else None,
                failed=done.failed,
            )

        return outermost(self._arming, "fasttext", original, count, heavy=True)

    def quantized(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For what makes a model smaller, and may train it again for that."""

        def count(model: Any, done: Done, /) -> None:
            if done.argument(3, "retrain"):
                self._rows.add("training", self._subject(model), done.span, failed=done.failed)

        return outermost(self._arming, "fasttext", original, count, heavy=True)

    def load(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """For what reads a model, or makes an empty one to be trained."""

        def loaded(model: Any, done: Done, /) -> None:
            path = done.argument(0, "model_path")
            if path is None:
                return
            identity = Identity("fasttext.FastText", device="cpu")
            if isinstance(path, str):
                file = os.path.abspath(path)  # noqa: PTH100 - no link is followed: the hub's links have the names
                identity = Identity(model_name(path), device="cpu", revision=hub_revision(file), file=file)
            self._rows.load(
                self._subjects.tell(None if done.failed else model.f, identity), done.span, failed=done.failed
            )

        return loading(self._arming, "fasttext", original, loaded)

    def _subject(self, model: Any) -> Subject:
        return self._subjects.of(model.f)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the models' methods, and the function that trains."""
    models = _Models(arming)
    cls: Any = library._FastText  # noqa: SLF001 - no public name, but what all functions give
    arming.replace(cls, "__init__", models.load)
    for name, operation in _OPERATIONS.items():
        if name in vars(cls):  # there is a library that only predicts
            arming.replace(cls, name, models.asked(name, operation))
    if "quantize" in vars(cls):
        arming.replace(cls, "quantize", models.quantized)
    core: Any = library.fasttext
    if "train" in vars(core):
        arming.replace(core, "train", models.trained)
