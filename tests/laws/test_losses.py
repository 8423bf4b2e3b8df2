"""Laws that every loss obeys. A new loss is tested because it exists."""

import inspect
import re

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import optax
import pytest
from sklearn import metrics

from laws.precision import worst_ulps
from trivium import losses
from trivium.catalog import members

every_loss = pytest.mark.parametrize("name", members(losses))
MOST_ULPS = 4

random = np.random.default_rng(3)
SIZES = np.exp(random.uniform(np.log(1e-6), np.log(1e4), 250))
LOGITS = np.concatenate([SIZES, -SIZES, random.uniform(-100, 100, 300), random.normal(size=200), [0.0]]).astype(
    np.float32
)
PROBABILITIES = np.concatenate([random.random(300), 10.0 ** random.uniform(-30, 0, 200)]).astype(np.float32)
ROWS = (random.normal(size=(300, 5)) * 10.0 ** random.uniform(-2, 3.9, (300, 1))).astype(np.float32)
LABELS = random.integers(0, 5, 300)


def softplus(z):
    return mp.log1p(mp.exp(z)) if z < 50 else z + mp.log1p(mp.exp(-z))


def exact(values):
    return [mp.mpf(float(value)) for value in values]


@pytest.fixture(autouse=True)
def digits():
    mp.mp.dps = 60


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_binary_cross_entropy_holds_its_digits(target):
    both = jax.jit(jax.vmap(jax.value_and_grad(losses.binary_cross_entropy), in_axes=(0, None)))
    values, slopes = both(LOGITS, jnp.float32(target))
    zs = exact(LOGITS)
    sign = -1 if target else 1
    assert worst_ulps(values, [softplus(sign * z) for z in zs], LOGITS)[0] <= MOST_ULPS
    assert worst_ulps(slopes, [sign / (1 + mp.exp(-sign * z)) for z in zs], LOGITS)[0] <= MOST_ULPS


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_binary_cross_entropy_from_probabilities_holds_its_digits(target):
    function = losses.binary_cross_entropy_from_probabilities
    both = jax.jit(jax.vmap(jax.value_and_grad(function), in_axes=(0, None)))
    values, slopes = both(PROBABILITIES, jnp.float32(target))
    ps = exact(PROBABILITIES)
    assert worst_ulps(values, [-mp.log(p) if target else -mp.log1p(-p) for p in ps], ps)[0] <= MOST_ULPS
    assert worst_ulps(slopes, [-1 / p if target else 1 / (1 - p) for p in ps], ps)[0] <= MOST_ULPS
    certain = jnp.float32([target, 1 - target])
    np.testing.assert_array_equal(function(certain, jnp.full(2, target)), [0, np.inf])
    assert np.isfinite(jax.grad(lambda p: function(p, jnp.float32(target)))(jnp.float32(target)))


def test_cross_entropy_holds_its_digits():
    both = jax.jit(jax.vmap(jax.value_and_grad(losses.cross_entropy)))
    values, slopes = both(ROWS, LABELS)
    true_values, true_slopes = [], []
    for row, label in zip(ROWS, LABELS, strict=True):
        zs = exact(row)
        largest = max(zs)
        total = sum(mp.exp(z - largest) for z in zs)
        true_values.append(mp.log(total) + largest - zs[label])
        shares = [mp.exp(z - largest) / total for z in zs]
        others = sum(mp.exp(z - largest) for place, z in enumerate(zs) if place != label) / total
        true_slopes += [-others if place == label else share for place, share in enumerate(shares)]
    assert worst_ulps(values, true_values, range(300))[0] <= MOST_ULPS
    assert worst_ulps(slopes, true_slopes, range(1500))[0] <= 2 * MOST_ULPS  # sums of up to five terms


def test_cross_entropy_from_probabilities_holds_its_digits():
    shares = np.stack([PROBABILITIES, 1 - PROBABILITIES], axis=1)
    labels = np.zeros(len(shares), int)
    values = losses.cross_entropy_from_probabilities(shares, labels)
    assert worst_ulps(values, [-mp.log(p) for p in exact(PROBABILITIES)], labels)[0] <= MOST_ULPS


