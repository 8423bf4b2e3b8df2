"""Waves and bumps: activations that come back."""

from typing import Annotated

import jax.numpy as jnp
from annotated_types import Gt
from jax import Array

from trivium.activations._rules import with_derivatives
from trivium.numerics import product, scaled_exp


def _turned(z: Array, omega: Array | float) -> tuple[Array, Array]:
    """Sine and cosine of omega * z, with the digits of the product; NaN where z is infinite."""
    size = jnp.abs(z)
    value, rest = product(jnp.where(size < 1e37 / omega, z, jnp.where(size < jnp.inf, 0, jnp.nan)), omega)
    sine, cosine = jnp.sin(value), jnp.cos(value)
    return sine * jnp.cos(rest) + cosine * jnp.sin(rest), cosine * jnp.cos(rest) - sine * jnp.sin(rest)


@with_derivatives(lambda z, omega: omega * _turned(z, omega)[1], lambda z, omega: z * _turned(z, omega)[1])
def sine(z: Array, *, omega: Annotated[float | Array, Gt(0)] = 30.0) -> Array:
    """Sine: sin(omega * z).

    Range [-1, 1]; derivative omega * cos(omega * z).
    Trap: needs its own initial weights (uniform within sqrt(6 / n_in) / omega), else deep networks are noise; from
    |omega * z| = 1e37 on, where a float32 step spans whole periods, it is 0.
    Source: Sitzmann, Martel, Bergman, Lindell & Wetzstein 2020, "Implicit neural representations with periodic
    activation functions".
    """
    return _turned(z, omega)[0]


def _gaussian_parts(z: Array) -> tuple[Array, Array]:
    """exp(-z^2) in two factors."""
    near = jnp.clip(z, -13, 13)
    square, rest = product(near, near)
    return scaled_exp(-square, -rest)


def _gaussian_slope(z: Array) -> Array:
    power, scale = _gaussian_parts(z)
    return -2 * jnp.clip(z, -13, 13) * power * scale


@with_derivatives(_gaussian_slope)
def gaussian(z: Array) -> Array:
    """Gaussian: exp(-z^2).

    Range (0, 1]; derivative -2 * z * exp(-z^2).
    Trap: a unit far from zero on both sides is silent and gets no gradient.
    Source: Broomhead & Lowe 1988, "Multivariable functional interpolation and adaptive networks".
    """
    power, scale = _gaussian_parts(z)
    return power * scale
