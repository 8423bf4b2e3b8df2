"""Exact building blocks of the losses for classes: every one a sum of terms of one sign, in value and derivative.

The probability of a class among several is the sigmoid of its lead: its logit minus the log of the sum of the others'
exponentials. Kept as a pair of numbers, the lead has the digits of exp(lead) however large the logits are, so that a
loss of one class and a loss of two are the same function.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, core, lax

from trivium.activations import log_softmax, sigmoid, softmax
from trivium.losses._contract import Share, one_per_row, same_shape, spread_like, within
from trivium.losses._sums import exp_of_difference, two_sum
from trivium.numerics import exp_of_pair, polynomial, product

NO_OTHERS = 1e30
"""The lead of a class without others; its products with numbers up to 1e8 are finite."""


def widened(given: Any) -> Array:
    """What the network puts out in float32 at least: narrower types have no digits for what follows."""
    given = jnp.asarray(given)
    narrow = given.dtype if jnp.issubdtype(given.dtype, jnp.floating) else jnp.result_type(float)
    return given.astype(jnp.float32 if jnp.finfo(narrow).bits < 32 else narrow)


def narrowed(losses: Array, given: Any) -> Array:
    """Losses in the type of what the network puts out."""
    kind = jnp.asarray(given).dtype
    return losses.astype(kind) if jnp.issubdtype(kind, jnp.floating) else losses


def labels(name: str, given: Array, targets: Any, *, ignored: int | None = None) -> Array:
    """Class numbers, one for each row, in the type in which classes are counted here."""
    return one_per_row(name, given, targets, ignored=ignored).astype(jnp.int32)


def distributions(name: str, given: Array, targets: Any) -> Array:
    """Rows of shares as an array. Raises ValueError for one outside [0, 1], and where a known row does not add to 1."""
    targets = same_shape(name, given, targets, Share)
    if not isinstance(targets, core.Tracer):
        sums = np.asarray(targets, np.float64).sum(axis=-1)
        wrong = np.abs(sums - 1) > 0.01  # rows in bfloat16 are off by this much
        if wrong.any():
            row = np.argwhere(wrong)[0]
            raise ValueError(
                f"targets must be distributions, rows that add up to 1, got a sum of {sums[tuple(row)]:g}"
                f"{f' in row {row[0]}' if len(row) else ''}. "
                "Divide each row by its sum, or choose a loss of `trivium.losses.binary` for labels that go together."
            )
    return targets.astype(given.dtype)


def one_weight_per_class(name: str, weights: Any, given: Array, domain: Any) -> Array:
    """A row of numbers, one per class. Raises ValueError for another number of them, or one outside the domain."""
    weights = within(name, jnp.asarray(weights), domain)
    if weights.shape != given.shape[-1:]:
        raise ValueError(
            f"{name} must have one number per class, got {weights.shape} for {given.shape[-1]} classes. "
            f"Hand over an array of shape {given.shape[-1:]}."
        )
    return weights.astype(given.dtype)


def is_class(logits: Array, targets: Array) -> Array:
    """(..., classes), True at the place of the target."""
    return lax.broadcasted_iota(targets.dtype, logits.shape, logits.ndim - 1) == targets[..., None]


def smoothed(masses: Array, label_smoothing: float | Array) -> Array:
    """A part of every row's mass spread over all its places, the last axis."""
    part = spread_like(masses, label_smoothing)
    return (1 - part) * masses + part * masses.mean(axis=-1, keepdims=True)


@jax.custom_jvp
def log1p_exp(z: Array) -> Array:
    """log(1 + exp(z)), with the sigmoid as its derivative: exact on both sides, where autodiff subtracts."""
    return jnp.maximum(z, 0) + jnp.log1p(jnp.exp(-jnp.abs(z)))


log1p_exp.defjvps(lambda tangent, _, z: tangent * sigmoid(z))


@jax.custom_jvp
def add_pair(a: Array, b: Array, b_rest: Array) -> tuple[Array, Array]:
    """a + (b + b_rest) as a pair; its derivative is that of the sum."""
    total, lost = two_sum(a, b)
    return total, lost + b_rest


@add_pair.defjvp
def _(primals, tangents):
    total, rest = add_pair(*primals)
    return (total, rest), (tangents[0] + tangents[1], jnp.zeros_like(rest))


@jax.custom_jvp
def log_pair(x: Array) -> tuple[Array, Array]:
    """log(x) for 0 < x <= 1 as a pair: its exponential has the digits of x."""
    log = jnp.log(x)
    back = exp_of_pair(log, jnp.zeros_like(log))
    return log, (x - back) / back


