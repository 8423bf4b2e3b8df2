"""Losses for two classes. The network puts out one `logits` per row; its sigmoid is the probability of the second.

A target between 0 and 1 is the share of rows of the second class, so that its loss is the mean of theirs.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt, Interval
from jax import Array

from trivium.activations import sigmoid
from trivium.losses._cancelling import sigmoid_less
from trivium.losses._contract import SampleWeight, Share, same_shape, spread_like, weighted
from trivium.losses._exact import focused, log1p_exp, narrowed, power, widened
from trivium.losses._special import times_exp


def binary_cross_entropy(
    logits: Array,
    targets: Share,
    *,
    label_smoothing: Annotated[float | Array, Interval(ge=0, lt=1)] = 0.0,
    positive_weight: Annotated[float | Array, Gt(0)] = 1.0,
    sample_weight: SampleWeight = None,
) -> Array:
    """Binary cross-entropy: -t log(s) - (1 - t) log(1 - s), s = sigmoid(logits).

    logits           any shape
    targets          the same shape, in [0, 1]
    label_smoothing  the share of every target that is given to both classes alike
    positive_weight  how often a row of the second class counts; one number, or one per label, the last axis
    sample_weight    (n,), or the shape of the logits
    Returns one loss per element, in nats. Raises ValueError where the shapes differ, or a target is outside [0, 1].
    Proper: yes, for the share of the second class; with label_smoothing for the smoothed share.
    Trap: logits that were already through a sigmoid train a much weaker loss; those go into
    `binary_cross_entropy_from_probabilities`.
    Source: Cox 1958, "The regression analysis of binary sequences".
    """
    z = widened(logits)
    targets = same_shape("logits", z, targets, Share).astype(z.dtype)
    second, first = targets * spread_like(z, positive_weight), 1 - targets
    part, both = spread_like(z, label_smoothing), (first + second) / 2
    second, first = (1 - part) * second + part * both, (1 - part) * first + part * both
    # As -log(sigmoid(z)) = log1p_exp(-z): two terms of one sign, so that no digit cancels.
    losses = second * log1p_exp(-z) + first * log1p_exp(z)
    return weighted(narrowed(losses, logits), sample_weight)


def binary_cross_entropy_from_probabilities(
    probabilities: Array, targets: Share, *, sample_weight: SampleWeight = None
) -> Array:
    """Binary cross-entropy from probabilities: -t log(p) - (1 - t) log(1 - p).

    probabilities  any shape, in [0, 1]
    targets        the same shape, in [0, 1]
    sample_weight  (n,), or the shape of the probabilities
    Returns one loss per element, in nats: infinite where a probability of 0 or 1 is wrong. Raises ValueError where the
    shapes differ, or a target is outside [0, 1].
    Proper: yes, for the share of the second class.
    Trap: a sigmoid rounds to 1 from a logit of 16.6 on, where this loss has no digits left; from logits it keeps them.
    Source: Good 1952, "Rational decisions".
    """
    p = widened(probabilities)
    targets = same_shape("probabilities", p, targets, Share).astype(p.dtype)
    # A term of weight 0 is 0, not 0 * infinity; its log is kept finite so that its derivative is as well.
    hits = jnp.where(targets > 0, targets * -jnp.log(jnp.where(targets > 0, p, 1)), 0)
    misses = jnp.where(targets < 1, (1 - targets) * -jnp.log1p(-jnp.where(targets < 1, p, 0)), 0)
    return weighted(narrowed(_nan_stays(hits + misses, p), probabilities), sample_weight)


def binary_focal(
    logits: Array,
    targets: Share,
    *,
    gamma: Annotated[float | Array, Ge(0)] = 2.0,
    alpha: Annotated[float | Array | None, Interval(ge=0, le=1)] = None,
    sample_weight: SampleWeight = None,
) -> Array:
    """Binary focal: -t (1 - s)^gamma log(s) - (1 - t) s^gamma log(1 - s), s = sigmoid(logits).

    logits         any shape
    targets        the same shape, in [0, 1]
    gamma          how little an easy row counts; 0 is the cross-entropy
    alpha          weight of the second class, 1 - alpha that of the first; None weighs both 1
    sample_weight  (n,), or the shape of the logits
    Returns one loss per element. Raises ValueError where the shapes differ, or a target is outside [0, 1].
    Proper: no, it draws probabilities towards 1/2; they want calibrating before they are read.
    Trap: alpha = 0.25 of the paper was tuned together with gamma = 2, where few rows of the first class still count;
    with rare rows of the second class and a small gamma it makes the imbalance worse.
    Source: Lin et al. 2017, "Focal loss for dense object detection".
    """
    z = widened(logits)
    targets = same_shape("logits", z, targets, Share).astype(z.dtype)
    exponent, none = spread_like(z, gamma), jnp.zeros_like(z)
    second, first = targets, 1 - targets
    if alpha is not None:
        second, first = second * spread_like(z, alpha), first * (1 - spread_like(z, alpha))
    losses = second * focused(z, none, exponent) + first * focused(-z, none, exponent)
    return weighted(narrowed(losses, logits), sample_weight)


def asymmetric(
    logits: Array,
    targets: Share,
    *,
    gamma_negative: Annotated[float | Array, Ge(0)] = 4.0,
    gamma_positive: Annotated[float | Array, Ge(0)] = 0.0,
    clip: Annotated[float | Array, Interval(ge=0, lt=1)] = 0.05,
    sample_weight: SampleWeight = None,
) -> Array:
    """Asymmetric: -t (1 - s)^gamma_positive log(s) - (1 - t) m^gamma_negative log(1 - m), m = max(0, s - clip).

    logits          any shape, as a rule (n, labels); s = sigmoid(logits)
    targets         the same shape, in [0, 1]
    gamma_negative  how little an easy absent label counts
    gamma_positive  how little an easy present label counts
    clip            probability below which an absent label no longer counts at all
    sample_weight   (n,), or the shape of the logits
    Returns one loss per element. Raises ValueError where the shapes differ, or a target is outside [0, 1].
    Proper: no, it overstates rare labels on purpose; choose thresholds on held-out rows.
    Trap: an absent label found with a probability below clip has no gradient; if all start there, nothing is learned
    from what is absent.
    Source: Ridnik et al. 2021, "Asymmetric loss for multi-label classification".
    """
    z = widened(logits)
    targets = same_shape("logits", z, targets, Share).astype(z.dtype)
    none = jnp.zeros_like(z)
    present = focused(z, none, spread_like(z, gamma_positive))
    absent = _absent(z, spread_like(z, gamma_negative), spread_like(z, clip))
    return weighted(narrowed(targets * present + (1 - targets) * absent, logits), sample_weight)


@jax.custom_jvp
def _absent(z: Array, gamma: Array, clip: Array) -> Array:
    """-m^gamma * log(1 - m), m = max(0, sigmoid(z) - clip)."""
    inside, m, rest = _shifted(z, clip)
    return jnp.where(inside, _power(m, rest, gamma) * _surprise_of_absent(z, m, rest, clip), 0)


@_absent.defjvp
def _(primals, tangents):
    """m^gamma times the sum of two terms of one sign, of which neither is infinite where m vanishes."""
    z, gamma, clip = primals
    inside, m, rest = _shifted(z, clip)
    weight, surprised = _power(m, rest, gamma), _surprise_of_absent(z, m, rest, clip)
    miss, left = sigmoid(-z) + clip, 1 / (1 + clip + times_exp(clip, z))  # 1 - m and the share of 1 - s in it
    steepness = gamma * (surprised / m)
    by_m = weight * (steepness * miss + 1) * left * sigmoid(z)
    by_gamma = weight * surprised * jnp.log(m)
    by_clip = -weight * (steepness + 1 / jnp.maximum(miss, jnp.finfo(z.dtype).tiny))
    moves = by_m * tangents[0] + by_gamma * tangents[1] + by_clip * tangents[2]
    return _absent(*primals), jnp.where(inside, moves, 0)


def _shifted(z: Array, clip: Array) -> tuple[Array, Array, Array]:
    """Where m is above 0; m, 1/2 elsewhere; and by which part of itself the float32 number m is too small."""
    m, rest = sigmoid_less(z, clip)
    inside = ~(m <= 0)  # a NaN stays one
    return inside, jnp.where(inside, m, 0.5), jnp.where(inside, rest, 0)


def _power(m: Array, rest: Array, gamma: Array) -> Array:
    raised = power(m, gamma)
    return raised + raised * (gamma * rest)


def _surprise_of_absent(z: Array, m: Array, rest: Array, clip: Array) -> Array:
    """-log(1 - m), from the side on which it has its digits; by the logit where 1 - m has none of the clip."""
    extra = clip * (1 + jnp.exp(jnp.minimum(z, float(np.log(np.finfo(z.dtype).max)) - 1)))
    by_logit = log1p_exp(z) - jnp.log1p(jnp.minimum(extra, 1))
    by_sum = -jnp.log(jnp.where(extra < 0.5, 1, sigmoid(-z) + clip))
    few = jnp.minimum(m, 0.5)
    return jnp.where(m < 0.5, -jnp.log1p(-few) + rest * few / (1 - few), jnp.where(extra < 0.5, by_logit, by_sum))


def _nan_stays(losses: Array, given: Array) -> Array:
    return jnp.where(jnp.isnan(given), given, losses)
