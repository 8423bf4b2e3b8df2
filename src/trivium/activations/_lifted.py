"""The exponential below zero times a power of two: it does not underflow before its product with what is large.

In float32 by a rule of its own, as a power of two and what that is to be multiplied by: cheaper than a compiler's,
exact to 1 ulp, and zero from a lowest value on that any smaller one, also -inf, is taken for.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.numerics import head, polynomial, product, quotient

LIFT = 32
BACK = 2.0**-LIFT
"""What is lifted by as much as this, and then multiplied by something large, comes back by it; both are exact."""


def at_most(z: Array, limit: Array | float) -> Array:
    """min(z, limit), and NaN for NaN: one comparison, where `jnp.minimum` takes several."""
    return jnp.where(z > limit, jnp.asarray(limit, z.dtype), z)


def at_least(z: Array, limit: Array | float) -> Array:
    """max(z, limit), and NaN for NaN."""
    return jnp.where(z < limit, jnp.asarray(limit, z.dtype), z)


def farthest(lift: int = LIFT) -> float:
    """The size from which on `lifted_exp` of its negative is zero in float32: the middle of what rounds to zero."""
    return (127 + lift) * math.log(2)


def lifted_exp(value: Array, rest: Array | None = None, *, lift: int = LIFT) -> Array:
    """2^lift * exp(value + rest) for value + rest <= 0.

    rest  may reach 1: the two are added up only where no digit is lost
    """
    if value.dtype == np.float64:
        return jnp.exp(value) * (2.0**lift if rest is None else (1 + rest) * 2.0**lift)
    scale, above = _scale_and_above(value, rest, lift)
    return scale + scale * above


@jax.custom_jvp
def lifted_exp_of_ratio(z: Array, divisor: Array) -> Array:
    """2^32 * exp(z / divisor) for z <= 0 and divisor > 0, as if the ratio were not rounded.

    A multiple of divisor * log(2) is taken from z first, which loses no digit; so only what is left is divided.
    """
    if z.dtype == np.float64:
        return lifted_exp(*quotient(at_least(z, -200 * divisor), divisor))
    step, rest = product(divisor, math.log(2))
    first = head(step, 8)  # its products with whole numbers below 256 are exact
    z = at_least(z, -farthest() * divisor)
    whole = nearest_whole(z * (1.442695 / divisor))
    twos = whole.astype(jnp.float32)
    r = ((z - twos * first) - twos * ((step - first) + rest)) * (1 / divisor)
    scale = scale_of(whole)
    return scale + scale * _above(r)


@lifted_exp_of_ratio.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    (z, divisor), (z_moves, divisor_moves) = primals, tangents
    power = lifted_exp_of_ratio(z, divisor)
    return power, power * ((z_moves - z / divisor * divisor_moves) / divisor)


def exp_less_one(value: Array) -> Array:
    """exp(value) - 1, with all its digits, for value <= 0."""
    if value.dtype == np.float64:
        return jnp.expm1(value)
    scale, above = _scale_and_above(value, None, 0)
    return (scale - 1) + scale * above


def _scale_and_above(value: Array, rest: Array | None, lift: int) -> tuple[Array, Array]:
    """A power of two, lifted, and what it is to be multiplied by, less 1."""
    value = at_least(value, -farthest(lift) + (0 if rest is None else 1))
    nearly = value if rest is None else value + rest
    whole = nearest_whole(nearly * np.float32(1.4426950408889634))
    twos = whole.astype(jnp.float32)
    r = (value - twos * np.float32(0.693359375)) + twos * np.float32(2.12194440e-4)  # log(2) in two parts
    r = r if rest is None else r + rest
    return scale_of(whole, lift), _above(r)


def nearest_whole(z: Array) -> Array:
    """The whole number nearest to z, as int32, for |z| below 2^22.

    What is added leaves no digits behind the point, so that the last bits are the number.
    """
    return lax.bitcast_convert_type(z + np.float32(1.5 * 2**23), jnp.int32) - np.int32(0x4B400000)


def scale_of(whole: Array, lift: int = LIFT) -> Array:
    """2^(whole + lift), for whole from -127 - lift, where it is zero, to 0."""
    return lax.stop_gradient(lax.bitcast_convert_type((whole + (127 + lift)) << 23, jnp.float32))


def _above(r: Array) -> Array:
    """exp(r) - 1 for r up to log(2) / 2 in size."""
    return r + r * r * polynomial(r, _EXP)


_EXP = (0.5, 0.166665206, 0.0416663873, 0.00836873103, 0.00139419776)
"""(exp(r) - 1 - r) / r^2 in powers of r up to log(2) / 2, the largest error of exp as small as can be: 3.2e-9."""
