"""What scikit-learn's estimators tell of themselves, against the library itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Perceptron, SGDClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, Normalizer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from pytest_aifootprint.detection.inprocess.estimators import (
    _MOST_PARTS,
    final,
    fits_of_search,
    iterations,
    learned,
    name,
)

X = np.random.default_rng(1).random((40, 3))
Y = (X[:, 0] > 0.5).astype(int)
THREE = (X[:, 0] * 3).astype(int)
TEXTS = ["red fish", "blue fish", "one fish", "two red"] * 10


class Mine(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def __init__(self, estimator: Any = None, steps: int = 3) -> None:
        self.estimator = estimator
        self.steps = steps

    def fit(self, _data: Any, target: Any) -> Mine:
        self.classes_ = np.unique(target)
        return self

    def predict(self, data: Any) -> Any:
        return np.zeros(len(data), dtype=int)


class TestNames:
    @pytest.mark.parametrize(
        ("estimator", "expected"),
        [
            (LogisticRegression(), "sklearn.LogisticRegression"),
            (Mine(), "test_estimators.Mine"),
            (Mine(SVC()), "test_estimators.Mine(SVC)"),
            (make_pipeline(StandardScaler(), LogisticRegression()), "sklearn.Pipeline(LogisticRegression)"),
            (make_pipeline(PCA(), make_pipeline(StandardScaler(), Mine())), "sklearn.Pipeline(Mine)"),
            (
                GridSearchCV(make_pipeline(StandardScaler(), SVC()), {}),
                "sklearn.GridSearchCV(Pipeline(SVC))",
            ),
            (
                GridSearchCV(OneVsRestClassifier(CalibratedClassifierCV(BaggingClassifier(SVC()))), {}),
                "sklearn.GridSearchCV(OneVsRestClassifier(CalibratedClassifierCV(BaggingClassifier)))",
            ),
            (
                VotingClassifier([("a", SVC()), ("b", "drop"), ("c", GaussianNB())]),
                "sklearn.VotingClassifier(SVC, GaussianNB)",
            ),
            (
                StackingClassifier([(str(i), GaussianNB()) for i in range(9)]),
                "sklearn.StackingClassifier(GaussianNB, GaussianNB, GaussianNB, ...)",
            ),
            (TransformedTargetRegressor(LinearRegression()), "sklearn.TransformedTargetRegressor(LinearRegression)"),
            (RandomForestClassifier(), "sklearn.RandomForestClassifier"),
            (BaggingClassifier(), "sklearn.BaggingClassifier"),
            (Pipeline([("a", StandardScaler()), ("b", "passthrough")]), "sklearn.Pipeline"),
            (Mine("no estimator"), "test_estimators.Mine"),
            (Mine(SVC), "test_estimators.Mine"),
        ],
    )
    def test_they_say_what_works_inside(self, estimator: Any, expected: str) -> None:
        assert name(estimator) == expected

    def test_training_changes_no_name(self) -> None:
        forest, bagging = RandomForestClassifier(3), BaggingClassifier(n_estimators=2)
        before = name(forest), name(bagging)
        assert (name(forest.fit(X, Y)), name(bagging.fit(X, Y))) == before

    def test_what_contains_itself_has_a_name(self) -> None:
        estimator = Mine()
        estimator.estimator = estimator
        assert name(estimator) == "test_estimators.Mine(Mine(Mine(Mine)))"
        pipe = Pipeline([("a", SVC())])
        pipe.steps = [("a", pipe)]
        assert name(pipe).startswith("sklearn.Pipeline")


class Tables(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learns, and keeps it under a name of its own."""

    def fit(self, data: Any, _target: Any = None) -> Tables:
        self.table = data.mean(axis=0)
        return self

    def transform(self, data: Any) -> Any:
        return data - self.table


def nodes(*trees: Any) -> int:
    return sum(tree.tree_.node_count for tree in trees)


