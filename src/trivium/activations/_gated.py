"""What silu and its kin share: z * sigmoid(y), where y is z, a multiple or a polynomial of it, given as a pair.

The slope is sigmoid(y) * (1 + rise * sigmoid(-y)), rise = z * dy/dz; below zero its sign changes once, and there the
sum 1 + exp(y) + rise is handed in with its digits.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.numerics import magnitude, near_root, scaled_exp


def gate(z: Array, y: Array, rest: Array) -> Array:
    """z * sigmoid(y + rest)."""
    power, scale, bottom = _parts(y, rest)
    return jnp.where(y < 0, jnp.where(y < -120, 0, z) * power * scale, z) / bottom


def slope(y: Array, rest: Array, rise: Array, below_root: Array | None = None) -> Array:
    """The derivative of `gate` by z; below_root is 1 + exp(y) + rise near its root, where given."""
    power, scale, bottom = _parts(y, rest)
    sum_below = 1 + rise + power * scale if below_root is None else below_root
    return jnp.where(y < 0, power * sum_below * scale, 1 + power * scale * (1 + rise)) / jnp.square(bottom)


def sum_near_root(y: Array, rest: Array) -> Array | None:
    """1 + exp(y) + y, where rise is y itself."""
    if y.dtype == np.float64:
        return None
    near = near_root(y, -1.2784645427610737951, _SUM, rest)
    return jnp.where(jnp.abs(y + 1.278) < 0.35, near, (1 + y) + (rest + jnp.exp(jnp.minimum(y, 0))))


_SUM = (1.27846454, 0.139232272, 0.0464107583, 0.0116025931, 0.00232048888, 0.000388280182, 5.56634085e-05)
"""(1 + exp(y) + y) / (y - root) in powers of y - root within 0.35, interpolated at Chebyshev's points to 6e-11."""


def _parts(y: Array, rest: Array) -> tuple[Array, Array, Array]:
    """exp(-|y|) in two factors, and 1 + exp(-|y|)."""
    power, scale = scaled_exp(-magnitude(y), jnp.where(y < 0, rest, -rest))
    return power, scale, 1 + power * scale
