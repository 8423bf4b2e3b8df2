"""Gated, wrapped and outward activations: those that mix units."""

import inspect
import re

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from laws.precision import worst_ulps
from trivium import activations
from trivium.activations import gates, simplex
from trivium.catalog import get, members

mp.mp.dps = 50
random = np.random.default_rng(0)
every_gate = pytest.mark.parametrize(
    "name", [n for n, f in members(activations).items() if f.__module__ == gates.__name__]
)
every_share = pytest.mark.parametrize(
    "name", [n for n, f in members(activations).items() if f.__module__ == simplex.__name__]
)
ROWS = (random.normal(size=(200, 5)) * 10.0 ** random.uniform(-2, 3.5, (200, 1))).astype(np.float32)

HALVES = {
    "glu": lambda a, b: a / (1 + np.exp(-b)),
    "geglu": lambda a, b: a * b * np.array([float(mp.ncdf(float(v))) for v in b.ravel()]).reshape(b.shape),
    "swiglu": lambda a, b: a * b / (1 + np.exp(-b)),
    "reglu": lambda a, b: a * np.maximum(b, 0),
    "bilinear": lambda a, b: a * b,
}


@pytest.mark.parametrize("name", HALVES)
def test_gates_are_a_half_times_the_other_opened(name):
    z = random.normal(size=(20, 8)) * 4
    with jax.enable_x64(True):
        function = members(activations)[name]
        np.testing.assert_allclose(function(z), HALVES[name](z[:, :4], z[:, 4:]), rtol=1e-12)
        np.testing.assert_allclose(function(z.T, axis=0), np.asarray(function(z)).T, rtol=1e-12)


def test_pairs_and_groups():
    z = jnp.float32([[1, -2, 3, 0.5]])
    np.testing.assert_array_equal(activations.crelu(z), [[1, 0, 3, 0.5, 0, 2, 0, 0]])
    np.testing.assert_array_equal(activations.maxout(z), [[1, 3]])
    np.testing.assert_array_equal(activations.maxout(z, pieces=4), [[3]])
    for function in (activations.glu, activations.maxout):
        with pytest.raises(ValueError, match="can divide by 2, got 3. Give the layer a multiple of 2"):
            function(jnp.ones((1, 3)))


@every_gate
def test_gates_have_the_derivative_of_differences(name):
    function = members(activations)[name]
    with jax.enable_x64(True):
        z = random.normal(size=8)
        gradient = jax.jit(jax.grad(lambda z: jnp.sin(function(z)).sum()))(z)
        for place, slope in enumerate(gradient):
            step = 1e-6 * np.eye(8)[place]
            rise = jnp.sin(function(z + step)).sum() - jnp.sin(function(z - step)).sum()
            assert float(slope) == pytest.approx(float(rise) / 2e-6, rel=1e-5, abs=1e-8)
        assert np.isfinite(jax.hessian(lambda z: function(z).sum())(z)).all()


@pytest.mark.parametrize("name", ["glu", "crelu", "maxout", "softmax", "sparsemax"])
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_they_keep_their_type(name, dtype):
    with jax.numpy_dtype_promotion("strict"):
        z = jnp.asarray(random.normal(size=(4, 8)), dtype)
        value, slope = members(activations)[name](z), jax.grad(lambda z: members(activations)[name](z).sum())(z)
    assert value.dtype == slope.dtype == dtype
    assert np.isfinite(np.asarray(slope, np.float32)).all()


def exact_softmax(row):
    powers = [mp.exp(mp.mpf(float(z)) - mp.mpf(float(max(row)))) for z in row]
    return [power / sum(powers) for power in powers]


def test_softmax_and_its_derivative_hold_their_digits():
    values = jax.jit(activations.softmax)(ROWS)
    truth = [share for row in ROWS for share in exact_softmax(row)]
    assert worst_ulps(values, truth, range(1000))[0] <= 4
    slopes = jax.jit(jax.vmap(jax.grad(lambda row: activations.softmax(row)[0])))(ROWS)
    expected = []
    for row in ROWS:
        p = exact_softmax(row)
        expected += [p[0] * sum(p[1:])] + [-p[0] * p[j] for j in range(1, 5)]
    np.testing.assert_allclose(np.ravel(slopes), np.array(expected, float), rtol=1e-5, atol=2e-7)


def test_log_softmax_and_softmin_hold_their_digits():
    values = jax.jit(activations.log_softmax)(ROWS)
    truth = [mp.log(share) for row in ROWS for share in exact_softmax(row)]
    assert worst_ulps(values, truth, range(1000))[0] <= 4
    np.testing.assert_array_equal(activations.softmin(ROWS), activations.softmax(-ROWS))


