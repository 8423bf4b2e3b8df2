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


def wide(targets: Any, domain: Any, **given: Any) -> tuple[Any, ...]:
    """What the network puts out, by name, then the targets, all in one type of 32 bits or more; last the given type.

    Raises ValueError where a shape differs from that of the targets, and for a known target outside the domain.
    """
    arrays = [jnp.asarray(array) for array in given.values()]
    narrow = jnp.result_type(*arrays)
    kind = jnp.promote_types(narrow, jnp.float32)
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


def held(slope: Array) -> Array:
    """A slope no larger than the largest number."""
    largest = float(jnp.finfo(slope.dtype).max)
    return jnp.clip(slope, -largest, largest)


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b as a pair, the sum and what it lost (Knuth)."""
    total = a + b
    back = total - a
    return total, lax.stop_gradient((a - (total - back)) + (b - back))


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


def log_rising(count: Array, log_step: Array) -> Array:
    """log(gamma(r + count) / gamma(r)) - count * max(log(r), 0), r = exp(-log_step); for any count of at least 0.

    For whole counts the sum over k < count of log((r + k) / max(r, 1)), so that neither end of r overflows. The first
    eight terms are added up one by one; what a count has beyond them, or behind the comma, is Stirling's series at
    r + 8. Its large terms are grouped so that they have one sign.
    """
    steep = log_step > 0
    base = jnp.exp(-jnp.where(steep, log_step, 0))  # r / max(r, 1)
    one = jnp.exp(jnp.where(steep, 0, log_step))  # 1 / max(r, 1)
    whole = jnp.minimum(jnp.floor(count), _TERMS)
    beyond = count - whole
    some = beyond > 0
    log_beyond = jnp.where(some, jnp.log(jnp.where(some, beyond, 1)), -jnp.inf)
    total = -jnp.where(whole > 0, jnp.where(steep, log_step, 0), log1p_exp(log_step + log_beyond))
    for k in range(1, _TERMS):
        excess = jnp.where(steep, base + (k - 1), k * one)  # (r + k) / max(r, 1) - 1
        total += jnp.where(k < whole, jnp.log1p(excess), -jnp.log1p(beyond * one / (1 + excess)))
    excess = jnp.where(steep, base + (_TERMS - 1), _TERMS * one)
    step = one / (1 + excess)  # 1 / (r + 8)
    ratio = beyond * step
    large = jnp.where(ratio > 1, ratio, 1)
    far = jnp.log1p(large) * (1 + 1 / large) - 1
    w = jnp.where(ratio > 1, 1, ratio)
    w = w / (2 + w)
    lead = jnp.where(ratio > 1, far, w * (1 + (1 + w) * w * atanh_rest(w)))
    later = jnp.where(some, _stirling(step / (1 + ratio)) - _stirling(step), 0)
    return total + beyond * (jnp.log1p(excess) + lead) + (later - jnp.log1p(ratio) / 2)


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