@log_pair.defjvp
def _(primals, tangents):
    log, rest = log_pair(*primals)
    return (log, rest), (tangents[0] / primals[0], jnp.zeros_like(rest))


@jax.custom_jvp
def power(x: Array, exponent: Array) -> Array:
    """x^exponent for 0 < x <= 1 and an exponent of at least 0."""
    log, rest = log_pair(x)
    far, lost = product(log, exponent)
    return exp_of_pair(far, lost + exponent * rest)


power.defjvps(
    lambda tangent, value, x, exponent: tangent * exponent * (value / x),
    lambda tangent, value, x, exponent: tangent * value * jnp.log(x),
)


@jax.custom_jvp
def hit(value: Array, rest: Array) -> Array:
    """sigmoid(value + rest), a lead as a pair; the rest has no derivative of its own."""
    small = exp_of_pair(-jnp.abs(value), jnp.where(value > 0, -rest, rest))
    return jnp.where(value > 0, 1, small) / (1 + small)


hit.defjvps(lambda tangent, p, value, rest: tangent * p * hit(-value, -rest), None)


@jax.custom_jvp
def surprise(value: Array, rest: Array) -> Array:
    """-log(sigmoid(value + rest))."""
    small = exp_of_pair(-jnp.abs(value), jnp.where(value > 0, -rest, rest))
    return jnp.where(value > 0, 0, -value) + (jnp.where(value > 0, 0, -rest) + jnp.log1p(small))


surprise.defjvps(lambda tangent, _, value, rest: -tangent * hit(-value, -rest), None)


@jax.custom_jvp
def hit_power(value: Array, rest: Array, exponent: Array) -> Array:
    """sigmoid(value + rest)^exponent, with the digits that a power of a rounded probability has lost."""
    small = exp_of_pair(-jnp.abs(value), jnp.where(value > 0, -rest, rest))
    far, far_rest = product(jnp.where(value > 0, 0, -value), exponent)
    log, lost = two_sum(far, exponent * jnp.log1p(small))
    return exp_of_pair(-log, -(lost + (far_rest + exponent * jnp.where(value > 0, 0, -rest))))


hit_power.defjvps(
    lambda tangent, power, value, rest, exponent: tangent * exponent * power * hit(-value, -rest),
    None,
    lambda tangent, power, value, rest, exponent: -tangent * power * surprise(value, rest),
)


@jax.custom_jvp
def focused(value: Array, rest: Array, gamma: Array) -> Array:
    """-(1 - p)^gamma * log(p), p = sigmoid(value + rest); of its slopes only the whole may underflow."""
    return hit_power(-value, -rest, gamma) * surprise(value, rest)


def _focused_slope(value: Array, rest: Array, gamma: Array) -> Array:
    both = gamma * hit(value, rest) * surprise(value, rest) + hit(-value, -rest)
    return -(hit_power(-value, -rest, gamma) * both)


focused.defjvps(
    lambda tangent, _, value, rest, gamma: tangent * _focused_slope(value, rest, gamma),
    None,
    lambda tangent, loss, value, rest, gamma: -tangent * loss * surprise(-value, -rest),
)


@jax.custom_jvp
def surprise_above_miss(value: Array, rest: Array) -> Array:
    """-log(p) - (1 - p), p = sigmoid(value + rest), which is about (1 - p)^2 / 2 for a p near 1."""
    miss = hit(-value, -rest)
    s = jnp.minimum(miss, 0.5) / (2 - jnp.minimum(miss, 0.5))  # -log(1 - miss) = 2 * atanh(s), miss = 2 * s / (1 + s)
    series = polynomial(s * s, [1 / (2 * n + 3) for n in range(9 if s.dtype == np.float32 else 18)])
    return jnp.where(miss < 0.5, 2 * s * s * (1 / (1 + s) + s * series), surprise(value, rest) - miss)


surprise_above_miss.defjvps(lambda tangent, _, value, rest: -tangent * jnp.square(hit(-value, -rest)), None)


@jax.custom_jvp
def lead(logits: Array, rest: Array, targets: Array) -> tuple[Array, Array]:
    """By how much the target's logit is above the log of the sum of the others' exponentials, as a pair.

    logits, rest  (..., classes), the logits as pairs
    targets       (...), class numbers
    """
    own = is_class(logits, targets)
    top = _largest_other(logits, own)
    top_rest = jnp.where(is_class(logits, top), rest, 0).sum(axis=-1, keepdims=True)
    top = jnp.take_along_axis(logits, top[..., None], axis=-1)
    gap, lost = two_sum(logits, -jnp.broadcast_to(top, logits.shape))
    lost = lost + (rest - top_rest)
    terms = jnp.where(own, 0, exp_of_pair(gap, lost))
    first = is_class(logits, _largest_other(logits, own))
    log = jnp.log1p(jnp.where(first, 0, terms).sum(axis=-1))
    own_gap, own_lost = (jnp.where(own, part, 0).sum(axis=-1) for part in (gap, lost))
    value, value_lost = two_sum(own_gap, -log)
    alone = jnp.isneginf(jnp.where(own, -jnp.inf, logits).max(axis=-1)) & ~jnp.isnan(own_gap)
    return jnp.where(alone, NO_OTHERS, value), jnp.where(alone, 0, value_lost + own_lost)


