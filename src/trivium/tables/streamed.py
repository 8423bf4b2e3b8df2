"""Rows of a large table that are encoded when they are asked for, so that table and encoded rows need not both be held.

They are read as rows of an array are; whoever needs them all asks NumPy for them.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np

from trivium.tables.arrays import free_memory

MOST_HELD = 1 << 26
"""Numbers of an encoded table that is held whole; a larger one is encoded part by part, in every epoch anew."""

OF_FREE_MEMORY = 0.4
"""Of the memory that is free, how much a table may take that is held whole: beside it stand copies of some of it."""

AT_ONCE = 1 << 21
"""Numbers of a part, about."""

IN_PASSING, FEWEST_IN_PASSING = 1 << 18, 512
"""Numbers of the table that are copied at once, about, on their way to an encoded part; and rows at the least."""


class Streamed:
    """Rows (n, width) of float32, made anew whenever they are read.

    encode  makes some rows of the table what a network takes, (rows, width) float32, in the memory of `out` where given
    table   anything with a length along its first axis that takes an array of row numbers
    places  (n,) numbers of the rows that are meant, int32; None: all of them
    """

    ndim, dtype = 2, np.dtype(np.float32)

    def __init__(
        self, encode: Callable[..., np.ndarray], table: Any, width: int, places: np.ndarray | None = None
    ) -> None:
        self._encode, self._table, self._places = encode, table, places
        self.shape = (table.shape[0] if places is None else len(places), width)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self.shape[0] * self.shape[1]

    @property
    def _in_passing(self) -> int:
        """Rows that are copied at once."""
        return max(FEWEST_IN_PASSING, IN_PASSING // max(1, self.shape[1]))

    def at(self, rows: np.ndarray) -> "Streamed":
        """Some of the rows, by their numbers, not encoded yet."""
        small = rows.astype(np.int32) if self._table.shape[0] < 2**31 else rows
        return Streamed(self._encode, self._table, self.shape[1], small if self._places is None else self._places[rows])

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Rows by a slice, or by an array of their numbers."""
        numbers = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        out = np.empty((len(numbers), self.shape[1]), np.float32)
        self.fill(out, numbers)
        return out

    def fill(self, out: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Write these rows, by their numbers, or all of them to out (rows, width), with little memory beside it."""
        step = self._in_passing
        for first in range(0, len(out), step):
            here = slice(first, first + step) if rows is None else rows[first : first + step]
            chosen = self._table[here if self._places is None else self._places[here]]
            self._encode(chosen, out=out[first : first + step])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("rows that are encoded when asked for cannot be had without a copy.")
        out = np.empty(self.shape, np.float32)
        self.fill(out)
        return out if dtype is None else out.astype(dtype, copy=False)

    def thinned(self, rows: slice, columns: slice) -> np.ndarray:
        """Some columns of some of the rows."""
        numbers = np.arange(*rows.indices(len(self)))
        step = self._in_passing
        starts = range(0, len(numbers), step)
        return np.concatenate([self[numbers[first : first + step]][:, columns] for first in starts])

    def some(self, most: int) -> np.ndarray:
        """Rows at even distances, so many at most."""
        return self[:: -(-len(self) // most)]


Encoded: TypeAlias = np.ndarray | Streamed
"""Rows as a network takes them, held or made when they are read."""


class Columns:
    """Columns of plain numbers as a table (n, n_columns) whose rows can be had, as float64, without a copy of all."""

    def __init__(self, columns: Sequence[np.ndarray]) -> None:
        self._columns = columns
        self.shape = (len(columns[0]), len(columns))

    def __getitem__(self, rows: Any) -> np.ndarray:
        out = np.empty((len(self._columns[0][rows]), len(self._columns)))
        for place, column in enumerate(self._columns):
            out[:, place] = column[rows]
        return out


def columns_of(frame: nw.DataFrame, names: Sequence[str]) -> Columns | None:
    """These columns of a frame where they lie, if each of them is one of numbers as NumPy holds them; else None."""
    found = []
    for name in names:
        series = frame[name]
        native = series.to_native()
        held = isinstance(getattr(native, "dtype", None), np.dtype)  # a NumPy array, whose NaN says missing
        if not (series.dtype.is_numeric() and not series.dtype.is_decimal() and (held or series.null_count() == 0)):
            return None
        values = series.to_numpy()
        if values.ndim != 1 or values.dtype.kind not in "iuf":
            return None
        found.append(values)
    return Columns(found) if found else None


def rows_at_once(width: int) -> int:
    """Rows of a width that hold about AT_ONCE numbers."""
    return max(1, AT_ONCE // max(1, width))


def too_large(n: int, width: int) -> bool:
    """Whether an encoded table of this size is not to be held whole."""
    if n * width <= AT_ONCE or n * width > MOST_HELD:
        return n * width > MOST_HELD
    free = free_memory()
    return free is not None and 4 * n * width > OF_FREE_MEMORY * free
