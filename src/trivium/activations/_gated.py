"""The sigmoid below zero, and what silu and its kin make of it: z * sigmoid(y), y being z, a multiple or a polynomial.

Value and derivative share one quotient, which is taken once: compilers keep the result of a division for the way back,
while they compute an exponential made of products and sums a second time.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.numerics import magnitude, near_root, polynomial

FAR = 200.0
"""Beyond this |y|, exp(-|y|) has long been zero."""

LIFTED, BACK = 2.0**32, 2.0**-32
"""What is multiplied by 2^32 and then by something large does not underflow before; both factors are exact."""

LOWEST = -109.0
"""Within 1 of it exp is far below the normal float32 numbers, and 2^32 * exp has a power of two to be scaled by."""


def lifted_exp(value: Array, rest: Array | None = None) -> Array:
    """2^32 * exp(value + rest) for value + rest <= 0; zero at last below -109 in float32.

    rest  may reach 1: the two are added up only where no digit is lost
    """
    if value.dtype == np.float64:
        return jnp.exp(value) * (LIFTED if rest is None else (1 + rest) * LIFTED)
    value = jnp.where(value < LOWEST, LOWEST, value)  # also -inf: exp is zero there
    scale, less = _scale_and_less(value, rest)
    return (1 + less) * scale


def _scale_and_less(value: Array, rest: Array | None = None) -> tuple[Array, Array]:
    """A power of two, lifted, and what it is to be multiplied by, less 1."""
    nearly = value if rest is None else value + rest
    # What is added leaves no digits behind the point: the last bits are a whole number.
    bits = lax.bitcast_convert_type(nearly * np.float32(1.4426950408889634) + np.float32(1.5 * 2**23), jnp.int32)
    whole = bits - np.int32(0x4B400000)
    twos = whole.astype(jnp.float32)
    r = (value - twos * np.float32(0.693359375)) + twos * np.float32(2.12194440e-4)  # log(2) in two parts
    r = r if rest is None else r + rest
    scale = lax.bitcast_convert_type((whole + (127 + 32)) << 23, jnp.float32)
    return lax.stop_gradient(scale), r + r * r * polynomial(r, _EXP)


def lifted_exp_and_less(value: Array) -> tuple[Array, Array]:
    """2^32 * exp(value), and exp(value) - 1 with all its digits, for value from -100 to 0."""
    if value.dtype == np.float64:
        return jnp.exp(value) * LIFTED, jnp.expm1(value)
    scale, above = _scale_and_less(value)
    return scale + scale * above, (scale * BACK - 1) + scale * BACK * above


_EXP = (0.5, 0.166665766, 0.0416665541, 0.00836324667, 0.00139262681)
"""(exp(r) - 1 - r) / r^2 in powers of r up to log(2) / 2, interpolated at Chebyshev's points to 1.4e-7."""


def closed(value: Array, rest: Array | None = None) -> Array:
    """2^32 * sigmoid(value + rest) for value + rest <= 0."""
    power = lifted_exp(value, rest)
    return power / (1 + power * BACK)


def gate(z: Array, y: Array, rest: Array | None = None) -> Array:
    """z * sigmoid(y + rest)."""
    q = closed(-magnitude(y), rest if rest is None else jnp.where(y < 0, rest, -rest))
    return jnp.where(y < 0, jnp.where(y < -120, 0, z) * q * BACK, z * (1 - q * BACK))


def slope(y: Array, rest: Array | None = None) -> Array:
    """The derivative of `gate` by z where y is z or a multiple of it: s * (1 + y * (1 - s)), s = sigmoid(y).

    Its values at y and -y add up to 1. Below zero it changes its sign once, and its digits are kept there.
    """
    rest = rest if rest is None else jnp.where(y < 0, rest, -rest)
    q = closed(-magnitude(y), rest)
    below = jnp.maximum(-magnitude(y), -FAR)
    less = below * (q * BACK)
    gained = (1 + below) - (less if rest is None else less - rest)
    if y.dtype != np.float64:
        around = near_root(below, -1.2784645427610737951, _AROUND, 0.0 if rest is None else rest)
        gained = jnp.where(jnp.abs(below + 1.2784645) < 0.4, around, gained)
    low = q * gained * BACK
    return jnp.where(y < 0, low, 1 - low)


_AROUND = (0.999999997, -0.108905866, -0.0488826048, -0.00471727997, 0.00303931697, 0.0010773209)
"""(1 + y * (1 - s)) / (y - root) in powers of y - root, within 0.4 of it, interpolated at Chebyshev's points to
9e-9."""
