"""Losses for one class of several. The network puts out a row of `logits`; their softmax are the probabilities."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import Ge, Interval
from jax import Array

from trivium.losses._cancelling import cross_entropy_of_shares
from trivium.losses._contract import Label, SampleWeight, spread_like, weighted
from trivium.losses._exact import (
    add_pair,
    cross_entropy_of_integers,
    cross_entropy_of_masses,
    distributions,
    focused,
    hit,
    is_class,
    labels,
    lead,
    log_pair,
    narrowed,
    one_weight_per_class,
    shares_of_others,
    smoothed,
    surprise,
    surprise_above_miss,
    widened,
)
from trivium.numerics import product

ClassWeight = Annotated[Array | None, Ge(0)]
"""One weight per class, (classes,): 2 counts a row of the class twice; None weighs every class 1."""
ClassShares = Annotated[Array | None, Interval(gt=0, le=1)]
"""The share of every class among the rows, (classes,)."""


def cross_entropy(
    logits: Array,
    targets: Label,
    *,
    label_smoothing: Annotated[float | Array, Interval(ge=0, lt=1)] = 0.0,
    class_weight: ClassWeight = None,
    ignored: int | None = None,
    sample_weight: SampleWeight = None,
) -> Array:
    """Cross-entropy: -log(softmax(logits)[target]).

    logits           (..., classes)
    targets          (...), integers from 0 to classes - 1; or floats in the shape of the logits, rows of shares that
                     add up to 1: the mean of the losses of the classes by their shares
    label_smoothing  the share of every target that is given to all classes alike
    class_weight     (classes,), how often a row of the class counts, its smoothing included
    ignored          a number that marks rows without a target, such as -1: their loss and gradient are 0
    sample_weight    (n,), or the shape of the losses
    Returns (...), one loss per row, in nats. Raises ValueError where the shapes do not fit, a target is no class, or a
    row of shares does not add up to 1.
    Proper: yes, for the distribution over classes; with label_smoothing for the smoothed one.
    Trap: logits that were already through a softmax can hardly be told apart any more; those go into
    `cross_entropy_from_probabilities`.
    Source: Good 1952, "Rational decisions".
    """
    z = widened(logits)
    weights = None if class_weight is None else one_weight_per_class("class_weight", class_weight, z, ClassWeight)
    if jnp.issubdtype(jnp.asarray(targets).dtype, jnp.floating):
        masses = distributions("logits", z, targets)
        if weights is not None:
            masses = masses * spread_like(z, weights)
        losses = cross_entropy_of_shares(z, smoothed(masses, label_smoothing))
        return weighted(narrowed(losses, logits), sample_weight)
    numbers = labels("logits", z, targets, ignored=ignored)
    absent = numbers == (-1 if ignored is None else ignored)
    if ignored is not None:  # a row that is not there may hold anything, NaN included
        z, numbers = jnp.where(absent[..., None], 0, z), jnp.where(absent, 0, numbers)
    if isinstance(label_smoothing, int | float) and label_smoothing == 0:
        losses = cross_entropy_of_integers(z, numbers)
    else:
        losses = cross_entropy_of_masses(z, smoothed(is_class(z, numbers).astype(z.dtype), label_smoothing))
    if weights is not None:
        losses = losses * weights[numbers]
    losses = losses if ignored is None else jnp.where(absent, 0, losses)
    return weighted(narrowed(losses, logits), sample_weight)


def cross_entropy_from_probabilities(
    probabilities: Array, targets: Label, *, sample_weight: SampleWeight = None
) -> Array:
    """Cross-entropy from probabilities: -log(probabilities[target]).

    probabilities  (..., classes), each row adding up to 1
    targets        (...), integers from 0 to classes - 1
    sample_weight  (n,), or the shape of the losses
    Returns (...), one loss per row, in nats: infinite where the probability is 0. Raises ValueError where the shapes
    do not fit, or a target is no class.
    Proper: yes, for the distribution over classes.
    Trap: a probability that has rounded to 0 or 1 has lost the digits that its logit still had.
    Source: Good 1952, "Rational decisions".
    """
    p = widened(probabilities)
    own = jnp.take_along_axis(p, labels("probabilities", p, targets)[..., None], axis=-1)[..., 0]
    return weighted(narrowed(-jnp.log(own), probabilities), sample_weight)


def focal(
    logits: Array,
    targets: Label,
    *,
    gamma: Annotated[float | Array, Ge(0)] = 2.0,
    class_weight: ClassWeight = None,
    sample_weight: SampleWeight = None,
) -> Array:
    """Focal: -(1 - p)^gamma * log(p), p = softmax(logits)[target].

    logits         (..., classes)
    targets        (...), integers from 0 to classes - 1
    gamma          how little an easy row counts; 0 is the cross-entropy
    class_weight   (classes,), how often a row of the class counts, the alpha of the paper
    sample_weight  (n,), or the shape of the losses
    Returns (...), one loss per row. Raises ValueError where the shapes do not fit, or a target is no class.
    Proper: no, it draws probabilities towards each other; they want calibrating before they are read.
    Trap: a sum over easy rows shrinks a hundredfold against the cross-entropy: a learning rate found for the one is
    too small for the other.
    Source: Lin et al. 2017, "Focal loss for dense object detection".
    """
    z = widened(logits)
    numbers = labels("logits", z, targets)
    value, rest = lead(z, jnp.zeros_like(z), numbers)
    losses = focused(value, rest, spread_like(value, gamma))
    if class_weight is not None:
        losses = losses * one_weight_per_class("class_weight", class_weight, z, ClassWeight)[numbers]
    return weighted(narrowed(losses, logits), sample_weight)


def logit_adjusted(
    logits: Array,
    targets: Label,
    *,
    class_shares: ClassShares = None,
    temperature: Annotated[float | Array, Ge(0)] = 1.0,
    sample_weight: SampleWeight = None,
) -> Array:
    """Logit-adjusted cross-entropy: -log(softmax(logits + temperature * log(class_shares))[target]).

    logits         (..., classes), without the adjustment, as they are to be used for predictions
    targets        (...), integers from 0 to classes - 1
    class_shares   (classes,), share of every class among the rows; None takes all as equally frequent, which is the
                   plain cross-entropy
    temperature    how much of the imbalance is taken out; 1 is right for the mean of the classes' errors
    sample_weight  (n,), or the shape of the losses
    Returns (...), one loss per row, in nats. Raises ValueError where the shapes do not fit, a target is no class, or a
    share is not above 0.
    Proper: yes, for the adjusted distribution; the softmax of the logits alone is that of equally frequent classes.
    Trap: the accuracy on rows as frequent as those of training falls, for the benefit of the rare classes.
    Source: Menon et al. 2021, "Long-tail learning via logit adjustment".
    """
    z = widened(logits)
    numbers = labels("logits", z, targets)
    rest = jnp.zeros_like(z)
    if class_shares is not None:
        shares = one_weight_per_class("class_shares", class_shares, z, ClassShares)
        log, log_rest = log_pair(shares)
        times = spread_like(log, temperature)
        offset, offset_rest = product(log, times)
        offset_rest = offset_rest + jax.lax.stop_gradient(times * log_rest)
        z, rest = add_pair(z, spread_like(z, offset), spread_like(z, offset_rest))
    return weighted(narrowed(surprise(*lead(z, rest, numbers)), logits), sample_weight)


def poly1(
    logits: Array,
    targets: Label,
    *,
    epsilon: Annotated[float | Array, Ge(-1)] = 2.0,
    sample_weight: SampleWeight = None,
) -> Array:
    """Poly-1: -log(p) + epsilon * (1 - p), p = softmax(logits)[target].

    logits         (..., classes)
    targets        (...), integers from 0 to classes - 1
    epsilon        how much more the first power of 1 - p counts than in the cross-entropy; 0 is the cross-entropy, -1
                   leaves the first power out
    sample_weight  (n,), or the shape of the losses
    Returns (...), one loss per row. Raises ValueError where the shapes do not fit, or a target is no class.
    Proper: no; above 0 it overstates the likeliest class, below it understates it.
    Trap: the gain reported for images came with an epsilon tuned for each task; 0 is the honest baseline.
    Source: Leng et al. 2022, "PolyLoss: A polynomial expansion perspective of classification loss functions".
    """
    z = widened(logits)
    value, rest = lead(z, jnp.zeros_like(z), labels("logits", z, targets))
    # -log(p) = (1 - p) + what is above it: with epsilon from -1 on both terms have one sign.
    losses = (1 + spread_like(value, epsilon)) * hit(-value, -rest) + surprise_above_miss(value, rest)
    return weighted(narrowed(losses, logits), sample_weight)


def brier(logits: Array, targets: Label, *, sample_weight: SampleWeight = None) -> Array:
    """Brier: sum over classes k of (p[k] - (1 if k is the target else 0))^2, p = softmax(logits).

    logits         (..., classes)
    targets        (...), integers from 0 to classes - 1
    sample_weight  (n,), or the shape of the losses
    Returns (...), one loss per row, in [0, 2]. Raises ValueError where the shapes do not fit, or a target is no class.
    Proper: yes, strictly, for the distribution over classes.
    Trap: a row that is surely wrong has hardly any gradient; logits that start large stay wrong.
    Source: Brier 1950, "Verification of forecasts expressed in terms of probability".
    """
    z = widened(logits)
    numbers = labels("logits", z, targets)
    value, rest = lead(z, jnp.zeros_like(z), numbers)
    # The others' probabilities are 1 - p[target] times their shares among each other.
    spread = _concentration(z, numbers)
    return weighted(narrowed(jnp.square(hit(-value, -rest)) * (1 + spread), logits), sample_weight)


@jax.custom_jvp
def _concentration(logits: Array, targets: Array) -> Array:
    """The sum of the squares of the shares of the others among each other."""
    return jnp.square(shares_of_others(logits, jnp.zeros_like(logits), targets)).sum(axis=-1)


@_concentration.defjvp
def _(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    logits, targets = primals
    shares = shares_of_others(logits, jnp.zeros_like(logits), targets)
    spread = _concentration(logits, targets)
    moves = jnp.where(is_class(logits, targets), 0, 2 * shares * (shares - spread[..., None])) * tangents[0]
    return spread, moves.sum(axis=-1)
