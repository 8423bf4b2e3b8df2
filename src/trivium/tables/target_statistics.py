"""Ordered target statistics: a category becomes the mean target of the rows that had it before, which leaks nothing."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TargetStatistics:
    """What each code of each category stands for in rows that were not learned from.

    tables  of each category, (cardinality, width): the statistic by code, that of the mean where no row had the code
    mean    (width,) of all targets
    """

    tables: tuple[np.ndarray, ...]
    mean: np.ndarray

    def apply(self, codes: np.ndarray) -> np.ndarray:
        """(n, n_categories) codes -> (n, n_categories * width) float32; a code beyond the tables is one never seen."""
        columns = []
        for table, column in zip(self.tables, codes.T, strict=True):
            known = (column >= 0) & (column < len(table))
            columns.append(np.where(known[:, None], table[np.where(known, column, 0)], self.mean))
        return np.concatenate(columns, axis=1).astype(np.float32)


def learn(
    codes: np.ndarray,
    targets: np.ndarray,
    cardinalities: tuple[int, ...],
    random: np.random.RandomState,
    *,
    strength: float = 1.0,
) -> tuple[TargetStatistics, np.ndarray]:
    """Statistics for later rows, and for the rows to train on, (n, n_categories * width) float32.

        (sum of targets of earlier rows of the same code + strength * mean) / (how many + strength)

    codes     (n, n_categories) whole numbers, each below its cardinality
    targets   (n,) numbers, or (n, width), such as a column of 0 and 1 per class
    strength  rows that the mean counts for
    Of a row to train on, earlier is what stands before it in a random order, and the mean is that of all earlier rows,
    0 for the first: no row's statistic depends on its own target. Later rows see all rows, and the mean of all.
    Trap: `apply` on the rows that were learned from gives statistics that know their targets; train on those returned.
    Source: Prokhorenkova, Gusev, Vorobev, Dorogush & Gulin 2018, "CatBoost: unbiased boosting with categorical
    features", section 3.2, where the mean is any constant.
    """
    values = np.asarray(targets, np.float64).reshape(len(targets), -1)
    order = random.permutation(len(values))
    before = np.arange(len(values))[:, None]
    means = np.zeros_like(values)
    means[order] = _before(values[order]) / np.maximum(before, 1)
    overall = values.mean(axis=0)
    tables, columns = [], []
    for column, cardinality in zip(codes.T, cardinalities, strict=True):
        sums, counts = np.zeros_like(values), np.zeros((len(values), 1))
        by_code = order[np.argsort(column[order], kind="stable")]
        first = np.flatnonzero(np.diff(column[by_code], prepend=-1))  # of each code's rows
        start = np.repeat(first, np.diff(first, append=len(values)))
        running = _before(values[by_code])
        sums[by_code], counts[by_code] = running - running[start], (np.arange(len(values)) - start)[:, None]
        columns.append((sums + strength * means) / (counts + strength))
        occurs = np.bincount(column, minlength=cardinality)[:, None]
        added = np.stack([np.bincount(column, one, minlength=cardinality) for one in values.T], axis=1)
        tables.append((added + strength * overall) / (occurs + strength))
    return TargetStatistics(tuple(tables), overall), np.concatenate(columns, axis=1).astype(np.float32)


def _before(values: np.ndarray) -> np.ndarray:
    """Sums of all rows before each."""
    return np.concatenate([np.zeros_like(values[:1]), np.cumsum(values[:-1], axis=0)])
