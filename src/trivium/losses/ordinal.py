"""Losses for classes in an order. The network puts out classes - 1 `logits`, one per boundary between neighbours."""

from typing import Annotated

import jax.numpy as jnp
from annotated_types import Ge
from jax import Array, lax

from trivium.losses._exact import log1p_exp
from trivium.losses._sums import log_of_one_minus_exp

Rank = Annotated[Array, Ge(0)]
"""Targets: the number of the class in the order, from 0 to classes - 1."""


def cumulative_logit(logits: Array, targets: Rank) -> Array:
    """Cumulative logit: -log(sigmoid(logits[target]) - sigmoid(logits[target - 1])).

    logits   (..., classes - 1), rising along the last axis: logits[k] = threshold[k] - score, so that
             sigmoid(logits[k]) is the probability of a class of at most k; before the first stands minus infinity,
             after the last plus infinity
    targets  (...), integers from 0 to classes - 1
    Returns (...), one loss per row, in nats. Raises ValueError where the shapes do not fit.
    Proper: yes, it is minus the log of the class's probability.
    Trap: where a row falls instead of rising, its class has no probability; the gap between the two logits then counts
    as the smallest number of their type, which keeps the loss finite while its gradient still pulls them into order.
    Source: McCullagh 1980, "Regression models for ordinal data".
    """
    targets = _boundaries("logits", logits, targets)
    last = logits.shape[-1]
    above = _take(logits, jnp.minimum(targets, last - 1))
    below = _take(logits, jnp.maximum(targets - 1, 0))
    first_class, last_class = targets == 0, targets == last
    # sigmoid(b) - sigmoid(a) = sigmoid(b) * sigmoid(-a) * (1 - exp(a - b)): three logs of one sign.
    gap = jnp.maximum(above - below, jnp.finfo(logits.dtype).tiny)
    inner = -log_of_one_minus_exp(jnp.where(first_class | last_class, 1, gap))
    return (
        jnp.where(last_class, 0, log1p_exp(-above))
        + jnp.where(first_class, 0, log1p_exp(below))
        + jnp.where(first_class | last_class, 0, inner)
    )


def corn(logits: Array, targets: Rank) -> Array:
    """CORN: sum over k <= target of binary cross-entropy(logits[k], target > k).

    logits   (..., classes - 1): sigmoid(logits[k]) is the probability of a class above k for a row of at least k; the
             probability of a class above k is the product of the first k + 1 of them, which falls by itself
    targets  (...), integers from 0 to classes - 1
    Returns (...), one loss per row, in nats. Raises ValueError where the shapes do not fit.
    Proper: yes, it is minus the log of the class's probability as the product of conditional ones.
    Trap: the published code divides the sum over a batch by the number of its terms and not by the rows, which is
    another scale.
    Source: Shi, Cao & Raschka 2021, "Deep neural networks for rank-consistent ordinal regression based on conditional
    probabilities".
    """
    targets = _boundaries("logits", logits, targets)[..., None]
    boundary = lax.broadcasted_iota(targets.dtype, logits.shape, logits.ndim - 1)
    passed = boundary < targets
    terms = log1p_exp(jnp.where(passed, -logits, logits))
    return jnp.where(boundary <= targets, terms, 0).sum(axis=-1)


def _take(logits: Array, places: Array) -> Array:
    return jnp.take_along_axis(logits, places[..., None], axis=-1)[..., 0]


def _boundaries(name: str, given: Array, targets: Array) -> Array:
    targets = jnp.asarray(targets)
    if given.ndim != targets.ndim + 1 or given.shape[:-1] != targets.shape or given.shape[-1] == 0:
        raise ValueError(
            f"{name} must have one axis more than targets, the boundaries between classes, got {given.shape} and "
            f"{targets.shape}. Hand over class numbers, one per row, and one logit fewer than classes."
        )
    return targets
