"""The negative binomial loss, and its slopes by its two logarithms, where their terms nearly cancel.

With m = exp(log_rates), r = exp(-log_dispersions), t = targets and R = r + 12, every logarithm is one of a ratio:

    loss               r log(1 + m / r) + t (1 + log((m + r) / (R + t)) - log_rates) - (R - 1/2) log(1 + t / R)
                       + log(Q) + s(R) - s(R + t)
    by log_rates       (m - t) r / (m + r)
    by log_dispersions (m - t) r / (m + r) + r (log(1 + t / R) - log(1 + m / r) + d(R) - d(R + t) + I(r) - I(r + t))

Q is the product of (r + t + k) / (r + k) and I(x) the sum of 1 / (x + k) over k < 12. s(x) is what the log of the gamma
function has beyond Stirling's (x - 1/2) log(x) - x + log(2 pi) / 2; d(x) is what log(x) has beyond its derivative.
All numbers are pairs of float32 numbers, right to 2^-43 of those terms and to 2^-40 of 1, for any target, whole or not.
The head of a pair is not made of its rest, and loops end in arrays: compilers work out both parts of a pair, and what
several terms share, once for each place where they stand.
After Dekker 1971, "A floating-point technique for extending the available precision".
"""

import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.losses import _expansions as expansions
from trivium.losses._expansions import Sum, add, add_smaller, pair_add, times
from trivium.numerics import polynomial

REACH = 40.0
"""How large log_rates and log_dispersions may be: no ratio of theirs then leaves the normal numbers."""
MOST = 1e17
"""How large targets may be."""


def value_and_slopes(z: Array, a: Array, targets: Array) -> tuple[Array, Array, Array]:
    """The loss, m - targets, and the slope by a = log_dispersions, for z = log_rates and a up to REACH in size."""
    m, r = _rows(lax.map(_exp, jnp.clip(jnp.stack([z, -a]), -REACH, REACH)))
    t = _single(targets)
    ends = _stacked(r, _plus(r, t))
    shifted = _plus(ends, _single(jnp.full_like(ends[0], _TERMS)))
    exponents = _exponent(shifted[0])
    unit = expansions.two_to(-exponents)

    def with_factor(k: int, carry: Sum) -> Sum:
        """The products of the x + k so far, in units of 2^exponent each, and their derivatives by x."""
        factor = _plus(ends, _single(jnp.full_like(ends[0], k)))
        grown = _times(carry, tuple(jnp.broadcast_to(part * unit, carry[0].shape) for part in factor))
        return _plus(grown, tuple(jnp.stack([jnp.zeros_like(part[0]), part[0] * unit]) for part in carry))

    start = _single(jnp.stack([jnp.ones_like(ends[0]), jnp.zeros_like(ends[0])]))
    products, derivatives = _rows(lax.fori_loop(0, _TERMS, with_factor, start))
    (base, end), (below, above) = _rows(shifted), _rows(products)
    total, gap = _plus(m, r), _plus(m, _minus(t))
    twos = jnp.zeros((4, *z.shape), z.dtype).at[3].set(_TERMS * (exponents[1] - exponents[0]))
    logs = _log(_stacked(r, base, total, above), _stacked(m, t, end, below), twos)
    by_mean, by_target, by_ratio, by_factors = _rows(logs)
    over = _joined(derivatives, _single(jnp.ones_like(ends[0])), _stacked(_times(r, gap)))
    ratios = _quotient(over, _joined(products, shifted, _stacked(total)))
    inverses, steps, share = (tuple(part[place] for part in ratios) for place in (slice(2), slice(2, 4), 4))
    square = _times(steps, steps)
    s = _rows(_times(steps, _series(square, _STIRLING)))
    halves = tuple(part / 2 for part in steps)
    d = _rows(_plus(_plus(_times(square, _series(square, _DIGAMMA)), halves), inverses))
    large = _rows(_times(_stacked(r, t, _minus(base)), _stacked(by_mean, by_ratio, by_target)))
    half = tuple(part / 2 for part in by_target)
    value = _sum(*large, times(-targets, z), t, half, by_factors, s[0], _minus(s[1]))
    slope = _sum(by_target, _minus(by_mean), d[0], _minus(d[1]))
    slope = _sum(share, _times(r, add_smaller(*slope)))
    return value[0] + value[1], gap[0] + gap[1], slope[0] + slope[1]


def _sum(*terms: Sum) -> Sum:
    (total, rest), *others = terms
    for head, tail in others:
        total, lost = add(total, head)
        rest += lost + tail
    return total, rest


def _single(x: Array) -> Sum:
    return x, jnp.zeros_like(x)


def _rows(x: Sum) -> list[Sum]:
    return list(zip(*x, strict=True))


def _stacked(*rows: Sum) -> Sum:
    return tuple(jnp.stack(parts) for parts in zip(*rows, strict=True))


def _joined(*x: Sum) -> Sum:
    return tuple(jnp.concatenate(parts) for parts in zip(*x, strict=True))


