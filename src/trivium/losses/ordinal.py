"""Losses for classes in an order. The network puts out classes - 1 `logits`, one per boundary between neighbours."""

import jax.numpy as jnp
from jax import Array, lax

from trivium.losses._contract import Label, SampleWeight, one_per_row, weighted
from trivium.losses._exact import log1p_exp
from trivium.losses._sums import log_of_one_minus_exp


def cumulative_logit(logits: Array, targets: Label, *, sample_weight: SampleWeight = None) -> Array:
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
    losses = (
        jnp.where(last_class, 0, log1p_exp(-above))
        + jnp.where(first_class, 0, log1p_exp(below))
        + jnp.where(first_class | last_class, 0, inner)
    )
    return weighted(losses, sample_weight)


def corn(logits: Array, targets: Label, *, sample_weight: SampleWeight = None) -> Array:
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
    return weighted(jnp.where(boundary <= targets, terms, 0).sum(axis=-1), sample_weight)


def _take(logits: Array, places: Array) -> Array:
    return jnp.take_along_axis(logits, places[..., None], axis=-1)[..., 0]


def _boundaries(name: str, given: Array, targets: Array) -> Array:
    """The numbers of the classes, of which there is one more than boundaries."""
    if given.ndim == 0 or given.shape[-1] == 0:
        raise ValueError(
            f"{name} must have a last axis of at least one boundary between classes, got {given.shape}. "
            "Hand over one logit fewer than classes."
        )
    return one_per_row(name, given, targets, classes=given.shape[-1] + 1)
