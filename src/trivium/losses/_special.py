"""What the losses of numbers share: one type for all arguments, and exponentials and factorials that keep their digits.

Where a value is beyond the largest number it is infinite, but its slopes stop at that number: the derivative of a row
that counts for nothing is 0 times the slope, which must not be 0 times infinity.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

from trivium.catalog import violation
from trivium.losses._contract import same_shape, spread_like
from trivium.losses._exact import log1p_exp
from trivium.numerics import polynomial


def in_one_type(targets: Any, domain: Any, **given: Any) -> tuple[Any, ...]:
    """What the network puts out, by name, then the targets, all in one type of 32 bits or more; last the given type.

    Raises ValueError where a shape differs from that of the targets, and for a known target outside the domain.
    """
    arrays = [jnp.asarray(array) for array in given.values()]
    narrow = jnp.result_type(*arrays)
    kind = narrow if narrow in (jnp.float32, jnp.float64) else jnp.float32
    for name, array in zip(given, arrays, strict=True):
        targets = same_shape(name, array, targets, domain)
    narrow = narrow if jnp.issubdtype(narrow, jnp.floating) else kind
    return *(array.astype(kind) for array in arrays), targets.astype(kind), narrow


def number(array: Array, name: str, value: ArrayLike, domain: Any) -> Array:
    """A keyword's number in the array's type and shape. Raises ValueError for a known one outside its domain."""
    if not isinstance(value, Tracer):
        for known in np.ravel(np.asarray(value)).tolist():
            words = "a number" if math.isnan(known) else violation(known, domain.__metadata__)
            if words:
                raise ValueError(f"{name} must be {words}, got {known!r}. Change it or leave it out.")
    return spread_like(array, jnp.asarray(value))


def distance(error: Array) -> Array:
    """|error|, without a slope at 0, where JAX's has that of one side."""
    return error * jnp.sign(error)


@jax.custom_jvp
def held(slope: Array) -> Array:
    """A slope no larger than the largest number."""
    largest = float(jnp.finfo(slope.dtype).max)
    return jnp.clip(slope, -largest, largest)


# Chosen and not multiplied by 0: the tangent of a slope that is held may be infinite.
held.defjvps(lambda tangent, kept, slope: jnp.where(kept == slope, tangent, 0))


@jax.custom_jvp
def minus_product(a: Array, b: Array, c: Array) -> Array:
    """a - b * c with all digits where the two are near: each half product is exact, and so is each difference."""
    (b_head, b_rest), (c_head, c_rest) = _halves(b), _halves(c)
    return (((a - b_head * c_head) - b_head * c_rest) - b_rest * c_head) - b_rest * c_rest


minus_product.defjvps(
    lambda tangent, _, a, b, c: tangent,
    lambda tangent, _, a, b, c: -tangent * c,
    lambda tangent, _, a, b, c: -tangent * b,
)


def _halves(z: Array) -> tuple[Array, Array]:
    """The first half of the digits, and the rest."""
    integer, bits = (jnp.int32, 12) if z.dtype == np.float32 else (jnp.int64, 27)
    digits = lax.bitcast_convert_type(z, integer) & jnp.asarray(-1 << bits, integer)
    head = lax.bitcast_convert_type(digits, z.dtype)
    return head, z - head


def times_exp(factor: Array, z: Array, rest: Array | float = 0.0) -> Array:
    """factor * exp(z + rest), which overflows and underflows where the product does; rest is below z's last digit."""
    return _times_exp(factor, z, jnp.broadcast_to(jnp.asarray(rest, z.dtype), z.shape))


@jax.custom_jvp
def _times_exp(factor: Array, z: Array, rest: Array) -> Array:
    far = jnp.abs(z) > 80
    most = 1.998 * math.log(float(jnp.finfo(z.dtype).max))
    power = jnp.exp(jnp.where(far, jnp.minimum(z, most) / 2, z))
    return factor * power * jnp.where(far, power, 1) * (1 + rest)