@lead.defjvp
def _(primals, tangents):
    logits, rest, targets = primals
    value, value_rest = lead(logits, rest, targets)
    own = is_class(logits, targets)
    others = shares_of_others(logits, rest, targets)
    # 1 for the target; minus its share among the others for another.
    moves = jnp.where(own, others.sum(axis=-1, keepdims=True), -others) * tangents[0]
    return (value, value_rest), (moves.sum(axis=-1), jnp.zeros_like(value_rest))


def shares_of_others(logits: Array, rest: Array, targets: Array) -> Array:
    """The softmax without the target, whose place is 0."""
    own = is_class(logits, targets)
    top = is_class(logits, _largest_other(logits, own))
    gap, lost = two_sum(logits, -jnp.where(top, logits, 0).sum(axis=-1, keepdims=True))
    lost = lost + (rest - jnp.where(top, rest, 0).sum(axis=-1, keepdims=True))
    terms = jnp.where(own, 0, jnp.exp(jnp.where(own, -jnp.inf, gap)) * (1 + lost))
    total = terms.sum(axis=-1, keepdims=True)
    return terms / jnp.where(total > 0, total, 1)


def _largest_other(logits: Array, own: Array) -> Array:
    return jnp.argmax(jnp.where(own, -jnp.inf, logits), axis=-1)


@jax.custom_jvp
def cross_entropy_of_integers(logits: Array, targets: Array) -> Array:
    """(..., classes) logits and (...) class numbers -> (...): -log(softmax(logits)[target]).

    As (largest - target's) + log1p(sum of exp(others - largest)): no term cancels another.
    """
    largest = logits.max(axis=-1, keepdims=True)
    terms = exp_of_difference(logits, largest)
    first = is_class(logits, jnp.argmax(logits, axis=-1))
    others = jnp.where(first, 0, terms).sum(axis=-1)
    own = jnp.take_along_axis(logits, targets[..., None], axis=-1)
    return (largest - own)[..., 0] + jnp.log1p(others)


@cross_entropy_of_integers.defjvp
def _(primals, tangents):
    """The derivative is softmax - target, whose target's part is minus the sum of the others' probabilities."""
    logits, targets = primals
    terms = exp_of_difference(logits, lax.stop_gradient(logits.max(axis=-1, keepdims=True)))
    own = is_class(logits, targets)
    others = jnp.where(own, 0, terms)
    gradient = jnp.where(own, -others.sum(axis=-1, keepdims=True), others) / terms.sum(axis=-1, keepdims=True)
    return cross_entropy_of_integers(logits, targets), (gradient * tangents[0]).sum(axis=-1)


@jax.custom_jvp
def cross_entropy_of_masses(logits: Array, masses: Array) -> Array:
    """(..., classes) logits and masses of at least 0 -> (...): -sum(masses * log(softmax(logits)))."""
    return -jnp.where(masses > 0, masses * log_softmax(logits), 0).sum(axis=-1)


@cross_entropy_of_masses.defjvp
def _(primals, tangents):
    logits, masses = primals
    moves = excess(softmax(logits), masses) * tangents[0] - log_softmax(logits) * tangents[1]
    return cross_entropy_of_masses(logits, masses), moves.sum(axis=-1)


def excess(shares: Array, masses: Array) -> Array:
    """shares * sum(masses) - masses for shares that add up to 1, with the digits of 1 - share where a share is near 1.

    As share * other masses - mass * other shares, in which one share alone does not cancel.
    """
    return shares * without_own(masses) - masses * without_own(shares)


def without_own(terms: Array, largest: Array | None = None) -> Array:
    """The sum of all other terms of the row, at every place; the largest one's is summed up by itself.

    largest  True at the place at which the difference with the whole sum would cancel; the largest term if left out
    """
    if largest is None:
        largest = is_class(terms, jnp.argmax(terms, axis=-1))
    rest = jnp.where(largest, 0, terms).sum(axis=-1, keepdims=True)
    return jnp.where(largest, rest, rest + (jnp.where(largest, terms, 0).sum(axis=-1, keepdims=True) - terms))
