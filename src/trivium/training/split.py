"""Which rows train, and which are kept aside to choose the best epoch by."""

import numpy as np

from trivium.moments import mean_and_variance
from trivium.tables.streamed import Encoded
from trivium.training.rows import Table

FEWEST_ROWS_ASIDE = 10
"""A validation part of fewer rows cannot tell a good epoch from a lucky one, and is not kept aside."""

MANY = 1 << 22
"""Rows beyond which classes are parted here: scikit-learn takes a dozen numbers per row for it."""


def table(X: Encoded, targets: np.ndarray, classes: np.ndarray | None, weights: np.ndarray | None = None) -> Table:
    """Rows, of equal weight unless told; without classes the targets are numbers, and have a spread."""
    weights = np.ones(len(X), np.float32) if weights is None else weights
    spread = None if classes is not None else float(mean_and_variance(targets)[1].mean()) or 1.0
    return Table(X, targets, weights, spread)


def parts(
    n: int, classes: np.ndarray | None, fraction: float, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray | None]:
    """Numbers of the rows to train on and of those to keep aside, both rising.

    classes  (n,) numbers of classes, None where the targets are numbers; each class is parted in its share where every
             class has two rows and a place
    Returns None for the second where it would have fewer than FEWEST_ROWS_ASIDE rows.
    """
    if round(n * fraction) < FEWEST_ROWS_ASIDE:
        return np.arange(n), None
    counts = np.bincount(classes) if classes is not None else np.zeros(0)
    counts = counts[counts > 0]
    stratified = classes is not None and counts.min() >= 2 and len(counts) <= min(n * fraction, n * (1 - fraction))
    if stratified and classes is not None and n > MANY:
        return _by_class(classes, fraction, random)
    if stratified:
        from sklearn.model_selection import train_test_split  # a tenth of a second, which numbers need not wait for

        both = train_test_split(np.arange(n), test_size=fraction, random_state=random, stratify=classes)
    else:
        order, n_aside = random.permutation(n), int(np.ceil(n * fraction))
        order = order.astype(np.int32) if n < 2**31 else order
        both = order[n_aside:], order[:n_aside]
    return np.sort(both[0]), np.sort(both[1])


def _by_class(classes: np.ndarray, fraction: float, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """A share of each class and never all of it, with few numbers per row in memory."""
    aside = np.zeros(len(classes), bool)
    for place in range(int(classes.max()) + 1):
        rows = np.flatnonzero(classes == place).astype(np.int32 if len(classes) < 2**31 else np.int64)
        random.shuffle(rows)
        aside[rows[: min(round(len(rows) * fraction), len(rows) - 1)]] = True
    return np.flatnonzero(~aside), np.flatnonzero(aside)


def split(
    X: np.ndarray, targets: np.ndarray, classes: np.ndarray | None, fraction: float, random: np.random.RandomState
) -> tuple[Table, Table | None]:
    """`parts` as tables of rows of equal weight."""
    first, aside = parts(len(X), classes, fraction, random)
    if aside is None:
        return table(X, targets, classes), None
    both = (table(X[rows], targets[rows], None if classes is None else classes[rows]) for rows in (first, aside))
    return next(both), next(both)
