"""Exponential linear units and soft rectifiers: a line on one side, a smooth approach to a floor on the other."""

from typing import Annotated

import jax.numpy as jnp
import numpy as np
from annotated_types import Gt
from jax import Array

from trivium.activations._gated import closed
from trivium.activations._lifted import BACK, at_most, exp_less_one, lifted_exp, lifted_exp_of_ratio
from trivium.activations._rules import with_derivatives
from trivium.numerics import magnitude, polynomial, product

Positive = Annotated[float | Array, Gt(0)]


def _times_exp(factor: Array | float, z: Array) -> Array:
    """factor * exp(z) for z <= 0, without underflow before the product."""
    return factor * lifted_exp(at_most(z, 0)) * BACK


@with_derivatives(
    lambda z, alpha: jnp.where(z > 0, 1, _times_exp(alpha, z)),
    lambda z, alpha: exp_less_one(at_most(z, 0)),
)
def elu(z: Array, *, alpha: Positive = 1.0) -> Array:
    """ELU: z if z > 0 else alpha * (exp(z) - 1).

    Range (-1, inf); derivative 1 above zero, alpha * exp(z) below.
    Trap: saturates below -3; with alpha other than 1 the derivative jumps at zero.
    Source: Clevert, Unterthiner & Hochreiter 2016, "Fast and accurate deep network learning by exponential linear
    units".
    """
    return jnp.where(z > 0, z, alpha * exp_less_one(at_most(z, 0)))


def _celu_slope(z: Array, alpha: Array) -> Array:
    return jnp.where(z > 0, 1, lifted_exp_of_ratio(at_most(z, 0), alpha) * BACK)


@with_derivatives(
    _celu_slope,
    lambda z, alpha: exp_less_one(at_most(z, 0) / alpha) - at_most(z, 0) / alpha * _celu_slope(z, alpha),
)
def celu(z: Array, *, alpha: Positive = 1.0) -> Array:
    """CELU: z if z > 0 else alpha * (exp(z / alpha) - 1).

    Range (-1, inf); derivative 1 above zero, exp(z / alpha) below.
    Trap: saturates below -3 * alpha.
    Source: Barron 2017, "Continuously differentiable exponential linear units".
    """
    return jnp.where(z > 0, z, alpha * exp_less_one(at_most(z, 0) / alpha))


@with_derivatives(lambda z: jnp.where(z > 0, _SCALE, _times_exp(_SCALE * _ALPHA, z)).astype(z.dtype))
def selu(z: Array) -> Array:
    """SELU: scale * (z if z > 0 else alpha * (exp(z) - 1)); scale = 1.0507009873554805; alpha = 1.6732632423543772.

    Range (-1.7580993, inf); derivative scale above zero, scale * alpha * exp(z) below.
    Trap: keeps mean 0 and variance 1 only with weights of variance 1 / n_in and without batch normalisation.
    Source: Klambauer, Unterthiner, Mayr & Hochreiter 2017, "Self-normalizing neural networks".
    """
    return jnp.where(z > 0, _SCALE * z, _SCALE * _ALPHA * exp_less_one(at_most(z, 0))).astype(z.dtype)


_SCALE, _ALPHA = 1.0507009873554805, 1.6732632423543772
"""The fixed point of mean 0 and variance 1."""


def _softplus_parts(z: Array, beta: Array | float) -> tuple[Array, Array]:
    """beta * z, and 2^32 * sigmoid(-|beta * z|), with the digits of the product."""
    value, rest = product(_clipped(z, beta), beta)
    return value, closed(-jnp.abs(value), -jnp.sign(value) * rest)


def _softplus_slope(z: Array, beta: Array) -> Array:
    """sigmoid(beta * z)."""
    value, q = _softplus_parts(z, beta)
    return jnp.where(value > 0, 1 - q * BACK, q * BACK)


def _softplus_by_beta(z: Array, beta: Array) -> Array:
    """Both terms of one sign, whichever that of z is."""
    near = _clipped(z, beta) * beta
    small = jnp.exp(-jnp.abs(near))
    return -(jnp.abs(near) * small / (1 + small) + jnp.log1p(small)) / (beta * beta)


def _clipped(z: Array, beta: Array | float) -> Array:
    """z where the product with beta matters; far out, both ends are reached."""
    return jnp.clip(z, -200 / beta, 200 / beta)


@with_derivatives(_softplus_slope, _softplus_by_beta)
def softplus(z: Array, *, beta: Positive = 1.0) -> Array:
    """Softplus: log(1 + exp(beta * z)) / beta.

    Range (0, inf); derivative sigmoid(beta * z).
    Trap: its mean is far above zero, which shifts every layer behind it.
    Source: Dugas, Bengio, Bélisle, Nadeau & Garcia 2001, "Incorporating second-order functional knowledge for better
    option pricing".
    """
    _, q = _softplus_parts(z, beta)
    low = -jnp.log1p(-q * BACK) if z.dtype == np.float64 else q * polynomial(q * BACK, _LOG) * BACK
    return jnp.maximum(z, 0) + low / beta


_LOG = (
    1, 0.500000043, 0.333329299, 0.250148325, 0.197206064, 0.197410332, -0.0688643921, 1.06798866, -2.61776521,
    5.09361026, -5.23650123, 2.70812341,
)  # fmt: skip
"""-log(1 - q) / q in powers of q up to 1/2, interpolated at Chebyshev's points to 2e-10."""


def _root(z: Array, b: Array | float) -> tuple[Array, Array]:
    """|z| and sqrt(z^2 + b), without overflow."""
    size = magnitude(z)
    near = at_most(size, 1e15)
    return size, jnp.where(size < 1e15, jnp.sqrt(near * near + b), size)


def _squareplus_parts(z: Array, b: Array | float) -> tuple[Array, Array, Array]:
    """|z|, sqrt(z^2 + b), and squareplus of -|z|, as b / 2 over their sum: no digit cancels, nothing overflows."""
    size, root = _root(z, b)
    return size, root, b / 4 / (root / 2 + size / 2)


def _squareplus_slope(z: Array, b: Array) -> Array:
    _, root, below = _squareplus_parts(z, b)
    return jnp.where(z < 0, below / root, 1 - below / root)


@with_derivatives(_squareplus_slope, lambda z, b: 1 / (4 * _root(z, b)[1]))
def squareplus(z: Array, *, b: Positive = 4.0) -> Array:
    """Squareplus: (z + sqrt(z^2 + b)) / 2.

    Range (0, inf); derivative (1 + z / sqrt(z^2 + b)) / 2.
    Trap: falls to zero only as b / (4 * |z|), so that no unit is ever quite off.
    Source: Barron 2021, "Squareplus: A softplus-like algebraic rectifier".
    """
    size, root, below = _squareplus_parts(z, b)
    return jnp.where(z > 0, size / 2 + root / 2, below)
