"""Laws that every elementwise activation obeys. A new one is tested because it exists: its docstring is its truth."""

import inspect
import re

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from laws.formulas import truth_of
from laws.precision import derivative, line, values_and_derivatives, worst_ulps
from trivium import activations
from trivium.catalog import get, members, parameter_domains, violation

ELEMENTWISE = {
    name: function
    for name, function in members(activations).items()
    if function.__module__.rpartition(".")[2] not in ("gates", "simplex")
}
every_activation = pytest.mark.parametrize("name", ELEMENTWISE)
MOST_ULPS = 4

EXCEPTIONS = {
    "sine": "float32 cannot tell its zeros from their neighbours: held to 4 ulp of 1",
    "snake": "its slope touches zero like a wave: held to 4 ulp of 1",
}
"""Where the law of 4 ulp does not hold, and why."""


def numbers_of(function):
    """The numbers that a function takes beside z, with their defaults."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return {p.name: p.default for p in parameters if isinstance(p.default, float)}


def settings(name):
    """The default numbers, and two other settings within their bounds."""
    function = ELEMENTWISE[name]
    numbers, bounds = numbers_of(function), parameter_domains(function)
    choices = [numbers]
    if numbers:
        for factor in (0.5, 3.0):
            choices.append({n: float(np.float32(v * factor + (v == 0) * factor)) for n, v in numbers.items()})
        for choice in choices:
            assert all(violation(value, bounds[n]) is None for n, value in choice.items()), choice
    return choices


def truth(name, kind=np.float32, **numbers):
    function = truth_of(ELEMENTWISE[name])
    exact = {n: mp.mpf(float(kind(v))) for n, v in numbers.items()}
    return lambda z: mp.mpf(function(z=z, **exact))


@pytest.fixture(autouse=True)
def digits():
    mp.mp.dps = 120  # squares of 1e38 beside numbers near 1


@every_activation
def test_value_and_derivative_hold_their_digits_on_the_whole_line(name):
    activation, places = ELEMENTWISE[name], line()
    for numbers in settings(name):
        exactly = truth(name, **numbers)
        values, slopes = values_and_derivatives(lambda z, numbers=numbers: activation(z, **numbers), places)
        exact = [mp.mpf(float(place)) for place in places]
        true_values = [exactly(z) for z in exact]
        if name in EXCEPTIONS:
            near = np.abs(places) < 1e4
            true_slopes = [derivative(exactly, z) for z, keep in zip(exact, near, strict=True) if keep]
            for ours, true in ((values[near], np.array(true_values)[near]), (slopes[near], np.array(true_slopes))):
                true = true.astype(float)
                largest = max(1.0, *numbers.values())
                units = np.spacing(np.float32(np.maximum(np.abs(true), largest))).astype(float)
                assert (np.abs(ours - true) / units).max() <= MOST_ULPS
            continue
        error, place = worst_ulps(values, true_values, places)
        assert error <= MOST_ULPS, f"{name}({place}, {numbers}) is {error:.1f} ulp off"
        smooth, true_slopes = smooth_slopes(exactly, exact, slopes)
        error, place = worst_ulps(slopes[smooth], true_slopes, places[smooth])
        assert error <= MOST_ULPS, f"the derivative of {name} at {place}, {numbers} is {error:.1f} ulp off"


def smooth_slopes(exactly, places, ours):
    """Where the truth has a derivative, and that; at a kink ours must lie between those of both sides."""
    smooth, slopes = np.ones(len(places), bool), []
    for at_, (z, our) in enumerate(zip(places, ours, strict=True)):
        step = (abs(z) or mp.mpf(1)) * mp.mpf(10) ** -40
        with mp.workdps(200):
            here, after, before = exactly(z), exactly(z + step), exactly(z - step)
            right, left = (after - here) / step, (here - before) / step
            if abs(here) > 1e39:  # beyond float32
                slopes.append(here)
                continue
            if abs(right - left) <= mp.mpf(10) ** -25 * (abs(right) + abs(left) + mp.mpf(10) ** -10):
                slopes.append(derivative(exactly, z))
                continue
        smooth[at_] = False
        if abs(after - before) < 1e-20:  # a kink, not a jump
            assert min(left, right) - mp.mpf("1e-6") <= our <= max(left, right) + mp.mpf("1e-6"), (z, our)
    assert (~smooth).sum() < 20
    return smooth, slopes


@every_activation
def test_the_derivative_by_each_number_is_right(name):
    activation, places = ELEMENTWISE[name], np.float32([-7.3, -2.6, -0.9, -0.31, 0.22, 0.74, 1.9, 6.4])
    for numbers in settings(name):
        for varied in numbers:
            slopes = jax.vmap(jax.grad(lambda v, z, n=numbers, w=varied: activation(z, **n | {w: v})), (None, 0))(
                jnp.float32(numbers[varied]), places
            )
            for z, slope in zip(places, slopes, strict=True):
                exact = {n: mp.mpf(float(np.float32(v))) for n, v in numbers.items()}

                def by_number(v, z=z, exact=exact, varied=varied):
                    return mp.mpf(truth_of(activation)(z=mp.mpf(float(z)), **exact | {varied: v}))

                expected = derivative(by_number, exact[varied])
                assert float(slope) == pytest.approx(float(expected), rel=3e-5, abs=1e-7), (z, numbers)


@every_activation
def test_limits_and_nan(name):
    for infinity in (np.inf, -np.inf):
        if name in EXCEPTIONS:
            continue  # a wave has no limit
        far = truth(name, **numbers_of(ELEMENTWISE[name]))(mp.mpf(np.copysign(1e30, infinity)))
        expected = np.copysign(np.inf, float(far)) if abs(far) > 60 else float(far)
        if name == "log_sigmoid" and infinity > 0:
            expected = 0.0
        assert float(ELEMENTWISE[name](jnp.float32(infinity))) == pytest.approx(expected, rel=1e-6, abs=1e-20)
    assert np.isnan(ELEMENTWISE[name](jnp.float32(np.nan)))


@every_activation
def test_first_and_second_derivatives_are_finite_wherever_float32_can_hold_them(name):
    activation = ELEMENTWISE[name]
    largest = 80 if name == "exponential" else 1e38 if name == "squared_relu" else 3.4e38
    places = np.concatenate([line(), np.float32([3.4e38, -3.4e38, 0.0, -0.0])])
    places = places[places <= largest]
    second = jax.jit(jax.vmap(jax.grad(jax.grad(activation))))(places)
    assert np.isfinite(values_and_derivatives(activation, places)[1]).all()
    assert np.isfinite(second).all()


@every_activation
def test_the_second_derivative_is_right(name):
    activation = ELEMENTWISE[name]
    with jax.enable_x64(True):
        places = np.append(np.linspace(-4.03, 4.01, 81), 1e-3)
        step = 1e-5
        first = jax.vmap(jax.grad(activation))
        difference = (first(places + step) - first(places - step)) / (2 * step)
        np.testing.assert_allclose(jax.vmap(jax.hessian(activation))(places), difference, rtol=3e-5, atol=1e-7)


@every_activation
def test_the_second_derivative_is_right_in_float32_too(name):
    activation, places = ELEMENTWISE[name], np.linspace(-4.03, 4.01, 81)
    second = jax.jit(jax.vmap(jax.grad(jax.grad(activation))))(jnp.float32(places))
    with jax.enable_x64(True):
        expected = jax.vmap(jax.grad(jax.grad(activation)))(jnp.float64(np.float32(places)))
    np.testing.assert_allclose(second, expected, rtol=1e-4, atol=1e-4)


@every_activation
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float64])
def test_keeps_its_type_and_its_digits_in_it(name, dtype):
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        places = jnp.asarray(np.linspace(-10, 10, 161), dtype)
        values, slopes = jax.vmap(jax.value_and_grad(ELEMENTWISE[name]))(places)
        assert values.dtype == slopes.dtype == dtype
        exactly = truth(name, float, **numbers_of(ELEMENTWISE[name]))
        expected = np.array([float(exactly(mp.mpf(float(z)))) for z in places])
        kind = jnp.finfo(dtype)
        kept = np.abs(expected) < float(kind.max)
        tolerance = max(float(kind.eps), 4e-14)
        given = np.asarray(values, np.float64)[kept]
        np.testing.assert_allclose(given, expected[kept], rtol=tolerance, atol=max(float(kind.tiny), 1e-15))


@every_activation
def test_compiled_mapped_and_plain_agree(name):
    activation = ELEMENTWISE[name]
    places = jnp.linspace(-20, 20, 64).reshape(8, 8)
    plain = activation(places)
    np.testing.assert_allclose(jax.jit(activation)(places), plain, rtol=5e-7, atol=1e-30)
    np.testing.assert_allclose(jax.vmap(activation)(places), plain, rtol=5e-7, atol=1e-30)


@every_activation
def test_numbers_may_differ_by_unit_and_be_traced(name):
    activation, numbers = ELEMENTWISE[name], numbers_of(ELEMENTWISE[name])
    z = jnp.linspace(-2, 2, 12).reshape(4, 3)
    if not numbers:
        with pytest.raises(TypeError, match="size"):
            activation(z, size=1.0)
        return
    per_unit = {n: jnp.float32(v) * jnp.array([0.5, 1.0, 2.0]) for n, v in numbers.items()}
    together = jax.jit(lambda z, given: activation(z, **given))(z, per_unit)
    for unit in range(3):
        alone = activation(z[:, unit], **{n: float(v[unit]) for n, v in per_unit.items()})
        np.testing.assert_allclose(together[:, unit], alone, rtol=1e-6, atol=1e-7)


@every_activation
def test_stays_in_the_range_that_its_docstring_states_and_reaches_it(name):
    opening, low, high, closing = re.search(
        r"Range ([\[(])(\S+), (\S+)([\])])", inspect.getdoc(ELEMENTWISE[name])
    ).groups()
    low, high = float(low), float(high)
    values = np.asarray(ELEMENTWISE[name](line()), np.float64)
    assert low - 1e-7 <= values.min()
    assert values.max() <= high + 1e-7
    for end, extreme, bracket in ((low, values.min(), opening), (high, values.max(), closing)):
        if np.isfinite(end):
            assert extreme == pytest.approx(end, abs=2e-3)
        else:
            assert bracket in "()"
            assert abs(extreme) > 80


@every_activation
def test_docstring_gives_formula_range_trap_and_source(name):
    text = inspect.getdoc(ELEMENTWISE[name])
    assert re.match(r"\S.*: .*\.", text.split("\n\n")[0].replace("\n", " "))
    for start in ("Range ", "Trap: ", "Source: "):
        assert re.search(f"^{start}", text, re.MULTILINE), start
    assert re.search(r"^Source: .+? \d{4}, \".+", text, re.MULTILINE)


def test_the_derivative_of_relu_at_zero_is_zero():
    assert jax.grad(activations.relu)(0.0) == 0.0


def test_whole_numbers_are_taken():
    assert activations.sigmoid(np.array([0, 1])).dtype == jnp.float32
    assert float(activations.gelu(2)) == pytest.approx(1.9544997)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="unknown activation 'rleu': did you mean '(relu|elu|celu|selu)'"):
        get(activations, "rleu", "activation")
    with pytest.raises(TypeError, match="must be a name or a function, got 3"):
        get(activations, 3, "activation")
    assert get(activations, "Re-LU", "activation") is activations.relu
    assert get(activations, "LeakyReLU", "activation") is activations.leaky_relu
    assert get(activations, abs, "activation") is abs
