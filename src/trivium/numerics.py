"""Arithmetic that keeps its digits: exact products as pairs, the exponential of a pair, polynomials.

A pair (value, rest) stands for value + rest, rest being below the last digit of value. Compilers may fuse a product and
a sum into one rounding; heads are cut off by a mask on the bits, which no compiler sees through.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def product(a: Array, b: Array | float) -> tuple[Array, Array]:
    """a * b as a pair; a constant b counts with all the digits of Python's float."""
    if not isinstance(b, float):
        return _product(a, b, jnp.zeros_like(b))
    nearest = np.asarray(b, a.dtype)
    rest = np.asarray(b - float(nearest), a.dtype)
    return _product(a, jnp.broadcast_to(nearest, a.shape), jnp.broadcast_to(rest, a.shape))


@jax.custom_jvp
def _product(a: Array, b: Array, b_lost: Array) -> tuple[Array, Array]:
    a_head, b_head = head(a, _HALF[a.dtype.name]), head(b, _HALF[b.dtype.name])
    a_rest, b_rest = a - a_head, b - b_head
    value = head(a * b, 2)
    rest = ((a_head * b_head - value) + (a_head * b_rest + a_rest * b_head)) + (a_rest * b_rest + a * b_lost)
    return _settled(value, rest)


@_product.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    """The bits of a number have no derivative; the product has."""
    (a, b, b_lost), (a_moves, b_moves, _) = primals, tangents
    value, rest = _product(a, b, b_lost)
    return (value, rest), (a * b_moves + b * a_moves, jnp.zeros_like(rest))


def exp_of_pair(value: Array, rest: Array) -> Array:
    """exp(value + rest) for value <= 0: the exponential multiplies the rounding of its argument by the argument's size.

    In float32 by a rule of its own, rounded once at the end: within 1 ulp, and zero below the normal numbers.
    """
    if value.dtype != np.float32:
        power = jnp.exp(value)
        return power + power * rest
    value = jnp.maximum(value, -104)  # also -inf: exp is zero there
    twos = jnp.maximum(jnp.round(value * np.float32(1.4426950408889634)), -127)
    r = ((value - twos * np.float32(0.693359375)) + twos * np.float32(2.12194440e-4)) + rest  # log(2) in two parts
    scale = lax.bitcast_convert_type((twos.astype(jnp.int32) + 127) << 23, jnp.float32)
    return (1 + (r + r * r * polynomial(r, _EXP))) * lax.stop_gradient(scale)


_EXP = (0.5, 0.166666667, 0.0416664628, 0.00833331069, 0.0013933881, 0.000198912473)
"""(exp(r) - 1 - r) / r^2 in powers of r up to log(2) / 2, interpolated at Chebyshev's points."""


def scaled_exp(value: Array, rest: Array) -> tuple[Array, Array]:
    """exp(value + rest) as a product of two factors, so that it does not underflow before its product with others.

    value  at most 0; below -103 in float32 the first factor is zero at last
    """
    far = value < -64
    power = exp_of_pair(value + jnp.where(far, 16, 0), rest)
    return power, jnp.where(far, math.exp(-16), 1).astype(value.dtype)


@jax.custom_jvp
def quotient(a: Array, b: Array) -> tuple[Array, Array]:
    """a / b as a pair."""
    value = head(a / b, 2)
    back, rest = _product(value, b, jnp.zeros_like(b))
    return _settled(value, ((a - back) - rest) / b)


@quotient.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    (a, b), (a_moves, b_moves) = primals, tangents
    value, rest = quotient(a, b)
    return (value, rest), ((a_moves - value * b_moves) / b, jnp.zeros_like(rest))


def add_constant(value: Array, rest: Array, constant: float) -> tuple[Array, Array]:
    """A pair plus a constant, which counts with all the digits of Python's float."""
    nearest = np.asarray(constant, value.dtype)
    total = value + nearest
    back = total - value
    lost = (value - (total - back)) + (nearest - back)
    return total, lost + (rest + np.asarray(constant - float(nearest), value.dtype))


@jax.custom_jvp
def magnitude(z: Array) -> Array:
    """|z|; its derivative at zero is that of the right side, where `abs` has none."""
    return lax.abs(z)


@magnitude.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    (z,), (moves,) = primals, tangents
    return magnitude(z), jnp.where(z < 0, -moves, moves)


def signed(size: Array, z: Array) -> Array:
    """size, which has no sign, with the sign of z, by its bit alone: `jnp.copysign` compares both signs first."""
    integer = _INTEGERS[z.dtype.name]
    sign = lax.bitcast_convert_type(z, integer) & jnp.iinfo(integer).min
    return lax.bitcast_convert_type(lax.bitcast_convert_type(size, integer) | sign, z.dtype)


def polynomial(z: Array, coefficients: Sequence[float]) -> Array:
    """The sum of coefficients[k] * z^k, by Horner's rule."""
    total = jnp.full_like(z, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * z + jnp.asarray(coefficient, z.dtype)
    return total


def near_root(z: Array, root: float, coefficients: Sequence[float], rest: Array | float = 0.0) -> Array:
    """(z + rest - root) times a polynomial in z - root, with all digits of the difference.

    The root's own rest goes into the coefficients: compilers add up constants that follow each other.
    """
    nearest = np.asarray(root, z.dtype)
    lost = root - float(nearest)
    above = [*coefficients[1:], 0.0]
    shifted = [low - lost * high for low, high in zip(coefficients, above, strict=True)]
    difference = z - nearest
    return (difference + rest) * polynomial(difference, shifted) - lost * coefficients[0]


_INTEGERS = {"float32": jnp.int32, "float64": jnp.int64}

_HALF = {"float32": 12, "float64": 27}
"""Bits to cut off so that a product of two heads is exact."""


def _settled(value: Array, rest: Array) -> tuple[Array, Array]:
    """The same pair with the rest below half a digit of the value."""
    total = value + rest
    return total, rest - (total - value)


def head(z: Array, bits: int) -> Array:
    """z without its last bits."""
    integer = _INTEGERS[z.dtype.name]
    return lax.bitcast_convert_type(lax.bitcast_convert_type(z, integer) & jnp.asarray(-1 << bits, integer), z.dtype)
