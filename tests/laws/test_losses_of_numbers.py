"""The losses of numbers: digits of those for one prediction against 60, and the laws of all of them."""

import inspect
import re

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from sklearn import metrics

from laws.digits import exact, hold, parts, sigmoid, softplus, spread, values_and_slopes
from trivium import losses
from trivium.catalog import aliases, get
from trivium.losses._quantiles import rising

random = np.random.default_rng(11)


@pytest.fixture(autouse=True)
def digits():
    mp.mp.dps = 60


def huber(d, delta):
    return d * d / 2 if abs(d) < delta else delta * (abs(d) - delta / 2)


ERRORS = {  # of the difference alone: numbers, value, derivative by the prediction
    "squared_error": ({}, lambda d: d * d, lambda d: 2 * d),
    "absolute_error": ({}, abs, mp.sign),
    "huber": ({"delta": 0.7}, huber, lambda d, delta: max(-delta, min(delta, d))),
    "smooth_l1": (
        {"beta": 0.3},
        lambda d, beta: huber(d, beta) / beta,
        lambda d, beta: max(-beta, min(beta, d)) / beta,
    ),
    "log_cosh": ({}, lambda d: abs(d) + mp.log1p(mp.exp(-2 * abs(d))) - mp.log(2), mp.tanh),
    "quantile": (
        {"level": 0.9},
        lambda d, level: -d * level if d < 0 else d * (1 - level),
        lambda d, level: -level if d < 0 else 1 - level,
    ),
    "expectile": (
        {"level": 0.2},
        lambda d, level: d * d * (level if d < 0 else 1 - level),
        lambda d, level: 2 * d * (level if d < 0 else 1 - level),
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_losses_of_a_difference_hold_their_digits(name):
    numbers, value, slope = ERRORS[name]
    differences = np.concatenate([spread(random, 400, 1e-12, 2e4), random.normal(size=300), [0.0]]).astype(np.float32)
    values, (slopes, *_) = values_and_slopes(
        getattr(losses, name), differences, targets=np.zeros_like(differences), **numbers
    )
    kept = {n: mp.mpf(float(np.float32(v))) for n, v in numbers.items()}
    hold(name, values, [value(d, **kept) for d in exact(differences)], differences)
    at_zero = np.asarray(slopes)[-1]
    assert at_zero == 0
    hold(f"slope of {name}", slopes[:-1], [slope(d, **kept) for d in exact(differences)[:-1]], differences[:-1])


def test_relative_losses_hold_their_digits():
    predictions = np.concatenate([spread(random, 500), spread(random, 200)]).astype(np.float32)
    targets = np.concatenate([spread(random, 500), predictions[500:] * (1 + spread(random, 200, 1e-6, 0.5))]).astype(
        np.float32
    )
    pairs = list(zip(exact(predictions), exact(targets), exact(predictions - targets), strict=True))
    places = list(zip(predictions, targets, strict=True))
    values, (slopes,) = values_and_slopes(losses.mape, predictions, targets=targets)
    hold("mape", values, [abs(d) / abs(t) for _, t, d in pairs], places)
    hold("slope of mape", slopes, [mp.sign(d) / abs(t) for _, t, d in pairs], places)
    values, (slopes,) = values_and_slopes(losses.smape, predictions, targets=targets)
    hold("smape", values, [2 * abs(d) / (abs(p) + abs(t)) for p, t, d in pairs], places)
    true = [4 * abs(t) * mp.sign(d) / (abs(p) + abs(t)) ** 2 if p * t > 0 else mp.mpf(0) for p, t, d in pairs]
    hold("slope of smape", slopes, true, places)


def test_a_target_of_0_has_a_percentage_error():
    np.testing.assert_allclose(losses.mape(jnp.float32([1.0, 0.0]), jnp.zeros(2)), [1e7, 0])
    np.testing.assert_allclose(losses.mape(jnp.float32([1.0]), jnp.zeros(1), least=0.5), [2])
    np.testing.assert_array_equal(losses.smape(jnp.float32([0.0, 3.0]), jnp.zeros(2)), [0, 2])
    assert jax.grad(losses.smape)(0.0, 0.0) == 0
    assert jax.grad(losses.smape)(0.0, 2.0) == -1  # half of the slope towards the target


def test_msle_holds_its_digits_and_leads_back_from_below():
    targets = np.concatenate([np.exp(random.uniform(-12, 9, 500)), -1 + np.exp(random.uniform(-6, 0, 200))])
    predictions = np.concatenate([targets[:300] * np.exp(spread(random, 300, 1e-5, 1)), spread(random, 400)])
    predictions, targets = np.float32(predictions), np.float32(targets)
    values, (slopes,) = values_and_slopes(losses.msle, predictions, targets=targets)
    true_values, true_slopes = [], []
    for p, t, d in zip(exact(predictions), exact(targets), exact(predictions - targets), strict=True):
        start = min(mp.mpf(1), 1 + t) / 1000
        # The difference is taken as given: where it was rounded, so was the prediction.
        first = 1 + t + d if abs(d) < (1 + t) / 2 else 1 + p
        ratio = mp.log(max(first, start) / (1 + t)) + min(first - start, 0) / start
        true_values.append(ratio**2)
        true_slopes.append(2 * ratio / max(first, start))
    places = list(zip(predictions, targets, strict=True))
    hold("msle", values, true_values, places)
    hold("slope of msle", slopes, true_slopes, places)


def cosine_truth(a, b):
    na, nb, dot = mp.sqrt(mp.fsum(x * x for x in a)), mp.sqrt(mp.fsum(x * x for x in b)), mp.fdot(a, b)
    cosine = dot / na / nb
    slope = [-(y / nb - cosine * x / na) / na for x, y in zip(a, b, strict=True)]
    return 1 - cosine, slope, mp.sqrt(mp.fsum(s * s for s in slope))


def test_cosine_holds_its_digits_even_for_nearly_equal_directions():
    a = random.normal(size=(150, 5)) * 10.0 ** random.uniform(-6, 4, (150, 1))
    tilt = random.normal(size=(150, 5)) * 10.0 ** random.uniform(-6, 1, (150, 1))
    b = (a / np.linalg.norm(a, axis=1, keepdims=True) + tilt) * random.choice([-3, 0.01, 700], (150, 1))
    a, b = np.float32(a), np.float32(b)
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(losses.cosine, argnums=(0, 1))))(a, b)
    there = [cosine_truth(exact(x), exact(y)) for x, y in zip(a, b, strict=True)]
    back = [cosine_truth(exact(y), exact(x)) for x, y in zip(a, b, strict=True)]
    hold("cosine", values, [t[0] for t in there], range(150))
    for ours, truths in zip(slopes, (there, back), strict=True):
        hold("slope of cosine", ours, [(s, t[2]) for t in truths for s in t[1]], range(750))
    big = losses.cosine(jnp.float32([[1e30, 2e30], [1e-30, 0], [0, 0]]), jnp.float32([[2, 4], [0, 3], [1, 1]]))
    np.testing.assert_allclose(big, [0, 1, 1], atol=1e-14)
    assert (jax.grad(lambda p: losses.cosine(p, jnp.ones(2)).sum())(jnp.zeros(2)) == 0).all()


