"""The sigmoid below zero, and what silu and its kin make of it: z * sigmoid(y), y being z, a multiple or a polynomial.

Value and derivative share one quotient, which is taken once: compilers keep the result of a division for the way back,
while they compute an exponential made of products and sums a second time.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.activations._lifted import BACK, LIFT, at_most, lifted_exp
from trivium.numerics import magnitude, near_root


def closed(value: Array, rest: Array | None = None, *, lift: int = LIFT) -> Array:
    """2^lift * sigmoid(value + rest) for value + rest <= 0."""
    power = lifted_exp(value, rest, lift=lift)
    return power / (1 + power * 2.0**-lift)


def silu(z: Array) -> Array:
    """z * sigmoid(z), as max(z, 0) - |z| * sigmoid(-|z|)."""
    size = magnitude(z)
    low = jnp.where(size > _FAR, 0, size) * closed(-size, lift=_LIFT_OF_SILU) * 2.0**-_LIFT_OF_SILU
    return jnp.where(z < 0, 0, z) - low


def silu_slope(z: Array) -> Array:
    size = magnitude(z)
    return _slope(z, -at_most(size, _FAR), closed(-size, lift=_LIFT_OF_SILU), None, 2.0**-_LIFT_OF_SILU)


_FAR = 750.0
"""Beyond this size, exp of its negative has long been zero, in float64 too."""

_LIFT_OF_SILU = 8
"""|z| is below 2^8 where its product with the sigmoid is a normal number of float32."""


def gate(z: Array, y: Array, rest: Array) -> Array:
    """z * sigmoid(y + rest)."""
    q = closed(-magnitude(y), jnp.where(y < 0, rest, -rest))
    low = jnp.where(jnp.abs(y) > 120, 0, z) * q * BACK
    return jnp.where(y < 0, low, z - low)


def slope(y: Array, rest: Array) -> Array:
    """The derivative of `gate` by z where y is a multiple of it: s * (1 + y * (1 - s)), s = sigmoid(y).

    Its values at y and -y add up to 1. Below zero it changes its sign once, and its digits are kept there.
    """
    rest = jnp.where(y < 0, rest, -rest)
    return _slope(y, -magnitude(y), closed(-magnitude(y), rest), rest, BACK)


def _slope(y: Array, below: Array, q: Array, rest: Array | None, back: float) -> Array:
    less = below * (q * back)
    gained = (1 + below) - (less if rest is None else less - rest)
    if y.dtype != np.float64:
        around = near_root(below, -1.2784645427610737951, _AROUND, 0.0 if rest is None else rest)
        gained = jnp.where(jnp.abs(below + 1.2784645) < 0.4, around, gained)
    low = q * gained * back
    return jnp.where(y < 0, low, 1 - low)


_AROUND = (0.999999997, -0.108905866, -0.0488826048, -0.00471727997, 0.00303931697, 0.0010773209)
"""(1 + y * (1 - s)) / (y - root) in powers of y - root, within 0.4 of it, interpolated at Chebyshev's points to
9e-9."""