def _chosen(first: Array, x: Sum, y: Sum) -> Sum:
    return tuple(jnp.where(first, *parts) for parts in zip(x, y, strict=True))


def _minus(x: Sum) -> Sum:
    return tuple(-part for part in x)


def _plus(x: Sum, y: Sum) -> Sum:
    total, lost = add(x[0], y[0])
    return total, lost + (x[1] + y[1])


def _times(x: Sum, y: Sum) -> Sum:
    head, rest = times(x[0], y[0])
    return head, rest + (x[0] * y[1] + x[1] * (y[0] + y[1]))


def _quotient(x: Sum, y: Sum) -> Sum:
    share = expansions.cut(x[0] / y[0], 1)
    back, lost = times(share, y[0])
    return share, ((((x[0] - back) - lost) + x[1]) - share * y[1]) / (y[0] + y[1])


def _exponent(x: Array) -> Array:
    return ((lax.bitcast_convert_type(x, jnp.int32) >> 23) - 127).astype(x.dtype)


def _exp(z: Array) -> Sum:
    """exp(z) by the 32nd roots of 2."""
    count = jnp.round(z * np.float32(32 / math.log(2)))
    first, second, third = (count * (part / 32) for part in _LOG_2)  # the first two are exact
    r, lost = add(z - first, -second)
    lost = lost - third
    square, square_lost = times(r, r)
    rise, rest = add_smaller(r, square / 2)
    rest += lost + (square_lost / 2 + r * (lost + square * polynomial(r, _CUBE)))
    twos = jnp.floor(count / 32)
    place = (count - 32 * twos).astype(jnp.int32)
    root, root_rest = (jnp.asarray(column)[place] for column in _ROOTS)
    grown, grown_lost = times(root, rise)
    head, head_lost = add_smaller(root, grown)
    tail = head_lost + (grown_lost + (root * rest + (root_rest + root_rest * rise)))
    unit = expansions.two_to(twos)
    return head * unit, tail * unit


def _log(x: Sum, y: Sum, twos: Array) -> Sum:
    """log(1 + y / x) of the first two rows, right in its own digits; log(2^twos * x / y) of the others.

    By a number c of few digits next to the ratio, of which a table has the logarithm, and 2 atanh((ratio - c) /
    (ratio + c)); by c = 1 where the ratio is near that.
    """
    added = (jnp.arange(4) < 2).reshape(-1, *[1] * (twos.ndim - 1))
    third = _plus(x, _chosen(added, y, _minus(y)))
    over, under, gap = _chosen(added, third, x), _chosen(added, x, y), _chosen(added, y, third)
    near = jnp.abs(gap[0]) < under[0] / 32
    ratio = jnp.where(near, 1, over[0] / under[0])
    bits = lax.bitcast_convert_type(ratio, jnp.int32)
    c = lax.bitcast_convert_type((bits & jnp.int32(-1 << 18)) | jnp.int32(1 << 17), ratio.dtype)
    c = jnp.where(near, 1, c)
    part, lost = times(c, under[0])
    part = part, lost + c * under[1]
    gap = _chosen(near, gap, add_smaller(*_plus(over, _minus(part))))
    s = _quotient(gap, _plus(over, part))
    square = _times(s, s)
    bend = _times(s, _times(square, _series(square, _ATANH)))
    first, second, third = ((_exponent(ratio) + twos) * part for part in _LOG_2)  # the first two are exact
    root, root_rest = (jnp.where(near, 0, jnp.asarray(column)[(bits >> 18) & 31]) for column in _LOGS)
    log, rest = add_smaller(2 * s[0], 2 * bend[0])
    rest += third + (root_rest + 2 * (s[1] + bend[1]))
    for term in (second, root, first):
        log, lost = add(term, log)
        rest += lost
    return log, rest


def _series(square: Sum, coefficients: tuple) -> Sum:
    first, *later = coefficients
    return pair_add(first, square[0] * polynomial(square[0], later))


_TERMS = 12
_CUBE = (1 / 6, 1 / 24, 1 / 120, 1 / 720)
_TWELFTH, _THIRD = (expansions.whole(Fraction(1, n), 2) for n in (12, 3))
_ATANH = (_THIRD, 1 / 5, 1 / 7, 1 / 9)
_STIRLING = (_TWELFTH, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
"""Bernoulli numbers B(2k) / (2k * (2k - 1))."""
_DIGAMMA = (_TWELFTH, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760)
"""Bernoulli numbers B(2k) / (2k)."""
_LOG_2 = tuple(map(np.float32, (22713 / 2**15, 3067 / 2**31, 4.236521365809284e-10)))
"""Two parts of few digits, and the rest."""


def _pairs(numbers: list[float]) -> tuple[np.ndarray, np.ndarray]:
    heads = np.array(numbers, np.float32)
    return heads, (np.array(numbers) - heads).astype(np.float32)


_LOGS = _pairs([math.log1p((k + 0.5) / 32) for k in range(32)])
_ROOTS = _pairs([2 ** (k / 32) for k in range(32)])
