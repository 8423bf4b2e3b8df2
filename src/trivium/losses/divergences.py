"""Losses for targets that are distributions over classes. The network puts out a row of `logits`, for the softmax.

Each is 0 where the probabilities are the target, and a sum of terms of at least 0: as differences of logarithms, which
is how they are defined, they would lose their digits there and could come out below 0.
"""

import math
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Interval
from jax import Array

from trivium.activations import log_softmax, softmax
from trivium.losses._cancelling import relative_excess, share_excess
from trivium.losses._contract import SampleWeight, weighted
from trivium.losses._exact import distributions, is_class, narrowed, widened
from trivium.numerics import polynomial

Distribution = Annotated[Array, Interval(ge=0, le=1)]
"""Targets: rows of shares that add up to 1, one for each class."""


def kl_divergence(logits: Array, targets: Distribution, *, sample_weight: SampleWeight = None) -> Array:
    """Kullback-Leibler: sum over classes of t * log(t / p), p = softmax(logits).

    logits         (..., classes)
    targets        the same shape, rows of shares t that add up to 1
    sample_weight  (n,), or the shape of the losses
    Returns (...), one loss per row, in nats. Raises ValueError where the shapes differ, or a row does not add up to 1.
    Proper: yes, strictly, for the distribution over classes.
    Trap: the other direction, with p in front, is another loss; and its gradient is that of `cross_entropy` with the
    same targets, so that the two differ in the number that is reported alone.
    Source: Kullback & Leibler 1951, "On information and sufficiency".
    """
    z = widened(logits)
    return weighted(narrowed(_kl(z, distributions("logits", z, targets)), logits), sample_weight)


def jensen_shannon(logits: Array, targets: Distribution, *, sample_weight: SampleWeight = None) -> Array:
    """Jensen-Shannon: sum of t / 2 * log(t / m) + p / 2 * log(p / m), m = (p + t) / 2, p = softmax(logits).

    logits         (..., classes)
    targets        the same shape, rows of shares t that add up to 1
    sample_weight  (n,), or the shape of the losses
    Returns (...), one loss per row, in nats, in [0, log(2)]. Raises ValueError where the shapes differ, or a row does
    not add up to 1.
    Proper: no for class numbers that vary, it overstates the likeliest one; for distributions its minimum is right.
    Trap: a row that is surely wrong has hardly any gradient, as the loss is bounded there.
    Source: Lin 1991, "Divergence measures based on the Shannon entropy".
    """
    z = widened(logits)
    return weighted(narrowed(_js(z, distributions("logits", z, targets)), logits), sample_weight)


@jax.custom_jvp
def _kl(logits: Array, targets: Array) -> Array:
    """As the sum of t * log(t / p) - t + p, whose terms are at least 0."""
    p = softmax(logits)
    log = _log_ratio(logits, targets)
    near = jnp.clip(log, -1, 1)
    series = near * near * polynomial(-near, [1 / math.factorial(n + 2) for n in range(_terms(logits, 11, 18))])
    far = (p - targets) + targets * log
    there = jnp.where(jnp.abs(log) < 1, targets * series, far)
    return jnp.where(targets > 0, there, p).sum(axis=-1)


@_kl.defjvp
def _(primals, tangents):
    logits, targets = primals
    moves = share_excess(logits, targets) * tangents[0] + _log_ratio(logits, targets) * tangents[1]
    return _kl(logits, targets), moves.sum(axis=-1)


def _log_ratio(logits: Array, targets: Array) -> Array:
    """log(t / p): from the difference where they are near, and from the logits where p has underflown."""
    p, tiny = softmax(logits), jnp.finfo(logits.dtype).tiny
    t, whole = jnp.maximum(targets, tiny), p > 100 * tiny
    relative = -relative_excess(logits, targets)
    close = whole & (jnp.abs(relative) < 0.6)
    near = jnp.log1p(jnp.where(close, relative, 0))
    by_quotient = jnp.log(t / jnp.where(whole, p, 1))
    return jnp.where(close, near, jnp.where(whole, by_quotient, jnp.log(t) - log_softmax(logits)))


@jax.custom_jvp
def _js(logits: Array, targets: Array) -> Array:
    """As the sum of m / 2 * ((1 + x) * log(1 + x) + (1 - x) * log(1 - x)), x = |p - t| / (p + t)."""
    p = softmax(logits)
    x, both = _contrast(logits, targets)
    x = jnp.abs(x)
    near = jnp.minimum(x, 0.5)
    numbers = range(_terms(logits, 14, 28))
    series = near * near * polynomial(near * near, [1 / ((n + 1) * (2 * n + 1)) for n in numbers])
    less = 2 * jnp.minimum(p, targets) / both
    far = (1 + x) * jnp.log1p(x) + less * jnp.log(jnp.where(less > 0, less, 1))
    return (both / 4 * jnp.where(x < 0.5, series, far)).sum(axis=-1)


@_js.defjvp
def _(primals, tangents):
    """p * (g - the mean of g), g = log(p / m) / 2, of which only differences count: from the likeliest class's."""
    logits, targets = primals
    p = softmax(logits)
    largest = is_class(logits, jnp.argmax(logits, axis=-1))
    apart = jnp.where(largest, 0, _apart(logits, targets, largest))
    mean = (jnp.where(largest, 0, p) * apart).sum(axis=-1, keepdims=True)
    both = p + targets
    by_target = _half_log(targets, jnp.where(both == 0, 1, both))
    return _js(logits, targets), (p * (apart - mean) * tangents[0] + by_target * tangents[1]).sum(axis=-1)


def _apart(logits: Array, targets: Array, largest: Array) -> Array:
    """log(p / m) / 2 less that of the likeliest class, as log1p((r - s) / (1 + s)) / 2; s = t / p, r that class's s."""
    p = softmax(logits)
    many = targets > 1e3 * p  # where p may have underflown
    s = targets / jnp.maximum(p, jnp.maximum(1e-3 * targets, 1e-30))
    less = -relative_excess(logits, targets)  # which is s - 1 with the digits of a small one

    def own(terms: Array) -> Array:
        return jnp.where(largest, terms, 0).sum(axis=-1, keepdims=True)

    r = own(s)
    near = (jnp.abs(less) < 0.5) & (jnp.abs(own(less)) < 0.5)
    step = jnp.where(near, own(jnp.where(near, less, 0)) - jnp.where(near, less, 0), r - s) / (1 + s)
    close = (jnp.abs(step) < 0.5) & ~many
    both = jnp.where(many, p + targets, 1)
    far = jnp.log1p(r) - jnp.where(many, jnp.log(both) - log_softmax(logits), jnp.log1p(s))
    return jnp.where(close, jnp.log1p(jnp.where(close, step, 0)), far) / 2


def _half_log(part: Array, both: Array) -> Array:
    """log(2 * part / both) / 2, finite for a part of 0."""
    return (jnp.log(jnp.maximum(part, jnp.finfo(both.dtype).tiny)) - jnp.log(both / 2)) / 2


def _contrast(logits: Array, targets: Array) -> tuple[Array, Array]:
    """(t - p) / (p + t) with its sign, and p + t; 0 and 1 where both are 0."""
    both = softmax(logits) + targets
    some = ~(both == 0)  # a NaN stays one
    return jnp.where(some, -share_excess(logits, targets) / jnp.where(some, both, 1), 0), jnp.where(some, both, 1)


def _terms(logits: Array, single: int, double: int) -> int:
    """How many terms of a series the type has the digits for."""
    return single if logits.dtype == np.float32 else double
