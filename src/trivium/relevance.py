"""Which columns tell nothing of the target: where many do, a network learns by heart what trees would leave alone.

A column tells something where a model that was trained on other rows does worse on rows that got another row's value
of it (Breiman 2001). Two models are asked, trees and a linear one, as either is blind to what the other sees; and
where one does surely better without all columns of little use, and the other not surely worse, those are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from trivium.training import devices

FEWEST_COLUMNS = 20
"""Columns from which on it is worth asking: of fewer, somebody chose each."""

ROWS_PER_COLUMN = 200
"""Rows per column from which on a network finds out by itself."""

MOST_ROWS, MOST_INPUTS, MOST_CLASSES = 4_000, 2_000, 20
"""Rows that are asked; and beyond which inputs and classes nobody asks, as it would take too long."""

FOLDS, TREES, CHANGED = 3, 100, 200_000
"""Folds; trees in all; and rows in which a column has got other values, over all columns and folds."""

STACKED = 4_000_000
"""Numbers of the rows handed to a model in one call, at most: a call costs as much as hundreds of rows do."""

SURELY = -2.0
"""By how many standard errors a model must do better without."""

FEWEST_OUT = 1 / 3
"""Share of the columns that is to be of little use: where fewer are, chance has picked them, as often as not."""

LIMITS = (0.0, 1.0, 2.0)
"""Standard errors up to which a column counts as of little use: which, held-out rows say."""

PASSES = 3
"""How often it is asked again of the columns that are left, which then show more clearly."""

ALPHAS = np.logspace(-1, 4, 6)


@dataclass(frozen=True)
class Fold:
    train: np.ndarray
    test: np.ndarray


class _Trees:
    """Boosted trees. Losses are squared errors, or log-losses."""

    def __init__(self, classes: int | None, n_columns: int) -> None:
        # here, as a fit that asks nothing need not wait for it
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        self.classes = classes
        rounds = TREES if classes is None else max(10, TREES // max(1, classes - 1))
        kind: Any = HistGradientBoostingRegressor if classes is None else HistGradientBoostingClassifier
        share = float(np.clip(100 / n_columns, 0.1, 1.0))
        self.model = kind(max_iter=rounds, early_stopping=False, max_features=share, random_state=0)

    def fit(self, X: np.ndarray, y: np.ndarray) -> "_Trees":
        self.model.fit(X, y)
        return self

    def losses(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        if self.classes is None:
            return (self.model.predict(X) - y) ** 2
        shares = np.zeros((len(X), self.classes))
        shares[:, self.model.classes_.astype(int)] = self.model.predict_proba(X)
        return -np.log(np.clip(shares[np.arange(len(y)), y], 1e-4, 1))


class _Linear:
    """Least squares, of the classes' indicators where there are classes. Losses are squared errors."""

    def __init__(self, classes: int | None, n_columns: int) -> None:
        self.classes = classes
        self.model = RidgeCV(ALPHAS)

    def fit(self, X: np.ndarray, y: np.ndarray) -> "_Linear":
        self.model.fit(X, self.targets(y))
        return self

    def targets(self, y: np.ndarray) -> np.ndarray:
        return y if self.classes is None else np.eye(self.classes)[y]

    def losses(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        errors = (self.model.predict(X) - self.targets(y)) ** 2
        return errors if errors.ndim == 1 else errors.sum(axis=1)


MODELS: tuple[type, ...] = (_Trees, _Linear)


def telling_nothing(X: np.ndarray, y: np.ndarray, places: Sequence[Sequence[int]], classes: int | None) -> np.ndarray:
    """Which columns of a table are better left out, (n_columns,) bool.

    X        (n, n_inputs) encoded rows, in which `places` says where each column stands
    y        (n,) numbers, or whole numbers of so many classes
    """
    nothing = np.zeros(len(places), bool)
    if not is_asked(len(X), X.shape[1], len(places), classes):
        return nothing
    random = np.random.default_rng(0)
    rows = np.sort(random.permutation(len(X))[:MOST_ROWS])
    X, y = np.asarray(X[rows], np.float32), y[rows]
    if classes is None:
        y = (y - y.mean()) / (y.std() or 1.0)
    parts = [Fold(*pair) for pair in KFold(FOLDS, shuffle=True, random_state=0).split(X)]
    left = np.arange(len(places))
    with devices.unthreaded():  # one is as fast on so few rows, and two processes with two each wait for one another
        for _ in range(PASSES):
            little = _of_little_use(X, y, [places[int(column)] for column in left], classes, parts, random)
            nothing[left[little]] = True
            left = left[~little]
            if not little.any() or len(left) < FEWEST_COLUMNS:
                break
    return nothing


def _of_little_use(
    X: np.ndarray, y: np.ndarray, places: Sequence[Sequence[int]], classes: int | None, parts: Sequence[Fold],
    random: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Which of these columns are better left out, by what they count for beside each other."""
    inputs = np.concatenate(places).astype(int)
    ends = np.cumsum([len(place) for place in places])
    own = [list(range(end - len(place), end)) for place, end in zip(places, ends, strict=True)]
    X = X[:, inputs]
    use, before = zip(*(_use(kind, X, y, own, classes, parts, random) for kind in MODELS), strict=True)
    best = np.max(use, axis=0)
    least, chosen = SURELY, np.zeros(len(places), bool)
    for limit in LIMITS:
        little = best <= limit
        if little.mean() < FEWEST_OUT or little.all():
            continue
        kept = X[:, np.concatenate([place for place, left_out in zip(own, little, strict=True) if not left_out])]
        gains: list[float] = []
        for kind, losses in zip(MODELS[::-1], before[::-1], strict=True):  # the quick one first
            gains.append(in_errors(_losses(kind, kept, y, classes, parts) - losses))
            if gains[-1] >= -SURELY:
                break
        else:
            if min(gains) < least:
                least, chosen = min(gains), little
    return chosen


def is_asked(n: int, n_inputs: int, n_columns: int, classes: int | None) -> bool:
    """Whether so many rows and columns are worth the question, and it can be answered in seconds."""
    few = n < ROWS_PER_COLUMN * n_columns and n >= 50
    return few and n_columns >= FEWEST_COLUMNS and n_inputs <= MOST_INPUTS and (classes or 0) <= MOST_CLASSES


def _use(
    kind: Callable[..., Any], X: np.ndarray, y: np.ndarray, places: Sequence[Sequence[int]], classes: int | None,
    parts: Sequence[Fold], random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """By how many standard errors a model does worse on rows with other values of each column; and its losses."""
    worse, losses = [], []
    times = int(np.clip(CHANGED // (len(X) * len(places)), 1, 5))
    for part in parts:
        model = kind(classes, X.shape[1]).fit(X[part.train], y[part.train])
        rows, truth = X[part.test], y[part.test]
        usual = model.losses(rows, truth)
        changed, at_once = np.zeros((len(rows), len(places))), max(1, STACKED // rows.size)
        for _ in range(times):
            others = rows[random.permutation(len(rows))]
            for first in range(0, len(places), at_once):
                some = places[first : first + at_once]
                copies = np.repeat(rows[None], len(some), axis=0)
                for copy, own in zip(copies, some, strict=True):
                    copy[:, own] = others[:, own]
                said = model.losses(copies.reshape(-1, rows.shape[1]), np.tile(truth, len(some)))
                changed[:, first : first + at_once] += said.reshape(len(some), -1).T / times
        worse.append(changed - usual[:, None])
        losses.append(usual)
    return in_errors(np.concatenate(worse)), np.concatenate(losses)


def _losses(
    kind: Callable[..., Any], X: np.ndarray, y: np.ndarray, classes: int | None, parts: Sequence[Fold]
) -> np.ndarray:
    """Of each row, by a model that was trained on others."""
    return np.concatenate(
        [
            kind(classes, X.shape[1]).fit(X[part.train], y[part.train]).losses(X[part.test], y[part.test])
            for part in parts
        ]
    )


def in_errors(differences: np.ndarray) -> Any:
    """The mean of differences by row, in standard errors."""
    error = differences.std(axis=0) / np.sqrt(len(differences))
    return differences.mean(axis=0) / np.maximum(error, 1e-12)
