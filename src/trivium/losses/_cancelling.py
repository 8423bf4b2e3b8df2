"""An exponential beside a number that it nearly equals: the difference with all its digits, as float32 cannot have it.

Each function is the plain formula wherever its terms do not cancel, and in float64. Near a zero it is a sum of
`_expansions`, which keeps the digits of a difference down to a 2^-36th of its terms.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.activations import log_softmax, sigmoid, softmax
from trivium.losses import _expansions as expansions
from trivium.losses._exact import cross_entropy_of_masses, excess
from trivium.losses._special import held, times_exp

REACH = 100.0
"""How large an argument `_expansions.exp` may have."""
NORMAL = 87.0
"""Exponentials up to here, and the inverses of them, are normal numbers of float32."""


@jax.custom_jvp
def exp_less(z: Array, number: Array, rest: Array) -> Array:
    """exp(z) - (number + rest) for a number of at least 0."""
    plain = held(times_exp(jnp.ones_like(z), z)) - number - rest
    if z.dtype != np.float32:
        return plain
    gap, _, twos, near = _gap(z, number, rest)
    return jnp.where(near, expansions.scaled((gap,), twos)[0], plain)


exp_less.defjvps(
    lambda tangent, _, z, number, rest: tangent * held(times_exp(jnp.ones_like(z), z)),
    lambda tangent, _, z, number, rest: -tangent,
    None,
)


@jax.custom_jvp
def one_less_ratio(z: Array, number: Array, rest: Array) -> Array:
    """1 - (number + rest) / exp(z) for a number of at least 0."""
    plain = 1 - times_exp(number, -z, rest / jnp.where(number == 0, 1, number))
    if z.dtype != np.float32:
        return plain
    gap, power, _, near = _gap(z, number, rest)
    return jnp.where(near, gap / power, plain)


one_less_ratio.defjvps(
    lambda tangent, _, z, number, rest: tangent * held(times_exp(number, -z)),
    lambda tangent, _, z, number, rest: -tangent * held(times_exp(jnp.ones_like(z), -z)),
    None,
)


def _gap(z: Array, number: Array, rest: Array) -> tuple[Array, Array, Array, Array]:
    """exp(z) - number and exp(z), both in units of 2^twos; twos; and whether the two are near each other."""
    power, twos = expansions.exp(jnp.clip(z, -REACH, REACH))
    other, other_rest = expansions.scaled((number, rest), -twos)
    near = (jnp.abs(z) < REACH) & (other < 4) & (other > 0.25)
    return expansions.rounded(*power, -other, -other_rest), power[0], twos, near


@jax.custom_jvp
def relative_excess(logits: Array, masses: Array) -> Array:
    """(p * sum(masses) - masses) / p over the last axis, p = softmax(logits), which is kept above 0."""
    plain = _relative_excess(logits, masses)
    if logits.dtype != np.float32:
        return plain
    gap, lost = expansions.add(logits, -logits.max(axis=-1, keepdims=True))
    power, twos = expansions.exp(jnp.maximum(gap, -NORMAL), lost)
    terms = expansions.scaled(power, twos)
    own = expansions.product(terms, expansions.sum_of_row((masses, *[jnp.zeros_like(masses)] * 2)))
    others = expansions.product(expansions.sum_of_row(terms), (-masses,))
    near = (jnp.abs(plain) < 0.5) & (gap > -NORMAL)
    return jnp.where(near, expansions.rounded(*own, *others) / (terms[0] + terms[1]), plain)


@relative_excess.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return relative_excess(*primals), jax.jvp(_relative_excess, primals, tangents)[1]


def _relative_excess(logits: Array, masses: Array) -> Array:
    p = softmax(logits)
    return excess(p, masses) / jnp.where(p == 0, jnp.finfo(p.dtype).tiny, p)


def share_excess(logits: Array, masses: Array) -> Array:
    """p * sum(masses) - masses over the last axis, p = softmax(logits): what moves a cross-entropy."""
    p, relative = softmax(logits), relative_excess(logits, masses)
    return jnp.where(jnp.abs(relative) < 0.5, p * relative, excess(p, masses))


@jax.custom_jvp
def cross_entropy_of_shares(logits: Array, shares: Array) -> Array:
    """`cross_entropy_of_masses`, whose slope has all its digits however near the softmax is to the shares."""
    return cross_entropy_of_masses(logits, shares)


@cross_entropy_of_shares.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    logits, shares = primals
    moves = share_excess(logits, shares) * tangents[0] - log_softmax(logits) * tangents[1]
    return cross_entropy_of_shares(logits, shares), moves.sum(axis=-1)


@jax.custom_jvp
def sigmoid_less(z: Array, number: Array) -> tuple[Array, Array]:
    """sigmoid(z) - number as a float32 number, and the part of it by which that is too small."""
    plain = sigmoid(z) - number
    if z.dtype != np.float32:
        return plain, jnp.zeros_like(z)
    # ((1 - number) - number * exp(-z)) / (1 + exp(-z))
    power, twos = expansions.exp(jnp.clip(-z, -NORMAL, NORMAL))
    power = expansions.scaled(power, twos)
    one = jnp.ones_like(z)
    above = expansions.compact((*expansions.product(power, (-number,)), -number, one))
    below = expansions.compact((*power, one))
    value = (above[0] + above[1]) / (below[0] + below[1])
    back = expansions.exactly(-value, below[0])
    lost = expansions.rounded(*above, *back, -value * below[1])
    rest = lost / jnp.where(value == 0, 1, value * below[0])
    near = jnp.abs(z) < NORMAL
    return jnp.where(near, value, plain), jnp.where(near, rest, 0)


@sigmoid_less.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple:
    z, _ = primals
    value, rest = sigmoid_less(*primals)
    return (value, rest), (sigmoid(z) * sigmoid(-z) * tangents[0] - tangents[1], jnp.zeros_like(rest))


def cancelling(plain: Array, size: Array, reach: Array, precise: Callable[[], Array]) -> Array:
    """The plain value, and the precise one where that is far smaller than its terms; in float64 the plain one alone.

    size   of the terms
    reach  the argument of the precise one's exponential; the plain value stands where it is beyond REACH
    """
    if plain.dtype != np.float32:
        return plain
    return jnp.where((jnp.abs(plain) < size / 4) & (jnp.abs(reach) < REACH), precise(), plain)


def exp_less_product(z: Array, number: Array) -> Array:
    """exp(z) - number * z, where the two are near each other and normal numbers."""
    power, twos = expansions.exp(jnp.clip(z, -REACH, REACH))
    (other,) = expansions.scaled((number,), -twos)
    return expansions.scaled((expansions.rounded(*power, *expansions.exactly(-other, z)),), twos)[0]


def product_beside(factor: expansions.Sum, z: Array, *others: Array | float) -> Array:
    """factor * exp(z) + the sum of the others, where they are near to cancel.

    factor  a number, or a pair
    others  numbers, and constants with all their digits
    """
    return expansions.rounded(*_product(factor, z), *_terms(z, others))


def half_square_beside(error: Array, lost: Array, log_scale: Array, *others: Array | float) -> Array:
    """q^2 / 2 + the sum of the others, q = (error + lost) / exp(log_scale), where they are near to cancel."""
    q = _product((error, lost), -log_scale)
    return expansions.rounded(*(term / 2 for term in expansions.product(q, q)), *_terms(error, others))


def student_beside(error: Array, lost: Array, log_scale: Array, freedom: Array, *others: Array | float) -> Array:
    """(freedom + 1) / 2 * log(1 + q^2 / freedom) + the sum of the others, where they are near to cancel."""
    q = _product((error, lost), -log_scale)
    log = expansions.log1p(expansions.quotient(expansions.product(q, q), freedom))
    terms = (*log, *expansions.product(log, (freedom,)))
    return expansions.rounded(*(term / 2 for term in terms), *_terms(error, others))


def sized(error: Array, lost: Array) -> tuple[Array, Array]:
    """The size of a pair, as a pair."""
    return jnp.abs(error), jnp.where(error < 0, -lost, lost)


def _product(factor: expansions.Sum, z: Array) -> expansions.Sum:
    power, twos = expansions.exp(jnp.clip(z, -REACH, REACH))
    factor = expansions.scaled(factor, twos)  # before it is taken apart: its last bits may be below normal numbers
    return expansions.product(power, factor if len(factor) == 1 else expansions.compact(factor))


def _terms(like: Array, others: tuple[Array | float, ...]) -> expansions.Sum:
    """Numbers as they are; constants with all the digits of Python's float."""
    parts = [expansions.whole(other) if isinstance(other, float) else (other,) for other in others]
    return tuple(jnp.broadcast_to(term, like.shape) for terms in parts for term in terms)
