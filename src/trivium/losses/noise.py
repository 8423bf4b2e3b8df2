"""Losses for classes whose labels are wrong in part. The network puts out a row of `logits`, for the softmax.

A wrong label is a row of low probability. These losses grow slower there than the cross-entropy, so that such rows pull
less; what they gain in robustness they lose in speed, as rows that are only hard are taken for wrong ones as well.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Ge, Interval, Lt
from jax import Array

from trivium.losses._contract import Label, SampleWeight, spread_like, weighted
from trivium.losses._exact import hit, hit_power, is_class, labels, lead, narrowed, smoothed, surprise, widened
from trivium.losses._tempered import tempered_divergence


def generalized_cross_entropy(
    logits: Array,
    targets: Label,
    *,
    q: Annotated[float | Array, Interval(gt=0, le=1)] = 0.7,
    sample_weight: SampleWeight = None,
) -> Array:
    """Generalized cross-entropy: (1 - p^q) / q, p = softmax(logits)[target].

    logits         (..., classes)
    targets        (...), integers from 0 to classes - 1
    q              from the cross-entropy near 0 to the mean absolute error at 1, the most robust and the slowest
    sample_weight  (n,), or the shape of the losses
    Returns (...), one loss per row, in [0, 1 / q]. Raises ValueError where the shapes do not fit, or a target is no
    class.
    Proper: no; q near 1 has its minimum at the likeliest class alone.
    Trap: a row of low probability has a gradient of p^q: with many classes the start is slow.
    Source: Zhang & Sabuncu 2018, "Generalized cross entropy loss for training deep neural networks with noisy labels".
    """
    z = widened(logits)
    value, rest = lead(z, jnp.zeros_like(z), labels("logits", z, targets))
    return weighted(narrowed(_less_power(value, rest, spread_like(value, q)), logits), sample_weight)


@jax.custom_jvp
def _less_power(value: Array, rest: Array, q: Array) -> Array:
    """(1 - p^q) / q, p = sigmoid(value + rest)."""
    return -jnp.expm1(-q * surprise(value, rest)) / q


_less_power.defjvps(
    lambda tangent, _, value, rest, q: -tangent * hit_power(value, rest, q) * hit(-value, -rest),
    None,
    lambda tangent, less, value, rest, q: tangent * (surprise(value, rest) * hit_power(value, rest, q) - less) / q,
)


def symmetric_cross_entropy(
    logits: Array,
    targets: Label,
    *,
    alpha: Annotated[float | Array, Ge(0)] = 0.1,
    beta: Annotated[float | Array, Ge(0)] = 1.0,
    log_of_zero: Annotated[float | Array, Lt(0)] = -4.0,
    sample_weight: SampleWeight = None,
) -> Array:
    """Symmetric cross-entropy: -alpha * log(p) - beta * log_of_zero * (1 - p), p = softmax(logits)[target].

    The second term is the cross-entropy with the target and the probabilities exchanged.

    logits         (..., classes)
    targets        (...), integers from 0 to classes - 1
    alpha          how much the cross-entropy counts, which learns fast and overfits wrong labels
    beta           how much the exchanged one counts, which resists them
    log_of_zero    what stands for the log of the target's share 0
    sample_weight  (n,), or the shape of the losses
    Returns (...), one loss per row. Raises ValueError where the shapes do not fit, or a target is no class.
    Proper: no, the second term overstates the likeliest class.
    Trap: only beta * log_of_zero counts; to tune both is to tune one number twice.
    Source: Wang et al. 2019, "Symmetric cross entropy for robust learning with noisy labels".
    """
    z = widened(logits)
    value, rest = lead(z, jnp.zeros_like(z), labels("logits", z, targets))
    exchanged = spread_like(value, beta) * -spread_like(value, log_of_zero)
    losses = spread_like(value, alpha) * surprise(value, rest) + exchanged * hit(-value, -rest)
    return weighted(narrowed(losses, logits), sample_weight)


def bi_tempered(
    logits: Array,
    targets: Label,
    *,
    t1: Annotated[float | Array, Interval(ge=0, le=1)] = 0.8,
    t2: Annotated[float | Array, Ge(1)] = 1.2,
    label_smoothing: Annotated[float | Array, Interval(ge=0, lt=1)] = 0.0,
    sample_weight: SampleWeight = None,
) -> Array:
    """Bi-tempered: sum of y * (log_t1(y) - log_t1(p)) - (y^(2 - t1) - p^(2 - t1)) / (2 - t1).

    log_t(x) = (x^(1 - t) - 1) / (1 - t), its inverse exp_t; p = exp_t2(logits - level), the level chosen so that p adds
    up to 1; y is 1 at the target and 0 elsewhere. At t1 = t2 = 1 it is the cross-entropy.

    logits           (..., classes)
    targets          (...), integers from 0 to classes - 1
    t1               below 1 the loss is bounded: rows far on the wrong side pull less
    t2               above 1 the tail of the probabilities is heavy: rows near the border pull less
    label_smoothing  the share of every target that is given to all classes alike
    sample_weight    (n,), or the shape of the losses
    Returns (...), one loss per row. Raises ValueError where the shapes do not fit, or a target is no class.
    Proper: yes, for the distribution over classes, by the tempered softmax of the logits.
    Trap: the softmax of these logits is not p; it overstates how sure the network is.
    Source: Amid et al. 2019, "Robust bi-tempered logistic loss based on Bregman divergences".
    """
    z = widened(logits)
    masses = smoothed(is_class(z, labels("logits", z, targets)).astype(z.dtype), label_smoothing)
    losses = tempered_divergence(z, masses, spread_like(z, t1), spread_like(z, t2))
    return weighted(narrowed(losses, logits), sample_weight)
