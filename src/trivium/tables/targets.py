"""The target column: found, checked, and read for what it asks of the network."""

from typing import Any, Literal

import narwhals as nw
import numpy as np
import pyarrow as pa
from sklearn.utils import column_or_1d

from trivium.tables.read import TableError, suggestion

Task = Literal["classification", "regression"]

MOST_CLASSES = 20
"""Whole numbers with more different values than this are amounts, not classes."""

ROWS_PER_CLASS = 10
"""Fewest rows that each of a few whole numbers must have, on average, to be taken for a class."""


def split_target(frame: nw.DataFrame, name: str) -> tuple[nw.DataFrame, nw.Series]:
    """The features, and the column to predict. Raises TableError for a name that no column has, with the nearest."""
    if name not in frame.columns:
        raise TableError(f"the target must be a column of the table, got {name!r}. {suggestion(name, frame.columns)}")
    if len(frame.columns) == 1:
        raise TableError(f"the table must have a column beside the target {name!r}, got none. Add features.")
    return frame.drop(name), frame[name]


def guess_task(target: nw.Series) -> tuple[Task, str]:
    """Whether a target asks for classes or for a number, and the reason in words.

    Raises TableError for a target of neither kind, and for one without a value.
    """
    present = target.drop_nulls()
    if len(present) == 0:
        raise TableError(f"the target {target.name!r} must hold values, got only missing ones. Choose another.")
    if target.dtype.is_temporal() or target.dtype.is_nested() or target.dtype in (nw.Binary, nw.Object, nw.Unknown):
        raise TableError(
            f"the target {target.name!r} must hold numbers, texts or booleans, got {target.dtype}. Convert it: a date "
            "to the days since another one, a list to one column per entry."
        )
    different = present.n_unique()
    if target.dtype.is_float():
        values = present.to_numpy()
        whole = bool(np.all(values == np.round(values)))
    else:
        whole = target.dtype.is_integer()
    if not target.dtype.is_numeric():
        return "classification", f"its values are {'booleans' if target.dtype == nw.Boolean else 'texts'}"
    if not whole:
        return "regression", "its values are numbers with fractions"
    if different <= 2:
        return "classification", f"it has only {different} different values"
    if different <= MOST_CLASSES and len(present) >= ROWS_PER_CLASS * different and _names_classes(present):
        return "classification", f"its values are the whole numbers from {present.min()} to {present.max()}"
    return "regression", f"its values are whole numbers, {different} different ones"


def as_classes(y: Any) -> np.ndarray:
    """Classes (n,) as an array of one type; or labels (n, n_labels), 1 where one holds.

    Raises ValueError where one is missing or types are mixed, or where a label is neither 0 nor 1.
    """
    if _several(y):
        labels = as_numbers(y)
        wrong = np.argwhere((labels != 0) & (labels != 1))
        if len(wrong):
            row, column = wrong[0]
            raise TableError(
                f"y must hold 0 or 1 in each of its {labels.shape[1]} columns of labels, got {labels[row, column]:g} "
                f"in row {row}. Hand over one column of classes, or labels."
            )
        return labels.astype(np.int64)
    values = _column(y)
    _refuse_missing(values)
    if values.dtype == object:
        kinds = {type(value) for value in values}
        if len(kinds) == 1 and kinds <= {bool, int, float}:
            return np.asarray(values.tolist())
        if any(not isinstance(value, str) for value in values) and len(kinds) > 1:
            examples = {kind.__name__: value for kind, value in ((type(v), v) for v in values[::-1])}
            shown = ", ".join(f"{value!r} ({kind})" for kind, value in examples.items())
            raise TableError(f"y must hold classes of one type, got a mixture: {shown}. Make all of them texts.")
    return values


