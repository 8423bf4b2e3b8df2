"""Arrays of numbers, dense or sparse, read in blocks; and what must be refused or converted before."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from trivium.tables.read import TableError
from trivium.tables.scaling import Read

ALIGNMENT = 64
"""Bytes by whose multiple an array must start so that JAX takes it as it is."""

MOVED = 1 << 18
"""Numbers that are moved at once within their table, about."""


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of SciPy, which need not have been imported."""
    scipy_sparse = sys.modules.get("scipy.sparse")
    return scipy_sparse is not None and scipy_sparse.issparse(X)


def is_numeric(X: Any) -> bool:
    """Whether X is an array of numbers or booleans, dense or sparse, (n_samples, n_features)."""
    return (isinstance(X, np.ndarray) or is_sparse(X)) and X.dtype.kind in "biuf"


def in_rows(X: Any) -> Any:
    """A sparse matrix of any format in the one whose rows can be cut; all else as it is."""
    return X.tocsr() if is_sparse(X) and X.format != "csr" else X


def dense(X: Any) -> np.ndarray:
    """A block of rows as a plain array."""
    return X.toarray() if is_sparse(X) else X


def reader(X: Any) -> Read:
    """Rows of an array of numbers, between two places."""
    X = in_rows(X)
    return lambda first, last: dense(X[first:last])


def aligned(n: int, width: int, dtype: Any = np.float32) -> np.ndarray:
    """Rows (n, width), not yet written, that start where JAX can use them without a copy."""
    size = n * width * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(n, width)


class Roomy(np.ndarray):
    """Rows behind which stand others, copies of them, that fill up a size that tables of like length share.

    whole  all of them; None in whatever is made of this array. Its memory starts where JAX can use it without a copy.
    """

    whole: np.ndarray | None

    def __array_finalize__(self, source: Any) -> None:
        self.whole = None

    @classmethod
    def empty(cls, n: int, room: int, width: int) -> "Roomy":
        """Rows (n, width) of float32, not yet written, with room - n others behind; `fill_up` comes after."""
        return cls.over(aligned(room, width), n)

    @classmethod
    def over(cls, whole: np.ndarray, n: int) -> "Roomy":
        """The first n of rows that stand in such a place."""
        rows = whole[:n].view(cls)
        rows.whole = whole
        return rows

    def fill_up(self) -> None:
        """Copy rows to the room behind them."""
        if self.whole is not None:
            repeat(self.whole, len(self))


def filled(array: np.ndarray, size: int) -> np.ndarray:
    """So many rows of any kind: the array's own, then copies of them."""
    whole = aligned(size, int(np.prod(array.shape[1:])), array.dtype).reshape(size, *array.shape[1:])
    whole[: len(array)] = array
    repeat(whole, len(array))
    return whole


def with_room(array: np.ndarray, room: int) -> "Roomy":
    """A copy of the rows of an array, others behind them as in `filled`."""
    return Roomy.over(filled(array, room), len(array))


def some(numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some of the numbers (n,), which take no memory where they are one and the same by a stride of 0."""
    return np.broadcast_to(numbers[:1], rows.shape) if numbers.strides == (0,) and len(numbers) else numbers[rows]


def repeat(whole: np.ndarray, n: int) -> None:
    """Copy the first n rows, again and again, to those behind them."""
    for first in range(n, len(whole), max(1, n)):
        behind = whole[first : first + n]
        behind[...] = whole[: len(behind)]


def taken(rows: np.ndarray, places: np.ndarray, room: int) -> np.ndarray:
    """Some of the rows (n, width) of float32, with room for as many as `room` behind them."""
    out = Roomy.empty(len(places), room, rows.shape[1])
    np.take(rows, places, axis=0, out=np.asarray(out), mode="clip")
    out.fill_up()
    return out


def closed_up(rows: np.ndarray, places: np.ndarray, room: int) -> np.ndarray:
    """`taken`, where the memory of the rows (n, width) may be written over: rising places are moved to the front of it.

    Makes no second table, and leaves none: whoever calls lets go of the rows that were there.
    """
    whole = getattr(rows, "whole", None)
    if whole is None or room > len(whole):
        return taken(rows, places, room)
    step = max(1, MOVED // max(1, whole.shape[1]))
    for first in range(0, len(places), step):
        moved = whole[places[first : first + step]]  # a copy, of rows that none has been moved over yet
        whole[first : first + len(moved)] = moved
    front = Roomy.over(whole[:room], len(places))
    front.fill_up()
    return front


def check_room(n: int, width: int) -> None:
    """Raises TableError where n rows of `width` float32 numbers do not fit into memory."""
    needed, free = 4 * n * width, free_memory()
    if free is not None and needed > free:
        raise TableError(
            f"X must fit into memory once every number has a place, got {n:,} x {width:,}: {needed / 2**30:.1f} GiB, "
            f"where {free / 2**30:.1f} are free. Take fewer rows or columns: sklearn.decomposition.TruncatedSVD makes "
            "few columns of many sparse ones."
        )


def free_memory() -> int | None:
    """Bytes that this process may still take, of the machine or of a smaller container; None where that is unknown."""
    free = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free.append(1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")))
    except (OSError, StopIteration):
        try:
            free.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        except (AttributeError, ValueError, OSError):
            return None
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            free.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no container, or one without a limit
            continue
    return min(free)
