"""scikit-learn and what is built on its base class (xgboost's and lightgbm's estimators, the user's own).

Counted are estimators that predict; what only transforms (a scaler, a vectorizer) is no model. Only the outermost call
counts: a grid search is one training, a pipeline one inference. What an estimator is and has learned is read in
``estimators``. Silent for a plain unpickling: nothing tells it from a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import update_wrapper
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from pytest_aifootprint.detection.inprocess import estimators as reading
from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, Subject, Subjects, class_name
from pytest_aifootprint.detection.inprocess.rows import Rows, Span, batch
from pytest_aifootprint.detection.inprocess.watching import Done, outermost
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.changed import replace

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
_INSIDE = "_aifootprint_inside"


def describe(estimator: Any, facts: Facts) -> Identity:
    """What an estimator tells of itself."""
    name = facts.get(lambda: reading.name(estimator))
    learned = facts.get(lambda: reading.learned(estimator)) or (None, None, None)
    return Identity(name or class_name(type(estimator)), *learned)


class Estimators:
    """Watches the classes of estimators, those that exist and those to come."""

    def __init__(self, arming: Arming, base: type) -> None:
        self._arming = arming
        self._base = base
        self._rows = Rows(arming.recorder, "sklearn")
        self._seen: WeakSet[type] = WeakSet()
        self._predicting: WeakSet[type] = WeakSet()
        self._models = Subjects(describe)
        # Updated since they were read, by id: their size is read again when they are used.
        self._updated: WeakValueDictionary[int, Any] = WeakValueDictionary()

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

    def predicts(self, model: Any) -> bool:
        """Whether an estimator is a model; a pipeline that only transforms is none."""
        if type(model) not in self._predicting:
            return False
        last = reading.final(model)
        return last is model or any(hasattr(type(last), name) for name in _PREDICTS)

    def loaded(self, model: Any, span: Span, file: str | None, *, failed: bool = False) -> bool:
        """Something was read from a file. Returns False if it is no estimator; one that only transforms is no load."""
        if not isinstance(model, self._base):
            return False
        if self.predicts(model):
            self._models.forget(model)
            identity = self._models.of(model).identity
            self._rows.load(self._models.tell(model, replace(identity, file=file)), span, failed=failed)
        return True

    def _replace(self, owner: type, name: str, operation: str) -> None:
        def used(model: Any, done: Done, /) -> None:
            if type(model) in self._predicting:  # else a transformer, met through a mixin's method
                if self._updated and self._updated.pop(id(model), None) is model:
                    self._models.forget(model)
                samples = batch(done.argument(0, "X"))
                self._rows.add(operation, self._models.of(model), done.span, samples=samples, failed=done.failed)

        def trained(model: Any, done: Done, /) -> None:
            if self.predicts(model):
                subject, work = self._trained(model, name), self._work(model, name, failed=done.failed)
                samples = batch(done.argument(0, "X"))
                self._rows.add(operation, subject, done.span, samples=samples, failed=done.failed, **work)

        training = operation == "training"

        def make(original: Any) -> Any:
            if isinstance(original, FunctionType):
                count = trained if training else used
                return outermost(self._arming, "sklearn", original, count, heavy=training)
            # available_if: the method is there only if the final estimator has it.
            inner = getattr(original, "fn", None)
            if not isinstance(inner, FunctionType):
                raise TypeError(f"{owner.__qualname__}.{name} is a {type(original).__name__}")
            available = copy(original)
            available.fn = update_wrapper(make(inner), inner)
            return available

        self._arming.replace(owner, name, make)

    def _trained(self, model: Any, method: str) -> Subject:
        """What a model is after a training."""
        if method != "partial_fit":
            self._models.forget(model)
            return self._models.of(model)
        subject = self._models.of(model)
        if subject.identity.parameters is None or subject.identity.file is not None:
            self._models.forget(model)
        else:  # the size seldom changes, and an update is short: time enough when it is used
            self._updated[id(model)] = model
        return subject

    def _work(self, model: Any, method: str, *, failed: bool) -> dict[str, Any]:
        """Steps and epochs of the training that has just ended."""
        rounds = self._arming.nesting.steps  # of a booster, as its library's seam has seen them
        if method == "partial_fit":
            return {"steps": 1, "count": 0}
        if failed:
            return {"steps": rounds or None}
        facts = Facts()
        if (fits := facts.get(lambda: reading.fits_of_search(model))) is not None:
            return {"steps": fits}
        steps, epochs = facts.get(lambda: reading.iterations(model)) or (None, None)
        return {"steps": rounds or steps, "epochs": epochs}


class _Tasks:
    """Tasks that an estimator hands to threads or processes of joblib are inside its call."""

    def __init__(self, arming: Arming, kind: type) -> None:
        self._arming = arming
        self._kind = kind

    def run(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``Parallel.__call__``: marks the tasks. The mark goes with them, also to another process."""
        arming, nesting, kind = self._arming, self._arming.nesting, self._kind

        def marked(tasks: Iterable[Any]) -> Iterator[Any]:
            for task in tasks:
                if isinstance(task[0], kind):
                    setattr(task[0], _INSIDE, True)
                yield task

        def __call__(pool: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - its name is the language's
            __tracebackhide__ = True
            if nesting.depth and arming.active and args:
                args = (marked(args[0]), *args[1:])
            return original(pool, *args, **kwargs)

        return __call__

    def work(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A task's ``__call__``."""
        arming, nesting = self._arming, self._arming.nesting

        def __call__(task: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - its name is the language's
            __tracebackhide__ = True
            if nesting.depth or not arming.active or _INSIDE not in vars(task):
                return original(task, *args, **kwargs)
            try:
                nesting.depth = 1
                return original(task, *args, **kwargs)
            finally:
                nesting.depth = 0

        return __call__


def install(library: ModuleType, arming: Arming) -> None:
    """Patch all estimators, and the ways to more of them."""
    base = library.BaseEstimator
    estimators = Estimators(arming, base)
    estimators.watch_all()
    arming.replace(base, "__init_subclass__", estimators.subclass_hook)
    from sklearn.utils.parallel import Parallel, _FuncWrapper

    tasks = _Tasks(arming, _FuncWrapper)
    arming.replace(_FuncWrapper, "__call__", tasks.work)
    arming.replace(Parallel, "__call__", tasks.run)
    arming.lent["sklearn"] = estimators
