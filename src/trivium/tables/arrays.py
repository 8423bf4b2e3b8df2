"""Arrays of numbers, dense or sparse, read in blocks; and what must be refused or converted before."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from trivium.tables.read import TableError
from trivium.tables.scaling import Read


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
