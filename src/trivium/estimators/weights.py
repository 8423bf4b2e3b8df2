"""Weights that are whole numbers are rows that stand there so often: then fit has nothing else to weigh."""

from typing import Any

import narwhals as nw
import numpy as np

from trivium.tables import read
from trivium.tables.arrays import in_rows, is_sparse

MOST_GROWTH = 4
"""How many times as many rows there may be after that as before; beyond it, weights stay factors on losses."""


def as_rows(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Rows repeated as often as their whole weights say, and no weights; or all three as they came.

    A weight of 2 then means the row twice in all that is learned of a table, the scale of its columns and the rows kept
    aside included, and a weight of 0 means that the row is not there.
    """
    weights = np.asarray(sample_weight) if sample_weight is not None else np.zeros(0)
    if weights.ndim != 1 or weights.dtype.kind not in "biuf" or not len(weights) or not hasattr(y, "__len__"):
        return X, y, sample_weight
    if len(weights) != len(y) or not np.isfinite(weights).all() or (weights < 0).any() or (weights % 1 != 0).any():
        return X, y, sample_weight
    times = weights.astype(np.int64)
    if (times == times[0]).all() or not 2 <= times.sum() <= MOST_GROWTH * len(times):
        return X, y, sample_weight
    rows = np.repeat(np.arange(len(times)), times)
    frame = read.as_frame(X)
    if frame is not None:
        return frame[rows.tolist()], _taken(y, rows), None
    X = X if is_sparse(X) else np.asarray(X)
    if len(times) != X.shape[0]:
        return X, y, sample_weight
    return in_rows(X)[rows], np.asarray(y)[rows], None


def _taken(y: Any, rows: np.ndarray) -> Any:
    wrapped = nw.from_native(y, allow_series=True, pass_through=True)
    return wrapped[rows.tolist()].to_native() if isinstance(wrapped, nw.Series | nw.DataFrame) else np.asarray(y)[rows]
