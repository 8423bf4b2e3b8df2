"""GELU by the scaled tail of the normal distribution, which is smooth where the tail itself underflows.

With x = |z| and E = exp(-x^2 / 2): 1 - Phi(x) = E * S(x) / x, so that GELU is -E * S(x) below zero; its slope there is
E * (S(x) / x - x / sqrt(2 pi)), whose root is taken out as a factor. All polynomials interpolate at Chebyshev's points.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.numerics import magnitude, near_root, polynomial, product, scaled_exp

CENTRE, JOINT, END = 1.6, 2.8, 14.5


def gelu(z: Array) -> Array:
    if z.dtype == np.float64:
        return jnp.where(z < -40, 0, z * _tail(-z))
    x, power, scale = _parts(z)
    low = power * jnp.where(x < JOINT, polynomial(jnp.minimum(x, JOINT) - CENTRE, _MIDDLE), polynomial(_w(x), _FAR))
    near = jnp.clip(z, -0.7, 0.7)
    around = z * (0.5 + near * polynomial(near * near, _AROUND))
    return jnp.where(jnp.abs(z) < 0.7, around, jnp.where(z < 0, -low * scale, z - low * scale))


def gelu_slope(z: Array) -> Array:
    if z.dtype == np.float64:
        return _tail(-z) + jnp.clip(z, -40, 40) * jnp.exp(-jnp.square(z) / 2) / math.sqrt(2 * math.pi)
    x, power, scale = _parts(z)
    near = near_root(jnp.minimum(x, JOINT), 0.75179152469356445746, _SLOPE_MIDDLE)
    below = power * jnp.where(x < JOINT, near, -x * polynomial(_w(x), _SLOPE_FAR)) * scale
    return jnp.where(z < 0, below, 1 - below)


def _parts(z: Array) -> tuple[Array, Array, Array]:
    """x and exp(-x^2 / 2) in two factors."""
    x = jnp.minimum(magnitude(z), END)
    square, rest = product(x, x)
    power, scale = scaled_exp(-square / 2, -rest / 2)
    return x, power, scale


def _w(x: Array) -> Array:
    return 1 / jnp.square(jnp.maximum(x, JOINT))


def _tail(x: Array) -> Array:
    return lax.erfc(x / math.sqrt(2)) / 2


_AROUND = (0.39894228, -0.0664903272, 0.00997270827, -0.00118253589, 0.000104277978)
"""(Phi(z) - 1/2) / z in powers of z^2 up to 0.5, to 1.4e-9."""

_MIDDLE = (
    0.315349294, 0.0633445378, -0.0329172838, 0.0141162383, -0.00532653169, 0.00182545739, -0.000576849372,
    0.000170112945, -5.01171973e-05, 1.49533298e-05, -2.8274218e-06,
)  # fmt: skip
"""S in powers of x - 1.6, x from 0.65 to 2.8, to 9e-9."""

_FAR = (
    0.39894224, -0.398927126, 1.19474888, -5.84089207, 36.058409, -220.444702, 1064.977, -3291.1355, 4674.2409,
)  # fmt: skip
"""S in powers of 1 / x^2, x from 2.8 to 14.6, to 6e-9."""

_SLOPE_MIDDLE = (
    -0.572406173, 0.0847563622, -0.0365816423, 0.0143137909, -0.00516383402, 0.00173775455, -0.000551304772,
    0.000167255616, -4.83383801e-05, 1.21736941e-05, -2.16919467e-06, 1.87831693e-07,
)  # fmt: skip
"""(S / x - x / sqrt(2 pi)) / (x - root) in powers of x - root, x from 0 to 2.8, to 2e-9."""

_SLOPE_FAR = (0.398942266, -0.398937575, 0.398398795, -1.16631645, 4.99953846, -21.368939, 65.4929012, -96.6986729)
"""1 / sqrt(2 pi) - S / x^2 in powers of 1 / x^2, x from 2.8 to 14.6, to 3e-9."""
