"""scikit-learn and what is built on its base class (xgboost's and lightgbm's estimators, the user's own).

Counted are estimators that predict; what only transforms (a scaler, a vectorizer) is no model. Only the outermost call
counts: a grid search is one training, a pipeline one inference.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import copy
from functools import update_wrapper
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakSet

from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subjects
from pytest_aifootprint.detection.inprocess.rows import Rows, batch
from pytest_aifootprint.detection.inprocess.watching import Done, outermost
from pytest_aifootprint.detection.patching import Arming

_OPERATIONS = {
    "predict": "inference",
    "predict_proba": "inference",
    "predict_log_proba": "inference",
    "decision_function": "inference",
    "score": "inference",
    "score_samples": "inference",
    "fit": "training",
    "partial_fit": "training",
    "fit_predict": "training",
    "fit_transform": "training",
}
_PREDICTS = ("predict", "fit_predict")


def describe(estimator: Any, facts: Facts) -> Identity:
    """What an estimator tells of itself."""
    del facts
    kind = type(estimator)
    return Identity(f"{kind.__module__.partition('.')[0]}.{kind.__name__}")


class _Estimators:
    """Watches the classes of estimators, those that exist and those to come."""

    def __init__(self, arming: Arming, base: type) -> None:
        self._arming = arming
        self._base = base
        self._rows = Rows(arming.recorder, "sklearn")
        self._seen: WeakSet[type] = WeakSet()
        self._predicting: WeakSet[type] = WeakSet()
        self._models = Subjects(describe)
        self.roots = 0
        self._lock = threading.Lock()

    def watch_all(self) -> None:
        """All subclasses that exist."""
        todo = [self._base]
        while todo:
            cls = todo.pop()
            todo += cls.__subclasses__()
            self.watch(cls)

    def watch(self, cls: type) -> None:
        """One class, and what it inherits from mixins."""
        if cls in self._predicting or not any(name in vars(base) for base in cls.__mro__ for name in _PREDICTS):
            return
        self._predicting.add(cls)
        for base in cls.__mro__:
            if base in self._seen or base is object:
                continue
            self._seen.add(base)
            for name, operation in _OPERATIONS.items():
                # A property is there to say that there is no such method (FeatureAgglomeration.fit_predict).
                if isinstance(vars(base).get(name), FunctionType) or hasattr(vars(base).get(name), "fn"):
                    self._replace(base, name, operation)

    def subclass_hook(self, original: Any) -> Any:
        """``__init_subclass__`` of the base class: classes to come are watched too."""
        base = self._base
        chained = original.__func__ if isinstance(original, classmethod) else None

        def __init_subclass__(cls: type, /, **kwargs: Any) -> None:  # noqa: N807 - its name is the language's
            if chained is not None:
                chained(cls, **kwargs)
            else:
                super(base, cls).__init_subclass__(**kwargs)  # type: ignore[arg-type]
            if self._arming.active:
                try:
                    self.watch(cls)
                except Exception as error:  # noqa: BLE001 - an error of ours must not break the user's class
                    self._arming.recorder.error("sklearn", error)

        return classmethod(__init_subclass__)

    def parallel(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Work that an estimator hands to threads of joblib is inside that estimator's call."""
        arming, nesting = self._arming, self._arming.nesting

        def __call__(task: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - its name is the language's
            __tracebackhide__ = True
            if nesting.depth or not self.roots or not arming.active:
                return original(task, *args, **kwargs)
            try:
                nesting.depth = 1
                return original(task, *args, **kwargs)
            finally:
                nesting.depth = 0

        return __call__

    def _replace(self, owner: type, name: str, operation: str) -> None:
        def count(model: Any, done: Done, /) -> None:
            if type(model) in self._predicting:  # else a transformer, met through a mixin's method
                samples = batch(done.argument(0, "X"))
                self._rows.add(operation, self._models.of(model), done.span, samples=samples, failed=done.failed)

        def rooted(function: Callable[..., Any]) -> Callable[..., Any]:
            # Innermost, so that it runs at the outermost call only where it matters: as seen by other threads.
            nesting = self._arming.nesting

            def call(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                if nesting.depth != 1:
                    return function(*args, **kwargs)
                with self._lock:
                    self.roots += 1
                try:
                    nesting.depth = 2
                    return function(*args, **kwargs)
                finally:
                    nesting.depth = 1
                    with self._lock:
                        self.roots -= 1

            return call

        def make(original: Any) -> Any:
            if isinstance(original, FunctionType):
                heavy = operation == "training"
                return outermost(self._arming, "sklearn", rooted(original), count, heavy=heavy)
            # available_if: the method is there only if the final estimator has it.
            inner = getattr(original, "fn", None)
            if not isinstance(inner, FunctionType):
                raise TypeError(f"{owner.__qualname__}.{name} is a {type(original).__name__}")
            available = copy(original)
            available.fn = update_wrapper(make(inner), inner)
            return available

        self._arming.replace(owner, name, make)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch all estimators, and the ways to more of them."""
    base = library.BaseEstimator
    estimators = _Estimators(arming, base)
    estimators.watch_all()
    arming.replace(base, "__init_subclass__", estimators.subclass_hook)
    from sklearn.utils.parallel import _FuncWrapper

    arming.replace(_FuncWrapper, "__call__", estimators.parallel)