def as_numbers(y: Any) -> np.ndarray:
    """Numbers (n,), or (n, n_outputs) of several columns, as float64: the array itself where it is such a one.

    Raises ValueError where one is missing, infinite or a text.
    """
    if _several(y):
        y = nw.from_native(y, pass_through=True)
        columns = [y[name] for name in y.columns] if isinstance(y, nw.DataFrame) else np.asarray(y).T
        return np.column_stack([as_numbers(column) for column in columns])
    values = _column(y)
    _refuse_missing(values)
    try:
        numbers = values.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        row = next(row for row, value in enumerate(values) if not _is_number(value))
        raise TableError(
            f"y must hold numbers, got {values[row : row + 1].tolist()[0]!r} in row {row}. Use a classifier for "
            "classes, or mend the value."
        ) from None
    if np.isinf(numbers).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0])
        raise TableError(f"y must be finite, got {numbers[row]} in row {row}. Drop the row.")
    return numbers


def _names_classes(present: nw.Series) -> bool:
    """Whether whole numbers run without a gap from 0 or 1 on, as numbers of classes do, or are -1, 0 and 1."""
    values = np.unique(present.to_numpy())
    if values.tolist() == [-1, 0, 1]:
        return True
    return values[0] in (0, 1) and bool(np.all(np.diff(values) == 1))


def _several(y: Any) -> bool:
    """Whether y has two columns or more."""
    if hasattr(y, "shape") and not isinstance(y, pa.Table):
        return len(y.shape) == 2 and y.shape[1] > 1
    if isinstance(y, pa.Table):
        return y.num_columns > 1
    first = y[0] if isinstance(y, list) and y else None
    return isinstance(first, list | tuple | np.ndarray) and len(first) > 1


def _column(y: Any) -> np.ndarray:
    """One value per row, without the wrapping of any library."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    if isinstance(y, pa.ChunkedArray | pa.Array):
        y = nw.from_native(pa.chunked_array([y]) if isinstance(y, pa.Array) else y, series_only=True)
    wrapped = nw.from_native(y, allow_series=True, pass_through=True)
    if isinstance(wrapped, nw.Series):
        values = wrapped.to_list()
        array = np.asarray(values) if wrapped.null_count() == 0 else np.asarray(values, dtype=object)
        return array if array.dtype.kind in "biufU" else np.asarray(values, dtype=object)
    if isinstance(wrapped, nw.DataFrame):
        y = wrapped.to_numpy()
    values = column_or_1d(y, warn=True)
    if values.dtype.kind == "c":
        raise ValueError("Complex data not supported: y must hold numbers or classes. Take a part or the size of it.")
    return values


def _refuse_missing(values: np.ndarray) -> None:
    if len(values) == 0:
        raise TableError("y must have rows, got 0 sample(s). Check the table.")
    missing = np.isnan(values) if values.dtype.kind == "f" else np.array([_is_missing(value) for value in values])
    if missing.any():
        raise TableError(
            f"y must be known in every row, got {int(missing.sum())} missing, the first in row "
            f"{int(np.flatnonzero(missing)[0])}. Drop these rows."
        )


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA, which will not say whether it equals itself
        return True


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def classes_of(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes, sorted, and the number of each row's class, (n,).

    Raises ValueError where there is but one.
    """
    if y.dtype.kind in "biuf":  # in a third of the memory that np.unique takes for the numbers
        classes = np.unique(y)
        numbers = np.searchsorted(classes, y)
    else:
        classes, numbers = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y must hold at least two classes, got one class: {classes[:1].tolist()[0]!r}. "
            "Nothing can be told apart; check how the rows were chosen."
        )
    return classes, numbers


def numbers_of(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The numbers of the classes (n,) among those announced, which are sorted.

    Raises ValueError for a class that was not announced.
    """
    numbers = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    unknown = classes[numbers] != y
    if unknown.any():
        raise ValueError(
            f"y must hold classes announced at the first call, got {y[unknown].tolist()[0]!r}. "
            f"Known are {classes.tolist()}: start anew with classes= all of them."
        )
    return numbers
