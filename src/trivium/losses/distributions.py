"""Losses for distributions of numbers. The network puts out two units per target: `means` and `log_scales`.

They are minus the log of a density with all its constants, so that one distribution can be compared with another.
"""

import math
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

from trivium.losses._cancelling import (
    NORMAL,
    REACH,
    cancelling,
    half_square_beside,
    one_less_ratio,
    product_beside,
    sized,
    student_beside,
)
from trivium.losses._contract import Finite, SampleWeight, spread_like, weighted
from trivium.losses._special import held, in_one_type, log_rising, number, times_exp
from trivium.losses._sums import two_sum
from trivium.numerics import product

_HALF_LOG_2, _HALF_LOG_2_PI = math.log(2) / 2, math.log(2 * math.pi) / 2


def gaussian_nll(
    means: Array,
    log_scales: Array,
    targets: Finite,
    *,
    beta: Annotated[float | Array, Ge(0)] = 0.0,
    sample_weight: SampleWeight = None,
) -> Array:
    """Gaussian: d^2 * exp(-2 * s) / 2 + s + log(2 * pi) / 2; d = targets - means; s = log_scales.

    log_scales  the log of the standard deviation (not of the variance), in units of the targets
    beta        each row is weighed by its variance^beta, which counts as a constant: 0 is the likelihood, 1 gives the
                means the gradient of the squared error
    Returns one loss per element, in nats; below 0 where the density is above 1. Raises ValueError where the shapes
    differ.
    Proper: yes, for the distribution and, whatever the distribution is, for mean and standard deviation.
    Trap: rows that are predicted badly get a large scale and with it hardly a gradient, so that they stay so; a beta of
    0.5 mends that. With a beta above 0 the gradient is not that of the value.
    Source: Nix & Weigend 1994, "Estimating the mean and variance of the target probability distribution"; beta after
    Seitzer et al. 2022, "On the pitfalls of heteroscedastic uncertainty estimation with probabilistic neural networks".
    """
    means, log_scales, targets, kind = in_one_type(targets, Finite, means=means, log_scales=log_scales)
    beta = number(means, "beta", beta, Annotated[float, Ge(0)])
    log_weight = lax.stop_gradient(product(log_scales, beta))
    return weighted(_gaussian(*two_sum(targets, -means), log_scales, *log_weight).astype(kind), sample_weight)


@jax.custom_jvp
def _gaussian(error: Array, lost: Array, log_scale: Array, half: Array, rest: Array) -> Array:
    """exp(2 * (half + rest)) times the loss; in the square the exponents are added up before they are raised."""
    root = _in_scales(error, log_scale, half, rest)
    plain = root * (root / 2) + times_exp(log_scale + _HALF_LOG_2_PI, 2 * half, 2 * rest)

    def precise() -> Array:
        loss = half_square_beside(error, lost, log_scale, log_scale, _HALF_LOG_2_PI)
        return times_exp(loss, 2 * half, 2 * rest)

    size = root * (root / 2) + jnp.abs(times_exp(log_scale, 2 * half, 2 * rest))
    return cancelling(plain, size, log_scale, precise)


@_gaussian.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """By the log scale 1 - q^2, near 0 as (1 - |q|) * (1 + |q|)."""
    error, lost, log_scale, half, rest = primals
    exponent, exponent_lost = two_sum(half, -log_scale)
    by_error = times_exp(error, 2 * exponent, 2 * (exponent_lost + rest))
    root = held(_in_scales(error, log_scale, half, rest))
    weight = held(times_exp(jnp.ones_like(half), 2 * half, 2 * rest))
    by_scale = cancelling(
        weight - held(root * root), weight, log_scale, lambda: weight * _one_less_square(error, lost, log_scale)
    )
    return _gaussian(*primals), held(by_error) * tangents[0] + by_scale * tangents[2]


def _one_less_square(error: Array, lost: Array, log_scale: Array) -> Array:
    """1 - q^2, q = error / exp(log_scale), for a q near 1 or -1."""
    less = held(one_less_ratio(log_scale, *sized(error, lost)))
    return less * (2 - less)


def _in_scales(error: Array, log_scale: Array, half: Array, rest: Array) -> Array:
    exponent, lost = two_sum(half, -log_scale)
    return times_exp(error, exponent, lost + rest)


def laplace_nll(means: Array, log_scales: Array, targets: Finite, *, sample_weight: SampleWeight = None) -> Array:
    """Laplace: |targets - means| * exp(-log_scales) + log_scales + log(2).

    means       the middle of the distribution, its median as well
    log_scales  the log of the mean distance from it, in units of the targets
    Returns one loss per element, in nats; below 0 where the density is above 1. Raises ValueError where the shapes
    differ.
    Proper: yes, for the distribution and, whatever the distribution is, for the median and the mean distance from it.
    Trap: the scale is not the standard deviation, which is sqrt(2) times as large.
    Source: Laplace 1774, "Mémoire sur la probabilité des causes par les évènements".
    """
    means, log_scales, targets, kind = in_one_type(targets, Finite, means=means, log_scales=log_scales)
    return weighted(_laplace(*two_sum(targets, -means), log_scales).astype(kind), sample_weight)