def test_forbidden_entries_get_nothing():
    row = jnp.array([1.0, -jnp.inf, 0.0])
    np.testing.assert_allclose(activations.softmax(row), [0.7310586, 0, 0.26894143], rtol=1e-6)
    assert np.isfinite(jax.grad(lambda r: activations.softmax(r)[0])(row)).all()
    assert activations.log_softmax(row)[1] == -np.inf


@pytest.mark.parametrize("name", ["softmax", "softmin", "sparsemax", "entmax15"])
def test_shares_add_up_to_one(name):
    shares = np.asarray(members(activations)[name](ROWS))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    assert (shares >= 0).all()
    assert np.isnan(members(activations)[name](jnp.array([jnp.nan, 1.0]))).any()


def test_sparsemax_is_the_nearest_point_of_the_simplex_and_has_zeros():
    rows = random.normal(size=(50, 6)) * 2
    with jax.enable_x64(True):
        shares = np.asarray(activations.sparsemax(rows))
    assert (shares == 0).mean() > 0.3
    for row, share in zip(rows, shares, strict=True):
        others = random.dirichlet(np.ones(6), 200)
        assert ((row - share) ** 2).sum() <= ((row - others) ** 2).sum(axis=1).min() + 1e-12
        support = share > 0
        assert np.ptp((row - share)[support]) < 1e-12  # one tau for all that are above zero


def test_entmax15_solves_its_own_equation():
    rows = random.normal(size=(50, 6)) * 2
    with jax.enable_x64(True):
        shares = np.asarray(activations.entmax15(rows))
    assert (shares == 0).mean() > 0.1
    for row, share in zip(rows, shares, strict=True):
        tau = (row / 2 - np.sqrt(share))[share > 0]
        assert np.ptp(tau) < 1e-7
        assert (row[share == 0] / 2 <= tau[0] + 1e-7).all()


@every_share
def test_shares_have_the_derivative_of_differences(name):
    function = members(activations)[name]
    weights = random.normal(size=6)
    with jax.enable_x64(True):
        for row in random.normal(size=(5, 6)):
            gradient = jax.grad(lambda z: (weights * function(z)).sum())(row)
            for place, slope in enumerate(gradient):
                step = 1e-7 * np.eye(6)[place]
                rise = (weights * (function(row + step) - function(row - step))).sum()
                assert float(slope) == pytest.approx(float(rise) / 2e-7, rel=1e-5, abs=1e-6)
            hessian = jax.hessian(lambda z: (weights * function(z)).sum())(row)
            assert np.isfinite(hessian).all()


@every_share
def test_the_axis_may_be_any(name):
    function = members(activations)[name]
    np.testing.assert_allclose(function(ROWS[:4].T, axis=0).T, function(ROWS[:4]), rtol=1e-6)
    with pytest.raises(ValueError, match="must have an axis to share out over"):
        function(1.0)


@pytest.mark.parametrize(
    "name", [n for n, f in members(activations).items() if f.__module__ in (gates.__name__, simplex.__name__)]
)
def test_docstrings_give_formula_range_trap_and_source(name):
    text = inspect.getdoc(members(activations)[name])
    for pattern in (r"\S.*: .*\.", "Range ", "Trap: ", r"Source: .+? \d{4}, \".+"):
        assert re.search(f"^{pattern}", text, re.MULTILINE), pattern


def test_a_learned_mix_of_any_activation():
    mix = activations.learned_mix(activations.tanh)
    z = jnp.float32([[-1.0, 0.5, 2.0]])
    np.testing.assert_array_equal(mix(z), activations.tanh(z))
    np.testing.assert_array_equal(mix(z, share=0.0), z)
    np.testing.assert_allclose(mix(z, share=jnp.float32([0, 0.5, 1])), [[-1, 0.48105857, 0.9640276]], rtol=1e-6)
    found = get(activations, "learned_mix(Tanh)", "activation")
    assert found == mix
    assert hash(found) == hash(mix)
    assert found.__name__ == "learned_mix(tanh)"
    with pytest.raises(ValueError, match="unknown activation 'tanhh'"):
        get(activations, "learned_mix(tanhh)", "activation")
    with pytest.raises(ValueError, match=r"must say what 'learned_mix' wraps.*Try 'learned_mix\(\.\.\.\)'"):
        get(activations, "learned_mix", "activation")


def test_rrelu_draws_slopes_only_with_a_key():
    z = -jnp.ones((1000,))
    drawn = np.asarray(activations.rrelu(z, key=jax.random.key(0)))
    assert -1 / 3 <= drawn.min() < -0.32
    assert -0.14 < drawn.max() <= -1 / 8
    np.testing.assert_array_equal(activations.rrelu(z), activations.rrelu(z))
    assert np.ptp(np.asarray(activations.rrelu(z))) == 0
