"""GELU by the scaled tail of the normal distribution, which is smooth where the tail itself underflows.

With x = |z|: Q(x) = 1 - Phi(x) = exp(-x^2 / 2) * R(x), and the slope below zero is exp(-x^2 / 2) * D(x),
D = R(x) - x / sqrt(2 pi), whose root is taken out as a factor.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.numerics import magnitude, polynomial, product, scaled_exp


def gelu(z: Array) -> Array:
    if z.dtype == np.float64:
        return jnp.where(z < -40, 0, z * _tail(-z))
    x, power, scale, t = _parts(z)
    tail = polynomial(t, _TAIL) * power
    middle = jnp.square(jnp.clip(z, -0.7, 0.7))
    far = jnp.where(z < 0, -4 * x / (4 + x) * tail * scale, z * (1 - t * tail * scale))
    return jnp.where(jnp.abs(z) < 0.7, z * (0.5 + z * polynomial(middle, _MIDDLE)), far)


def gelu_slope(z: Array) -> Array:
    if z.dtype == np.float64:
        return _tail(-z) + jnp.clip(z, -40, 40) * jnp.exp(-jnp.square(z) / 2) / math.sqrt(2 * math.pi)
    x, power, scale, t = _parts(z)
    nearest = np.asarray(_ROOT, z.dtype)
    below = power * ((x - nearest) * polynomial(t, _SLOPE) - (_ROOT - float(nearest)) * _SLOPE_AT_ROOT) * scale
    return jnp.where(z < 0, below, 1 - below)


def _parts(z: Array) -> tuple[Array, Array, Array, Array]:
    """x, exp(-x^2 / 2) in two factors, and 4 / (4 + x)."""
    x = jnp.minimum(magnitude(z), 14.5)
    square, rest = product(x, x)
    power, scale = scaled_exp(-square / 2, -rest / 2)
    return x, power, scale, 4 / (4 + x)


def _tail(x: Array) -> Array:
    return lax.erfc(x / math.sqrt(2)) / 2


_TAIL = (
    0.0997497554, 0.0994535661, 0.0958633854, 0.0702728822, 0.0919320949, 0.00240035857, 0.0413678096, 0.0415892863,
    -0.05837098, 0.0157418441,
)  # fmt: skip
"""R / t in powers of t = 4 / (4 + x), x from 0 to 14.5, interpolated at Chebyshev's points to 1.3e-8."""

_MIDDLE = (0.39894228, -0.0664903272, 0.00997270827, -0.00118253589, 0.000104277978)
"""(Phi(z) - 1/2) / z in powers of z^2 up to 0.5, to 1.4e-9."""

_SLOPE = (
    -0.398941002, -0.0750141122, -0.063751095, -0.0538091448, -0.0269119442, -0.053389157, 0.0397715506, -0.0659645616,
    0.0413372293, -0.00840575875,
)  # fmt: skip
"""D / (x - root) in the same powers, to 7e-10."""

_ROOT, _SLOPE_AT_ROOT = 0.75179152469356445746, -0.57240617480299756
"""Where D is zero, and D / (x - root) there."""
