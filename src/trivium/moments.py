"""Mean and variance of many numbers, read in blocks, so that they take no memory beside them."""

from typing import Any

import numpy as np

BLOCK = 1 << 20
"""Rows that are looked at at once."""


def mean_and_variance(values: np.ndarray, weights: np.ndarray | None = None) -> tuple[Any, Any]:
    """Of the rows (n,) or (n, width), in float64: numbers, or one per column.

    weights  (n,) how much each row counts; None, or all of them 0: all the same
    """
    blocks = [slice(first, first + BLOCK) for first in range(0, len(values), BLOCK)]
    if weights is None or not weights.any():
        n = len(values)
        mean: Any = sum(values[rows].sum(axis=0, dtype=np.float64) for rows in blocks) / n
        return mean, sum(((values[rows] - mean) ** 2).sum(axis=0) for rows in blocks) / n
    total = weights.sum(dtype=np.float64)
    mean = sum(weights[rows].astype(np.float64) @ values[rows] for rows in blocks) / total
    return mean, sum(weights[rows].astype(np.float64) @ (values[rows] - mean) ** 2 for rows in blocks) / total
