"""What silu and its kin share: z * sigmoid(y), where y is z, a multiple or a polynomial of it, given as a pair."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.numerics import magnitude, near_root, scaled_exp


def gate(z: Array, y: Array, rest: Array) -> Array:
    """z * sigmoid(y + rest)."""
    power, scale, bottom = _parts(y, rest)
    return jnp.where(y < 0, jnp.where(y < -120, 0, z) * power * scale, z) / bottom


def slope(y: Array, rest: Array, rise: Array | None = None) -> Array:
    """The derivative of `gate` by z, sigmoid(y) * (1 + rise * sigmoid(-y)); rise = z * dy/dz, which is y if left out.

    Below zero it changes its sign once. Where rise is y itself its digits are kept there.
    """
    power, scale, _ = _parts(y, rest)
    rising = y if rise is None else rise
    below = (1 + rising) + ((rest if rise is None else 0) + power * scale)
    plain = jnp.where(y < 0, power * below * scale, 1 + power * scale * (1 + rising))
    u = power * scale
    plain = plain / (1 + u * (2 + u))
    if rise is not None or y.dtype == np.float64:
        return plain
    around = power * near_root(y, -1.2784645427610737951, _AROUND, rest)
    return jnp.where((y > -2.4) & (y < -0.3), around, plain)


_AROUND = (
    0.782188309, -0.255554738, -0.067758228, 0.0105054006, 0.00965458919, 0.000968066647, -0.000825832654,
    -0.000274276815, 3.11745947e-05, 2.55007065e-05,
)  # fmt: skip
"""The slope / (exp(y) * (y - root)) in powers of y - root, y from -2.4 to -0.3, interpolated at Chebyshev's points to
2e-8."""


def _parts(y: Array, rest: Array) -> tuple[Array, Array, Array]:
    """exp(-|y|) in two factors, and 1 + exp(-|y|)."""
    power, scale = scaled_exp(-magnitude(y), jnp.where(y < 0, rest, -rest))
    return power, scale, 1 + power * scale
