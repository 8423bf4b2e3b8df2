"""The tempered softmax, whose tail falls as a power and not exponentially, and the divergence that goes with it.

    p[k] = (1 + a * (level - z[k]))^(-1 / a),   a = t2 - 1, the level chosen so that p adds up to 1

The level stands `height` above the largest logit. With S the sum at a height, S^-a is concave and nearly linear in it,
so that Newton's method on it rises to the solution in eight steps at most, most often in three.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.losses._exact import excess, is_class, log_pair, without_own
from trivium.losses._sums import two_sum
from trivium.numerics import add_constant, exp_of_pair, product, quotient

STEPS = 10


@jax.custom_jvp
def tempered_log_shares(logits: Array, a: Array) -> tuple[Array, Array]:
    """(..., classes) logits and a >= 0 in their shape -> log(p) as a pair; a = 0 is the log-softmax."""
    top = is_class(logits, jnp.argmax(logits, axis=-1))
    depth, lost = two_sum(jnp.broadcast_to(logits.max(axis=-1, keepdims=True), logits.shape), -logits)
    height = lax.fori_loop(0, STEPS, lambda _, height: _higher(height, depth, lost, a, top), jnp.zeros_like(depth))
    below, below_lost = two_sum(depth, height)
    log, rest = _surprises(below, below_lost + lost, a)
    return -log, -rest


@tempered_log_shares.defjvp
def _(primals, tangents):
    """By z, p^a * (its move - the mean move), weighed by p^(1 + a); by a in the same way, with the moves of log(p)."""
    logits, a = primals
    log, rest = tempered_log_shares(logits, a)
    slope = jnp.exp(a * log)
    moves = slope * tangents[0] + _by_a(log, slope, a) * tangents[1]
    escort = jnp.exp((1 + a) * log)
    shares = jnp.exp(log)
    mean = (shares * moves).sum(axis=-1, keepdims=True) / escort.sum(axis=-1, keepdims=True)
    return (log, rest), (moves - slope * mean, jnp.zeros_like(rest))


def _higher(height: Array, depth: Array, lost: Array, a: Array, top: Array) -> Array:
    """One step of Newton's method on (S^-a - 1) / a; S - 1 without the difference of numbers near 1."""
    below, below_lost = two_sum(depth, height)
    log, rest = _surprises(below, below_lost + lost, a)
    shares = exp_of_pair(-log, -rest)
    missing = jnp.expm1(-jnp.where(top, log, 0).sum(axis=-1, keepdims=True))
    excess_mass = jnp.where(top, 0, shares).sum(axis=-1, keepdims=True) + missing
    fall = (shares / (1 + a * below)).sum(axis=-1, keepdims=True)
    # A step back could only be rounding, and would lead the largest probability above 1.
    return jnp.maximum(0, height + (1 + excess_mass) / fall * _power_less_one(jnp.log1p(excess_mass), a))


def _surprises(depth: Array, lost: Array, a: Array) -> tuple[Array, Array]:
    """log(1 + a * depth) / a as a pair; the depth itself for a = 0."""
    few = a < 1e-22
    part = jnp.where(few, 1, a)
    times, times_lost = product(depth, part)
    times_lost = times_lost + part * lost
    log = jnp.log1p(times)
    whole, whole_lost = add_constant(times, times_lost, 1.0)
    back, back_lost = product(whole, exp_of_pair(-log, jnp.zeros_like(log)))
    # The logarithm's own rounding matters where it is large; where it is small it has the digits already.
    rest = jnp.where(log > 1, ((back - 1) + back_lost) + whole_lost / whole, times_lost / whole)
    value, value_lost = quotient(log, part)
    return jnp.where(few, depth, value), jnp.where(few, lost, value_lost + rest / part)


def _power_less_one(log: Array, exponent: Array) -> Array:
    """(exp(exponent * log) - 1) / exponent, and the log for 0."""
    none = exponent == 0
    return jnp.where(
        none, log + exponent * jnp.square(log) / 2, jnp.expm1(exponent * log) / jnp.where(none, 1, exponent)
    )


