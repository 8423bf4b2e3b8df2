"""The sigmoid below zero, and what silu and its kin make of it: z * sigmoid(y), y being z, a multiple or a polynomial.

Value and derivative share one quotient, which is taken once: compilers keep the result of a division for the way back,
while they compute an exponential made of products and sums a second time.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.numerics import magnitude, near_root, polynomial

LIFTED, BACK = 2.0**32, 2.0**-32
"""What is multiplied by 2^32 and then by something large does not underflow before; both factors are exact."""


def lifted_exp(value: Array, rest: Array | float = 0.0) -> Array:
    """2^32 * exp(value + rest) for value + rest <= 0; zero at last below -109 in float32.

    rest  may reach 1: the two are added up only where no digit is lost
    """
    if value.dtype == np.float64:
        return jnp.exp(value) * (1 + rest) * LIFTED
    value = jnp.maximum(value, -130)  # also -inf: exp is zero there
    twos = jnp.maximum(jnp.round((value + rest) * np.float32(1.4426950408889634)), -127 - 32)
    r = ((value - twos * np.float32(0.693359375)) + twos * np.float32(2.12194440e-4)) + rest  # log(2) in two parts
    scale = lax.bitcast_convert_type((twos.astype(jnp.int32) + (127 + 32)) << 23, jnp.float32)
    return (1 + (r + r * r * polynomial(r, _EXP))) * lax.stop_gradient(scale)


_EXP = (0.5, 0.166666667, 0.0416664628, 0.00833331069, 0.0013933881, 0.000198912473)
"""(exp(r) - 1 - r) / r^2 in powers of r up to log(2) / 2, interpolated at Chebyshev's points."""


def closed(value: Array, rest: Array | float = 0.0) -> Array:
    """2^32 * sigmoid(value + rest) for value + rest <= 0."""
    power = lifted_exp(value, rest)
    return power / (1 + power * BACK)


def gate(z: Array, y: Array, rest: Array | float = 0.0) -> Array:
    """z * sigmoid(y + rest)."""
    q = closed(-magnitude(y), jnp.where(y < 0, rest, -rest))
    return jnp.where(y < 0, jnp.where(y < -120, 0, z) * q * BACK, z * (1 - q * BACK))


def slope(y: Array, rest: Array | float = 0.0) -> Array:
    """The derivative of `gate` by z where y is z or a multiple of it: s * (1 + y * (1 - s)), s = sigmoid(y).

    Its values at y and -y add up to 1. Below zero it changes its sign once, and its digits are kept there.
    """
    below, rest = -magnitude(y), jnp.where(y < 0, rest, -rest)
    q = closed(below, rest)
    gained = (1 + below) + (rest - below * (q * BACK))
    if y.dtype != np.float64:
        around = near_root(below, -1.2784645427610737951, _AROUND, rest)
        gained = jnp.where((below > -2.4) & (below < -0.3), around, gained)
    low = q * gained * BACK
    return jnp.where(y < 0, low, 1 - low)


_AROUND = (
    1.00000001, -0.108905893, -0.0488831769, -0.00471812962, 0.00304640652, 0.00109893983, -2.32666013e-05,
    -9.69299374e-05, -1.45812656e-05, 3.00635855e-06,
)  # fmt: skip
"""(1 + y * (1 - s)) / (y - root) in powers of y - root, y from -2.4 to -0.3, interpolated at Chebyshev's points to
7e-9."""