@jax.custom_jvp
def _laplace(error: Array, lost: Array, log_scale: Array) -> Array:
    ratio = times_exp(jnp.abs(error), -log_scale)
    plain = ratio + (log_scale + math.log(2))
    size = ratio + jnp.abs(log_scale)
    return cancelling(
        plain, size, log_scale, lambda: product_beside(sized(error, lost), -log_scale, log_scale, math.log(2))
    )


_laplace.defjvps(
    lambda tangent, _, error, lost, log_scale: tangent * held(times_exp(jnp.sign(error), -log_scale)),
    None,
    lambda tangent, _, error, lost, log_scale: tangent * held(one_less_ratio(log_scale, *sized(error, lost))),
)


def student_t_nll(
    means: Array,
    log_scales: Array,
    targets: Finite,
    *,
    degrees_of_freedom: Annotated[float | Array, Gt(0)] = 4.0,
    sample_weight: SampleWeight = None,
) -> Array:
    """Student's t: (n + 1) / 2 * log(1 + q^2 / n) + s + log(n * pi) / 2 + log(gamma(n / 2) / gamma((n + 1) / 2)).

    q = (targets - means) / exp(s), s = log_scales, n = degrees_of_freedom.

    log_scales          the log of the scale, in units of the targets
    degrees_of_freedom  few make heavy tails, in which outliers are expected: 1 is Cauchy's distribution, infinitely
                        many are the Gaussian; a traced array of them may be learned
    Returns one loss per element, in nats; below 0 where the density is above 1. Raises ValueError where the shapes
    differ.
    Proper: yes, for the distribution with these degrees of freedom.
    Trap: an outlier's gradient falls with its distance: a network that starts far from the targets learns slowly.
    Source: Lange, Little & Taylor 1989, "Robust statistical modeling using the t distribution".
    """
    means, log_scales, targets, kind = in_one_type(targets, Finite, means=means, log_scales=log_scales)
    freedom = number(means, "degrees_of_freedom", degrees_of_freedom, Annotated[float, Gt(0)])
    constant = _student_constant(freedom, degrees_of_freedom)
    loss = _student(*two_sum(targets, -means), log_scales, freedom, *constant)
    return weighted(loss.astype(kind), sample_weight)


@jax.custom_jvp
def _student(error: Array, lost: Array, log_scale: Array, freedom: Array, constant: Array, rest: Array) -> Array:
    """(freedom + 1) / 2 * log(1 + q^2 / freedom) + log_scale + constant, q = error / exp(log_scale)."""
    log, beyond = _log_square(error, log_scale, freedom)
    spread = (freedom + 1) / 2 * _log1p_square(error, log_scale, freedom)
    # Far out the log of the square and the log of the scale cancel in part.
    size = jnp.where(beyond, jnp.abs(error), 1)
    far = (freedom + 1) * (jnp.log(size) - jnp.log(freedom) / 2) - freedom * log_scale
    return cancelling(
        jnp.where(beyond, far, spread + log_scale) + constant,
        spread + jnp.abs(log_scale),
        jnp.maximum(jnp.abs(log_scale), jnp.maximum(log, log + jnp.log(freedom)) * (REACH / NORMAL)),
        lambda: student_beside(error, lost, log_scale, freedom, log_scale, constant, rest),
    )


@_student.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """The slopes are multiples of the share of q^2 in freedom + q^2; far out that is 1 / (1 + freedom / q^2)."""
    error, lost, log_scale, freedom, _, _ = primals
    q = held(times_exp(error, -log_scale))
    far = jnp.abs(q) > jnp.sqrt(freedom)
    inner, outer = jnp.where(far, 0, q), jnp.where(far, error, 1)
    inverse = times_exp(1 / outer, jnp.where(far, log_scale, 0))
    small = jnp.where(far, freedom * inverse * inverse, inner * (inner / freedom))
    share = jnp.where(far, 1, small) / (1 + small)
    weight = (freedom + 1) / (freedom + inner * inner)
    near = times_exp(jnp.where(far, 0, error) * weight, -2 * log_scale)
    by_error = held(jnp.where(far, (freedom + 1) * share / outer, near))
    # 1 - (freedom + 1) * share, which cancels around |q| = 1, and for few degrees of freedom far out.
    close = jnp.abs(q) < 2
    less = _one_less_square(jnp.where(close, error, 0), jnp.where(close, lost, 0), jnp.where(close, log_scale, 0))
    inside = jnp.where(far, small, 1) / (1 + small) * jnp.where(close, less, 1 - inner * inner)
    by_scale = jnp.where(close | ~far, inside, -freedom * (1 - jnp.square(1 / jnp.where(close, 2, q))) / (1 + small))
    by_freedom = _log1p_square(error, log_scale, freedom) / 2 - (freedom + 1) / 2 * share / freedom
    moved = by_error * tangents[0] + by_scale * tangents[2] + by_freedom * tangents[3]
    return _student(*primals), moved + tangents[4]