def _by_a(log: Array, slope: Array, a: Array) -> Array:
    """The derivative of log(p) by a at one level: (log(u) - 1 + 1 / u) / a^2, u = 1 + a * depth = p^-a."""
    near = -a * log < 0.03
    part = jnp.where(near, 1, a)
    far = (slope - 1 - a * log) / (part * part)
    return jnp.where(near, jnp.square(log) * (0.5 + a * log / 6), far)


@jax.custom_jvp
def tempered_divergence(logits: Array, masses: Array, t1: Array, t2: Array) -> Array:
    """(..., classes) logits, distributions and temperatures in their shape -> (...)."""
    log, rest = tempered_log_shares(logits, t2 - 1)
    return _terms(t1, log, rest, masses).sum(axis=-1)


@tempered_divergence.defjvp
def _(primals, tangents):
    """With v = p^(t2 - t1) * (p - y) and q the shares of p^t2: v - q * sum(v), the terms of a place set off at once."""
    logits, masses, t1, t2 = primals
    log, rest = tempered_log_shares(logits, t2 - 1)
    shares = exp_of_pair(log, rest)
    gap = excess(shares, masses)
    v = _raised(log, rest, t2, t1) * gap
    tail = _raised(log, rest, t2, jnp.zeros_like(t2))
    q = tail / tail.sum(axis=-1, keepdims=True)
    largest = is_class(logits, jnp.argmax(logits, axis=-1))
    gradient = v * without_own(q, largest) - q * without_own(v, largest)
    losses, by_t1 = jax.jvp(partial(_terms, log=log, rest=rest, masses=masses), (t1,), (tangents[2],))
    _, (by_t2, _) = jax.jvp(lambda a: tempered_log_shares(logits, a), (t2 - 1,), (tangents[3],))
    by_mass = _power_less_one(jnp.log(jnp.maximum(masses, jnp.finfo(log.dtype).tiny)), 1 - t1)
    by_mass = (by_mass - _power_less_one(log, 1 - t1)) * tangents[1]
    moves = gradient * tangents[0] + by_mass + by_t1 + _raised(log, rest, 1, t1) * gap * by_t2
    return losses.sum(axis=-1), moves.sum(axis=-1)


def _raised(log: Array, rest: Array, one: Array | float, less: Array) -> Array:
    """p^(one - less) from log(p) as a pair, with the digits that the difference of the exponents loses."""
    exponent, exponent_lost = two_sum(jnp.broadcast_to(jnp.asarray(one, log.dtype), log.shape), -less)
    far, lost = product(log, exponent)
    return exp_of_pair(far, lost + (exponent * rest + exponent_lost * log))


def _terms(t1: Array, log: Array, rest: Array, masses: Array) -> Array:
    """y^(2 - t1) * b(log(p / y)), b(r) = (exp((2 - t1) r) - 1) / (2 - t1) - (exp((1 - t1) r) - 1) / (1 - t1) >= 0."""
    there = masses > 0
    y = jnp.where(there, masses, 1)
    shares = exp_of_pair(log, rest)
    relative = excess(shares, masses) / y
    close = jnp.abs(relative) < 0.5
    r = jnp.where(close, jnp.log1p(jnp.where(close, relative, 0)), (log - jnp.log(y)) + rest)
    near = jnp.clip(r, -1, 1)
    far = _power_less_one(r, 2 - t1) - _power_less_one(r, 1 - t1)
    b = jnp.where(jnp.abs(r) < 0.8, _series(near, 1 - t1), far)
    return jnp.where(there, _raised(*log_pair(y), 2, t1) * b, _raised(log, rest, 2, t1) / (2 - t1))


def _series(r: Array, s: Array) -> Array:
    """b(r) for small r: the sum over n >= 2 of r^n / n! * ((1 + s)^(n - 1) - s^(n - 1)), s = 1 - t1."""
    term, upper, factor, total = r, jnp.ones_like(r), jnp.zeros_like(r), jnp.zeros_like(r)
    for n in range(2, 18 if r.dtype == np.float32 else 28):
        term = term * r / n
        factor = upper + s * factor
        upper = (1 + s) * upper
        total = total + term * factor
    return total
