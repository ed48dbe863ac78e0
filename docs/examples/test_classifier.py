"""A model that is trained here: once, in a module-scoped fixture, and then used by three tests.

The footprint shows the training once and gives each of its three users a third of it. Change the scope of
``classifier`` to "function" and see what that would cost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


class Digits(NamedTuple):
    """Pictures of handwritten digits, 8 by 8 pixels each, and what they show."""

    training_images: np.ndarray
    test_images: np.ndarray
    training_labels: np.ndarray
    test_labels: np.ndarray


@pytest.fixture(scope="module")
def digits() -> Digits:
    images, labels = load_digits(return_X_y=True)
    return Digits(*train_test_split(images, labels, test_size=0.25, random_state=0))


@pytest.fixture(scope="module")
def classifier(digits: Digits) -> RandomForestClassifier:
    forest = RandomForestClassifier(n_estimators=300, random_state=0)
    return forest.fit(digits.training_images, digits.training_labels)


def test_unseen_digits_are_read(classifier: RandomForestClassifier, digits: Digits) -> None:
    assert classifier.score(digits.test_images, digits.test_labels) > 0.95


def test_a_handful_of_digits_is_read(classifier: RandomForestClassifier, digits: Digits) -> None:
    assert list(classifier.predict(digits.test_images[:5])) == list(digits.test_labels[:5])


def test_a_blank_image_is_read_without_confidence(classifier: RandomForestClassifier) -> None:
    assert classifier.predict_proba(np.zeros((1, 64))).max() < 0.5
