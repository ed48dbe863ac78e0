"""xgboost: boosters that predict, are trained and are loaded. Its estimators are scikit-learn's, and seen as such."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

from pytest_aifootprint.detection.inprocess.boosting import Boosters, path
from pytest_aifootprint.detection.inprocess.identity import Facts, Identity, class_name
from pytest_aifootprint.detection.inprocess.trees import xgboost_learned
from pytest_aifootprint.detection.inprocess.watching import Done, loading
from pytest_aifootprint.detection.patching import Arming


def describe(booster: Any, facts: Facts) -> Identity:
    """What a booster tells of itself."""
    learned = facts.get(lambda: xgboost_learned(booster)) or (None, None, None)
    return Identity(class_name(type(booster)), *learned)


def install(library: ModuleType, arming: Arming) -> None:
    """Patch the booster's methods, and the functions that train several rounds."""
    boosters = Boosters(arming, "xgboost", library.Booster, describe)
    for name in ("predict", "inplace_predict"):
        arming.replace(library.Booster, name, boosters.predict)
    for name in ("update", "boost"):
        arming.replace(library.Booster, name, boosters.update)
    arming.replace(library.Booster, "load_model", lambda original: boosters.load(original, _file))
    for module in (library, library.training):
        arming.replace(cast("type", module), "train", boosters.train)
        arming.replace(cast("type", module), "cv", boosters.cross_validate)
    estimators = sys.modules.get("xgboost.sklearn")
    if estimators is not None and hasattr(estimators, "XGBModel"):
        arming.replace(estimators.XGBModel, "load_model", lambda original: _load_estimator(arming, original))
    arming.lent["xgboost"] = boosters


def _file(done: Done) -> Any:
    return done.argument(0, "fname")


def _load_estimator(arming: Arming, original: Callable[..., Any]) -> Callable[..., Any]:
    def loaded(model: Any, done: Done, /) -> None:
        watch = arming.lent.get("sklearn")
        if watch is not None:
            watch.loaded(model, done.span, path(_file(done)), failed=done.failed)

    return loading(arming, "xgboost", original, loaded)
