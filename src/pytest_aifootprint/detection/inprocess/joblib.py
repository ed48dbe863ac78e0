"""joblib: what ``joblib.load`` reads from a file, where the object itself is a model.

A dict or list with a model in it is silent, and so is what fails: nobody knows whether it was to be a model. What
``joblib.Memory`` takes from its cache is read the same way.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from pytest_aifootprint.detection.inprocess.boosting import path
from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subjects, class_name
from pytest_aifootprint.detection.inprocess.rows import Rows
from pytest_aifootprint.detection.inprocess.watching import Done, loading
from pytest_aifootprint.detection.patching import Arming

_FRAMEWORKS = ("sklearn", "xgboost", "lightgbm")


def install(_: ModuleType, arming: Arming) -> None:
    """Patch the unpickler, which whoever imported ``joblib.load`` by name uses too."""
    rows = Rows(arming.recorder, "joblib")
    others = Subjects(lambda model, _: Identity(class_name(type(model))))

    def loaded(unpickler: Any, done: Done, /) -> None:
        model = done.result
        name = unpickler.filename or Facts().get(lambda: unpickler.file_handle.name)
        file = path(name) if name else None
        for framework in _FRAMEWORKS:
            watch = arming.lent.get(framework)
            if watch is not None and watch.loaded(model, done.span, file):
                return
        if callable(getattr(type(model), "predict", None)):
            identity = Identity(class_name(type(model)), file=file)
            rows.load(others.tell(model, identity), done.span)

    from joblib.numpy_pickle import NumpyUnpickler

    arming.replace(NumpyUnpickler, "load", lambda original: loading(arming, "joblib", original, loaded))
