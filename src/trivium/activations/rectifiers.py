"""Rectifiers: zero or a small slope on one side, a line on the other."""

from typing import Annotated

import jax.numpy as jnp
from annotated_types import Ge, Gt
from jax import Array

from trivium.activations._rules import elementwise, with_derivatives


@with_derivatives(lambda z: jnp.where(z > 0, 1, 0).astype(z.dtype))
def relu(z: Array) -> Array:
    """ReLU: max(z, 0).

    Range [0, inf); derivative 0 up to and at zero, 1 above it.
    Trap: a unit whose z is below zero for every row gets no gradient and stays dead.
    Source: Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines".
    """
    return jnp.maximum(z, 0)


@with_derivatives(lambda z: jnp.where((z > 0) & (z < 6), 1, 0).astype(z.dtype))
def relu6(z: Array) -> Array:
    """ReLU6: min(max(z, 0), 6).

    Range [0, 6]; derivative 1 between 0 and 6, 0 elsewhere and at both ends.
    Trap: dead below zero, and without gradient above 6 as well.
    Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10".
    """
    return jnp.clip(z, 0, 6)


@with_derivatives(lambda z: 2 * relu(z))
def squared_relu(z: Array) -> Array:
    """Squared ReLU: max(z, 0)^2.

    Range [0, inf); derivative 2 * max(z, 0).
    Trap: grows as a square, so that large weights make it overflow; dead below zero.
    Source: So et al. 2021, "Primer: Searching for efficient transformers for language modeling", section 3.
    """
    return jnp.square(jnp.maximum(z, 0))


@with_derivatives(
    lambda z, negative_slope: jnp.where(z > 0, 1, negative_slope),
    lambda z, negative_slope: jnp.minimum(z, 0),
)
def leaky_relu(z: Array, *, negative_slope: Annotated[float | Array, Ge(0)] = 0.01) -> Array:
    """Leaky ReLU: z if z > 0 else negative_slope * z.

    Range (-inf, inf); derivative 1 above zero, negative_slope up to and at zero.
    Trap: with a slope of 1 it is the identity, and the network linear.
    Source: Maas, Hannun & Ng 2013, "Rectifier nonlinearities improve neural network acoustic models".
    """
    return jnp.where(z > 0, z, negative_slope * z)


@with_derivatives(
    lambda z, cut, value: jnp.where(z > cut, 1, 0).astype(z.dtype),
    lambda z, cut, value: jnp.zeros_like(z),
    lambda z, cut, value: jnp.where(z > cut, 0, 1).astype(z.dtype),
)
def threshold(z: Array, *, cut: float | Array = 1.0, value: float | Array = 0.0) -> Array:
    """Threshold: z if z > cut else value.

    Range [0, inf); derivative 1 above the cut, 0 up to and at it.
    Trap: jumps at the cut, which no gradient tells of; dead below it.
    Source: Fahlman & Hinton 1987, "Connectionist architectures for artificial intelligence", for threshold units.
    """
    return jnp.where(z > cut, z, jnp.where(jnp.isnan(z), z, value))


@elementwise
def smelu(z: Array, *, beta: Annotated[float | Array, Gt(0)] = 1.0) -> Array:
    """SmeLU: 0 if z <= -beta else (z + beta)^2 / (4 * beta) if z < beta else z.

    Range [0, inf); derivative (z + beta) / (2 * beta) between -beta and beta, 0 below, 1 above.
    Trap: dead below -beta.
    Source: Shamir, Lin & Coviello 2020, "Smooth activations and reproducibility in deep networks", section 4.
    """
    inside = jnp.clip(z, -beta, beta) + beta
    return jnp.where(z < beta, inside * inside / (4 * beta), z)


sparse_plus = smelu
