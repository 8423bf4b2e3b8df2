"""Losses for two classes. The network puts out one `logits` per row; its sigmoid is the probability of the second."""

import jax.numpy as jnp
from jax import Array


def binary_cross_entropy(logits: Array, targets: Array) -> Array:
    """Binary cross-entropy: -t log(s) - (1 - t) log(1 - s), s = sigmoid(logits).

    logits   any shape
    targets  the same shape, in [0, 1]
    Returns one loss per element, in nats. Raises ValueError where the shapes differ.
    Source: Cox 1958, "The regression analysis of binary sequences".
    """
    return jnp.maximum(logits, 0) - logits * targets + jnp.log1p(jnp.exp(-jnp.abs(logits)))
