"""Numbers as unevaluated sums of float32 numbers, for differences of terms that nearly cancel.

A sum of two or three numbers, the largest first, holds 47 or 65 digits in base 2. Compilers may fuse a product and a
sum into one rounding; the head of a product is therefore cut off by a mask on its bits, which no compiler sees through,
and every other product in here that an error is taken from is exact, so that fusing it changes nothing.
After Dekker 1971, "A floating-point technique for extending the available precision", and Ogita, Rump & Oishi 2005,
"Accurate sum and dot product".
"""

import math
from collections.abc import Callable
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.numerics import polynomial

Sum = tuple[Array, ...]
"""Terms whose sum is meant, the largest first."""


def whole(number: Fraction | float, terms: int = 3) -> tuple[np.float32, ...]:
    """A constant as float32 numbers, of which the first has 20 bits, so that its products are exact."""
    rest, parts = Fraction(number), []
    for _ in range(terms):
        part = np.float32(float(rest))
        parts.append((part.view(np.int32) & np.int32(-16)).view(np.float32) if not parts else part)
        rest -= Fraction(float(parts[-1]))
    return tuple(parts)


def cut(x: Array, bits: int) -> Array:
    """x without its last bits."""
    return lax.bitcast_convert_type(lax.bitcast_convert_type(x, jnp.int32) & jnp.int32(-1 << bits), jnp.float32)


