"""Losses for counts and amounts. The network puts out `log_rates`, whose exponential is the mean.

Constants of the targets, such as log(gamma(targets + 1)), are left out: they change no gradient.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Interval
from jax import Array

from trivium.losses._cancelling import cancelling, exp_less, exp_less_product, one_less_ratio, product_beside
from trivium.losses._contract import Nonnegative, Positive, SampleWeight, weighted
from trivium.losses._dispersed import MOST, REACH, value_and_slopes
from trivium.losses._special import atanh_rest, held, in_one_type, log_rising, number, times_exp
from trivium.losses._sums import exp_of_difference, two_sum
from trivium.numerics import product

Power = Annotated[float | Array, Interval(gt=1, lt=2)]


def poisson(log_rates: Array, targets: Nonnegative, *, sample_weight: SampleWeight = None) -> Array:
    """Poisson: exp(log_rates) - targets * log_rates.

    targets  counts, or rates that are means of counts
    Returns one loss per element, in nats, without log(targets!). Raises ValueError where the shapes differ, and for a
    target below 0.
    Proper: yes, for the mean, of counts of any distribution; for the distribution where variance and mean are equal.
    Trap: counts over unlike times of watching need the log of that time added to the log_rates.
    Source: Nelder & Wedderburn 1972, "Generalized linear models".
    """
    log_rates, targets, kind = in_one_type(targets, Nonnegative, log_rates=log_rates)
    return weighted(_poisson(log_rates, targets).astype(kind), sample_weight)


@jax.custom_jvp
def _poisson(z: Array, targets: Array) -> Array:
    rate = jnp.exp(z)
    return cancelling(
        jnp.where(jnp.isposinf(rate), rate, rate - targets * z),
        rate,
        z,
        lambda: exp_less_product(z, targets),
    )


_poisson.defjvps(
    lambda tangent, _, z, targets: tangent * exp_less(z, targets, jnp.zeros_like(z)),
    lambda tangent, _, z, targets: tangent * -z,
)


def gamma(log_rates: Array, targets: Positive, *, sample_weight: SampleWeight = None) -> Array:
    """Gamma: targets * exp(-log_rates) + log_rates.

    targets  amounts above 0, such as costs and waiting times
    Returns one loss per element: minus the log likelihood times the shape, without its constants. Raises ValueError
    where the shapes differ, and for a target that is not above 0.
    Proper: yes, for the mean; for the distribution where the standard deviation is proportional to the mean.
    Trap: an amount of 0 has no place in it; zeros among amounts are for `tweedie`.
    Source: Nelder & Wedderburn 1972, "Generalized linear models".
    """
    log_rates, targets, kind = in_one_type(targets, Positive, log_rates=log_rates)
    return weighted(_gamma(log_rates, targets).astype(kind), sample_weight)


@jax.custom_jvp
def _gamma(z: Array, targets: Array) -> Array:
    excess = times_exp(targets, -z)
    return cancelling(excess + z, excess, z, lambda: product_beside((targets,), -z, z))


_gamma.defjvps(
    lambda tangent, _, z, targets: tangent * held(one_less_ratio(z, targets, jnp.zeros_like(z))),
    lambda tangent, _, z, targets: tangent * held(times_exp(jnp.ones_like(z), -z)),
)


def tweedie(log_rates: Array, targets: Nonnegative, *, power: Power = 1.5, sample_weight: SampleWeight = None) -> Array:
    """Tweedie: exp((2 - power) * z) / (2 - power) + t * exp((1 - power) * z) / (power - 1); z = log_rates; t = targets.

    targets  amounts with zeros among them, such as the claims of a year
    power    the variance grows as mean^power: near 1 as for counts, near 2 as for amounts
    Returns one loss per element: minus the quasi-log-likelihood, which is half the deviance without its part that only
    the targets decide. Raises ValueError where the shapes differ, and for a target below 0.
    Proper: yes, for the mean.
    Trap: losses of two powers cannot be compared: choose power by a score that has none.
    Source: Jørgensen 1987, "Exponential dispersion models".
    """
    log_rates, targets, kind = in_one_type(targets, Nonnegative, log_rates=log_rates)
    power = number(log_rates, "power", power, Power)
    return weighted(_tweedie(log_rates, targets, power).astype(kind), sample_weight)


@jax.custom_jvp
def _tweedie(z: Array, targets: Array, power: Array) -> Array:
    mean, target = _powers(z, targets, power)
    return mean / (2 - power) + target / (power - 1)


@_tweedie.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    z, targets, power = primals
    above, below = 2 - power, power - 1
    mean, target = map(held, _powers(z, targets, power))
    by_targets = held(_powers(z, jnp.ones_like(z), power)[1] / below)
    by_power = mean * ((1 - above * z) / (above * above)) - target * ((1 + below * z) / (below * below))
    by_z = cancelling(mean - target, mean, z, lambda: mean * held(one_less_ratio(z, targets, jnp.zeros_like(z))))
    moved = by_z * tangents[0] + by_targets * tangents[1] + held(by_power) * tangents[2]
    return _tweedie(*primals), moved


def _powers(z: Array, targets: Array, power: Array) -> tuple[Array, Array]:
    """mean^(2 - power) and targets * mean^(1 - power); both differences are exact, as each is at most the power."""
    above, below = 2 - power, power - 1
    return times_exp(jnp.ones_like(z), *product(z, above)), times_exp(targets, *product(-z, below))


def negative_binomial(
    log_rates: Array, log_dispersions: Array, targets: Nonnegative, *, sample_weight: SampleWeight = None
) -> Array:
    """Negative binomial: (r + t) * log(1 + m / r) - t * z - log(gamma(r + t) / (gamma(r) * r^t)); r = exp(-a).

    z = log_rates, a = log_dispersions, m = exp(z), t = targets: counts of mean m and variance m + exp(a) * m^2.

    log_dispersions  the log of how much faster the variance grows than a Poisson's; at minus infinity it is `poisson`.
                     A second unit of the network, or one number, given or learned, for every row
    Returns one loss per element, in nats, without log(targets!). Raises ValueError where the shapes differ, and for a
    target below 0.
    Proper: yes, for the distribution; for the mean too, whatever the dispersion.
    Trap: without dispersion in the data, log_dispersions drifts to minus infinity, where nothing pulls it back.
    Source: Hilbe 2011, "Negative binomial regression", the type NB2.
    """
    z, a, targets, kind = in_one_type(targets, Nonnegative, log_rates=log_rates, log_dispersions=log_dispersions)
    return weighted(_negative_binomial(z, a, targets).astype(kind), sample_weight)


@jax.custom_jvp
@jax.jit
def _negative_binomial(z: Array, a: Array, targets: Array) -> Array:
    return _value_and_slopes(z, a, targets)[0]


@_negative_binomial.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """By the log rate (m - targets) / (1 + m / r), of which the parts have m and the targets each for itself."""
    z, a, targets = primals
    over, y = _smaller(z, a)
    loss, gap, by_a = _value_and_slopes(z, a, targets)
    by_mean = held(_mean_by_rate(z, a, over, y))
    plain = by_mean - _target_by_rate(z, a, targets, over, y)
    by_rate = cancelling(plain, by_mean, z, lambda: _target_by_rate(z, a, gap, over, y))
    by_targets = jax.jvp(lambda targets: sum(_parts(z, a, targets)), (targets,), tangents[2:])[1]
    return loss, by_rate * tangents[0] + (by_a * tangents[1] + by_targets)


@jax.custom_jvp
@jax.jit
def _value_and_slopes(z: Array, a: Array, targets: Array) -> tuple[Array, Array, Array]:
    """The loss, m - targets, and the slope by a: by `_dispersed`, where that has more digits."""
    parts, slopes = _parts_and_slopes(z, a, targets)
    value, by_a = parts[0] + (parts[1] + parts[2]), slopes[0] + (slopes[1] + slopes[2])
    mean = held(times_exp(jnp.ones_like(z), z))
    gap = mean - targets
    if z.dtype != jnp.float32:
        return value, gap, by_a
    by_value, by_gap, by_slope = value_and_slopes(z, a, jnp.minimum(targets, MOST))
    inside = (jnp.abs(z) < REACH) & (targets < MOST)
    gap, inside = jnp.where(inside, by_gap, gap), inside & (jnp.abs(a) < REACH)
    # The precise ones are right to 2^-40 of 1, and of the mean part and the targets, which may be beyond their terms.
    size, slope_size = (jnp.abs(first) + jnp.abs(last) for first, _, last in (parts, slopes))
    fit = (size > 2**-12) & ((a > -REACH / 2) | (targets < 1e5))
    value = jnp.where(inside & fit, by_value, value)
    return value, gap, jnp.where(inside & (slope_size > (parts[0] + targets + 1) * 2**-16), by_slope, by_a)


@_value_and_slopes.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    moved = jax.jvp(_negative_binomial, primals, tangents)[1]
    z, _, _ = primals
    gap_moved = held(times_exp(jnp.ones_like(z), z)) * tangents[0] - tangents[2]
    by_a_moved = jax.jvp(lambda *given: sum(_parts_and_slopes(*given)[1]), primals, tangents)[1]
    return _value_and_slopes(*primals), (moved, gap_moved, by_a_moved)


def _parts(z: Array, a: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Taken apart so that no part overflows where the sum does not."""
    return _mean_part(z, a), _target_part(z, a, targets), -log_rising(targets, a, z + a > 0)


