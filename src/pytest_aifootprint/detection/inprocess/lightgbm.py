"""lightgbm: boosters that predict, are trained and are loaded. Its estimators are scikit-learn's, and seen as such."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

from pytest_aifootprint.detection.inprocess.boosting import Boosters
from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, class_name
from pytest_aifootprint.detection.inprocess.trees import lightgbm_learned
from pytest_aifootprint.detection.patching import Arming


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
    arming.replace(booster, "model_from_string", lambda original: boosters.load(original, ""))
    arming.replace(booster, "__deepcopy__", lambda original: _copy(arming, original))
    for module in (library, library.engine):
        arming.replace(cast("type", module), "train", boosters.train)
        arming.replace(cast("type", module), "cv", boosters.cross_validate)
    arming.lent["lightgbm"] = boosters


def _init(boosters: Boosters, original: Callable[..., Any]) -> Callable[..., Any]:
    """A booster that is made from a model is a load; one that is made for training is none."""
    loads = boosters.load(original, "model_file", 2)

    def __init__(booster: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - its name is the language's
        __tracebackhide__ = True
        for_training = (len(args) > 1 and args[1] is not None) or kwargs.get("train_set") is not None
        (original if for_training else loads)(booster, *args, **kwargs)

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