def add(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b and what it lost (Knuth)."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def times(a: Array, b: Array) -> tuple[Array, Array]:
    """a * b and what it lost, for a and b of 46 bits together; of 48 bits, it is right to 47 (Dekker)."""
    a_head, b_head = cut(a, 12), cut(b, 12)
    a_rest, b_rest = a - a_head, b - b_head
    total = cut(a * b, 1)
    return total, (((a_head * b_head - total) + a_head * b_rest) + a_rest * b_head) + a_rest * b_rest


def add_smaller(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b and what it lost, for a the larger of the two (Dekker)."""
    total = a + b
    return total, b - (total - a)


def compact(terms: Sum, size: int = 3, adding: Callable = add) -> Sum:
    """The same sum in fewer terms, the first with 22 bits if there are three. Constants stand last among the terms.

    adding  `add_smaller` for terms that fall in size, those excepted that are too small to matter
    """
    kept = []
    for _ in range(size - 1):
        total, lost = terms[-1], []
        for term in reversed(terms[:-1]):
            total, rest = adding(term, total)
            lost.append(rest)
        if size == 3 and not kept:
            head = cut(total, 2)
            lost.append(total - head)
            total = head
        kept.append(total)
        terms, adding = tuple(reversed(lost)), add
    return *kept, sum(reversed(terms[:-1]), start=terms[-1])


def rounded(*terms: Array) -> Array:
    """The sum of numbers of any order, rounded once: they may cancel down to a 2^-60th of their size."""
    first, second, third = compact(terms)
    return (first + second) + third


def exactly(a: Array, b: Array) -> Sum:
    """a * b as a sum of products of halves, none of which is rounded."""
    a_head, b_head = cut(a, 12), cut(b, 12)
    a_rest, b_rest = a - a_head, b - b_head
    return a_head * b_head, a_head * b_rest, a_rest * b_head, a_rest * b_rest


def two_to(k: Array) -> Array:
    """2^k for whole k from -126 to 127."""
    return lax.bitcast_convert_type((k.astype(jnp.int32) + 127) << 23, jnp.float32)


def scaled(terms: Sum, k: Array) -> Sum:
    """A sum times 2^k, |k| <= 250."""
    half = jnp.floor(k / 2)
    first, second = two_to(half), two_to(k - half)
    return tuple(term * first * second for term in terms)


def sum_of_row(x: Sum) -> Sum:
    """The sum over the last axis of sums of three terms between 0 and 1, right to about 50 bits; the axis stays, of 1.

    Each is taken apart at fixed places, so that sums of their first and of their second parts are exact.
    """
    bits = 23 - math.ceil(math.log2(max(x[0].shape[-1], 2)))
    first = jnp.floor(x[0] * 2.0**bits) * 2.0**-bits
    rest, lost = add(x[0] - first, x[1])
    second = jnp.floor(rest * 4.0**bits) * 4.0**-bits
    third = (rest - second) + (lost + x[2])
    return compact(tuple(part.sum(axis=-1, keepdims=True) for part in (first, second, third)))


def pair_times(x: Sum, y: Sum) -> Sum:
    """The product of two pairs, right to 46 bits."""
    head, rest = times(x[0], y[0])
    rest = rest + (x[0] * y[1] + x[1] * y[0])
    total = head + rest
    return total, rest - (total - head)


def product(x: Sum, y: Sum) -> Sum:
    """The product of a sum of three terms, the first of 22 bits, and one of one term or of three: right to 62 bits."""
    terms = [*times(x[0], cut(y[0], 2)), *times(x[1], y[0]), x[2] * y[0]]
    tail = y[0] - cut(y[0], 2)
    terms += [x[0] * tail] if len(y) == 1 else [*times(x[0], y[1]), x[1] * y[1], x[0] * y[2]]
    return compact(tuple(terms))


def quotient(x: Sum, number: Array) -> Sum:
    """A sum divided by a number."""
    parts: list[Array] = []
    for _ in range(3):
        parts.append((x[0] + x[1]) / number)
        x = compact((*x, *exactly(-parts[-1], number)))
    return compact(tuple(parts))


def pair_add(constant: tuple[np.float32, ...], high: Array, low: Array | float = 0.0) -> Sum:
    """A constant pair plus a smaller pair; what is lost is not taken from the constant, whose sums compilers undo."""
    head, lost = add(high, jnp.full_like(high, constant[0]))
    return head, lost + (low + constant[1])


def exp(z: Array, rest: Array | None = None) -> tuple[Sum, Array]:
    """exp(z + rest) for |z| <= 104 as a sum of three terms in [0.95, 2.05] times 2 to a whole number: right to 60 bits.

    The argument is taken down to |r| <= log(2) / 16 by the eighth roots of 2.
    """
    eighths = jnp.round(z * np.float32(8 / math.log(2)))
    first, *others = (eighths * part for part in _EIGHTH)  # exact
    rests = [-other for other in others] + ([] if rest is None else [rest])
    r = compact((z - first, *rests))
    twos = jnp.floor((eighths + 0.5) / 8)
    root = (eighths - 8 * twos).astype(jnp.int32)
    square, square_lost = times(r[0], r[0])
    cross = times(r[0], r[1])
    two = r[0], r[1]
    total = pair_add(_FIFTH, r[0] * polynomial(r[0], _LATE))
    for constant in (_FOURTH, _THIRD):
        total = pair_add(constant, *pair_times(two, total))
    cube = pair_times((square, square_lost + 2 * cross[0]), two)
    high = pair_times(cube, total)
    least = r[1] * r[1] / 2 + r[0] * r[2]
    rise = (r[0], square / 2, high[0], r[1], square_lost / 2, cross[0], high[1], r[2], cross[1] + least)
    rise = compact(rise, adding=add_smaller)
    power = tuple(jnp.asarray(column)[root] for column in _ROOTS)
    (first, second), (third, fourth) = times(power[0], rise[0]), times(power[0], rise[1])
    fifth, sixth = times(power[1], rise[0])
    least = power[0] * rise[2] + (power[1] * rise[1] + power[2] * rise[0])
    grown = power[0], first, power[1], second, third, fifth, power[2], fourth, sixth, least
    return compact(grown), twos


def log1p(x: Sum) -> Sum:
    """log(1 + x) for a sum of three terms of at least 0, by one step of Newton's method."""
    near = jnp.log1p(x[0])
    power, twos = exp(-near)
    whole_power = product(power, scaled(compact((*x, jnp.ones_like(near))), twos))
    rest = compact((*whole_power, -jnp.ones_like(near)))
    return compact((near, rest[0], rest[1], rest[2] - jnp.square(rest[0] + rest[1]) / 2))


def _split(number: Fraction, bits: int, terms: int) -> list[np.float32]:
    """A number below 1 as float32 numbers of few bits and one that has all."""
    parts = []
    for _ in range(terms - 1):
        unit = Fraction(2) ** (math.floor(math.log2(number)) + 1 - bits)
        parts.append(np.float32(float(number // unit * unit)))
        number -= Fraction(float(parts[-1]))
    return [*parts, np.float32(float(number))]


def _eighth_root(k: int) -> Fraction:
    """2^(k / 8) by integer square roots."""
    one = 2**300
    root = 2**k * one
    for _ in range(3):
        root = math.isqrt(root * one)
    return Fraction(root, one)


_LOG_2 = Fraction("0.693147180559945309417232121458176568075500134360255254120680009")
_EIGHTH = _split(_LOG_2 / 8, 12, 4)
_ROOTS = tuple(zip(*(whole(_eighth_root(k)) for k in range(8)), strict=True))
_THIRD, _FOURTH, _FIFTH = (whole(Fraction(1, math.factorial(n)), 2) for n in (3, 4, 5))
_LATE = tuple(1 / math.factorial(n) for n in range(6, 10))