def test_quantiles_hold_their_digits():
    levels = (0.05, 0.5, 0.6, 0.95)
    increments = np.where(
        random.random((400, 4)) < 0.5, spread(random, 1600).reshape(400, 4), random.normal(size=(400, 4))
    )
    increments, targets = np.float32(increments), spread(random, 400)
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(lambda q, t: losses.quantiles(q, t, levels=levels))))(
        increments, targets
    )
    true_values, true_slopes, shares = [], [], exact(np.float32(levels))
    for row, d in zip(increments, exact(increments[:, 0] - targets), strict=True):
        z = exact(row)
        gaps = [d, *(softplus(gap) for gap in z[1:])]
        ahead = [mp.fsum(gaps[: k + 1]) for k in range(4)]
        size = mp.fsum(map(abs, gaps))
        true_values.append(
            (mp.fsum(-u * e if e < 0 else (1 - u) * e for e, u in zip(ahead, shares, strict=True)) / 4, size)
        )
        pulls = [(-u if e < 0 else 1 - u) / 4 for e, u in zip(ahead, shares, strict=True)]
        for k in range(4):
            pull, weight = parts(*pulls[k:])
            move = mp.mpf(1) if k == 0 else sigmoid(z[k])
            true_slopes.append((pull * move, weight * move))
    hold("quantiles", values, true_values, range(400))
    hold("slope of quantiles", slopes, true_slopes, range(1600))


def test_quantiles_never_cross():
    increments = random.normal(size=(2000, 30)) * 10.0 ** random.uniform(-3, 4, (2000, 30))
    for kind in (jnp.float32, jnp.bfloat16):
        assert (jnp.diff(jax.jit(rising)(jnp.asarray(increments, kind)), axis=-1) >= 0).all()


