"""Learned shapes: activations with numbers that the network trains, one per unit, and one that draws its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Interval
from jax import Array

from trivium.activations import _gated
from trivium.activations._rules import with_derivatives
from trivium.catalog import Learned
from trivium.numerics import product


@with_derivatives(lambda z, slope: jnp.where(z > 0, 1, slope), lambda z, slope: jnp.minimum(z, 0))
def prelu(z: Array, *, slope: Annotated[float | Array, Learned()] = 0.25) -> Array:
    """PReLU: z if z > 0 else slope * z.

    slope  learned, one per unit
    Range (-inf, inf); derivative 1 above zero, slope up to and at zero.
    Trap: weight decay on the slopes pulls them to zero, which is ReLU.
    Source: He, Zhang, Ren & Sun 2015, "Delving deep into rectifiers".
    """
    return jnp.where(z > 0, z, slope * z)


def _swish_pair(z: Array, beta: Array | float) -> tuple[Array, Array]:
    far = 200 / jnp.maximum(jnp.abs(beta), 1e-30)
    return product(jnp.clip(z, -far, far), jnp.asarray(beta))


def _swish_slope(z: Array, beta: Array) -> Array:
    y, rest = _swish_pair(z, beta)
    return _gated.slope(y, rest)


def _swish_by_beta(z: Array, beta: Array) -> Array:
    """z^2 * s * (1 - s), written by what does not overflow: beyond |y| = 200 it is zero."""
    y, _ = _swish_pair(z, beta)
    small = jnp.exp(-jnp.abs(y))
    near = jnp.where(jnp.abs(y) < 200, z, 0)
    return near * (near * (small / jnp.square(1 + small)))


@with_derivatives(_swish_slope, _swish_by_beta)
def swish(z: Array, *, beta: Annotated[float | Array, Learned()] = 1.0) -> Array:
    """Swish: z / (1 + exp(-beta * z)).

    beta  learned, one per unit: 0 is a line, 1 is silu, much is relu
    Range [-0.27846455, inf); derivative s * (1 + beta * z * (1 - s)), s = sigmoid(beta * z).
    Trap: where a beta falls below zero the unit is open on its left side.
    Source: Ramachandran, Zoph & Le 2017, "Searching for activation functions".
    """
    return _gated.gate(z, *_swish_pair(z, beta))


def _snake_parts(z: Array, frequency: Array | float) -> tuple[Array, Array]:
    """Sine and cosine of frequency * z, with the digits of the product, for |z| where float32 can tell them."""
    near = jnp.where(jnp.abs(z) < 1e30, z, 0)
    value, rest = product(near, jnp.asarray(frequency))
    sine, cosine = jnp.sin(value), jnp.cos(value)
    return sine * jnp.cos(rest) + cosine * jnp.sin(rest), cosine * jnp.cos(rest) - sine * jnp.sin(rest)


def _snake_slope(z: Array, frequency: Array) -> Array:
    return 1 + _snake_parts(z, 2 * frequency)[0]


def _snake_by_frequency(z: Array, frequency: Array) -> Array:
    sine, cosine = _snake_parts(z, frequency)
    safe = jnp.where(jnp.abs(frequency) < 1e-6, 1, frequency)
    exact = (2 * z * sine * cosine - sine * sine / safe) / safe
    return jnp.where(jnp.abs(frequency) < 1e-6, z * z, exact)


@with_derivatives(_snake_slope, _snake_by_frequency)
def snake(z: Array, *, frequency: Annotated[float | Array, Learned()] = 1.0) -> Array:
    """Snake: z + sin(frequency * z)^2 / frequency.

    frequency  learned, one per unit; at 0 it is the identity
    Range (-inf, inf); derivative 1 + sin(2 * frequency * z).
    Trap: meant for signals that repeat; a frequency far from the signal's own is hardly learned.
    Source: Ziyin, Hartwig & Ueda 2020, "Neural networks fail to learn periodic functions and how to fix it".
    """
    sine, _ = _snake_parts(z, frequency)
    safe = jnp.where(jnp.abs(frequency) < 1e-6, 1, frequency)
    return z + jnp.where(jnp.abs(frequency) < 1e-6, frequency * z * z, sine * sine / safe)


def rrelu(
    z: Array,
    *,
    key: Array | None = None,
    lower: Annotated[float | Array, Interval(ge=0, le=1)] = 0.125,
    upper: Annotated[float | Array, Interval(ge=0, le=1)] = 0.3333333,
) -> Array:
    """RReLU: z if z > 0 else (lower + upper) / 2 * z.

    key    in training, for a slope below zero that is drawn anew between lower and upper for every element; None
           takes their mean, as in prediction
    Range (-inf, inf); derivative 1 above zero, the slope up to and at zero.
    Trap: without a key in training it is a leaky ReLU.
    Source: Xu, Wang, Chen & Li 2015, "Empirical evaluation of rectified activations in convolutional network".
    """
    z = jnp.asarray(z)
    z = z if jnp.issubdtype(z.dtype, jnp.floating) else z.astype(jnp.result_type(float))
    low, high = (jnp.broadcast_to(jnp.asarray(end, z.dtype), z.shape) for end in (lower, upper))
    slope = (low + high) / 2 if key is None else low + (high - low) * jax.random.uniform(key, z.shape, z.dtype)
    return jnp.where(z > 0, z, slope * z)


@dataclass(frozen=True)
class _Mix:
    """An activation that compares by value, so that equal ones share a program."""

    activation: Callable[[Array], Array]

    @property
    def __name__(self) -> str:
        return f"learned_mix({getattr(self.activation, '__name__', self.activation)})"

    def __call__(self, z: Array, *, share: Annotated[float | Array, Learned()] = 1.0) -> Array:
        z = jnp.asarray(z)
        share = jnp.asarray(share, z.dtype)
        return jnp.broadcast_to(1 - share, z.shape) * z + jnp.broadcast_to(share, z.shape) * self.activation(z)


def learned_mix(activation: Callable[[Array], Array]) -> Callable[..., Array]:
    """Learned mix: (1 - share) * z + share * f(z), for any activation f of one array.

    Returns an activation with a learned `share` per unit, 1 at the start; as a name it is "learned_mix(selu)".
    Trap: a share may leave [0, 1]; at 0 the unit is linear.
    Source: Holzmüller, Grinsztajn & Steinwart 2024, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", section 3.
    """
    return _Mix(activation)