def _parts_and_slopes(z: Array, a: Array, targets: Array) -> tuple[tuple, tuple]:
    """The parts, and each one's slope by a."""
    return jax.jvp(lambda a: _parts(z, a, targets), (a,), (jnp.ones_like(a),))


@jax.custom_jvp
def _target_part(z: Array, a: Array, targets: Array) -> Array:
    """targets * (log(1 + exp(z + a)) - z), less targets * max(a, 0) where z + a > 0: it would nearly cancel there."""
    over, y = _smaller(z, a)
    return targets * _excess(z, a, over, y)


def _excess(z: Array, a: Array, over: Array, y: Array) -> Array:
    return jnp.log1p(y) + jnp.where(over, jnp.where(a > 0, 0, a), -z)


@_target_part.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    z, a, targets = primals
    over, y = _smaller(z, a)
    below = _target_by_rate(z, a, targets, over, y)
    above = _target_by_rate(z, a, targets, ~over, y)
    by_a = jnp.where(over & (a > 0), -below, above)
    moved = _excess(z, a, over, y) * tangents[2] - below * tangents[0] + by_a * tangents[1]
    return _target_part(*primals), moved


def _target_by_rate(z: Array, a: Array, targets: Array, over: Array, y: Array) -> Array:
    """targets * sigmoid(-x), x = z + a; of the other side's if `over` is turned round."""
    large = targets / (1 + y)
    x, lost = two_sum(z, a)
    return jnp.where(over, times_exp(large, -jnp.abs(x), jnp.where(x > 0, -lost, lost)), large)