def test_agrees_with_sklearn():
    predictions, targets = np.float32(np.exp(random.normal(size=(2, 200))))
    rates = jnp.log(predictions)
    for ours, theirs in (
        (losses.absolute_error(predictions, targets), metrics.mean_absolute_error(targets, predictions)),
        (losses.quantile(predictions, targets, level=0.8), metrics.mean_pinball_loss(targets, predictions, alpha=0.8)),
        (losses.mape(predictions, targets), metrics.mean_absolute_percentage_error(targets, predictions)),
        (losses.msle(predictions, targets), metrics.mean_squared_log_error(targets, predictions)),
    ):
        assert float(ours.mean()) == pytest.approx(theirs, rel=1e-5)
    for loss, power in ((losses.poisson, 1), (losses.tweedie, 1.5), (losses.gamma, 2)):
        least = loss(jnp.log(targets), targets).mean()
        half = metrics.mean_tweedie_deviance(targets, predictions, power=power) / 2
        assert float(loss(rates, targets).mean() - least) == pytest.approx(half, rel=1e-4)


def test_agrees_with_torch():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    predictions, targets = random.normal(size=(2, 60, 4)).astype(np.float32)
    ours = lambda loss, *given, **numbers: np.asarray(loss(*map(jnp.asarray, given), **numbers))  # noqa: E731
    a, b = torch.tensor(predictions), torch.tensor(targets)
    for mine, theirs in (
        (ours(losses.huber, predictions, targets, delta=0.7), functional.huber_loss(a, b, reduction="none", delta=0.7)),
        (
            ours(losses.smooth_l1, predictions, targets, beta=0.7),
            functional.smooth_l1_loss(a, b, reduction="none", beta=0.7),
        ),
        (ours(losses.cosine, predictions, targets), 1 - functional.cosine_similarity(a, b, dim=-1)),
        (
            ours(losses.poisson, predictions, np.abs(targets)),
            functional.poisson_nll_loss(a, b.abs(), reduction="none"),
        ),
        (
            ours(losses.gaussian_nll, predictions, targets, predictions),
            functional.gaussian_nll_loss(a, a, torch.exp(2 * b), full=True, reduction="none"),
        ),
    ):
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "units", "targets", "words"),
    [
        ("poisson", 1, [1, -2], "targets must be at least 0, got -2.0 in row 1"),
        ("tweedie", 1, [1, -2], "targets must be at least 0, got -2.0 in row 1"),
        ("negative_binomial", 2, [-3, 0], "targets must be at least 0, got -3.0 in row 0"),
        ("gamma", 1, [1, 0], "targets must be greater than 0, got 0.0 in row 1"),
        ("msle", 1, [-1, 0], "targets must be greater than -1, got -1.0 in row 0"),
        ("gaussian_nll", 2, [0, np.nan], "targets must be a number, got nan in row 1"),
        ("huber", 1, [0, np.inf], "targets must be less than inf, got inf in row 1"),
    ],
)
def test_a_target_outside_the_domain_is_named(name, units, targets, words):
    with pytest.raises(ValueError, match=words):
        getattr(losses, name)(*[jnp.zeros(2)] * units, jnp.float32(targets))


def test_numbers_and_levels_outside_their_domain_are_named():
    zeros = jnp.zeros(2)
    with pytest.raises(ValueError, match="delta must be greater than 0, got -1.0"):
        losses.huber(zeros, zeros, delta=-1.0)
    with pytest.raises(ValueError, match="power must be less than 2, got 2.5"):
        losses.tweedie(zeros, zeros, power=2.5)
    with pytest.raises(ValueError, match="levels must be less than 1, got 1.5"):
        losses.quantiles(jnp.zeros((2, 2)), zeros, levels=(0.5, 1.5))
    with pytest.raises(ValueError, match=r"levels must rise, got \(0.5, 0.1\)"):
        losses.quantiles(jnp.zeros((2, 2)), zeros, levels=(0.5, 0.1))
    with pytest.raises(ValueError, match=r"the 3 levels, got \(2, 2\) and \(2,\)"):
        losses.quantiles(jnp.zeros((2, 2)), zeros)
    with pytest.raises(ValueError, match=r"log_scales and targets must have one shape, got \(2, 1\) and \(2,\)"):
        losses.gaussian_crps(zeros, zeros[:, None], zeros)


