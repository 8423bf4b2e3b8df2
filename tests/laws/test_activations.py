"""Laws that every activation obeys. A new activation is tested because it exists."""

import inspect
import re

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from laws.precision import derivative, line, values_and_derivatives, worst_ulps
from trivium import activations
from trivium.catalog import get, members

TRUTH = {
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "tanh": mp.tanh,
    "relu": lambda z: z if z > 0 else mp.mpf(0),
}
"""What each is, to any number of digits; one line per member."""

KINKS = {"relu": (0.0,)}
"""Where a derivative jumps, and the truth has none."""

every_activation = pytest.mark.parametrize("name", members(activations))
MOST_ULPS = 4


def test_every_member_has_a_truth():
    assert set(TRUTH) == set(members(activations))


@every_activation
def test_value_and_derivative_hold_their_digits_on_the_whole_line(name):
    mp.mp.dps = 50
    activation, truth, places = members(activations)[name], TRUTH[name], line()
    values, slopes = values_and_derivatives(activation, places)
    exact = [mp.mpf(float(place)) for place in places]
    error, place = worst_ulps(values, [truth(z) for z in exact], places)
    assert error <= MOST_ULPS, f"{name}({place}) is {error:.1f} ulp off"
    smooth = ~np.isin(places, KINKS.get(name, ()))
    kept = [z for z, keep in zip(exact, smooth, strict=True) if keep]
    error, place = worst_ulps(slopes[smooth], [derivative(truth, z) for z in kept], places[smooth])
    assert error <= MOST_ULPS, f"the derivative of {name} at {place} is {error:.1f} ulp off"


def test_the_derivative_of_relu_at_zero_is_zero():
    assert jax.grad(activations.relu)(0.0) == 0.0


@every_activation
def test_limits_and_nan(name):
    mp.mp.dps = 50
    activation = members(activations)[name]
    for infinity in (np.inf, -np.inf):
        far = TRUTH[name](mp.mpf(np.copysign(1e30, infinity)))
        expected = np.copysign(np.inf, float(far)) if abs(far) > 1e20 else float(far)
        assert float(activation(jnp.float32(infinity))) == pytest.approx(expected, abs=1e-20)
    assert np.isnan(activation(jnp.float32(np.nan)))


@every_activation
def test_first_and_second_derivatives_are_finite_everywhere(name):
    activation = members(activations)[name]
    places = np.concatenate([line(), np.float32([3.4e38, -3.4e38, 0.0, -0.0])])
    second = jax.jit(jax.vmap(jax.grad(jax.grad(activation))))(places)
    assert np.isfinite(values_and_derivatives(activation, places)[1]).all()
    assert np.isfinite(second).all()


@every_activation
def test_the_second_derivative_is_right(name):
    activation = members(activations)[name]
    with jax.enable_x64(True):
        places = np.linspace(-4.03, 4.01, 81)
        step = 1e-5
        first = jax.vmap(jax.grad(activation))
        difference = (first(places + step) - first(places - step)) / (2 * step)
        np.testing.assert_allclose(jax.vmap(jax.hessian(activation))(places), difference, rtol=1e-5, atol=1e-9)


@every_activation
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float64])
def test_keeps_its_type_and_its_digits_in_it(name, dtype):
    mp.mp.dps = 50
    activation = members(activations)[name]
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        places = jnp.asarray(np.linspace(-30, 30, 241), dtype)
        values, slopes = jax.vmap(jax.value_and_grad(activation))(places)
        assert values.dtype == slopes.dtype == dtype
        truth = np.array([float(TRUTH[name](mp.mpf(float(z)))) for z in places])
        tolerance = 8 * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(np.asarray(values, np.float64), truth, rtol=tolerance, atol=1e-300)


@every_activation
def test_compiled_mapped_and_plain_agree(name):
    activation = members(activations)[name]
    places = jnp.linspace(-20, 20, 64).reshape(8, 8)
    plain = activation(places)
    np.testing.assert_allclose(jax.jit(activation)(places), plain, rtol=3e-7, atol=1e-30)
    np.testing.assert_allclose(jax.vmap(activation)(places), plain, rtol=3e-7, atol=1e-30)


@every_activation
def test_stays_in_the_range_that_its_docstring_states(name):
    activation = members(activations)[name]
    low, high = re.search(r"Range [\[(](\S+), (\S+)[\])]", inspect.getdoc(activation)).groups()
    values = np.asarray(activation(np.linspace(-50, 50, 10_001, dtype=np.float32)))
    assert float(low) - 1e-4 <= values.min()
    assert values.max() <= float(high) + 1e-4


@every_activation
def test_docstring_gives_formula_range_trap_and_source(name):
    title, *rest = inspect.getdoc(members(activations)[name]).splitlines()
    assert re.match(r"\S.*: .*\.", title)
    assert any(text.startswith("Range ") for text in rest)
    assert any(text.startswith("Trap: ") for text in rest)
    assert any(re.match(r"Source: .+ \d{4}, \".+", text) for text in rest)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="unknown activation 'rleu': did you mean 'relu'"):
        get(activations, "rleu", "activation")
    with pytest.raises(TypeError, match="must be a name or a function, got 3"):
        get(activations, 3, "activation")
    assert get(activations, "Re-LU", "activation") is activations.relu
    assert get(activations, abs, "activation") is abs
