"""What a scikit-learn estimator tells of itself: its name, how many numbers it has learned, how long it trained.

Only what lies in the estimator's ``__dict__`` is read: nobody's property or method runs, and nothing is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import prod
from typing import Any

from msgspec import Struct

from pytest_aifootprint.detection.inprocess.trees import Learned, learned_by_booster

_MOST_NAMED = 3
_DEEPEST = 8
_MOST_PARTS = 5_000
# Parameters that hold what does the work: one estimator, or named ones.
_INNER = ("estimator", "base_estimator", "regressor")
_NAMED = ("estimators", "steps")


def attributes(thing: object) -> dict[str, Any]:
    """What an object holds. Raises AttributeError if it has no ``__dict__``."""
    found: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    return found


def final(estimator: Any) -> Any:
    """What predicts at the end of a pipeline (None if nothing does); any other estimator is itself."""
    for _ in range(_DEEPEST):
        held = attributes(estimator)
        steps = held.get("steps")
        if not isinstance(steps, list) or not steps:
            return estimator
        estimator = _second(steps[-1])
        if estimator is None or isinstance(estimator, str):
            return None
    return estimator


def name(estimator: Any) -> str:
    """``sklearn.LogisticRegression``, ``sklearn.GridSearchCV(Pipeline(LogisticRegression))``, ``acme.Mine``.

    The package is that of the outer class. In brackets: what does the work inside, at most three, three deep.
    """
    kind = type(estimator)
    return f"{kind.__module__.partition('.')[0]}.{_short(estimator, 3)}"


def _short(estimator: Any, deeper: int) -> str:
    inside = _inside(estimator) if deeper else []
    kind = type(estimator).__name__
    if not inside:
        return kind
    more = ["..."] if len(inside) > _MOST_NAMED else []
    return f"{kind}({', '.join([_short(part, deeper - 1) for part in inside[:_MOST_NAMED]] + more)})"


def _inside(estimator: Any) -> list[Any]:
    held = attributes(estimator)
    if isinstance(held.get("steps"), list):
        parts = [final(estimator)]
    elif isinstance(held.get("estimators"), (list, tuple)):
        parts = [_second(pair) for pair in held["estimators"]]
    elif held.get("estimator_params"):  # a forest: its trees are its own
        parts = []
    else:
        parts = [next((held[key] for key in _INNER if held.get(key) is not None), None)]
    return [
        part for part in parts if part is not None and not isinstance(part, (str, type)) and hasattr(type(part), "fit")
    ]


def _second(pair: Any) -> Any:
    return pair[1] if isinstance(pair, (tuple, list)) and len(pair) > 1 else None


# -- how many numbers ---------------------------------------------------------------------------------------------


class Unknown(Exception):  # noqa: N818 - no error: an answer
    """How many numbers there are cannot be told."""


class Pattern(Struct, frozen=True, eq=False):
    """Where the learned numbers of a family of estimators are.

    Attributes:
        needs: attributes that tell the family. also: what is counted beside them where it is there.
        count: how many numbers the first of ``needs`` stands for; without it the entries of all of them are counted.
        parts: the estimators that the first of ``needs`` holds.
    """

    needs: tuple[str, ...]
    also: tuple[str, ...] = ()
    count: Callable[[Any], Learned] | None = None
    parts: Callable[[Any], Any] | None = None

    def fits(self, held: dict[str, Any]) -> bool:
        """Whether an object with these attributes is of the family."""
        # (An attribute of a user's estimator may have the name of a pipeline's list.)
        return all(key in held for key in self.needs) and (self.parts is None or isinstance(held[self.needs[0]], list))


def _unknown(_: Any) -> Learned:
    """Of what keeps the samples that it was given."""
    return Learned(None)


def _named(entries: Any) -> list[Any]:
    return [_second(entry) for entry in entries]


def _nodes(tree: Any) -> Learned:
    return Learned(int(tree.node_count), "float64", "cpu")


def _nodes_of_predictors(predictors: Any) -> Learned:
    return Learned(sum(len(tree.nodes) for iteration in predictors for tree in iteration), "float64", "cpu")


def _length(entries: Any) -> Learned:
    return Learned(len(entries))


def _diagonal(matrix: Any) -> Learned:
    return Learned(int(matrix.shape[0]))


def _lengths(lists: Any) -> Learned:
    return Learned(sum(map(len, lists)))


# The first row whose attributes are all there decides. A tree has one learned number a node: a split's threshold or a
# leaf's value. Whatever keeps the samples that it was given has learned no numbers that could be told from them.
PATTERNS = (
    Pattern(("_fit_X",), count=_unknown),  # neighbours, outlier factor
    Pattern(("X_fit_",), count=_unknown),  # kernel ridge
    Pattern(("X_train_",), count=_unknown),  # Gaussian processes
    Pattern(("core_sample_indices_",), count=_unknown),  # DBSCAN
    Pattern(("best_estimator_",)),  # searches: the one that predicts
    Pattern(("steps",), parts=_named),  # pipelines
    Pattern(("transformers_",), parts=_named),  # ColumnTransformer
    Pattern(("transformer_list",), parts=_named),  # FeatureUnion
    Pattern(("calibrated_classifiers_",)),
    Pattern(("estimator", "calibrators")),  # each of those
    Pattern(("_predictors",), count=_nodes_of_predictors),  # HistGradientBoosting
    Pattern(("estimators_",), also=("final_estimator_",)),  # forests, bagging, boosting, voting, stacking, chains
    Pattern(("regressor_",)),
    Pattern(("estimator_",)),
    Pattern(("tree_",), count=_nodes),
    Pattern(("_Booster",), count=learned_by_booster),  # xgboost's and lightgbm's estimators
    Pattern(("coefs_", "intercepts_")),  # multi-layer perceptrons
    Pattern(("support_vectors_", "dual_coef_"), also=("intercept_",)),
    Pattern(("coef_",), also=("intercept_",)),  # linear models
    Pattern(("theta_", "var_", "class_prior_")),  # Gaussian naive Bayes
    Pattern(("feature_log_prob_", "class_log_prior_")),  # the other naive Bayes
    Pattern(("means_", "covariances_", "weights_")),  # mixtures
    Pattern(("means_", "rotations_", "scalings_", "priors_")),  # quadratic discriminants
    Pattern(("location_", "covariance_")),
    Pattern(("cluster_centers_",)),
    Pattern(("subcluster_centers_",)),
    Pattern(("centroids_",)),
    Pattern(("X_thresholds_", "y_thresholds_")),  # isotonic
    Pattern(("a_", "b_")),  # sigmoid calibration
    Pattern(("components_",), also=("mean_",)),
    Pattern(("mean_", "scale_")),
    Pattern(("min_", "scale_")),
    Pattern(("center_", "scale_")),
    Pattern(("scale_",)),
    Pattern(("statistics_",)),
    Pattern(("categories_",), count=_lengths),
    Pattern(("vocabulary_",), also=("_tfidf",), count=_length),
    Pattern(("idf_",)),
    Pattern(("_idf_diag",), count=_diagonal),  # scikit-learn before 1.5
    Pattern(("bin_edges_",)),
    Pattern(("quantiles_",)),
    Pattern(("lambdas_",)),
    Pattern(("variances_",)),
    Pattern(("scores_",)),
)
_RANK = {row: rank for rank, row in enumerate(PATTERNS)}
_BY_ATTRIBUTE: dict[str, list[Pattern]] = {}
for _row in PATTERNS:
    _BY_ATTRIBUTE.setdefault(_row.needs[0], []).append(_row)
_NOT_LEARNED = frozenset({"n_features_in_", "feature_names_in_", "n_output_features_"})


def _pattern_of(held: dict[str, Any]) -> Pattern | None:
    """The first row that fits."""
    rows = [row for key in held if key in _BY_ATTRIBUTE for row in _BY_ATTRIBUTE[key] if row.fits(held)]
    return min(rows, key=_RANK.__getitem__, default=None)


class _Counting:
    """One count over an estimator and its parts, bounded in parts and depth."""

    def __init__(self) -> None:
        self._left = _MOST_PARTS
        self._by_class: dict[type, Pattern] = {}
        self.precision: str | None = None
        self.device: str | None = None

    def estimator(self, thing: Any, depth: int = 0) -> int:
        if depth > _DEEPEST:
            raise Unknown
        held = attributes(thing)
        kind = type(thing)
        pattern = self._by_class.get(kind)
        if pattern is None or not pattern.fits(held):
            pattern = _pattern_of(held)
            if pattern is None:
                return self._stateless(kind, held, depth)
            self._by_class[kind] = pattern
        first = held[pattern.needs[0]]
        keys = pattern.also
        if pattern.count is not None:
            total = self._told(pattern.count(first))
        elif pattern.parts is not None:
            total = self._all(pattern.parts(first), depth)
        else:
            total, keys = 0, (*pattern.needs, *keys)
        return total + self._all([held[key] for key in keys if key in held], depth)

    @staticmethod
    def _stateless(kind: type, held: dict[str, Any], depth: int) -> int:
        """A step of a pipeline that learns nothing (a normalizer) adds nothing."""
        learned = any(key.endswith("_") and not key.startswith("_") and key not in _NOT_LEARNED for key in held)
        transforms = hasattr(kind, "transform") and not hasattr(kind, "predict")
        if not depth or learned or not transforms or not kind.__module__.startswith("sklearn."):
            raise Unknown
        return 0

    def _all(self, values: Collection[Any], depth: int) -> int:
        self._left -= len(values)
        if self._left < 0:
            raise Unknown
        return sum(self._value(value, depth) for value in values)

    def _value(self, value: Any, depth: int) -> int:
        if value is None or isinstance(value, str):  # nothing learned; "passthrough", "drop"
            return 0
        if isinstance(value, (int, float)):
            return 1
        if isinstance(value, (list, tuple, dict)):
            return self._all(list(value.values()) if isinstance(value, dict) else value, depth)
        shape = getattr(value, "shape", None)
        return self._array(value, shape, depth) if isinstance(shape, tuple) else self.estimator(value, depth + 1)

    def _array(self, array: Any, shape: tuple[int, ...], depth: int) -> int:
        kind, numbers = str(getattr(array, "dtype", "object")), prod(shape)
        if kind == "object":
            if numbers > self._left:
                raise Unknown
            return self._all(array.ravel().tolist(), depth)
        return self._told(Learned(numbers, kind.removeprefix("torch."), str(getattr(array, "device", "cpu"))))

    def _told(self, learned: Learned) -> int:
        if learned.numbers is None:
            raise Unknown
        if self.precision is None and learned.precision is not None and learned.precision.startswith("float"):
            _, self.precision, self.device = learned
        return learned.numbers


def learned(estimator: Any) -> Learned:
    """How many numbers an estimator has learned, in which precision and where; None for what cannot be told.

    Raises:
        Exception: whatever an attribute's value raises.
    """
    counting = _Counting()
    try:
        numbers = counting.estimator(estimator)
    except Unknown:
        return Learned(None)
    return Learned(numbers, counting.precision, counting.device)


# -- how long it trained ------------------------------------------------------------------------------------------


def fits_of_search(estimator: Any) -> int | None:
    """How many models a search has trained: candidates times folds, and the best one again; None if it is no search."""
    held = attributes(estimator)
    results, folds = held.get("cv_results_"), held.get("n_splits_")
    if not isinstance(results, Mapping) or not isinstance(folds, int):
        return None
    return len(results["params"]) * folds + ("best_estimator_" in held)


def iterations(estimator: Any) -> tuple[int | None, float | None]:
    """Steps and epochs of the last ``fit``: iterations of its solver, or boosting rounds; None where it has neither."""
    held = attributes(final(estimator))
    passes = _most(held.get("n_iter_"))
    # Whose iterations are passes over the data: what goes by samples (and the L-BFGS of a perceptron does not).
    epochs = float(passes) if passes is not None and (held.get("t_") or "n_steps_" in held) else None
    for key in ("n_steps_", "n_estimators_"):
        if (steps := _most(held.get(key))) is not None:
            return steps, epochs
    if passes is not None:
        return passes, epochs
    if "_predictors" in held:
        return len(held["_predictors"]), None
    if "estimator_weights_" in held:
        return len(held["estimators_"]), None
    return None, None


def _most(value: Any) -> int | None:
    """The largest of one or more numbers of iterations (one a class, say)."""
    tolist = getattr(value, "tolist", None)
    value = tolist() if tolist is not None else value
    if isinstance(value, (list, tuple)):
        return max((most for most in map(_most, value) if most is not None), default=None)
    return int(value) if isinstance(value, (int, float)) else None
