"""Rows on the host and their way to a device: in sizes that like tables share, each array once."""

import threading
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from trivium.compiling import in_eighths
from trivium.tables.arrays import filled
from trivium.tables.streamed import Encoded, Streamed
from trivium.training.batches import Rows
from trivium.training.program import BLOCK

SMALLEST_BUCKET = 64
"""Rows that the smallest tables are filled up to."""


class Table(NamedTuple):
    """Rows on the host, ready for the network."""

    X: Encoded  # (n, n_features) float32
    targets: np.ndarray  # (n,) or (n, width), as the loss takes them
    weights: np.ndarray  # (n,) float32
    spread: float | None = None  # variance of the targets, over which a squared distance is an R2
    places: np.ndarray | None = None  # (n_places,) numbers of the rows that are meant, such as a fold; None: all

    @property
    def n(self) -> int:
        """How many rows are meant."""
        return len(self.X) if self.places is None else len(self.places)


def bucket(n: int) -> int:
    """The size that n rows are filled up to: eight sizes between a number and its double.

    The filling costs memory, at most an eighth, and no time where rows come in batches.
    """
    return max(SMALLEST_BUCKET, in_eighths(n))


class Store:
    """Rows of many tables on devices; an array that several tables share goes to a device once."""

    def __init__(self) -> None:
        self._arrays: dict[Any, tuple[Encoded, Array]] = {}
        self._lock = threading.Lock()

    def rows(self, table: Table, device: Any, *, blocks: bool = False) -> Rows:
        """A table on a device, None for the one that JAX takes by itself.

        blocks  whether it will be read in blocks, and so must fill them
        """
        sizes = {True: bucket(len(table.X)), False: bucket(table.n)}
        if blocks and table.n > BLOCK:
            sizes[table.places is None] = -(-sizes[table.places is None] // BLOCK) * BLOCK
        X, targets, weights = (self._placed(array, sizes[True], device) for array in table[:3])
        places = None if table.places is None else self._placed(table.places, sizes[False], device)
        return Rows(X, targets, weights, places, np.asarray(table.n, np.int32))

    def _placed(self, array: Encoded, size: int, device: Any) -> Array:
        """Filled up with copies of its rows: those have a loss and a gradient, which a row of zeros may not have."""
        key = (id(array), size, device)
        with self._lock:
            if key not in self._arrays:
                rows = np.asarray(array) if isinstance(array, Streamed) else array
                whole = getattr(rows, "whole", None)  # of rows that stand in an array of that size already
                if whole is None or len(whole) != size:
                    whole = rows if len(rows) == size else filled(rows, size)
                # beside its copy stands the array, so that no other one comes to have its id
                self._arrays[key] = (array, jax.device_put(whole, device))
            return self._arrays[key][1]
