"""Losses for the overlap of two sets. The network puts out one `logits` per element; its sigmoid is the membership.

They count hits, false alarms and misses over one axis: the last for the labels of a row or the pixels of an image,
`axis=0` for the rows of a batch. The counts are kept as sums of terms of one sign, so that a small loss has its digits.
"""

from typing import Annotated, NamedTuple

import jax.numpy as jnp
from annotated_types import Ge
from jax import Array

from trivium.activations import sigmoid
from trivium.losses._contract import SampleWeight, Share, same_shape
from trivium.losses._sums import ratio


def dice(
    logits: Array,
    targets: Share,
    *,
    axis: int = -1,
    smooth: Annotated[float, Ge(0)] = 1.0,
    squared: bool = False,
    sample_weight: SampleWeight = None,
) -> Array:
    """Dice: 1 - (2 * sum(s * t) + smooth) / (sum(s) + sum(t) + smooth), s = sigmoid(logits), t = targets.

    logits, targets  one shape; targets in [0, 1]
    axis             over which overlap is counted; it is gone from the result
    smooth           added to both counts: an empty set that is found empty costs nothing; 0 is the plain coefficient
    squared          sum(s^2) + sum(t^2) below instead, as in the V-Net paper
    sample_weight    (length of axis,); an element of weight 2 counts as two
    Returns the shape without `axis`, in [0, 1]. Raises ValueError where the shapes differ.
    Proper: no, its minimum over a mixture of sets is at a set and not at the shares.
    Trap: its gradient is that of the whole axis: over a batch, the loss of a mean is not the mean of the losses.
    Source: Milletari, Navab & Ahmadi 2016, "V-Net: Fully convolutional neural networks for volumetric medical image
    segmentation".
    """
    count = _count(logits, targets, axis, sample_weight)
    differing = count.squared_difference if squared else count.false_alarms + count.misses
    return ratio(differing, 2 * count.hits + _like(differing, smooth))


def tversky(
    logits: Array,
    targets: Share,
    *,
    alpha: Annotated[float, Ge(0)] = 0.3,
    beta: Annotated[float, Ge(0)] = 0.7,
    axis: int = -1,
    smooth: Annotated[float, Ge(0)] = 1.0,
    sample_weight: SampleWeight = None,
) -> Array:
    """Tversky: 1 - (hits + smooth) / (hits + alpha * false_alarms + beta * misses + smooth).

    hits = sum(s * t), false_alarms = sum(s * (1 - t)), misses = sum((1 - s) * t), s = sigmoid(logits), t = targets.

    logits, targets  one shape; targets in [0, 1]
    alpha, beta      price of a false alarm and of a miss; both 1/2 give the Dice coefficient, both 1 Jaccard's
    axis             over which overlap is counted; it is gone from the result
    smooth           added to both counts: an empty set that is found empty costs nothing
    sample_weight    (length of axis,); an element of weight 2 counts as two
    Returns the shape without `axis`, in [0, 1]. Raises ValueError where the shapes differ.
    Proper: no, its minimum over a mixture of sets is at a set and not at the shares.
    Trap: alpha and beta have changed places between papers; here alpha is for what was found and is not there.
    Source: Salehi, Erdogmus & Gholipour 2017, "Tversky loss function for image segmentation using 3D fully
    convolutional deep networks".
    """
    count = _count(logits, targets, axis, sample_weight)
    differing = _like(count.hits, alpha) * count.false_alarms + _like(count.hits, beta) * count.misses
    return ratio(differing, count.hits + _like(count.hits, smooth))


def soft_f1(logits: Array, targets: Share, *, axis: int = -1, sample_weight: SampleWeight = None) -> Array:
    """Soft F1: 1 - 2 * hits / (2 * hits + false_alarms + misses).

    hits = sum(s * t), false_alarms = sum(s * (1 - t)), misses = sum((1 - s) * t), s = sigmoid(logits), t = targets.

    logits, targets  one shape; targets in [0, 1]
    axis             over which is counted; `axis=0` gives the F1 of every label over the rows
    sample_weight    (length of axis,); an element of weight 2 counts as two
    Returns the shape without `axis`, in [0, 1]; 1 where no target is above 0. Raises ValueError where the shapes
    differ.
    Proper: no, its minimum over a mixture of sets is at a set and not at the shares.
    Trap: counted over a small batch it is not the F1 of the data; a batch without a positive has no gradient.
    Source: Pastor-Pellicer et al. 2013, "F-measure as the error function to train neural networks".
    """
    count = _count(logits, targets, axis, sample_weight)
    return ratio(count.false_alarms + count.misses, 2 * count.hits)


class _Counts(NamedTuple):
    hits: Array
    false_alarms: Array
    misses: Array
    squared_difference: Array


def _count(logits: Array, targets: Array, axis: int, sample_weight: SampleWeight) -> _Counts:
    targets = same_shape("logits", logits, targets, Share).astype(logits.dtype)
    weights = None if sample_weight is None else _along(axis, logits, jnp.asarray(sample_weight))
    inside, outside = sigmoid(logits), sigmoid(-logits)
    false_alarms, misses = inside * (1 - targets), outside * targets

    def total(terms: Array) -> Array:
        # A NaN at weight 0 is an absent element's.
        terms = terms if weights is None else jnp.where(weights > 0, terms * weights, 0)
        return terms.sum(axis)

    return _Counts(
        total(inside * targets), total(false_alarms), total(misses), total(jnp.square(false_alarms - misses))
    )


def _along(axis: int, logits: Array, sample_weight: Array) -> Array:
    """Weights of the places of one axis, shaped to multiply the logits."""
    if sample_weight.shape != (logits.shape[axis],):
        raise ValueError(
            f"sample_weight must have one weight per place of axis {axis}, got {sample_weight.shape} for logits of "
            f"{logits.shape}. Hand over an array of shape ({logits.shape[axis]},)."
        )
    shape = [1] * logits.ndim
    shape[axis] = -1
    return jnp.broadcast_to(sample_weight.astype(logits.dtype).reshape(shape), logits.shape)


def _like(array: Array, number: float | Array) -> Array:
    """The number in the array's type and rank, so that neither is promoted."""
    return jnp.broadcast_to(jnp.asarray(number, array.dtype), array.shape)
