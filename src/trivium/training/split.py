"""Which rows train, and which are kept aside to choose the best epoch by."""

import numpy as np

from trivium.training.rows import Table

FEWEST_ROWS_ASIDE = 10
"""A validation part of fewer rows cannot tell a good epoch from a lucky one, and is not kept aside."""


def table(X: np.ndarray, targets: np.ndarray, classes: np.ndarray | None) -> Table:
    """Rows of equal weight; without classes the targets are numbers, and have a spread."""
    spread = None if classes is not None else float(np.var(targets, dtype=np.float64)) or 1.0
    return Table(X, targets, np.ones(len(X), np.float32), spread)


def split(
    X: np.ndarray, targets: np.ndarray, classes: np.ndarray | None, fraction: float, random: np.random.RandomState
) -> tuple[Table, Table | None]:
    """Rows to train on and rows to keep aside, each class in its share where every class has two rows and a place.

    classes  (n,) numbers of classes, None where the targets are numbers
    Returns None for the second where it would have fewer than FEWEST_ROWS_ASIDE rows.
    """
    n = len(X)
    if round(n * fraction) < FEWEST_ROWS_ASIDE:
        return table(X, targets, classes), None
    counts = np.bincount(classes) if classes is not None else np.zeros(0)
    counts = counts[counts > 0]
    stratified = classes is not None and counts.min() >= 2 and len(counts) <= min(n * fraction, n * (1 - fraction))
    if stratified:
        from sklearn.model_selection import train_test_split  # a tenth of a second, which numbers need not wait for

        parts = train_test_split(np.arange(n), test_size=fraction, random_state=random, stratify=classes)
    else:
        order, n_aside = random.permutation(n), int(np.ceil(n * fraction))
        parts = order[n_aside:], order[:n_aside]
    first, aside = (
        table(X[rows], targets[rows], None if classes is None else classes[rows]) for rows in map(np.sort, parts)
    )
    return first, aside
