"""Bounded S-shapes: sigmoid, tanh and kin."""

import jax
import jax.numpy as jnp
from jax import Array, lax


@jax.custom_jvp
def sigmoid(z: Array) -> Array:
    """Sigmoid: 1 / (1 + exp(-z)).

    Range (0, 1); derivative sigmoid(z) * sigmoid(-z), because s * (1 - s) rounds to zero from z = 16.6 on.
    Trap: the derivative is at most 1/4, so that a deep stack of sigmoids passes hardly any gradient back.
    Source: Cox 1958, "The regression analysis of binary sequences".
    """
    return lax.logistic(z)


sigmoid.defjvps(lambda tangent, s, z: tangent * s * sigmoid(-z))


@jax.custom_jvp
def tanh(z: Array) -> Array:
    """Tanh: (exp(z) - exp(-z)) / (exp(z) + exp(-z)).

    Range (-1, 1); derivative (2u / (1 + u^2))^2, u = exp(-|z|), because 1 - tanh^2 loses all digits from z = 9 on.
    Trap: saturates from |z| = 3 on, where the derivative is below 0.01.
    Source: LeCun, Bottou, Orr & Müller 1998, "Efficient BackProp".
    """
    return jnp.tanh(z)


@tanh.defjvp
def _(primals, tangents):
    (z,) = primals
    value, small = tanh(z), jnp.exp(-jnp.abs(z))
    slope = jnp.where(jnp.abs(z) < 0.5, 1 - value * value, jnp.square(2 * small / (1 + small * small)))
    return value, slope * tangents[0]
