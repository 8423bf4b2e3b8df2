"""GELU by the scaled tail of the normal distribution, which is smooth where the tail itself underflows.

With x = |z|, Q = exp(-x^2 / 2) / (x + 2.5) and t = 2 x / (x + 2.5) - 1: the tail, 1 - Phi(x), is Q * P(t), and GELU's
slope below zero is Q * (x + 2.5) * (root - x) * H(t), its root taken out as a factor. Both polynomials interpolate at
Chebyshev's points, for x from 0 to 14.6. Value and slope share the two quotients, each taken once: compilers keep the
result of a division for the way back.

GELU's tanh form is a gate, z * sigmoid(y), whose y is a polynomial of z that the exponential wants to seven digits
behind the point.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.activations._gated import closed
from trivium.activations._lifted import BACK, at_most, lifted_exp, nearest_whole, scale_of
from trivium.numerics import magnitude, near_root, polynomial

END = 14.5


def gelu(z: Array) -> Array:
    if z.dtype == np.float64:
        return jnp.where(z < -40, 0, z * _tail(-z))
    x, quotient, share = _parts(z)
    low = quotient * (x * polynomial(2 * share - 1, _TAIL)) * BACK
    return jnp.where(z < 0, -low, z - low)


def gelu_slope(z: Array) -> Array:
    if z.dtype == np.float64:
        return _tail(-z) + jnp.clip(z, -40, 40) * jnp.exp(-jnp.square(z) / 2) / math.sqrt(2 * math.pi)
    x, quotient, share = _parts(z)
    nearest = np.asarray(_ROOT, z.dtype)
    power = quotient * (x + 2.5)
    low = power * ((_ROOT - float(nearest)) * _AT_ROOT - (x - nearest) * polynomial(2 * share - 1, _SLOPE)) * BACK
    return jnp.where(z < 0, low, 1 - low)


def _parts(z: Array) -> tuple[Array, Array, Array]:
    """x, 2^32 * Q and x / (x + 2.5)."""
    x = at_most(magnitude(z), END)
    head = jnp.round(x * 128) / 128  # its square has 22 bits
    return x, lifted_exp(-head * head / 2, (head - x) * (head + x) / 2) / (x + 2.5), x / (x + 2.5)


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
    x = magnitude(z)
    low = jnp.where(x > _LAST, 0, x) * _gate(x) * BACK
    return jnp.where(z < 0, 0, z) - low


def tanh_form_slope(z: Array) -> Array:
    """s * (1 - rise * (1 - s)), rise = x * dy/dx, x = -z, below zero; the values at z and -z add up to 1."""
    q, x = _gate(magnitude(z)), at_most(magnitude(z), _LAST)
    left = (1 - _LINE * x) - (3 * _CUBE * (x * x)) * x  # 1 - rise: so summed, it is rounded where it is small
    gained = left - (left - 1) * (q * BACK)
    if z.dtype != np.float64:
        around = near_root(-x, -0.75246142207101625849, _AROUND)
        gained = jnp.where(jnp.abs(x - 0.75246142) < 0.5, around, gained)
    low = q * gained * BACK
    return jnp.where(z < 0, low, 1 - low)


_LAST = 30.0
"""From here on, all that is left of either side has long been as small as float64 goes."""


def _gate(x: Array) -> Array:
    """2^32 * sigmoid(-y) for x >= 0; in float32 from 10.4 on that is as small as numbers go."""
    if x.dtype == np.float64:
        x = at_most(x, _LAST)
        return closed(-x * (_LINE + _CUBE * (x * x)))
    power = _lifted_power(at_most(x, 10.4))
    return power / (1 + power * BACK)


def _lifted_power(x: Array) -> Array:
    """2^32 * exp(-y), y = x * (line + cube * x^2), for x from 0 to 10.4.

    As a power of two, whose exponent is large * x. With x = head + tail, head of 7 bits, and short parts of the two
    constants, nothing is rounded in the large terms: head^2 has 14 bits, the sum with the short line 24, their first 16
    times head 23, and what is nearest to it, a whole number, is taken from it.
    """
    head = lax.bitcast_convert_type((_bits(x) + (1 << 16)) & (-1 << 17), jnp.float32)
    tail, square = x - head, head * head
    large = -_SHORT_LINE_OF_TWO - _SHORT_CUBE_OF_TWO * square
    small = -_CUBE_OF_TWO * (tail * (head + x)) - (_CUBE_LEFT * square + _LINE_LEFT)
    first = lax.bitcast_convert_type(_bits(large) & (-1 << 8), jnp.float32)
    whole = nearest_whole(x * (large + small))
    part = ((head * first - whole.astype(jnp.float32)) + tail * first) + x * ((large - first) + small)
    scale = scale_of(whole)
    return scale + scale * (part * polynomial(part, _TWO))


def _bits(z: Array) -> Array:
    return lax.bitcast_convert_type(lax.stop_gradient(z), jnp.int32)


_LINE, _CUBE = 1.5957691216057308, 0.0713548162726002488
"""2 * sqrt(2 / pi), and that times 0.044715."""

_CUBE_OF_TWO = _CUBE / math.log(2)
_SHORT_LINE_OF_TWO, _SHORT_CUBE_OF_TWO = 2.302215576171875, 0.103515625
"""Both by the logarithm of 2, to multiples of 2^-16 and 2^-9."""

_LINE_LEFT, _CUBE_LEFT = _LINE / math.log(2) - _SHORT_LINE_OF_TWO, _CUBE_OF_TWO - _SHORT_CUBE_OF_TWO

_TWO = (0.693147188, 0.240226508, 0.055503569, 0.00961808237, 0.00133909782, 0.000154532624)
"""(2^p - 1) / p in powers of p up to 1/2, interpolated at Chebyshev's points to 8e-9."""

_AROUND = (
    1.90459912, -0.816317914, 0.06160525, 0.0023023243, 0.0102018117, -0.0015882675, -0.000811908327,
)  # fmt: skip
"""(1 - rise * (1 - s)) / (z - root) in powers of z - root, z within 0.5 of it, to 4e-8."""
