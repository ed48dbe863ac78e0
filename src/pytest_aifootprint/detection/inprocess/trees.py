"""How large a boosted ensemble of xgboost or lightgbm is: its nodes, from what the library counts natively.

A tree has one leaf more than splits, and one learned number a node: a threshold or a leaf's value.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Learned(NamedTuple):
    """How many numbers a model has learned, in which precision, and on which device they are; None if unknown."""

    numbers: int | None
    precision: str | None = None
    device: str | None = None


def learned_by_booster(booster: Any) -> Learned:
    """A booster of either library, as an estimator holds it; nothing is known of any other object.

    Args:
        booster: one that has been used: an idle one of xgboost would be configured by the question, and warn here.
    """
    library = type(booster).__module__.partition(".")[0]
    if library == "xgboost":
        return xgboost_learned(booster)
    return lightgbm_learned(booster) if library == "lightgbm" else Learned(None)


def xgboost_learned(booster: Any) -> Learned:
    """Nodes of all trees (0.2 ms for 1000), weights of a linear booster; unknown for several targets."""
    learner = json.loads(booster.save_config())["learner"]
    device = str(learner["generic_param"]["device"])
    boosting, shape = learner["gradient_booster"], learner["learner_model_param"]
    targets = int(shape.get("num_target", 1))
    if boosting["name"] == "gblinear":
        outputs = max(int(shape["num_class"]), targets, 1)
        return Learned((int(shape["num_feature"]) + 1) * outputs, "float32", device)
    if targets > 1:  # maybe trees with several outputs a leaf: asked for their splits, xgboost 2.1 ends the process
        return Learned(None, "float32", device)
    trees = int(boosting.get("gbtree", boosting)["gbtree_model_param"]["num_trees"])
    splits = sum(booster.get_score(importance_type="weight").values())
    return Learned(2 * int(splits) + trees, "float32", device)


def lightgbm_learned(booster: Any) -> Learned:
    """Nodes of all trees, also those after the best iteration (20 us for 1000); unknown for linear trees. Double."""
    params = booster.params
    device = str(params.get("device_type") or params.get("device") or "cpu")
    if params.get("linear_tree"):  # its leaves have coefficients, which only a slow dump tells
        return Learned(None, "float64", device)
    splits = booster.feature_importance("split", iteration=-1)
    return Learned(2 * int(splits.sum()) + int(booster.num_trees()), "float64", device)
