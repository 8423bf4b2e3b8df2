"""Rows in an order of their own, so that the one in which they came does not change a bit of what is learned."""

import numpy as np

from trivium.estimators.members import Part

MOST_NUMBERS = 1 << 24
"""Of a table that is brought in order, which takes as much memory again; a larger one stays as it came."""

BLOCK = 1 << 14
"""Rows that are looked at at once."""


def in_order(part: Part) -> tuple[Part, np.ndarray | None]:
    """The rows in an order that depends on what stands in them alone, and their numbers, (n,); None for a large table.

    By a random sum of what a row holds: rows that share it are equal, and whichever comes first is the same.
    """
    n, width = part.inputs.shape
    if n * width > MOST_NUMBERS:
        return part, None
    targets = np.asarray(part.y, np.float64).reshape(n, -1)
    of_weight, *of_inputs = np.random.default_rng(0).uniform(1, 2, width + 1)
    of_targets = np.random.default_rng(1).uniform(1, 2, targets.shape[1])
    sums = np.concatenate(
        [part.inputs[first : first + BLOCK].astype(np.float64) @ of_inputs for first in range(0, max(n, 1), BLOCK)]
    )
    spread = np.maximum(np.abs(targets).max(axis=0, initial=0.0), 1e-300)
    sums += (targets / spread) @ of_targets + of_weight * part.weights
    order = np.argsort(sums, kind="stable")
    return part.at(order), order
