"""What can be computed of an activation, so that nobody has to list it."""

from collections.abc import Callable
from functools import cache

import numpy as np


@cache
def gain(activation: Callable) -> float:
    """What to multiply weights by so that the activation keeps a unit second moment, 1 / sqrt(E[f(z)^2])."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(128)
    second_moment = np.average(np.asarray(activation(nodes.astype(np.float32)), float) ** 2, weights=weights)
    return float(1 / np.sqrt(second_moment))
