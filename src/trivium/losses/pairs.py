"""Losses for embeddings, compared with one another within a batch: rows of one target belong together.

The result has one loss per row. `sample_weight` is a row's weight among the partners of the others, 0 for a row that
is not there; average the result with the same weights. A row of weight 2 is not the row twice: the two would be
partners of each other.
"""

from typing import Annotated, Literal, NamedTuple

import jax.numpy as jnp
from annotated_types import Ge, Gt
from jax import Array, lax

from trivium.losses._contract import SampleWeight, weighted
from trivium.losses._exact import log1p_exp

Group = Annotated[Array, Ge(0)]
"""Targets: the number of the group that a row belongs to."""


def triplet(
    embeddings: Array,
    targets: Group,
    *,
    margin: Annotated[float, Ge(0)] = 1.0,
    mining: Literal["hard", "all"] = "hard",
    sample_weight: SampleWeight = None,
) -> Array:
    """Triplet: max(0, margin + distance to a row of the same target - distance to a row of another).

    embeddings     (n, dimensions); distances are Euclidean
    targets        (n,), numbers of groups
    margin         how much farther strangers shall be, in units of the embeddings
    mining         "hard" takes each row's farthest fellow and nearest stranger; "all" the mean over all pairs of them,
                   which takes O(n^3)
    sample_weight  (n,), of a row's loss, and with "all" of the row as a partner; 0: it is not there
    Returns (n,), one loss per row; 0 for a row without a fellow or without a stranger. Raises ValueError where the
    shapes do not fit.
    Proper: no, it compares distances and knows no probability.
    Trap: a network that puts out one and the same point has this loss at the margin and no gradient to leave it.
    Source: Hermans, Beyer & Leibe 2017, "In defense of the triplet loss for person re-identification".
    """
    if mining not in ("hard", "all"):
        raise ValueError(f"mining must be 'hard' or 'all', got {mining!r}. Use 'hard'.")
    partners = _partners(embeddings, targets, sample_weight)
    distance = _distances(embeddings)
    least = jnp.asarray(margin, embeddings.dtype)
    if mining == "hard":
        far = jnp.where(partners.fellow > 0, distance, -jnp.inf).max(axis=1)
        near = jnp.where(partners.stranger > 0, distance, jnp.inf).min(axis=1)
        complete = jnp.isfinite(far) & jnp.isfinite(near) | jnp.isnan(far + near)
        losses = jnp.where(complete, jnp.maximum(0, jnp.where(complete, far - near, 0) + _like(far, least)), 0)
        return weighted(losses, sample_weight)
    weight = partners.fellow[:, :, None] * partners.stranger[:, None, :]
    gaps = distance[:, :, None] - distance[:, None, :]
    losses = jnp.where(weight > 0, weight * jnp.maximum(0, gaps + _like(gaps, least)), 0).sum(axis=(1, 2))
    return weighted(losses / _or_one(weight.sum(axis=(1, 2))), sample_weight)


def contrastive(
    embeddings: Array,
    targets: Group,
    *,
    margin: Annotated[float, Gt(0)] = 1.0,
    sample_weight: SampleWeight = None,
) -> Array:
    """Contrastive: mean over the other rows of d^2 / 2 for the same target, max(0, margin - d)^2 / 2 for another.

    embeddings     (n, dimensions); d is the Euclidean distance
    targets        (n,), numbers of groups
    margin         distance at which strangers no longer push each other, in units of the embeddings
    sample_weight  (n,), of a row's loss and of the row among the partners of others; 0: it is not there
    Returns (n,), one loss per row, in squared units of the embeddings. Takes O(n^2 * dimensions) of memory. Raises
    ValueError where the shapes do not fit.
    Proper: no, it compares distances and knows no probability.
    Trap: with many groups nearly all pairs are strangers, and the mean hides the few that belong together.
    Source: Hadsell, Chopra & LeCun 2006, "Dimensionality reduction by learning an invariant mapping".
    """
    partners = _partners(embeddings, targets, sample_weight)
    squared = jnp.square(embeddings[:, None, :] - embeddings[None, :, :]).sum(axis=-1)
    distance = _distances(embeddings)
    apart = jnp.maximum(0, _like(distance, jnp.asarray(margin, embeddings.dtype)) - distance)
    together = jnp.where(partners.fellow > 0, partners.fellow * squared, 0)
    losses = together + jnp.where(partners.stranger > 0, partners.stranger * jnp.square(apart), 0)
    losses = losses.sum(axis=1) / 2 / _or_one((partners.fellow + partners.stranger).sum(axis=1))
    return weighted(losses, sample_weight)


