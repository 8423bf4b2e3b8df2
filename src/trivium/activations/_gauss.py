"""GELU by the scaled tail of the normal distribution, which is smooth where the tail itself underflows.

With x = |z|, E = exp(-x^2 / 2), a share r = x / (x + 2.5) and t = 2 r - 1: x times the tail, 1 - Phi(x), is
E * r * P(t), and GELU's slope below zero is E * (root - x) * H(t), its root taken out as a factor. Both polynomials
interpolate at Chebyshev's points, for x from 0 to 14.6.

GELU's tanh form is a gate, z * sigmoid(y), whose y is a polynomial of z that the exponential wants to seven digits
behind the point.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.activations._gated import BACK, closed, lifted_exp
from trivium.numerics import magnitude, near_root, polynomial

END = 14.5


def gelu(z: Array) -> Array:
    if z.dtype == np.float64:
        return jnp.where(z < -40, 0, z * _tail(-z))
    _, power, share = _parts(z)
    low = power * (share * polynomial(2 * share - 1, _TAIL)) * BACK
    return jnp.where(z < 0, -low, z - low)


def gelu_slope(z: Array) -> Array:
    if z.dtype == np.float64:
        return _tail(-z) + jnp.clip(z, -40, 40) * jnp.exp(-jnp.square(z) / 2) / math.sqrt(2 * math.pi)
    x, power, share = _parts(z)
    nearest = np.asarray(_ROOT, z.dtype)
    low = power * ((_ROOT - float(nearest)) * _AT_ROOT - (x - nearest) * polynomial(2 * share - 1, _SLOPE)) * BACK
    return jnp.where(z < 0, low, 1 - low)


def _parts(z: Array) -> tuple[Array, Array, Array]:
    """x, 2^32 * exp(-x^2 / 2) and x / (x + 2.5)."""
    x = jnp.minimum(magnitude(z), END)
    head = jnp.round(x * 16) / 16  # its square has 16 bits
    return x, lifted_exp(-head * head / 2, (head - x) * (head + x) / 2), x / (x + 2.5)


def _tail(x: Array) -> Array:
    return lax.erfc(x / math.sqrt(2)) / 2


_TAIL = (
    0.706656657, -0.433692127, 0.131987223, 0.00923864013, -0.0163892786, -0.00161956104, 0.00253550355,
    0.000735613193, -0.0003256917, -0.000215940238, 2.84844807e-06, 2.06379839e-05,
)  # fmt: skip
"""P, to 1e-9."""

_ROOT, _AT_ROOT = 0.75179152469356445746, 0.5724
"""GELU's slope is zero at minus this; H there, for what float32 cannot hold of it."""

_SLOPE = (
    0.489658059, -0.12899443, 0.0447642831, -0.00450642975, -0.0027275493, 0.000451302715, 0.000367511981,
    -6.51796579e-06, -5.40106326e-05, -1.36261636e-05,
)  # fmt: skip
"""H, to 2e-9."""


def tanh_form(z: Array) -> Array:
    a, q = _gate(z)
    low = a * q * BACK
    return jnp.where(z < 0, low, z + low)


def tanh_form_slope(z: Array) -> Array:
    """s * (1 + rise * (1 - s)), rise = a * dy/da; its values at z and -z add up to 1."""
    a, q = _gate(z)
    rise = a * (_LINE + 3 * _CUBE * (a * a))
    gained = (1 + rise) - rise * (q * BACK)
    if z.dtype != np.float64:
        around = near_root(a, -0.75246142207101625849, _AROUND)
        gained = jnp.where(jnp.abs(a + 0.75246142) < 0.5, around, gained)
    low = q * gained * BACK
    return jnp.where(z < 0, low, 1 - low)


def _gate(z: Array) -> tuple[Array, Array]:
    """a = -|z|, and 2^32 * sigmoid(y) there."""
    a = -jnp.minimum(magnitude(z), 12)
    return a, closed(*_cubic(a))


def _cubic(a: Array) -> tuple[Array, Array]:
    """y = a * (line + cube * a^2) for a from -12 to 0 as a sum of two: an exact one, and one that is below 1.

    With a = head + tail, head a multiple of 1/16, and the short parts of the two constants, nothing is rounded in the
    large terms: head^2 has 16 bits, its product with the short cube and the sum with the short line 23, their first 15
    times head again 23.
    """
    if a.dtype == np.float64:
        return a * (_LINE + _CUBE * (a * a)), jnp.zeros_like(a)
    head = jnp.round(a * 16) / 16
    tail, square = a - head, head * head
    large = _SHORT_LINE + _SHORT_CUBE * square
    small = (_LINE - _SHORT_LINE) + ((_CUBE - _SHORT_CUBE) * square + _CUBE * (tail * (head + a)))
    first = jnp.round(large * 2048) / 2048
    return head * first, head * ((large - first) + small) + tail * (large + small)


_LINE, _CUBE = 1.5957691216057308, 0.0713548162726002488
"""2 * sqrt(2 / pi), and that times 0.044715."""

_SHORT_LINE, _SHORT_CUBE = 1.59576416015625, 0.0712890625
"""The same to multiples of 2^-16 and 2^-11."""

_AROUND = (
    1.90459912, -0.816317914, 0.06160525, 0.0023023243, 0.0102018117, -0.0015882675, -0.000811908327,
)  # fmt: skip
"""(1 + rise * (1 - s)) / (z - root) in powers of z - root, z within 0.5 of it, to 3e-8."""