class TestLearnedNumbers:
    @pytest.mark.parametrize(
        ("estimator", "target", "expected"),
        [
            (LogisticRegression(), Y, 3 + 1),
            (LogisticRegression(), THREE, 3 * 3 + 3),
            (LinearRegression(), np.stack([Y, THREE], 1), 2 * 3 + 2),
            (GaussianNB(), Y, 2 * (3 + 3 + 1)),
            (MultinomialNB(), Y, 2 * (3 + 1)),
            (KMeans(4, n_init=1), Y, 4 * 3),
            (GaussianMixture(2), Y, 2 * (1 + 3 + 9)),
            (MLPClassifier((7, 5), max_iter=2000, tol=1e-2), Y, 3 * 7 + 7 + 7 * 5 + 5 + 5 + 1),
            (OneVsRestClassifier(LogisticRegression()), THREE, 3 * (3 + 1)),
            (make_pipeline(StandardScaler(), LogisticRegression()), Y, 3 + 3 + 4),
            (make_pipeline(MinMaxScaler(), Normalizer(), PCA(2), LogisticRegression()), Y, 6 + 0 + (6 + 3) + 3),
            (make_pipeline(FunctionTransformer(), "passthrough", LogisticRegression()), Y, 4),
            (FeatureUnion([("a", StandardScaler()), ("b", PCA(1))]), Y, 6 + 3 + 3),
            (GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2), Y, 4),
            (VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())]), Y, 14 + 4),
            (StackingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], cv=2), Y, 14 + 4 + 2 + 1),
            (CalibratedClassifierCV(LogisticRegression(), cv=2), Y, 2 * (4 + 2)),
            (TransformedTargetRegressor(LinearRegression()), Y, 4),
        ],
        ids=lambda value: name(value) if hasattr(value, "fit") else "",
    )
    def test_where_they_are_well_defined(self, estimator: Any, target: Any, expected: int) -> None:
        found = learned(estimator.fit(X, target))
        assert found == (expected, "float64", "cpu")

    def test_a_tree_has_one_a_node(self) -> None:
        tree = DecisionTreeClassifier().fit(X, THREE)
        assert learned(tree).numbers == nodes(tree)
        forest = RandomForestClassifier(7).fit(X, THREE)
        assert learned(forest).numbers == nodes(*forest.estimators_)
        boosted = GradientBoostingClassifier(n_estimators=5).fit(X, THREE)
        assert learned(boosted).numbers == nodes(*boosted.estimators_.ravel())
        ada = AdaBoostClassifier(n_estimators=4).fit(X, THREE)
        assert learned(ada).numbers == nodes(*ada.estimators_)
        histogram = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=4).fit(X, Y)
        assert learned(histogram).numbers == sum(len(tree.nodes) for (tree,) in histogram._predictors)

    def test_support_vectors_and_their_weights(self) -> None:
        machine = SVC().fit(X, Y)
        assert learned(machine).numbers == len(machine.support_) * (3 + 1) + 1

    def test_words_and_categories(self) -> None:
        words = len(CountVectorizer().fit(TEXTS).vocabulary_)
        assert learned(make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, Y)).numbers == 2 * words + 1
        assert learned(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, Y)).numbers == 3 * words + 1
        columns = ColumnTransformer([("a", OneHotEncoder(), [0]), ("b", StandardScaler(), [1]), ("c", "drop", [2])])
        data = np.column_stack([THREE, X[:, :2]])
        assert learned(make_pipeline(columns, LogisticRegression()).fit(data, Y)).numbers == 3 + 2 + 4 + 1

    def test_what_keeps_its_samples_has_learned_no_number(self) -> None:
        for estimator in (KNeighborsClassifier(), GaussianProcessClassifier(), DBSCAN()):
            assert learned(estimator.fit(X, Y)) == (None, None, None)

    def test_a_part_that_is_unknown_makes_all_unknown(self) -> None:
        voting = VotingClassifier([("a", LogisticRegression()), ("b", KNeighborsClassifier())])
        assert learned(voting.fit(X, Y)).numbers is None

    def test_unknown_is_never_zero(self) -> None:
        for estimator in (Mine(), LogisticRegression(), make_pipeline(Normalizer(), SVC()), Normalizer()):
            assert learned(estimator).numbers is None
        assert learned(Mine().fit(X, Y)).numbers is None
        assert learned(make_pipeline(Normalizer(), Mine()).fit(X, Y)).numbers is None
        assert learned(make_pipeline(Tables(), LogisticRegression()).fit(X, Y)).numbers is None

    def test_the_precision_is_that_of_the_numbers(self) -> None:
        single = MLPClassifier((2,), max_iter=2000, tol=1e-1).fit(X.astype(np.float32), Y)
        assert learned(single).precision == "float32"

    def test_sparse_coefficients_count_with_their_zeros(self) -> None:
        assert learned(LogisticRegression().fit(X, Y).sparsify()).numbers == 4

    def test_a_count_is_bounded(self) -> None:
        many = Mine()
        many.estimators_ = [LogisticRegression().fit(X, Y)] * (_MOST_PARTS + 1)
        assert learned(many).numbers is None
        many.estimators_ = many.estimators_[:9]
        assert learned(many).numbers == 36
        many.estimators_ = [many]
        assert learned(many).numbers is None

    def test_no_code_of_the_user_runs(self) -> None:
        class Loud(Mine):
            def __getattribute__(self, item: str) -> Any:
                raise ZeroDivisionError(item)

        loud = object.__new__(Loud)
        object.__setattr__(loud, "coef_", X)
        assert learned(loud).numbers == 120
        assert name(loud) == "test_estimators.Loud"
        assert iterations(loud) == (None, None)
        assert final(loud) is loud


