"""Laws that every loss obeys. A new loss is tested because it exists."""

import inspect
import re

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from sklearn import metrics

from laws.precision import worst_ulps
from trivium import losses
from trivium.catalog import members, parameter_domains, violation
from trivium.compiling import quickly

LOSSES = members(losses)
every_loss = pytest.mark.parametrize("name", LOSSES)

NO_REPETITION = {
    "triplet": "a row beside itself is a fellow at distance 0",
    "contrastive": "a row beside itself is a fellow at distance 0",
    "nt_xent": "a row beside itself is a fellow at distance 0",
    "cox_partial_likelihood": "rows twice are a tie, which Efron breaks",
}
"""Losses that compare rows, for which a weight of two is not the row twice, and why."""
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


def example(name, random):
    """What the network puts out and targets, of the right shapes and domain, rows on the first axis."""
    loss = LOSSES[name]
    family, first = loss.__module__.rpartition(".")[2], next(iter(inspect.signature(loss).parameters))
    n = 5
    shares = random.dirichlet(np.ones(4), n)
    labels = np.array([0, 2, 3, 1, 2])
    if first == "probabilities":
        return (
            ([random.uniform(0.1, 0.9, n)], np.array([0.0, 1, 1, 0, 0.3])) if family == "binary" else ([shares], labels)
        )
    if family in ("binary", "overlap") or (family == "margins" and not name.startswith("multiclass")):
        return [random.normal(size=n)], np.array([0.0, 1, 1, 0, 0.3])
    if family in ("multiclass", "noise", "sparse", "margins"):
        return [random.normal(size=(n, 4))], labels
    if family == "divergences":
        return [random.normal(size=(n, 4))], shares
    if family == "ordinal":
        return [np.sort(random.normal(size=(n, 3)), axis=1)], labels
    if family == "ranking":
        return [random.normal(size=(n, 4))], random.permuted(np.tile(np.arange(4.0), (n, 1)), axis=1)
    if family == "pairs":
        return [random.normal(size=(n, 3))], np.array([0, 1, 0, 1, 1])
    if name == "ctc":
        return [random.normal(size=(n, 6, 4))], np.array([[1, 2], [3, -1], [2, 2], [-1, -1], [1, 3]])
    if name == "cox_partial_likelihood":
        return [random.normal(size=n)], np.array([[3.0, 1], [1, 1], [2, 0], [3, 1], [4, 1]])
    if name == "discrete_hazard":
        return [random.normal(size=(n, 4))], np.array([[0.0, 1], [3, 1], [2, 0], [4, 0], [1, 1]])
    if name == "quantiles":
        return [random.normal(size=(n, 3))], random.normal(size=n)
    if name == "cosine":
        return [random.normal(size=(n, 3))], random.normal(size=(n, 3))
    targets = random.uniform(0.5, 3, n).round(3)
    if name == "negative_binomial":
        targets = np.array([0.0, 3, 1, 7, 2])
    units = list(inspect.signature(loss).parameters).index("targets")
    return [random.normal(size=n) / 2 + (first == "predictions") for _ in range(units)], targets


@every_loss
def test_gradients_are_differences_and_second_derivatives_finite(name):
    loss = LOSSES[name]
    with jax.enable_x64(True):
        given, targets = example(name, np.random.default_rng(1))
        flat, back = ravel_pytree(list(map(jnp.asarray, given)))
        targets = jnp.asarray(targets)
        total = quickly(lambda flat: loss(*back(flat), targets).sum())
        gradient = np.asarray(quickly(jax.grad(total))(flat))
        for place in range(len(flat)):
            step = jnp.zeros_like(flat).at[place].set(1e-6)
            difference = (total(flat + step) - total(flat - step)) / 2e-6
            assert gradient[place] == pytest.approx(float(difference), rel=1e-5, abs=1e-7)
        assert np.isfinite(quickly(jax.hessian(total))(flat)).all()


@every_loss
def test_compiled_mapped_and_plain_agree_and_nan_stays(name):
    loss = LOSSES[name]
    given, targets = example(name, np.random.default_rng(0))
    given, targets = [jnp.asarray(array, jnp.float32) for array in given], jnp.asarray(targets)
    plain = loss(*given, targets)
    compiled = jax.jit(loss)
    np.testing.assert_allclose(compiled(*given, targets), plain, rtol=2e-5, atol=1e-7)
    both = quickly(jax.vmap(loss))(*(jnp.stack([array, array]) for array in given), jnp.stack([targets, targets]))
    np.testing.assert_allclose(both[1], plain, rtol=2e-5, atol=1e-7)
    assert np.isnan(compiled(given[0].at[0].set(jnp.nan), *given[1:], targets).sum())


