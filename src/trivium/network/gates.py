"""Gates that learn which columns a network needs: a noisy number per column, cut to [0, 1], that is pulled shut."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

SPREAD = 0.5
"""Standard deviation of the noise, and where gates start: half open. As in Yamada et al. 2020."""


def init(n_columns: int, dtype: Any = jnp.float32) -> Array:
    """Gates (n_columns,) that are half open."""
    return jnp.full(n_columns, SPREAD, dtype)


def opened(gates: Array, n: int, key: Array | None = None) -> Array:
    """Stochastic gates: min(1, max(0, gate + noise)), noise ~ N(0, SPREAD^2) per row and column, (n, n_columns).

    key  None, as in prediction, goes without noise: a gate at 0 or below is shut, and its column counts for nothing
    Source: Yamada, Lindenbaum, Negahban & Kluger 2020, "Feature selection using stochastic gates", equation 4.
    """
    gates = jnp.broadcast_to(gates[None], (n, gates.shape[0]))
    if key is not None:
        gates = gates + np.float32(SPREAD) * jax.random.normal(key, gates.shape, gates.dtype)
    return jnp.clip(gates, 0, 1)


def pull(gates: Array) -> Array:
    """How fast the chance that each gate is open grows with it: the density of N(0, SPREAD^2) at the gate.

    A step takes learning_rate * feature_selection * pull off the gates, apart from the optimizer, which would bring any
    pull to one size. Where the loss does not push back, a gate falls shut.
    Source: Yamada, Lindenbaum, Negahban & Kluger 2020, "Feature selection using stochastic gates", equation 5, whose
    penalty, the sum of the chances, this is the slope of.
    """
    return jax.scipy.stats.norm.pdf(gates, 0, SPREAD)
