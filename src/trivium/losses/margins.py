"""Losses for classes told apart by a score's sign or by the largest of a row. The network puts out `scores`.

They ask for a distance from the border and know no probability: a score says which class, not how surely.
"""

from typing import Annotated

import jax.numpy as jnp
from annotated_types import Gt
from jax import Array

from trivium.losses._contract import Label, SampleWeight, Share, same_shape, spread_like, weighted
from trivium.losses._exact import is_class, labels, narrowed, widened
from trivium.losses._sums import two_sum


def hinge(scores: Array, targets: Share, *, sample_weight: SampleWeight = None) -> Array:
    """Hinge: t * max(0, 1 - score) + (1 - t) * max(0, 1 + score).

    scores         any shape; above 0 they choose the second class
    targets        the same shape, 0 for the first class and 1 for the second, or the share of the second
    sample_weight  (n,), or the shape of the scores
    Returns one loss per element, in units of the scores. Raises ValueError where the shapes differ, or a target is
    outside [0, 1].
    Proper: no, its minimum says which class is the likelier and not by how much.
    Trap: targets are 0 and 1 as everywhere here, not -1 and 1 as in the literature.
    Source: Cortes & Vapnik 1995, "Support-vector networks".
    """
    above, below, t = _shortfalls(scores, targets)
    return weighted(narrowed(t * above + (1 - t) * below, scores), sample_weight)


def squared_hinge(scores: Array, targets: Share, *, sample_weight: SampleWeight = None) -> Array:
    """Squared hinge: t * max(0, 1 - score)^2 + (1 - t) * max(0, 1 + score)^2.

    scores         any shape; above 0 they choose the second class
    targets        the same shape, 0 for the first class and 1 for the second, or the share of the second
    sample_weight  (n,), or the shape of the scores
    Returns one loss per element, in squared units of the scores. Raises ValueError where the shapes differ, or a target
    is outside [0, 1].
    Proper: yes, for the share (score + 1) / 2 within its bounds; a certain class may score beyond 1.
    Trap: one mislabelled row far on the wrong side outweighs a hundred others.
    Source: Lee & Mangasarian 2001, "SSVM: A smooth support vector machine for classification".
    """
    above, below, t = _shortfalls(scores, targets)
    return weighted(narrowed(t * jnp.square(above) + (1 - t) * jnp.square(below), scores), sample_weight)


def exponential(scores: Array, targets: Share, *, sample_weight: SampleWeight = None) -> Array:
    """Exponential: t * exp(-score) + (1 - t) * exp(score).

    scores         any shape; above 0 they choose the second class
    targets        the same shape, 0 for the first class and 1 for the second, or the share of the second
    sample_weight  (n,), or the shape of the scores
    Returns one loss per element, infinite where a wrong score is beyond the type's largest exponential, 88 in float32.
    Raises ValueError where the shapes differ, or a target is outside [0, 1].
    Proper: yes, for the share sigmoid(2 * score).
    Trap: a mislabelled row weighs exponentially in its distance: with wrong labels it learns little else.
    Source: Freund & Schapire 1997, "A decision-theoretic generalization of on-line learning and an application to
    boosting".
    """
    f = widened(scores)
    t = same_shape("scores", f, targets, Share).astype(f.dtype)
    # What has no weight is not raised: 0 * infinity would be no number.
    second = jnp.where(t > 0, t * jnp.exp(jnp.where(t > 0, -f, 0)), 0)
    first = jnp.where(t < 1, (1 - t) * jnp.exp(jnp.where(t < 1, f, 0)), 0)
    return weighted(narrowed(second + first, scores), sample_weight)


def multiclass_hinge(
    scores: Array,
    targets: Label,
    *,
    margin: Annotated[float | Array, Gt(0)] = 1.0,
    sample_weight: SampleWeight = None,
) -> Array:
    """Multiclass hinge: max(0, margin + max over k != target of scores[k] - scores[target]).

    scores         (..., classes); the largest of a row chooses the class
    targets        (...), integers from 0 to classes - 1
    margin         by how much the target's score shall lead
    sample_weight  (n,), or the shape of the losses
    Returns (...), one loss per row, in units of the scores; 0 for a single class. Raises ValueError where the shapes do
    not fit, or a target is no class.
    Proper: no; where no class has more than half of the rows, its minimum is not even at the likeliest one.
    Trap: only the strongest rival gets a gradient, so that with many classes most units learn slowly.
    Source: Crammer & Singer 2001, "On the algorithmic implementation of multiclass kernel-based vector machines".
    """
    f = widened(scores)
    own = is_class(f, labels("scores", f, targets))
    target_score = jnp.where(own, f, 0).sum(axis=-1)
    if f.shape[-1] == 1:
        return weighted(narrowed(0 * target_score, scores), sample_weight)
    rival = jnp.where(own, -jnp.inf, f).max(axis=-1)
    gap, lost = two_sum(rival, -target_score)
    return weighted(
        narrowed(jnp.maximum(0, (spread_like(gap, margin) + gap) + lost), scores),
        sample_weight,
    )


def _shortfalls(scores: Array, targets: Share) -> tuple[Array, Array, Array]:
    """By how much a score falls short of 1, and of -1 from the other side; and the targets in its type."""
    f = widened(scores)
    targets = same_shape("scores", f, targets, Share).astype(f.dtype)
    return jnp.maximum(0, 1 - f), jnp.maximum(0, 1 + f), targets