@every_loss
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float64])
def test_keeps_the_type_of_what_the_network_puts_out(name, dtype):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        given, targets = example(name, np.random.default_rng(0))
        targets = jnp.asarray(targets, jnp.int32 if targets.dtype.kind == "i" else dtype)
        loss = quickly(LOSSES[name])
        exact = np.asarray(loss(*(jnp.asarray(array, jnp.float64) for array in given), targets), float)
        losses_ = loss(*(jnp.asarray(array, dtype) for array in given), targets)
        assert losses_.dtype == dtype
        tolerance = max(40 * float(jnp.finfo(dtype).eps), 1e-12)
        np.testing.assert_allclose(np.asarray(losses_, float), exact, rtol=tolerance, atol=tolerance)


@every_loss
def test_a_weight_of_two_is_a_row_twice_and_of_zero_none(name):
    loss = LOSSES[name]
    given, targets = example(name, np.random.default_rng(2))
    given, targets = [jnp.asarray(array, jnp.float32) for array in given], jnp.asarray(targets)
    compiled = quickly(loss)
    for weights in ([1, 0, 1, 1, 1], [0, 2, 1, 0, 1]):
        if name in NO_REPETITION and max(weights) > 1:
            continue
        weighted = compiled(*given, targets, sample_weight=jnp.float32(weights)).sum()
        repeated = np.repeat(np.arange(5), weights)
        expected = compiled(*(array[repeated] for array in given), targets[repeated]).sum()
        assert float(weighted) == pytest.approx(float(expected), rel=1e-5, abs=1e-6)


@every_loss
def test_wrong_weights_are_refused(name):
    given, targets = example(name, np.random.default_rng(2))
    given, targets = [jnp.asarray(array, jnp.float32) for array in given], jnp.asarray(targets)
    with pytest.raises(ValueError, match=r"sample_weight must have one weight per .*, got \(2,\)"):
        LOSSES[name](*given, targets, sample_weight=jnp.ones(2))


@every_loss
def test_shapes_that_do_not_fit_are_refused(name):
    given, targets = example(name, np.random.default_rng(2))
    with pytest.raises(ValueError, match=r"must have .*, got .*\(.*\) and .*\(.*\)"):
        LOSSES[name](*map(jnp.asarray, given), jnp.asarray(targets)[:3])


@every_loss
def test_a_target_outside_the_domain_is_named(name):
    bounds = list(parameter_domains(LOSSES[name]).get("targets", ()))
    given, targets = example(name, np.random.default_rng(2))
    given = [jnp.asarray(array, jnp.float32) for array in given]
    if LOSSES[name].__module__.endswith("pairs"):
        return  # any number names a group
    assert bounds
    wrong = np.array(targets)
    wrong.flat[3 if wrong.ndim == 1 else 2] = -7 if violation(-7, bounds) or wrong.dtype.kind == "i" else np.nan
    assert violation(wrong.min(), bounds) or np.isnan(wrong).any()
    with pytest.raises(ValueError, match=r"targets must be .*, got (-7|-7\.0|nan) in row (3|1|0)"):
        LOSSES[name](*given, wrong)
    jax.jit(LOSSES[name])(*given, wrong)  # what is not known cannot be refused


@every_loss
def test_finite_with_a_finite_gradient_for_outputs_of_any_size(name):
    loss = LOSSES[name]
    given, targets = example(name, np.random.default_rng(4))
    targets = jnp.asarray(targets)
    if next(iter(inspect.signature(loss).parameters)) == "probabilities":
        return  # between 0 and 1
    overflows = {"log_rates", "log_scales", "log_means"} & set(inspect.signature(loss).parameters)
    largest = 40 if overflows or name == "exponential" else 1e4
    both = jax.jit(jax.value_and_grad(lambda given: loss(*given, targets).sum()))
    for size in (1e-6, 1.0, 30.0, largest, -largest):
        value, slopes = both([jnp.asarray(array * size, jnp.float32) for array in given])
        assert np.isfinite(value), size
        assert all(np.isfinite(slope).all() for slope in slopes), size


@every_loss
def test_docstring_gives_formula_returns_properness_and_source(name):
    text = inspect.getdoc(LOSSES[name])
    assert re.match(r"\S.*: .*\.", text.split("\n\n")[0].replace("\n", " "))
    assert re.search(r"^Returns ", text, re.MULTILINE)
    assert re.search(r"^Proper: (yes|no)", text, re.MULTILINE)
    assert re.search(r"^Trap: ", text, re.MULTILINE)
    assert re.search(r"^Source: .+ \d{4}, \".+", text, re.MULTILINE)
