"""The data sets that ship with scikit-learn, as problems of two classes (see `psim.data.known`)."""

from __future__ import annotations

import numpy as np

from psim.problems.rows import Rows


def read(name: str) -> Rows:
    """``digits`` or ``breast_cancer``; dense."""
    return _digits() if name == "digits" else _breast_cancer()


def _digits() -> Rows:
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    return Rows(np.asarray(images, dtype=np.float64) / 16.0, np.where(digits % 2 == 1, 1.0, -1.0))


def _breast_cancer() -> Rows:
    from sklearn.datasets import load_breast_cancer

    measured, benign = load_breast_cancer(return_X_y=True)
    standardized = (measured - measured.mean(axis=0)) / measured.std(axis=0)
    return Rows(np.asarray(standardized, dtype=np.float64), np.where(benign == 1, 1.0, -1.0))
