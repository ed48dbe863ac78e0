"""Estimators that work in child processes: counted once, with the CPU of the children."""

from __future__ import annotations

import json
from typing import Any

import pytest

BURNER = """
import time
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

X = np.random.default_rng(1).random((40, 3))
Y = (X[:, 0] > 0.5).astype(int)

class Burner(ClassifierMixin, BaseEstimator):
    def __init__(self, again=0):
        self.again = again

    def fit(self, data, target):
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
        self.classes_ = np.unique(target)
        return self

    def predict(self, data):
        return np.zeros(len(data), dtype=int)
"""
SUITE = """
from burner import Burner, X, Y
from sklearn.model_selection import GridSearchCV, cross_val_score

def test_search():
    GridSearchCV(Burner(), {"again": [0, 1]}, cv=2, refit=False, n_jobs=2).fit(X, Y)

def test_scores():
    cross_val_score(Burner(), X, Y, cv=2, n_jobs=2)
"""


def test_a_search_is_one_training_wherever_its_fits_run(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naifootprint_subprocess = true\npythonpath = .")
    pytester.makepyfile(SUITE, burner=BURNER)
    result = pytester.runpytest_subprocess("--aifootprint", "--aifootprint-report=json:r.json", "-p", "no:asyncio")
    result.assert_outcomes(passed=2)
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text())
    search, scores = report["tests"]
    (training,) = search["calls"]
    assert (training["operation"], training["model"], training["count"]) == (
        "training",
        "sklearn.GridSearchCV(Burner)",
        1,
    )
    assert training["cpu_s"] >= 4 * 0.2
    assert {(call["operation"], call["model"]) for call in scores["calls"]} == {
        ("training", "burner.Burner"),
        ("inference", "burner.Burner"),
    }