def nt_xent(
    embeddings: Array,
    targets: Group,
    *,
    temperature: Annotated[float, Gt(0)] = 0.1,
    sample_weight: SampleWeight = None,
) -> Array:
    """NT-Xent: mean over fellows p of log(1 + sum over strangers k of exp((cos(i, k) - cos(i, p)) / temperature)).

    embeddings     (n, dimensions); only their directions count
    targets        (n,): rows of one number are views of one thing, fellows; with two views of each it is SimCLR's loss
    temperature    how sharply near strangers are told from far ones; a smaller one looks at the nearest alone
    sample_weight  (n,), of a row's loss and of the row among the partners of others; 0: it is not there
    Returns (n,), one loss per row, in nats; 0 for a row without a fellow. Raises ValueError where the shapes do not
    fit.
    Proper: yes, as the cross-entropy of finding the fellow among the strangers of the batch.
    Trap: it depends on the size of the batch: more strangers, a higher loss.
    Source: Chen et al. 2020, "A simple framework for contrastive learning of visual representations".
    """
    partners = _partners(embeddings, targets, sample_weight)
    directions = _directions(embeddings)
    cosines = jnp.matmul(directions, directions.T, precision=lax.Precision.HIGHEST)
    similarity = cosines / _like(cosines, jnp.asarray(temperature, embeddings.dtype))
    strange = partners.stranger > 0
    top = lax.stop_gradient(jnp.where(strange, similarity, -1e30).max(axis=1, keepdims=True))
    units = jnp.where(strange, partners.stranger * jnp.exp(jnp.where(strange, similarity - top, 0)), 0).sum(axis=1)
    alone = ~strange.any(axis=1)
    pull = jnp.log(jnp.where(alone, 1, units))[:, None] + (top - similarity)
    losses = jnp.where(partners.fellow > 0, partners.fellow * log1p_exp(pull), 0).sum(axis=1)
    return weighted(losses / _or_one(partners.fellow.sum(axis=1)), sample_weight)


class _Partners(NamedTuple):
    """Weights (n, n) of row j for row i: 0 for itself and for what is not there."""

    fellow: Array
    stranger: Array


def _partners(embeddings: Array, targets: Array, sample_weight: SampleWeight) -> _Partners:
    if embeddings.ndim != 2 or targets.shape != embeddings.shape[:1]:
        raise ValueError(
            f"embeddings must have shape (n, dimensions) and targets (n,), got {embeddings.shape} and {targets.shape}. "
            "Hand over one row and one group number per example."
        )
    n = len(targets)
    weights = jnp.ones(n, embeddings.dtype) if sample_weight is None else jnp.asarray(sample_weight)
    if weights.shape != (n,):
        raise ValueError(
            f"sample_weight must have one weight per row, got {weights.shape} for embeddings of {embeddings.shape}. "
            f"Hand over an array of shape ({n},)."
        )
    weights = weights.astype(embeddings.dtype)
    there = weights > 0
    weight = jnp.where(there[:, None] & there[None, :] & ~jnp.eye(n, dtype=bool), weights[None, :], 0)
    same = targets[:, None] == targets[None, :]
    return _Partners(jnp.where(same, weight, 0), jnp.where(same, 0, weight))


def _distances(embeddings: Array) -> Array:
    """(n, n), by differences: the square of the norms minus twice the product would cancel. Derivative 0 at 0."""
    gaps = embeddings[:, None, :] - embeddings[None, :, :]
    units = _units(gaps)
    squared = jnp.square(gaps / units).sum(axis=-1)
    apart = squared > 0
    return jnp.where(apart, units[..., 0] * jnp.sqrt(jnp.where(apart, squared, 1)), squared)


def _directions(embeddings: Array) -> Array:
    """Rows of length 1; a row of zeros stays, without a derivative."""
    scaled = embeddings / _units(embeddings)
    squared = jnp.square(scaled).sum(axis=-1, keepdims=True)
    return scaled / jnp.sqrt(jnp.where(squared > 0, squared, 1))


def _units(rows: Array) -> Array:
    """The largest entry of each row, a constant that keeps squares from overflow and underflow."""
    largest = lax.stop_gradient(jnp.abs(rows).max(axis=-1, keepdims=True))
    return jnp.where(largest > 0, largest, 1)


def _or_one(total: Array) -> Array:
    return jnp.where(total > 0, total, 1)


def _like(array: Array, number: Array) -> Array:
    return jnp.broadcast_to(number, array.shape)
