"""Sums of exponentials that neither overflow nor cancel, over a whole row and over every suffix of it."""

import jax
import jax.numpy as jnp
from jax import Array, lax


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b as a pair, the sum and what it lost (Knuth), a constant; an infinite sum has lost nothing."""
    total = a + b
    back = total - a
    lost = (a - (total - back)) + (b - back)
    return total, lax.stop_gradient(jnp.where(jnp.isfinite(lost), lost, 0))


def exp_of_difference(a: Array, b: Array) -> Array:
    """exp(a - b), the rounding of the difference (Knuth's two-sum) taken back: exp would multiply it by |a - b|.

    0 where a is minus infinity, whatever b is.
    """
    difference, lost = two_sum(a, -jnp.where(jnp.isneginf(b), 0, b))
    return jnp.exp(jnp.where(jnp.isneginf(a), -jnp.inf, difference)) * (1 + lost)


Pair = tuple[Array, ...]
"""A number and what it lost in rounding, which has no derivative of its own."""


@jax.custom_jvp
def log_add(a: Pair, b: Pair) -> Pair:
    """log(exp(a) + exp(b)) of pairs: what large logs lose would be multiplied by their exponentials."""
    (top, top_rest), _, small = _ordered(a, b)
    value, lost = two_sum(top, jnp.log1p(small))
    return value, top_rest + lost


@log_add.defjvp
def _(primals, tangents):
    (a, b), (a_moves, b_moves) = primals, tangents
    _, first, small = _ordered(a, b)
    value, rest = log_add(a, b)
    near, far = 1 / (1 + small), small / (1 + small)
    moved = jnp.where(first, near, far) * a_moves[0] + jnp.where(first, far, near) * b_moves[0]
    return (value, rest), (moved, jnp.zeros_like(rest))


def _ordered(a: Pair, b: Pair) -> tuple[Pair, Array, Array]:
    """The larger pair, whether it is the first one, and the ratio of their exponentials, at most 1."""
    first = ~(a[0] < b[0])  # a NaN stays one
    top, other = (tuple(jnp.where(side, x, y) for x, y in zip(a, b, strict=True)) for side in (first, ~first))
    gap, lost = two_sum(other[0], -top[0])
    return (top[0], top[1]), first, jnp.exp(gap) * (1 + (lost + (other[1] - top[1])))


@jax.custom_jvp
def log_of_one_minus_exp(gap: Array) -> Array:
    """log(1 - exp(-gap)) for gap > 0, exact for small and for large gaps."""
    small = gap < 0.6931
    near = jnp.log(-jnp.expm1(-jnp.where(small, gap, 1)))
    return jnp.where(small, near, jnp.log1p(-jnp.exp(-jnp.where(small, 1, gap))))


log_of_one_minus_exp.defjvps(lambda tangent, _, gap: tangent * (jnp.exp(-gap) / -jnp.expm1(-gap)))


@jax.custom_jvp
def ratio(part: Array, rest: Array) -> Array:
    """part / (part + rest) for parts of at least 0; its derivative divides before it multiplies, so nothing overflows.

    1 where both are 0, the limit for a vanishing part beside no rest.
    """
    whole = part + rest
    return jnp.where(whole == 0, 1, part / jnp.where(whole == 0, 1, whole)).astype(whole.dtype)


@ratio.defjvp
def _(primals, tangents):
    part, rest = primals
    whole = part + rest
    whole = jnp.where(whole > 0, whole, 1)
    part_share, rest_share = part / whole, rest / whole
    return ratio(part, rest), rest_share * (tangents[0] / whole) - part_share * (tangents[1] / whole)


@jax.custom_jvp
def log1p_exp_of_difference(a: Array, b: Array) -> Array:
    """log(1 + exp(a - b)), with the digits that the difference loses."""
    return jnp.maximum(a - b, 0) + jnp.log1p(exp_of_difference(jnp.minimum(a, b), jnp.maximum(a, b)))


@log1p_exp_of_difference.defjvp
def _(primals, tangents):
    a, b = primals
    top = lax.stop_gradient(jnp.maximum(a, b))
    above, below = exp_of_difference(a, top), exp_of_difference(b, top)
    return log1p_exp_of_difference(a, b), above / (above + below) * (tangents[0] - tangents[1])


@jax.custom_jvp
def log_softmax_pair(z: Array) -> Pair:
    """log(softmax(z)) over the last axis as a pair."""
    top = z.max(axis=-1, keepdims=True)
    terms = exp_of_difference(z, top)
    first_top = lax.argmax(z, z.ndim - 1, jnp.int32)[..., None]
    is_top = lax.broadcasted_iota(jnp.int32, z.shape, z.ndim - 1) == first_top
    gap, lost = two_sum(z, -top)
    value, more = two_sum(gap, -jnp.log1p(jnp.where(is_top, 0, terms).sum(axis=-1, keepdims=True)))
    return value, lost + more


@log_softmax_pair.defjvp
def _(primals, tangents):
    (z,) = primals
    terms = exp_of_difference(z, lax.stop_gradient(z.max(axis=-1, keepdims=True)))
    mean = (terms * tangents[0]).sum(axis=-1, keepdims=True) / terms.sum(axis=-1, keepdims=True)
    value, rest = log_softmax_pair(z)
    return (value, rest), (tangents[0] - mean, jnp.zeros_like(rest))