@_times_exp.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    factor, z, rest = primals
    value = _times_exp(factor, z, rest)
    return value, tangents[0] * held(_times_exp(jnp.ones_like(z), z, rest)) + tangents[1] * held(value)


def log_rising(count: Array, log_step: Array, plain: Array | bool = False) -> Array:
    """log(gamma(r + count) / gamma(r)) - count * log(r), r = exp(-log_step); for any count of at least 0.

    plain  where the last term is left out if r is below 1, where it and the first one are nearly equal

    For whole counts the sum over k < count of log((r + k) / r). The first eight terms are added up one by one; what a
    count has beyond them, or behind the comma, is Stirling's series at r + 8, grouped so that its large terms have one
    sign. Neither end of r overflows.
    """
    small = log_step < -60
    first_order = times_exp(count * ((count - 1) / 2), log_step)  # where the step itself may underflow
    log_step = jnp.where(small, 0, log_step)
    steep = log_step > 0
    base = jnp.exp(-jnp.where(steep, log_step, 0))  # r / max(r, 1)
    one = jnp.exp(jnp.where(steep, 0, log_step))  # 1 / max(r, 1)
    # Between whole counts the first terms and the series would nearly cancel; from r = 8 on the series does alone.
    alone = (log_step < -math.log(_TERMS)) & (count != jnp.floor(count))
    whole = jnp.where(alone, 0, jnp.minimum(jnp.floor(count), _TERMS))
    beyond = count - whole
    some = beyond > 0
    log_beyond = jnp.where(some, jnp.log(jnp.where(some, beyond, 1)), -jnp.inf)
    steps = jnp.where(plain, 0, count) - jnp.where(whole > 0, 1, 0).astype(count.dtype)
    total = jnp.where(steep, log_step, 0) * steps
    first = jnp.where(steep, log1p_exp(log_step + log_beyond), jnp.log1p(beyond * one))
    total -= jnp.where((whole > 0) | alone, 0, first)
    k = jnp.arange(1, _TERMS, dtype=count.dtype).reshape(-1, *[1] * count.ndim)
    excess = jnp.where(steep[None], base[None] + (k - 1), k * one[None])  # (r + k) / max(r, 1) - 1
    terms = jnp.log1p(jnp.where(k < whole[None], excess, (beyond * one)[None] / (1 + excess)))
    total += jnp.where(alone, 0, jnp.where(k < whole[None], terms, -terms).sum(axis=0))
    excess = jnp.where(alone, 0, jnp.where(steep, base + (_TERMS - 1), _TERMS * one))
    step = one / (1 + excess)  # 1 / (r + 8), or 1 / r
    ratio = beyond * step
    large = jnp.where(ratio > 1, ratio, 1)
    far = jnp.log1p(large) * (1 + 1 / large) - 1
    w = jnp.where(ratio > 1, 1, ratio)
    w = w / (2 + w)
    lead = jnp.where(ratio > 1, far, w * (1 + (1 + w) * w * atanh_rest(w)))
    later = jnp.where(some, _stirling(step / (1 + ratio)) - _stirling(step), 0)
    total += beyond * (jnp.log1p(excess) + lead) + (later - jnp.log1p(ratio) / 2)
    return jnp.where(small, first_order, total)


_TERMS = 8


def atanh_rest(w: Array) -> Array:
    """(atanh(w) - w) / w^3 for |w| <= 1/3; log(1 + y) is 2 * atanh(w), w = y / (2 + y)."""
    return polynomial(w * w, _ATANH)


_ATANH = tuple(1 / (2 * k + 3) for k in range(17))


def _stirling(step: Array) -> Array:
    """log(gamma(x)) - ((x - 1/2) * log(x) - x + log(2 pi) / 2), x = 1 / step of at least 8."""
    return step * polynomial(step * step, _STIRLING)


_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
"""Bernoulli numbers B(2k) / (2k * (2k - 1))."""
