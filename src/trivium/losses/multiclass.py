"""Losses for one class of several. The network puts out a row of `logits`; their softmax are the probabilities."""

import jax
import jax.numpy as jnp
from jax import Array


def cross_entropy(logits: Array, targets: Array) -> Array:
    """Cross-entropy: -log(softmax(logits)[target]).

    logits   (..., classes)
    targets  (...), integers from 0 to classes - 1
    Returns (...), one loss per row, in nats.
    Source: Good 1952, "Rational decisions".
    """
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], axis=-1)[..., 0]