@jax.custom_jvp
def _mean_part(z: Array, a: Array) -> Array:
    """exp(-a) * log(1 + exp(z + a)), which comes to exp(z) where the sum is far below zero."""
    over, y = _smaller(z, a)
    share = jnp.where(y > 0, jnp.log1p(y) / jnp.where(y > 0, y, 1), 1)
    return jnp.where(over, times_exp(jnp.where(over, z + a, 0) + jnp.log1p(y), -a), times_exp(share, z))


@_mean_part.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    z, a = primals
    over, y = _smaller(z, a)
    by_z = _mean_by_rate(z, a, over, y)
    w = y / (2 + y)
    # log(1 + y) - y / (1 + y) over y^2, as a sum of terms of one sign
    rest = 2 / jnp.square(2 + y) * (1 / (1 + w) + w * atanh_rest(w))
    twice, lost = two_sum(2 * z, a)
    under = times_exp(rest, jnp.where(over, 0, twice), jnp.where(over, 0, lost))
    beyond = times_exp((jnp.where(over, z + a, 1) - 1) + (jnp.log1p(y) + y / (1 + y)), -a)
    by_a = -jnp.where(over, beyond, under)
    return _mean_part(z, a), held(by_z) * tangents[0] + held(by_a) * tangents[1]


def _mean_by_rate(z: Array, a: Array, over: Array, y: Array) -> Array:
    """exp(z) / (1 + exp(z + a))."""
    return times_exp(1 / (1 + y), jnp.where(over, -a, z))


def _smaller(z: Array, a: Array) -> tuple[Array, Array]:
    """Whether z + a is above zero, and exp(-|z + a|)."""
    over = z + a > 0
    return over, exp_of_difference(jnp.where(over, -a, z), jnp.where(over, z, -a))