def test_squared_error_holds_its_digits():
    targets = random.permutation(LOGITS)
    both = jax.jit(jax.vmap(jax.value_and_grad(losses.squared_error)))
    values, slopes = both(LOGITS, targets)
    gaps = [a - b for a, b in zip(exact(LOGITS), exact(targets), strict=True)]
    assert worst_ulps(values, [gap**2 for gap in gaps], LOGITS)[0] <= MOST_ULPS
    assert worst_ulps(slopes, [2 * gap for gap in gaps], LOGITS)[0] <= MOST_ULPS


def test_agrees_with_others_where_they_are_right():
    logits, targets = random.normal(size=200).astype(np.float32), random.integers(0, 2, 200)
    ours = losses.binary_cross_entropy(jnp.asarray(logits), jnp.asarray(targets))
    np.testing.assert_allclose(ours, optax.losses.sigmoid_binary_cross_entropy(logits, targets), rtol=1e-5, atol=1e-7)
    rows = random.normal(size=(200, 4)).astype(np.float32)
    labels = random.integers(0, 4, 200)
    shares = np.exp(np.float64(rows)) / np.exp(np.float64(rows)).sum(axis=1, keepdims=True)
    mean = float(losses.cross_entropy(jnp.asarray(rows), jnp.asarray(labels)).mean())
    assert mean == pytest.approx(metrics.log_loss(labels, shares), rel=1e-5)


@every_loss
def test_second_derivatives_are_finite_and_gradients_are_differences(name):
    loss = members(losses)[name]
    with jax.enable_x64(True):
        given, targets = example(loss, random)
        gradient = jax.grad(lambda g: loss(g, targets).sum())(given)
        for place in np.ndindex(given.shape):
            step = 1e-6 * np.eye(given.size)[np.ravel_multi_index(place, given.shape)].reshape(given.shape)
            difference = (loss(given + step, targets).sum() - loss(given - step, targets).sum()) / 2e-6
            assert gradient[place] == pytest.approx(float(difference), rel=1e-6, abs=1e-8)
        assert np.isfinite(jax.hessian(lambda g: loss(g, targets).sum())(given)).all()


@every_loss
def test_compiled_and_plain_agree_and_nan_stays(name):
    loss = members(losses)[name]
    given, targets = example(loss, np.random.default_rng(0))
    given = jnp.asarray(given, jnp.float32)
    np.testing.assert_allclose(jax.jit(loss)(given, targets), loss(given, targets), rtol=1e-6)
    assert np.isnan(loss(given.at[0].set(jnp.nan), targets)[0]).all()


@every_loss
def test_shapes_that_do_not_fit_are_refused(name):
    targets = jnp.zeros((4, 1) if name.startswith("cross_entropy") else (4,), int)
    with pytest.raises(ValueError, match=r"got \(4, 1\) and \(4, 1\)|got \(4, 1\) and \(4,\)"):
        members(losses)[name](jnp.full((4, 1), 0.5), targets)


@every_loss
def test_docstring_gives_formula_shapes_and_source(name):
    text = inspect.getdoc(members(losses)[name])
    assert re.match(r"\S.*: .*\.", text.splitlines()[0])
    assert re.search(r"^Returns ", text, re.MULTILINE)
    assert re.search(r"^Source: .+ \d{4}, \".+", text, re.MULTILINE)


def example(loss, random):
    """Arguments of the right shape and domain."""
    first = next(iter(inspect.signature(loss).parameters))
    if "cross_entropy" in loss.__name__ and not loss.__name__.startswith("binary"):
        rows = random.normal(size=(3, 4))
        return (np.asarray(jax.nn.softmax(rows)) if first == "probabilities" else rows), np.array([0, 2, 3])
    if first == "probabilities":
        return random.uniform(0.1, 0.9, 5), np.array([0.0, 1.0, 1.0, 0.0, 0.3])
    return random.normal(size=5), np.array([0.0, 1.0, 1.0, 0.0, 0.3])
