"""Sums of exponentials that neither overflow nor cancel, over a whole row and over every suffix of it."""

import jax
import jax.numpy as jnp
from jax import Array


def exp_of_difference(a: Array, b: Array) -> Array:
    """exp(a - b), the rounding of the difference (Knuth's two-sum) taken back: exp would multiply it by |a - b|.

    0 where a is minus infinity, whatever b is.
    """
    difference = jnp.where(jnp.isneginf(a), -jnp.inf, a - jnp.where(jnp.isneginf(b), 0, b))
    back = difference - a
    lost = (a - (difference - back)) - (b + back)
    return jnp.exp(difference) * (1 + jnp.where(jnp.isfinite(lost), lost, 0))


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
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 1).astype(whole.dtype)


@ratio.defjvp
def _(primals, tangents):
    part, rest = primals
    whole = part + rest
    whole = jnp.where(whole > 0, whole, 1)
    part_share, rest_share = part / whole, rest / whole
    return ratio(part, rest), rest_share * (tangents[0] / whole) - part_share * (tangents[1] / whole)
