"""Shrinkers: what is near zero becomes zero."""

from typing import Annotated

import jax.numpy as jnp
from annotated_types import Ge
from jax import Array

from trivium.activations._rules import with_derivatives
from trivium.activations.sigmoids import tanh
from trivium.numerics import exp_of_pair, magnitude, polynomial


def _tanhshrink_slope(z: Array) -> Array:
    """tanh(z)^2, far from zero as (1 - w)^2 / (1 + w)^2 with w = exp(-2 |z|), each square rounded once."""
    size = jnp.minimum(magnitude(z), 100)
    small = exp_of_pair(-2 * size, jnp.zeros_like(z))
    far = (1 - small * (2 - small)) / (1 + small * (2 + small))
    return jnp.where(size < 0.6, jnp.square(tanh(z)), far)


@with_derivatives(_tanhshrink_slope)
def tanhshrink(z: Array) -> Array:
    """Tanhshrink: z - tanh(z).

    Range (-inf, inf); derivative tanh(z)^2.
    Trap: flat around zero, where it is z^3 / 3: small signals get hardly any gradient.
    Source: Donoho & Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage", for shrinkage.
    """
    size = jnp.abs(z)
    square = jnp.square(jnp.minimum(size, 1))
    near = z * square * polynomial(square, _SERIES)
    small = jnp.exp(-2 * size)
    far = (size - 1) + 2 * small / (1 + small)  # z - tanh(z) with the difference of the large parts taken exactly
    return jnp.where(size < 1, near, jnp.copysign(far, z))


_SERIES = (
    0.33333333333333326, -0.13333333333330813, 0.053968253966363941, -0.021869488479997371, 0.0088632346525254375,
    -0.0035921197425441442, 0.0014557829138450362, -0.00058980673077828837, 0.00023845344045185019,
    -9.5407788235202007e-05, 3.6797213258624939e-05, -1.2889423623319838e-05, 3.6986096809032886e-06,
    -7.3869814722341814e-07, 7.4111409763340238e-08,
)  # fmt: skip
"""(z - tanh(z)) / z^3 in powers of z^2 up to 1, interpolated at Chebyshev's points to 2e-16."""


@with_derivatives(
    lambda z, cut: jnp.where(jnp.abs(z) > cut, 1, 0).astype(z.dtype),
    lambda z, cut: jnp.where(jnp.abs(z) > cut, -jnp.sign(z), 0),
)
def softshrink(z: Array, *, cut: Annotated[float | Array, Ge(0)] = 0.5) -> Array:
    """Softshrink: z - cut if z > cut else z + cut if z < -cut else 0.

    Range (-inf, inf); derivative 1 outside of [-cut, cut], 0 inside.
    Trap: units within the cut get no gradient.
    Source: Donoho 1995, "De-noising by soft-thresholding".
    """
    return jnp.where(jnp.abs(z) > cut, z - jnp.copysign(cut, z), jnp.where(jnp.isnan(z), z, 0))


@with_derivatives(
    lambda z, cut: jnp.where(jnp.abs(z) > cut, 1, 0).astype(z.dtype),
    lambda z, cut: jnp.zeros_like(z),
)
def hardshrink(z: Array, *, cut: Annotated[float | Array, Ge(0)] = 0.5) -> Array:
    """Hardshrink: z if |z| > cut else 0.

    Range (-inf, inf); derivative 1 outside of [-cut, cut], 0 inside.
    Trap: units within the cut get no gradient, and it jumps at both ends of it.
    Source: Donoho & Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage", equation 10.
    """
    return jnp.where(jnp.abs(z) > cut, z, jnp.where(jnp.isnan(z), z, 0))


tanh_shrink, soft_shrink, hard_shrink = tanhshrink, softshrink, hardshrink
