"""The losses of counts and of distributions against 60 digits, in value and every slope."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from laws.digits import exact, hold, parts, sigmoid, softplus, spread, values_and_slopes
from trivium import losses

random = np.random.default_rng(11)
ONE = mp.mpf(1)


@pytest.fixture(autouse=True)
def digits():
    mp.mp.dps = 60


def phi(q):
    return mp.exp(-q * q / 2) / mp.sqrt(2 * mp.pi)


RATES = np.concatenate([spread(random, 200), random.uniform(-100, 100, 200), random.normal(size=200) * 3]).astype(
    np.float32
)
COUNTS = random.choice([0, 1, 2, 3, 7, 8, 9, 40, 1e3, 1e6, 0.5, 12.25], 600).astype(np.float32)
DISPERSIONS = random.permutation(RATES)


def test_poisson_gamma_and_tweedie_hold_their_digits():
    pairs = list(zip(exact(RATES), exact(COUNTS), strict=True))
    places = list(zip(RATES, COUNTS, strict=True))
    values, (slopes,) = values_and_slopes(losses.poisson, RATES, targets=COUNTS)
    hold("poisson", values, [mp.exp(z) - t * z for z, t in pairs], places)
    hold("slope of poisson", slopes, [mp.exp(z) - t for z, t in pairs], places)
    amounts = np.float32(10.0 ** random.uniform(-30, 30, 600))
    values, (slopes,) = values_and_slopes(losses.gamma, RATES, targets=amounts)
    hold("gamma", values, [t * mp.exp(-z) + z for (z, _), t in zip(pairs, exact(amounts), strict=True)], places)
    true = [1 - t * mp.exp(-z) for (z, _), t in zip(pairs, exact(amounts), strict=True)]
    hold("slope of gamma", slopes, true, places)
    for power in (1.1, 1.5, 1.9):
        values, (slopes, by_power) = values_and_slopes(losses.tweedie, RATES, targets=COUNTS, power=power)
        p = mp.mpf(float(np.float32(power)))
        true = [mp.exp((2 - p) * z) / (2 - p) + t * mp.exp((1 - p) * z) / (p - 1) for z, t in pairs]
        hold(f"tweedie {power}", values, true, places)
        true = [mp.exp((2 - p) * z) - t * mp.exp((1 - p) * z) for z, t in pairs]
        hold(f"slope of tweedie {power}", slopes, true, places)
        assert not np.isnan(by_power).any()


def negative_binomial_truth(z, a, t):
    r = mp.exp(-a)
    if r < mp.mpf(10) ** 30:
        rising_part = mp.loggamma(r + t) - mp.loggamma(r) + t * a if t else mp.mpf(0)
        steps = t - r * (mp.digamma(r + t) - mp.digamma(r)) if t else mp.mpf(0)
    else:
        rising_part, steps = t * (t - 1) / (2 * r), t * (t - 1) / (2 * r)
    x = z + a
    mean_part = r * softplus(x) if x > -90 else mp.exp(z) * (1 - mp.exp(x) / 2)
    by_a = -r * (softplus(x) - sigmoid(x)) if x > -50 else -mp.exp(z + x) / 2
    value = parts(mean_part, t * softplus(x), -t * z, -rising_part)
    return value, (mp.exp(z) - t) * sigmoid(-x), parts(by_a, t * sigmoid(x), -steps)


def test_negative_binomial_holds_its_digits():
    with mp.workdps(120):
        truths = [
            negative_binomial_truth(*row) for row in zip(exact(RATES), exact(DISPERSIONS), exact(COUNTS), strict=True)
        ]
    places = list(zip(RATES, DISPERSIONS, COUNTS, strict=True))
    values, slopes = values_and_slopes(losses.negative_binomial, RATES, DISPERSIONS, targets=COUNTS)
    hold("negative_binomial", values, [t[0] for t in truths], places)
    hold("by log_rates", slopes[0], [t[1] for t in truths], places)
    hold("by log_dispersions", slopes[1], [t[2] for t in truths], places)


def near_zeros_of_negative_binomial(part):
    """Rows next to which the loss (part 0), or its slope by log_dispersions (part 2), is 0."""

    def of(z, a, t):
        r, m = np.exp(-a), np.exp(z)
        value = (r + t) * np.log1p(m / r) - t * z - (special.gammaln(r + t) - special.gammaln(r) + t * a)
        steps = special.digamma(r + t) - special.digamma(r) - np.log1p(m / r)
        return value if part == 0 else r * (steps + (m - t) / (m + r))

    rows, rates = [], np.linspace(-9, 9, 100)
    for a in np.float32(np.linspace(-5, 7, 25)):
        for t in np.float32([1, 2, 3, 8, 49, 300, 1e4, 0.5, 12.25]):
            line = of(rates, np.float64(a), np.float64(t))
            for k in np.nonzero(line[1:] * line[:-1] < 0)[0]:
                root = optimize.brentq(of, rates[k], rates[k + 1], args=(np.float64(a), np.float64(t)))
                rows += [(np.float32(root + off), a, t) for off in (0, 1e-5, 1e-3)]
    return rows


@pytest.mark.parametrize("part", [0, 2])
def test_negative_binomial_keeps_the_digits_of_a_difference(part):
    """To 1e-6 of itself where it is above a 2^-20th of its terms; the slope has larger ones within."""
    rows = near_zeros_of_negative_binomial(part)
    assert len(rows) > 200
    z, a, t = np.transpose(rows)
    values, slopes = values_and_slopes(losses.negative_binomial, z, a, targets=t)
    truths = []
    for row in zip(exact(z), exact(a), exact(t), strict=True):
        true, size = negative_binomial_truth(*row)[part]
        within = mp.exp(-row[1]) * softplus(row[0] + row[1]) + row[2] if part else 0
        truths.append((true, max(abs(true), size / 2**20, within / 2**18)))
    hold("negative_binomial near 0", slopes[1] if part else values, truths, rows)


SCALES = np.concatenate([spread(random, 200), random.uniform(-90, 90, 200), random.normal(size=200) * 3]).astype(
    np.float32
)
# Half of the errors are of the size of the scale.
DISTANCES = np.where(
    random.random(600) < 0.5, spread(random, 600), random.normal(size=600) * np.exp(np.clip(SCALES, -80, 9))
)
DISTANCES = DISTANCES.astype(np.float32)
PLACES = list(zip(DISTANCES, SCALES, strict=True))
ROWS = list(zip(exact(DISTANCES), exact(SCALES), strict=True))


def of_distribution(loss, **numbers):
    """Its value and its slopes by means, log_scales and numbers, for means of 0."""
    values, slopes = values_and_slopes(loss, np.zeros(600), SCALES, targets=DISTANCES, **numbers)
    return values, *slopes


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_gaussian_nll_holds_its_digits(beta):
    values, by_mean, by_scale, _ = of_distribution(losses.gaussian_nll, beta=beta)
    b, constant = mp.mpf(float(np.float32(beta))), mp.log(2 * mp.pi) / 2
    weights = [mp.exp(2 * b * s) for _, s in ROWS]
    squares = [d * d * mp.exp(2 * (b - 1) * s) for d, s in ROWS]
    true = [q / 2 + w * s + w * constant for q, w, (_, s) in zip(squares, weights, ROWS, strict=True)]
    hold(f"gaussian_nll {beta}", values, true, PLACES)
    hold("by means", by_mean, [-d * mp.exp(2 * (b - 1) * s) for d, s in ROWS], PLACES)
    hold("by log_scales", by_scale, [w - q for q, w in zip(squares, weights, strict=True)], PLACES)


def test_laplace_nll_holds_its_digits():
    values, by_mean, by_scale = of_distribution(losses.laplace_nll)
    hold("laplace_nll", values, [abs(d) * mp.exp(-s) + s + mp.log(2) for d, s in ROWS], PLACES)
    hold("by means", by_mean, [-mp.sign(d) * mp.exp(-s) for d, s in ROWS], PLACES)
    hold("by log_scales", by_scale, [1 - abs(d) * mp.exp(-s) for d, s in ROWS], PLACES)


@pytest.mark.parametrize("freedom", [0.01, 4.0, 1e6])
def test_student_t_nll_holds_its_digits(freedom):
    n = mp.mpf(float(np.float32(freedom)))
    constant = mp.log(n * mp.pi) / 2 + mp.loggamma(n / 2) - mp.loggamma((n + 1) / 2)
    growth = ONE / 2 / n + (mp.digamma(n / 2) - mp.digamma((n + 1) / 2)) / 2
    values, by_mean, by_scale, by_freedom = of_distribution(losses.student_t_nll, degrees_of_freedom=freedom)
    truths, means, scales, freedoms = [], [], [], []
    for d, s in ROWS:
        square = (d * mp.exp(-s)) ** 2 / n
        share = square / (1 + square)
        truths.append(parts((n + 1) / 2 * mp.log1p(square), s, constant))
        means.append(-(n + 1) * share / d)
        scales.append(1 - (n + 1) * share)
        slope, size = parts(mp.log1p(square) / 2, -(n + 1) / 2 * share / n, growth)
        freedoms.append((slope, size + 1 / n))  # growth is a difference of terms of that size
    hold(f"student_t_nll {freedom}", values, truths, PLACES)
    hold("by means", by_mean, means, PLACES)
    hold("by log_scales", by_scale, scales, PLACES)
    hold("by degrees_of_freedom", by_freedom, freedoms, PLACES)


def test_gaussian_crps_holds_its_digits():
    values, by_mean, by_scale = of_distribution(losses.gaussian_crps)
    truths, means, scales = [], [], []
    for d, s in ROWS:
        q, scale, floor = d * mp.exp(-s), mp.exp(s), 1 / mp.sqrt(mp.pi)
        density = phi(q) if abs(q) < 1000 else mp.mpf(0)
        rise = mp.erf(q / mp.sqrt(2)) if abs(q) < 1000 else mp.sign(q)
        truths.append(d * rise + scale * (2 * density - floor))
        means.append(-rise)
        scales.append(2 * scale * density - scale * floor)
    hold("gaussian_crps", values, truths, PLACES)
    hold("by means", by_mean, means, PLACES)
    hold("by log_scales", by_scale, scales, PLACES)


def neighbours(numbers):
    """Float32 numbers around given ones, up to four places away."""
    near = np.float32(numbers)
    return np.concatenate([near + np.float32(step) * np.spacing(near) for step in range(-4, 5)])


COUNTS_SEEN = np.float32([1, 2, 3, 7, 100, 1e4, 0.37, 5e-4, 2.5e8])
CANCELLING_RATES = {  # value, slope by the log rate, and where each is 0
    "poisson": (
        lambda z, t: mp.exp(z) - t * z,
        lambda z, t: mp.exp(z) - t,
        lambda t: [mp.log(t)] + ([-mp.lambertw(-1 / t, k).real for k in (0, -1)] if t > 2.8 else []),
    ),
    "gamma": (
        lambda z, t: t * mp.exp(-z) + z,
        lambda z, t: 1 - t * mp.exp(-z),
        lambda t: [mp.log(t)] + ([mp.lambertw(-t, k).real for k in (0, -1)] if t < 0.36 else []),
    ),
    "tweedie": (
        lambda z, t: 2 * (mp.exp(z / 2) + t * mp.exp(-z / 2)),
        lambda z, t: mp.exp(z / 2) - t * mp.exp(-z / 2),
        lambda t: [mp.log(t)],
    ),
}


@pytest.mark.parametrize("name", CANCELLING_RATES)
def test_losses_of_rates_hold_their_digits_beside_their_zeros(name):
    value, slope, zeros = CANCELLING_RATES[name]
    found = [(float(zero), t) for t in COUNTS_SEEN for zero in zeros(mp.mpf(float(t)))]
    rates, counts = neighbours([zero for zero, _ in found]), np.tile([t for _, t in found], 9)
    values, (slopes,) = values_and_slopes(getattr(losses, name), rates, targets=counts)
    rows, places = list(zip(exact(rates), exact(counts), strict=True)), list(zip(rates, counts, strict=True))
    hold(name, values, [value(*row) for row in rows], places)
    hold(f"slope of {name}", slopes, [slope(*row) for row in rows], places)


def student(q, s):
    return 5 / mp.mpf(2) * mp.log1p(q * q / 4) + s + mp.log(4 * mp.pi) / 2 - mp.loggamma(5 / mp.mpf(2))


CANCELLING_SCALES = {  # value and slope by the log scale s, at q scales from the target; q at which either is 0
    "laplace_nll": (lambda q, s: q + s + mp.log(2), lambda q, s: 1 - q, lambda s: -(s + np.log(2)), 1),
    "gaussian_nll": (
        lambda q, s: q * q / 2 + s + mp.log(2 * mp.pi) / 2,
        lambda q, s: 1 - q * q,
        lambda s: np.sqrt(-2 * s - np.log(2 * np.pi)),
        1,
    ),
    "student_t_nll": (
        student,
        lambda q, s: 4 * (1 - q * q) / (4 + q * q),
        lambda s: np.sqrt(4 * np.expm1((-s - float(student(mp.mpf(0), mp.mpf(0)))) / 2.5)),
        1,
    ),
    "gaussian_crps": (
        lambda q, s: mp.exp(s) * (q * mp.erf(q / mp.sqrt(2)) + 2 * phi(q) - 1 / mp.sqrt(mp.pi)),
        lambda q, s: mp.exp(s) * (2 * phi(q) - 1 / mp.sqrt(mp.pi)),
        lambda s: 2 + 0 * s,
        np.sqrt(np.log(2)),
    ),
}


@pytest.mark.parametrize("name", CANCELLING_SCALES)
def test_losses_of_scales_hold_their_digits_beside_their_zeros(name):
    value, slope, value_zero, slope_zero = CANCELLING_SCALES[name]
    scales = np.concatenate([random.uniform(-3, -1.1, 20), random.uniform(-50, -1.1, 20)])
    distances = np.concatenate([value_zero(scales), np.full(40, slope_zero)]) * np.exp(np.tile(scales, 2))
    scales = neighbours(np.tile(scales, 2))
    distances = np.tile(np.float32(distances), 9)
    # A mean beside the target: the difference of the two is rounded, too.
    means = np.where(np.arange(len(scales)) % 2, distances * random.normal(size=len(scales)), 0).astype(np.float32)
    targets = np.float32(means + distances)
    values, slopes = values_and_slopes(getattr(losses, name), means, scales, targets=targets)
    gaps = [abs(t - m) for t, m in zip(exact(targets), exact(means), strict=True)]
    rows = [(gap * mp.exp(-s), s) for gap, s in zip(gaps, exact(scales), strict=True)]
    places = list(zip(means, scales, targets, strict=True))
    hold(name, values, [value(*row) for row in rows], places)
    hold(f"{name} by log_scales", slopes[1], [slope(*row) for row in rows], places)


def test_gaussian_crps_is_the_integral_that_defines_it():
    for mean, scale, target in [(0.3, 1.0, 0.9), (-2.0, 0.5, -4.0), (0.0, 3.0, 0.0)]:
        below = integrate.quad(lambda x, m=mean, s=scale: stats.norm.cdf(x, m, s) ** 2, -60, target)[0]
        above = integrate.quad(lambda x, m=mean, s=scale: stats.norm.sf(x, m, s) ** 2, target, 60)[0]
        assert float(losses.gaussian_crps(mean, np.log(scale), target)) == pytest.approx(below + above, rel=1e-6)


def test_likelihoods_are_those_of_scipy():
    means, scales, targets = random.normal(size=50), np.exp(random.normal(size=50)), random.normal(size=50)
    for loss, law in (
        (losses.gaussian_nll, stats.norm(means, scales)),
        (losses.laplace_nll, stats.laplace(means, scales)),
        (losses.student_t_nll, stats.t(4, means, scales)),
    ):
        ours = loss(jnp.float32(means), jnp.float32(np.log(scales)), jnp.float32(targets))
        np.testing.assert_allclose(ours, -law.logpdf(targets), rtol=2e-5, atol=2e-6)
    counts, dispersions = random.poisson(4, 50), np.exp(random.normal(size=50))
    law = stats.nbinom(1 / dispersions, 1 / (1 + dispersions * scales))
    ours = losses.negative_binomial(*map(jnp.float32, (np.log(scales), np.log(dispersions), counts)))
    np.testing.assert_allclose(ours, -law.logpmf(counts) - [float(mp.loggamma(c + 1)) for c in counts], rtol=1e-4)


def test_beta_weighs_rows_as_seitzer_does():
    """Their code: the loss times the variance^beta, which is detached."""

    def theirs(mean, log_scale, target):
        weight = jax.lax.stop_gradient(jnp.exp(2 * log_scale)) ** 0.5
        return weight * losses.gaussian_nll(mean, log_scale, target)

    row = jnp.float32(0.3), jnp.float32(-0.7), jnp.float32(1.1)
    mine = jax.value_and_grad(lambda m, s, t: losses.gaussian_nll(m, s, t, beta=0.5), argnums=(0, 1))(*row)
    for one, other in zip(*map(jax.tree.leaves, (mine, jax.value_and_grad(theirs, argnums=(0, 1))(*row))), strict=True):
        assert float(one) == pytest.approx(float(other), rel=1e-5)
