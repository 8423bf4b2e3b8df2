"""Losses for two classes. The network puts out one `logits` per row; its sigmoid is the probability of the second."""

from typing import Annotated

import jax.numpy as jnp
from annotated_types import Interval
from jax import Array

from trivium.losses._exact import log1p_exp, same_shape

Share = Annotated[Array, Interval(ge=0, le=1)]
"""Targets: 0 for the first class, 1 for the second, or the share of the second."""


def binary_cross_entropy(logits: Array, targets: Share) -> Array:
    """Binary cross-entropy: -t log(s) - (1 - t) log(1 - s), s = sigmoid(logits).

    logits   any shape
    targets  the same shape, in [0, 1]
    Returns one loss per element, in nats. Raises ValueError where the shapes differ.
    Trap: logits that were already through a sigmoid train a much weaker loss; those go into
    `binary_cross_entropy_from_probabilities`.
    Source: Cox 1958, "The regression analysis of binary sequences".
    """
    targets = same_shape("logits", logits, targets).astype(logits.dtype)
    # As -log(sigmoid(z)) = log1p_exp(-z): two terms of one sign, so that no digit cancels.
    return targets * log1p_exp(-logits) + (1 - targets) * log1p_exp(logits)


def binary_cross_entropy_from_probabilities(probabilities: Array, targets: Share) -> Array:
    """Binary cross-entropy from probabilities: -t log(p) - (1 - t) log(1 - p).

    probabilities  any shape, in [0, 1]
    targets        the same shape, in [0, 1]
    Returns one loss per element, in nats: infinite where a probability of 0 or 1 is wrong. Raises ValueError where the
    shapes differ.
    Trap: a sigmoid rounds to 1 from a logit of 16.6 on, where this loss has no digits left; from logits it keeps them.
    Source: Good 1952, "Rational decisions".
    """
    targets = same_shape("probabilities", probabilities, targets).astype(probabilities.dtype)
    # A term of weight 0 is 0, not 0 * infinity; its log is kept finite so that its derivative is as well.
    hit = jnp.where(targets > 0, targets * -jnp.log(jnp.where(targets > 0, probabilities, 1)), 0)
    miss = jnp.where(targets < 1, (1 - targets) * -jnp.log1p(-jnp.where(targets < 1, probabilities, 0)), 0)
    return hit + miss
