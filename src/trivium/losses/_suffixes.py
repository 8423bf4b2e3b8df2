"""Sums of exponentials over every suffix of a row, in O(n log n) and without overflow.

A suffix's sum is kept as a pair: the largest score m in it, and the sum in units of exp(m). The pairs combine
associatively, so that the depth, and with it the rounding, grows as the logarithm of the length.
"""

import jax
import jax.numpy as jnp
from jax import Array, lax

from trivium.losses._sums import exp_of_difference


def suffix_sums(largest: Array, *parts: Array) -> tuple[Array, ...]:
    """(..., n) scores and parts in units of their exponentials -> the same for the sums from each place to the end.

    Linear in the parts; the scores only choose the units and carry no derivative.
    """

    def combine(later: tuple[Array, ...], earlier: tuple[Array, ...]) -> tuple[Array, ...]:
        top = jnp.maximum(earlier[0], later[0])
        near, far = exp_of_difference(earlier[0], top), exp_of_difference(later[0], top)
        return top, *(a * near + b * far for a, b in zip(earlier[1:], later[1:], strict=True))

    return lax.associative_scan(combine, (lax.stop_gradient(largest), *parts), reverse=True, axis=largest.ndim - 1)


def leaf(scores: Array, weights: Array) -> tuple[Array, Array]:
    """The pair of each single place: its score and its weight, which carries the score's derivative."""
    units = jnp.where(weights > 0, lax.stop_gradient(scores), -jnp.inf)
    return units, jnp.where(weights > 0, weights * jnp.exp(scores - lax.stop_gradient(scores)), 0)


@jax.custom_jvp
def log_sum_over_own(scores: Array, weights: Array) -> Array:
    """log(sum over j >= i of weights[j] * exp(scores[j])) - scores[i] for every i of (..., n); weights are constants.

    With weights of 1 a sum of terms of one sign, as is its derivative: the shares of the others times their lead.
    """
    largest, rest = _after(*suffix_sums(*leaf(scores, weights)))
    low, top = jnp.minimum(largest, scores), jnp.maximum(largest, scores)
    ahead = largest > scores
    lead = jnp.where(ahead, largest - scores, 0)
    beyond = jnp.log(jnp.where(ahead, rest + weights * exp_of_difference(low, top), 1))
    within = jnp.log1p(jnp.where(ahead, 0, (weights - 1) + rest * exp_of_difference(low, top)))
    return lead + beyond + within


@log_sum_over_own.defjvp
def _(primals, tangents):
    scores, weights = primals
    units, parts = leaf(scores, weights)
    largest, rest, moved = _after(*suffix_sums(units, parts, parts * tangents[0]))
    top = lax.stop_gradient(jnp.maximum(largest, scores))
    others = rest * exp_of_difference(largest, top)
    share = others / (others + weights * exp_of_difference(scores, top))
    mean = moved / jnp.where(rest > 0, rest, 1)
    return log_sum_over_own(scores, weights), share * (mean - tangents[0])


def _after(largest: Array, *parts: Array) -> tuple[Array, ...]:
    """The pair of each place's successor; the last place has none."""
    return _successor(largest, -jnp.inf), *(_successor(part, 0) for part in parts)


def _successor(array: Array, empty: float) -> Array:
    return jnp.concatenate([array[..., 1:], jnp.full_like(array[..., :1], empty)], axis=-1)