def _student_constant(freedom: Array, given: ArrayLike) -> tuple[Array, Array]:
    """log(n * pi) / 2 + log(gamma(n / 2) / gamma((n + 1) / 2)) as a pair; without the rest where n is not known yet."""
    if isinstance(given, Tracer):
        # Without log(n / 2) / 2, which would cancel with log(n) / 2.
        ratio = log_rising(jnp.full_like(freedom, 0.5), -jnp.log(freedom / 2))
        return math.log(2 * math.pi) / 2 - ratio, jnp.zeros_like(ratio)
    x = np.asarray(np.asarray(given, freedom.dtype), np.float64) / 2
    steps = x[..., None] + np.arange(20)
    far = 1 / (x + 20)
    ratio = (
        far * np.polynomial.polynomial.polyval(far * far, _GAMMA_RATIO)
        - np.log1p(0.5 / steps).sum(axis=-1)
        + np.log1p(20 / x) / 2
    )
    constant = math.log(2 * math.pi) / 2 - ratio
    high = constant.astype(freedom.dtype)
    return spread_like(freedom, high), spread_like(freedom, constant - high)


_GAMMA_RATIO = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432)
"""log(gamma(x + 1 / 2) / gamma(x)) - log(x) / 2 in odd powers of 1 / x."""


def _log1p_square(error: Array, log_scale: Array, freedom: Array) -> Array:
    """log(1 + q^2 / freedom), also where the square is far beyond the largest number."""
    log, beyond = _log_square(error, log_scale, freedom)
    root = times_exp(error, -jnp.where(beyond, 0, log_scale))
    return jnp.where(beyond, log, jnp.log1p(root * (root / freedom)))


def _log_square(error: Array, log_scale: Array, freedom: Array) -> tuple[Array, Array]:
    """log(q^2 / freedom), and whether it is so large that 1 beside the square is nothing."""
    size = jnp.where(error == 0, 1, jnp.abs(error))
    log = 2 * (jnp.log(size) - log_scale) - jnp.log(freedom)
    return log, (log > 40) & (error != 0)


def gaussian_crps(means: Array, log_scales: Array, targets: Finite, *, sample_weight: SampleWeight = None) -> Array:
    """Gaussian CRPS: exp(s) * (q * erf(q / sqrt(2)) + sqrt(2 / pi) * exp(-q^2 / 2) - 1 / sqrt(pi)); s = log_scales.

    q = (targets - means) / exp(s). It is the integral over x of (distribution function at x - (targets <= x))^2.

    log_scales  the log of the standard deviation, in units of the targets
    Returns one loss per element, in units of the targets, as the absolute error is: that is what it comes to for a
    small scale. Raises ValueError where the shapes differ.
    Proper: yes, for the distribution.
    Trap: its slope is bounded as that of the absolute error, so that scales adapt more slowly than with the likelihood.
    Source: Gneiting, Raftery, Westveld & Goldman 2005, "Calibrated probabilistic forecasting using ensemble model
    output statistics and minimum CRPS estimation".
    """
    means, log_scales, targets, kind = in_one_type(targets, Finite, means=means, log_scales=log_scales)
    return weighted(_crps(*two_sum(targets, -means), log_scales).astype(kind), sample_weight)


@jax.custom_jvp
def _crps(error: Array, lost: Array, log_scale: Array) -> Array:
    q = jnp.clip(times_exp(error, -log_scale), -_FAR, _FAR)
    # What it is at q = 0, plus what grows as q^2.
    growth = q * lax.erf(q * math.sqrt(0.5)) + math.sqrt(2 / math.pi) * jnp.expm1(-q * q / 2)
    near = times_exp(growth + (math.sqrt(2) - 1) / math.sqrt(math.pi), log_scale)
    far = jnp.abs(error) - times_exp(jnp.full_like(error, 1 / math.sqrt(math.pi)), log_scale)
    return jnp.where(jnp.abs(q) < _FAR, near, far)


_FAR = 9.0
"""In standard deviations: beyond it the tails are below the last digit, of 64 bits as well."""


@_crps.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """By the error erf, by the log scale a multiple of exp((log(2) - q^2) / 2) - 1."""
    error, lost, log_scale = primals
    q = jnp.clip(times_exp(error, -log_scale), -2 * _FAR, 2 * _FAR)
    by_error = lax.erf(q * math.sqrt(0.5))
    half = q * q / 2
    growth = cancelling(
        _HALF_LOG_2 - half,
        half + _HALF_LOG_2,
        log_scale,
        lambda: -half_square_beside(error, lost, log_scale, -_HALF_LOG_2),
    )
    by_scale = times_exp(jnp.expm1(growth) / math.sqrt(math.pi), log_scale)
    return _crps(*primals), by_error * tangents[0] + held(by_scale) * tangents[2]
