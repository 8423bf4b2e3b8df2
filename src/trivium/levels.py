"""What the levels of a column tell of the target: of a category of many levels, or of a number that comes again.

Asked is a linear model, and what it lacks on rows that it has not seen.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold

from trivium.relevance import ALPHAS, FOLDS, MOST_CLASSES, MOST_INPUTS, SURELY, Fold, in_errors
from trivium.training import devices

MOST_ROWS, PRIOR_ROWS, FEWEST_GAIN = 30_000, 5, 0.02
"""Rows that are to be asked; rows that a level without any counts for; and the share of the squared error that is to
go."""

BINS = 64
"""Of a number, whose averages tell what its size does: as many as an embedding of numbers has."""

BLOCK = 1 << 12
"""Rows whose products are summed at once."""


class Told(NamedTuple):
    """Of columns of many levels, whether each level tells something by itself, and whether the column tells nothing."""

    tell: np.ndarray  # (n_columns,) bool
    nothing: np.ndarray  # (n_columns,) bool


def told(X: np.ndarray, y: np.ndarray, codes: np.ndarray, places: Sequence[Sequence[int]], classes: int | None) -> Told:
    """What levels tell that the encoded rows do not hold, and which columns tell nothing at all.

    X       (n, n_inputs) encoded rows, in which rare levels share columns
    y       (n,) or (n, n_outputs) numbers, or (n,) whole numbers of so many classes
    codes   (n, n_columns) whole numbers, one per level; those of numbers rise with them
    places  where the encoded rows hold each column; of numbers nothing: what such a number tells by its size, as
            averages over bins, is no news
    What a linear model lacks on rows that it has not seen is averaged by level, and asked of further rows. A category
    tells nothing where the model does no worse without its columns, and its levels do not tell what it lacks then; a
    text, of which every row has a code of its own, where the model is not surely worse without its columns.
    """
    n_columns = codes.shape[1]
    if X.shape[1] > MOST_INPUTS or len(X) < 2 * FOLDS or (classes or 0) > MOST_CLASSES:
        return Told(np.zeros(n_columns, bool), np.zeros(n_columns, bool))
    wanted = y.astype(np.float64) if classes is None or y.ndim == 2 else np.eye(classes)[y]
    parts = [Fold(*pair) for pair in KFold(FOLDS).split(X)]
    tell, nothing = [], []
    with devices.unthreaded():
        linear = _Ridge(X, wanted.reshape(len(X), -1), parts)
        for code, own in zip(codes.T.astype(np.int64), places, strict=True):
            gain, before = _gain_by_level(code, linear.lacking, parts, in_order=not own)
            tell.append(in_errors(gain) > -SURELY and gain.mean() > FEWEST_GAIN * before.mean())
            nothing.append(bool(own) and not tell[-1] and _is_idle(linear, code, own))
    return Told(np.array(tell, bool), np.array(nothing, bool))


def _is_idle(linear: "_Ridge", code: np.ndarray, own: Sequence[int]) -> bool:
    """Whether neither the columns of a category nor its levels lower what the model lacks; of a text, whose values are
    like no other and whose words are many, whether its columns do not surely do so."""
    without = linear.without(own)
    of_columns = np.square(without).sum(axis=1) - np.square(linear.lacking).sum(axis=1)
    if len(np.unique(code)) == len(code):
        return bool(in_errors(of_columns) < -SURELY)
    return bool(of_columns.sum() <= 0 and _gain_by_level(code, without, linear.parts, in_order=False)[0].sum() <= 0)


def _gain_by_level(
    code: np.ndarray, lacking: np.ndarray, parts: Sequence[Fold], *, in_order: bool
) -> tuple[np.ndarray, np.ndarray]:
    """By how much averages by level lower the squares of what is lacking, (n,), and those squares, (n,).

    in_order  whether averages over bins of the codes come first
    """
    gain, before = np.empty(len(code)), np.empty(len(code))
    for part in parts:
        known, asked = lacking[part.train], lacking[part.test]
        if in_order:
            edges = np.quantile(code[part.train], np.linspace(0, 1, BINS + 1)[1:-1], method="higher")
            bins = np.searchsorted(edges, code)
            by_bin = _means(bins, part.train, known)
            known, asked = known - by_bin[bins[part.train]], asked - by_bin[bins[part.test]]
        left = asked - _means(code, part.train, known)[code[part.test]]
        before[part.test] = np.square(asked).sum(axis=1)
        gain[part.test] = before[part.test] - np.square(left).sum(axis=1)
    return gain, before


def _means(codes: np.ndarray, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """By code the mean of what some rows hold, (n_codes, n_outputs), drawn to 0 as by PRIOR_ROWS that hold none."""
    own, n = codes[rows], codes.max() + 1
    sums = np.stack([np.bincount(own, one, minlength=n) for one in values.T], axis=1)
    return sums / (np.bincount(own, minlength=n) + PRIOR_ROWS)[:, None]


class _Ridge:
    """Ridge regression, asked of the rows of each part by what it learned of the others.

    lacking  (n, n_outputs) what is wanted less what it says, at the penalty that is best on these rows
    By the normal equations, whose sums serve every part and every choice of columns: a tenth of the time of models.
    """

    def __init__(self, X: np.ndarray, wanted: np.ndarray, parts: Sequence[Fold]) -> None:
        self.X, self.wanted, self.parts = X, wanted, parts
        self._sums = [_products(X[part.test], wanted[part.test]) for part in parts]
        tried = [(self._lacking(np.arange(X.shape[1]), alpha), alpha) for alpha in ALPHAS]
        self.lacking, self._alpha = min(tried, key=lambda pair: np.square(pair[0]).sum())

    def without(self, places: Sequence[int]) -> np.ndarray:
        """What it lacks without these columns, at the same penalty."""
        return self._lacking(np.setdiff1d(np.arange(self.X.shape[1]), places), self._alpha)

    def _lacking(self, kept: np.ndarray, alpha: float) -> np.ndarray:
        whole, width = sum(self._sums), self.X.shape[1]
        inputs = np.append(kept, width)  # behind the columns stand the ones, which have no penalty to speak of
        penalty = np.diag(np.append(np.full(len(kept), alpha), 1e-9))
        lacking = self.wanted.copy()
        for part, own in zip(self.parts, self._sums, strict=True):
            left = (whole - own)[inputs]
            weights = np.linalg.solve(left[:, inputs] + penalty, left[:, width + 1 :])
            lacking[part.test] -= self.X[np.ix_(part.test, kept)].astype(np.float64) @ weights[:-1] + weights[-1]
        return lacking


def _products(X: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Of inputs, ones and what is wanted: the products of all columns with each other, summed over the rows."""
    total: Any = 0.0
    for first in range(0, len(X), BLOCK):
        rows = X[first : first + BLOCK].astype(np.float64)
        rows = np.column_stack([rows, np.ones(len(rows)), wanted[first : first + BLOCK]])
        total = total + rows.T @ rows
    return total