MEMBERS = [
    function
    for file in ("regression", "quantiles", "counts", "distributions")
    for name, function in vars(losses).items()
    if getattr(function, "__module__", "") == f"trivium.losses.{file}" and function.__name__ == name
]
every_loss = pytest.mark.parametrize("loss", MEMBERS, ids=lambda loss: loss.__name__)


def example(loss, kind=np.float32, size=3):
    """One array per unit, and targets, all within every domain."""
    random = np.random.default_rng(5)
    units = list(inspect.signature(loss).parameters).index("targets")
    shape = (size, 3) if loss in (losses.cosine, losses.quantiles) else (size,)
    targets = random.integers(1, 5, shape[:1] if loss is losses.quantiles else shape)
    return [jnp.asarray(random.uniform(0.1, 2, shape), kind) for _ in range(units)], jnp.asarray(targets, kind)


@every_loss
def test_value_and_slopes_are_numbers_far_out_and_curvature_halfway(loss):
    (given, _), sizes = example(loss), (0.0, 20.0, -20.0, 1e4, -1e4)
    for largest, derivative in ((20, jax.hessian), (1e4, jax.grad)):
        rows = np.float32(sizes)[np.array(list(np.ndindex(*[len(sizes)] * len(given))))]
        rows = np.repeat(rows[np.abs(rows).max(axis=1) <= largest], 2, axis=0)
        units = [
            jnp.broadcast_to(unit.reshape(-1, *[1] * (g.ndim - 1)), (len(rows), *g.shape[1:]))
            for unit, g in zip(rows.T, given, strict=True)
        ]
        targets = jnp.ones(units[0].shape[:1] if loss is losses.quantiles else units[0].shape)
        # Every second row counts for nothing: it must not make a NaN of 0 times infinity.
        weights = jnp.arange(len(rows)) % 2
        by = tuple(range(len(units)))

        def total(*units, targets=targets, weights=weights):
            return loss(*units, targets, sample_weight=weights).sum()

        assert not np.isnan(total(*units))
        for slope in jax.tree.leaves(jax.jit(derivative(total, by))(*units)):
            assert not np.isnan(slope).any()


@every_loss
def test_second_derivatives_and_slopes_are_those_of_the_value(loss):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        given, targets = example(loss, np.float64)
        by = tuple(range(len(given)))
        total = jax.jit(lambda *units: loss(*units, targets).sum())
        slope = jax.jit(jax.grad(total, by))
        slopes, curves = slope(*given), jax.jit(jax.hessian(total, by))(*given)
        for unit in by:
            for place in np.ndindex(given[unit].shape):
                step = [jnp.zeros_like(u) for u in given]
                step[unit] = step[unit].at[place].set(1e-5)
                ends = [[u + sign * s for u, s in zip(given, step, strict=True)] for sign in (1, -1)]
                difference = (total(*ends[0]) - total(*ends[1])) / 2e-5
                assert float(slopes[unit][place]) == pytest.approx(float(difference), rel=1e-7, abs=1e-8)
                turns = [(a - b) / 2e-5 for a, b in zip(*(slope(*end) for end in ends), strict=True)]
                for other in by:
                    curve = curves[unit][other][place]
                    np.testing.assert_allclose(curve, turns[other], rtol=1e-6, atol=1e-7)


@every_loss
def test_keeps_its_type_and_a_nan(loss):
    for kind in (jnp.bfloat16, jnp.float32):
        given, targets = example(loss, kind)
        values = jax.jit(loss)(*given, targets)
        assert values.dtype == kind
        assert values.shape == targets.shape[:1]
        wide_given, wide_targets = example(loss)
        np.testing.assert_allclose(np.float32(values), loss(*wide_given, wide_targets), rtol=0.1)
        for unit in range(len(given)):
            spoilt = [u.at[1].set(jnp.nan) if k == unit else u for k, u in enumerate(given)]
            np.testing.assert_array_equal(np.isnan(loss(*spoilt, targets)), [False, True, False])


@every_loss
def test_docstring_says_what_it_is_proper_for_and_where_it_comes_from(loss):
    text = inspect.getdoc(loss)
    for start in ("Returns ", "Proper: (yes|no)", "Trap: ", 'Source: .+ \\d{4}, "'):
        assert re.search(f"^{start}", text, re.MULTILINE), start


def test_second_names():
    assert {"mae", "mean_absolute_error"} == set(aliases(losses, losses.absolute_error))
    assert {"mse", "mean_squared_error"} == set(aliases(losses, losses.squared_error))
    assert aliases(losses, losses.quantile) == ["pinball"]
    assert get(losses, "MAE", "loss") is losses.absolute_error
