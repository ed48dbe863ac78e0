"""lightgbm: boosters that predict, are trained and are loaded. Its estimators are scikit-learn's, and seen as such."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

from pytest_aifootprint.detection.inprocess.boosting import Boosters
from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, class_name
from pytest_aifootprint.detection.inprocess.trees import lightgbm_learned
from pytest_aifootprint.detection.inprocess.watching import Done
from pytest_aifootprint.detection.patching import Arming

_ARGUMENTS = ("params", "train_set", "model_file", "model_str")


def describe(booster: Any, facts: Facts) -> Identity:
    """What a booster tells of itself."""
    learned = facts.get(lambda: lightgbm_learned(booster)) or (None, None, None)
    return Identity(class_name(type(booster)), *learned)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the booster's methods, and the functions that train several rounds."""
    boosters = Boosters(arming, "lightgbm", library.Booster, describe)
    booster = library.Booster
    arming.replace(booster, "predict", boosters.predict)
    arming.replace(booster, "update", boosters.update)
    arming.replace(booster, "refit", boosters.refit)
    arming.replace(booster, "__init__", lambda original: _init(boosters, original))
    arming.replace(booster, "model_from_string", lambda original: boosters.load(original, _memory))
    arming.replace(booster, "__deepcopy__", lambda original: _copy(arming, original))
    for module in (library, library.engine):
        arming.replace(cast("type", module), "train", boosters.train)
        arming.replace(cast("type", module), "cv", boosters.cross_validate)
    arming.lent["lightgbm"] = boosters


def _memory(_: Done) -> None:
    """The argument is the model itself."""


def _init(boosters: Boosters, original: Callable[..., Any]) -> Callable[..., Any]:
    """A booster that is made from a model is a load; one that is made for training is none."""

    def given(args: tuple[Any, ...], kwargs: dict[str, Any], position: int, name: str) -> Any:
        return args[position] if len(args) > position else kwargs.get(name)

    loads = boosters.load(original, lambda done: given(done.args, done.kwargs, 2, "model_file"))

    def __init__(booster: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - its name is the language's
        __tracebackhide__ = True
        _, train_set, file, text = (given(args, kwargs, i, name) for i, name in enumerate(_ARGUMENTS))
        from_model = train_set is None and (file is not None or text is not None)
        (loads if from_model else original)(booster, *args, **kwargs)

    return __init__


def _copy(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    """A copy is made through a string, and is no load."""
    nesting = arming.nesting

    def __deepcopy__(booster: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - its name is the language's
        __tracebackhide__ = True
        before, nesting.loading = nesting.loading, True
        try:
            return original(booster, *args, **kwargs)
        finally:
            nesting.loading = before

    return __deepcopy__
