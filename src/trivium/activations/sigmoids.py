"""Sigmoids: S-shapes between two ends, and the logarithm of one."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.activations._gated import closed
from trivium.activations._rules import with_derivatives
from trivium.numerics import magnitude, polynomial, signed


def _sigmoid_slope(z: Array) -> Array:
    q = closed(-magnitude(z), lift=0)
    return q * (1 - q)


@with_derivatives(_sigmoid_slope)
def sigmoid(z: Array) -> Array:
    """Sigmoid: 1 / (1 + exp(-z)).

    Range (0, 1); derivative sigmoid(z) * sigmoid(-z), because s * (1 - s) rounds to zero from z = 16.6 on.
    Trap: the derivative is at most 1/4, so that a deep stack of sigmoids passes hardly any gradient back.
    Source: Cox 1958, "The regression analysis of binary sequences".
    """
    q = closed(-magnitude(z), lift=0)
    return jnp.where(z < 0, q, 1 - q)


@with_derivatives(lambda z: jnp.where(jnp.abs(z) < 3, 1 / 6, 0).astype(z.dtype))
def hard_sigmoid(z: Array) -> Array:
    """Hard sigmoid: min(max(z + 3, 0), 6) / 6.

    Range [0, 1]; derivative 1/6 between -3 and 3, 0 elsewhere and at both ends.
    Trap: beyond 3 on either side there is no gradient at all.
    Source: Courbariaux, Bengio & David 2015, "BinaryConnect: Training deep neural networks with binary weights", there
    with the slope 1/2; this slope is Howard et al. 2019, "Searching for MobileNetV3".
    """
    return (jnp.clip(z, -3, 3) + 3) / 6


@with_derivatives(lambda z: jnp.where(jnp.abs(z) < 1, 1 / 2, 0).astype(z.dtype))
def sparse_sigmoid(z: Array) -> Array:
    """Sparse sigmoid: min(max(z + 1, 0), 2) / 2.

    Range [0, 1]; derivative 1/2 between -1 and 1, 0 elsewhere and at both ends.
    Trap: beyond 1 on either side there is no gradient at all.
    Source: Martins & Astudillo 2016, "From softmax to sparsemax", section 2.3, the case of two classes.
    """
    return (jnp.clip(z, -1, 1) + 1) / 2


@with_derivatives(lambda z: sigmoid(-z))
def log_sigmoid(z: Array) -> Array:
    """Log-sigmoid: -log(1 + exp(-z)).

    Range (-inf, 0); derivative sigmoid(-z).
    Trap: meant for the end of a network; hidden units that are all negative shift the next layer.
    Source: Cox 1958, "The regression analysis of binary sequences", as a log likelihood.
    """
    return jnp.minimum(z, 0) - jnp.log1p(jnp.exp(-jnp.abs(z)))


def _tanh_quotient(z: Array) -> Array:
    """8 * sigmoid(-2 |z|), from which value and slope follow."""
    return closed(-2 * magnitude(z), lift=3)


def _tanh_slope(z: Array) -> Array:
    """4 * s * (1 - s), s = sigmoid(-2 |z|)."""
    v = _tanh_quotient(z)
    return v * (0.5 - v / 16)


@with_derivatives(_tanh_slope)
def tanh(z: Array) -> Array:
    """Tanh: tanh(z).

    Range (-1, 1); derivative 1 - tanh(z)^2, which loses all digits from z = 9 on and is computed otherwise.
    Trap: saturates from |z| = 3 on, where the derivative is below 0.01.
    Source: LeCun, Bottou, Orr & Müller 1998, "Efficient BackProp".
    """
    if z.dtype == np.float64:
        return jnp.tanh(z)
    square = z * z
    near = z + z * (square * polynomial(square, _TANH))
    return jnp.where(square < 0.35**2, near, signed(1 - _tanh_quotient(z) / 4, z))


_TANH = (-0.333333211, 0.133323563, -0.0537236628, 0.0194253174)
"""(tanh(z) / z - 1) / z^2 in powers of z^2, z up to 0.35, the largest error of tanh(z) / z as small as can be,
5e-10."""


@with_derivatives(lambda z: jnp.where(jnp.abs(z) < 1, 1, 0).astype(z.dtype))
def hard_tanh(z: Array) -> Array:
    """Hard tanh: min(max(z, -1), 1).

    Range [-1, 1]; derivative 1 between -1 and 1, 0 elsewhere and at both ends.
    Trap: beyond 1 on either side there is no gradient at all.
    Source: Collobert 2004, "Large scale machine learning", chapter 6.
    """
    return jnp.clip(z, -1, 1)


@with_derivatives(lambda z: 1 / (1 + z * z))
def arctan(z: Array) -> Array:
    """Arctan: atan(z).

    Range (-1.5707964, 1.5707964); derivative 1 / (1 + z^2).
    Trap: saturates, though far more slowly than tanh: the derivative is below 0.01 from |z| = 10 on.
    Source: Kamruzzaman & Aziz 2002, "A note on activation function in multilayer feedforward learning".
    """
    return jnp.arctan(z)


@with_derivatives(lambda z: jnp.square(1 / (1 + magnitude(z))))
def softsign(z: Array) -> Array:
    """Softsign: z / (1 + |z|).

    Range (-1, 1); derivative 1 / (1 + |z|)^2.
    Trap: its second derivative jumps at zero.
    Source: Bergstra et al. 2009, "Quadratic polynomials learn better image features".
    """
    size = jnp.abs(z)
    return jnp.where(jnp.isinf(z), jnp.sign(z), z / (1 + jnp.where(jnp.isinf(size), 0, size)))


soft_sign, atan = softsign, arctan
