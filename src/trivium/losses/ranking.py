"""Losses for the order of items in a list. The network puts out one of the `scores` per item: higher comes first.

The items of a list stand on the last axis, which is gone from the result: one loss per list. Lists of different length
are padded to one, and `where` says which items are real.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Ge
from jax import Array

from trivium.losses._contract import Finite, SampleWeight, same_shape, weighted
from trivium.losses._exact import widened
from trivium.losses._suffixes import log_sum_over_own
from trivium.losses._sums import exp_of_difference, log1p_exp_of_difference


def margin_ranking(
    scores: Array,
    targets: Finite,
    *,
    margin: Annotated[float | Array, Ge(0)] = 1.0,
    where: Array | None = None,
    sample_weight: SampleWeight = None,
) -> Array:
    """Margin ranking: mean over pairs with targets[i] > targets[j] of max(0, margin - scores[i] + scores[j]).

    scores, targets  (..., items); a higher target belongs before a lower one, equal ones make no pair
    margin           lead beyond which a pair is done, in units of the scores
    where            (..., items), False for items that only fill the list up
    Returns (...), one loss per list; 0 for a list without a pair. Takes O(items^2). Raises ValueError where the shapes
    differ.
    Proper: no, it asks for a lead and not for a probability.
    Trap: torch's takes two inputs and the sign of their order; as a list of two items this is the same.
    Source: Herbrich, Graepel & Obermayer 2000, "Large margin rank boundaries for ordinal regression".
    """
    targets = same_shape("scores", scores, targets, Finite)
    lead = scores[..., :, None] - scores[..., None, :]
    losses = jnp.maximum(0, jnp.asarray(margin, scores.dtype).reshape((1,) * lead.ndim) - lead)
    return weighted(_mean_over_pairs(losses, targets, where), sample_weight)


def ranknet(scores: Array, targets: Finite, *, where: Array | None = None, sample_weight: SampleWeight = None) -> Array:
    """RankNet: mean over pairs with targets[i] > targets[j] of log(1 + exp(scores[j] - scores[i])).

    scores, targets  (..., items); a higher target belongs before a lower one, equal ones make no pair
    where            (..., items), False for items that only fill the list up
    Returns (...), one loss per list, in nats; 0 for a list without a pair. Takes O(items^2). Raises ValueError where
    the shapes differ.
    Proper: yes for each pair: the sigmoid of the lead is the probability that i belongs before j.
    Trap: the sum over pairs, as in the paper, would weigh a list by the square of its length; this is the mean.
    Source: Burges et al. 2005, "Learning to rank using gradient descent".
    """
    targets = same_shape("scores", scores, targets, Finite)
    first, second = jnp.broadcast_arrays(scores[..., :, None], scores[..., None, :])
    return weighted(_mean_over_pairs(log1p_exp_of_difference(second, first), targets, where), sample_weight)


def listnet(scores: Array, targets: Finite, *, where: Array | None = None, sample_weight: SampleWeight = None) -> Array:
    """ListNet: -sum(softmax(targets) * log(softmax(scores))).

    scores, targets  (..., items); the targets are relevances on the scale of scores: one more counts e times as much
    where            (..., items), False for items that only fill the list up
    Returns (...), one loss per list, in nats; 0 for a list without an item. Raises ValueError where the shapes differ.
    Proper: yes for the chance of each item to come first, which is all that it looks at.
    Trap: at scores equal to the targets it is the entropy of their softmax and not 0.
    Source: Cao et al. 2007, "Learning to rank: from pairwise approach to listwise approach".
    """
    targets = same_shape("scores", scores, targets, Finite).astype(scores.dtype)
    real = _real(scores, where)
    losses = _listnet(jnp.where(real, scores, -jnp.inf), jnp.where(real, targets, -jnp.inf))
    return weighted(losses, sample_weight)


def listmle(scores: Array, targets: Finite, *, where: Array | None = None, sample_weight: SampleWeight = None) -> Array:
    """ListMLE: sum over i of log(sum over j >= i of exp(scores[j])) - scores[i], items in falling order of targets.

    scores, targets  (..., items); only the order of the targets counts
    where            (..., items), False for items that only fill the list up
    Returns (...), one loss per list, in nats: minus the log of the chance of this order if items are drawn one after
    another by the softmax of the scores. Takes O(items * log(items)). Raises ValueError where the shapes differ.
    Proper: yes for the Plackett-Luce distribution of orders.
    Trap: equal targets are taken in the order in which they stand: shuffle them anew in every epoch, or they are
    learned as an order.
    Source: Xia et al. 2008, "Listwise approach to learning to rank: theory and algorithm".
    """
    targets = same_shape("scores", scores, targets, Finite)
    real = _real(scores, where)
    precise = widened(scores)
    rank = jnp.argsort(jnp.where(real, -targets.astype(precise.dtype), jnp.inf), axis=-1)
    real = jnp.take_along_axis(real, rank, axis=-1)
    ordered = jnp.where(real, jnp.take_along_axis(precise, rank, axis=-1), 0)
    losses = jnp.where(real, log_sum_over_own(ordered, real.astype(precise.dtype)), 0).sum(axis=-1)
    return weighted(losses.astype(scores.dtype), sample_weight)


def _real(scores: Array, where: Array | None) -> Array:
    return jnp.ones(scores.shape, bool) if where is None else same_shape("scores", scores, jnp.asarray(where)) != 0


def _mean_over_pairs(losses: Array, targets: Array, where: Array | None) -> Array:
    """Losses (..., i, j) averaged over the pairs in which i belongs before j."""
    real = _real(targets, where)
    pairs = (targets[..., :, None] > targets[..., None, :]) & real[..., :, None] & real[..., None, :]
    total = jnp.where(pairs, losses, 0).sum(axis=(-2, -1))
    return total / jnp.maximum(pairs.sum(axis=(-2, -1)), 1).astype(losses.dtype)


@jax.custom_jvp
def _listnet(scores: Array, targets: Array) -> Array:
    """Absent items have minus infinity in both."""
    share, gap = _softmax(targets)[0], _softmax(scores)[2]
    return jnp.where(jnp.isneginf(scores), 0, share * gap).sum(axis=-1)


@_listnet.defjvp
def _(primals, tangents):
    scores, targets = primals
    (p, not_p, gap), (q, not_q, _) = _softmax(scores), _softmax(targets)
    loss = _listnet(scores, targets)
    real = ~jnp.isneginf(scores)
    by_scores = p * not_q - q * not_p  # p - q, which would cancel where both are near 1
    by_targets = q * (jnp.where(real, gap, 0) - loss[..., None])
    moved = jnp.where(real, by_scores * tangents[0] + by_targets * tangents[1], 0)
    return loss, moved.sum(axis=-1)


def _softmax(z: Array) -> tuple[Array, Array, Array]:
    """The softmax p of each row, 1 - p, and -log(p), none of them by a difference that cancels."""
    top = z.max(axis=-1, keepdims=True)
    top = jnp.where(jnp.isneginf(top), 0, top)
    terms = exp_of_difference(z, top)
    is_top = jnp.arange(z.shape[-1]).reshape((1,) * (z.ndim - 1) + (-1,)) == jnp.argmax(z, axis=-1, keepdims=True)
    others = jnp.where(is_top, 0, terms).sum(axis=-1, keepdims=True)
    p = terms / jnp.maximum(terms.sum(axis=-1, keepdims=True), jnp.finfo(z.dtype).tiny)
    return p, jnp.where(is_top, others / (1 + others), 1 - p), top - z + jnp.log1p(others)