class TestWork:
    @pytest.mark.parametrize(
        ("estimator", "attribute", "passes"),
        [
            (LogisticRegression(), "n_iter_", False),
            (ElasticNet(), "n_iter_", False),
            (KMeans(3, n_init=1), "n_iter_", False),
            (SGDClassifier(random_state=0), "n_iter_", True),
            (Perceptron(random_state=0), "n_iter_", True),
            (MLPClassifier((2,), max_iter=2000, tol=1e-1), "n_iter_", True),
            (MLPClassifier((2,), solver="lbfgs", max_iter=5000, random_state=0), "n_iter_", False),
            (GradientBoostingClassifier(n_estimators=7), "n_estimators_", False),
            (HistGradientBoostingClassifier(max_iter=6), "n_iter_", False),
        ],
        ids=lambda value: name(value) if hasattr(value, "fit") else "",
    )
    def test_steps_and_epochs(self, estimator: Any, attribute: str, passes: bool) -> None:  # noqa: FBT001 - parametrised
        estimator.fit(X, Y)
        steps = int(np.max(getattr(estimator, attribute)))
        assert iterations(estimator) == (steps, steps if passes else None)
        assert iterations(make_pipeline(StandardScaler(), estimator).fit(X, Y)) == iterations(estimator)

    def test_of_several_solvers_the_longest(self) -> None:
        model = OneVsRestClassifier(LogisticRegression()).fit(X, THREE)
        assert iterations(model) == (None, None)
        machine = SVC().fit(X, THREE)
        assert iterations(machine) == (max(machine.n_iter_), None)

    def test_rounds_of_boosting(self) -> None:
        ada = AdaBoostClassifier(n_estimators=4).fit(X, THREE)
        assert iterations(ada) == (len(ada.estimators_), None)
        assert iterations(RandomForestClassifier(4).fit(X, THREE)) == (None, None)

    def test_a_search_trains_each_candidate_on_each_fold_and_the_best_again(self) -> None:
        grid = {"C": [1, 2, 3]}
        assert fits_of_search(GridSearchCV(LogisticRegression(), grid, cv=4).fit(X, Y)) == 13
        assert fits_of_search(GridSearchCV(LogisticRegression(), grid, cv=4, refit=False).fit(X, Y)) == 12
        assert fits_of_search(RandomizedSearchCV(LogisticRegression(), grid, n_iter=2, cv=2).fit(X, Y)) == 5
        assert fits_of_search(LogisticRegression().fit(X, Y)) is None
        assert fits_of_search(GridSearchCV(LogisticRegression(), grid)) is None
