"""A small model of scikit-learn that runs in the process."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

TABLE = np.random.default_rng(1).random((100, 4))
MODEL = LogisticRegression().fit(TABLE, TABLE[:, 0] > TABLE[:, 1])


def predict() -> None:
    """One call."""
    MODEL.predict(TABLE)
