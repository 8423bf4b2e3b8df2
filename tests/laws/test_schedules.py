"""Laws that every schedule obeys. A new schedule is tested because it exists."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from trivium import schedules
from trivium.catalog import members, parameter_domains
from trivium.schedules import reduce_on_plateau

OF_COUNT = {name: function for name, function in members(schedules).items() if function is not reduce_on_plateau}
every_schedule = pytest.mark.parametrize("name", OF_COUNT)

NUMBERS = {"value": 0.5, "schedule": 0.5, "steps": 40, "every": 7, "half_period": 9, "period": 6, "warmup_steps": 10}
"""An example for every number without a default, by its name."""


def example(function, **others):
    """Numbers of the right kind for every parameter that must be given."""
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is inspect.Parameter.empty]
    given = {p.name: np.array([10, 20]) if p.name == "milestones" else NUMBERS[p.name] for p in needed}
    return given | others


def peers():
    """Schedules of ours, and the same elsewhere as a function of the count; PyTorch's written out."""
    cosine = optax.schedules.cosine_decay_schedule(0.5, 40, alpha=0.2)
    return {
        "constant": [({}, optax.schedules.constant_schedule(0.5))],
        "step": [({}, lambda count: 0.5 * 0.1 ** (count // 7))],
        "multi_step": [({}, optax.schedules.piecewise_constant_schedule(0.5, {10: 0.1, 20: 0.1}))],
        "exponential": [({"every": 7, "factor": 0.3}, optax.schedules.exponential_decay(0.5, 7, 0.3))],
        "polynomial": [
            ({"power": 3.0, "end": 0.1}, optax.schedules.polynomial_schedule(0.5, 0.1, 3.0, 40)),
        ],
        "linear": [({"end": 0.1}, optax.schedules.linear_schedule(0.5, 0.1, 40))],
        "cosine": [({"end": 0.1}, cosine)],
        "warmup": [({"start": 0.1}, optax.schedules.warmup_constant_schedule(0.1, 0.5, 40))],
        "one_cycle": [({}, optax.schedules.cosine_onecycle_schedule(40, 0.5, 0.3, 25.0, 1e4))],
        "sgdr": [
            (
                {"growth": 2.0, "end": 0.05},
                optax.schedules.join_schedules(
                    [optax.schedules.cosine_decay_schedule(0.5, n, alpha=0.1) for n in (6, 12, 24, 48, 96)],
                    [6, 18, 42, 90],
                ),
            ),
            ({"growth": 1.0}, lambda count: 0.25 * (1 + np.cos(np.pi * (count % 6) / 6))),
        ],
        "cyclic": [
            ({"low": 0.1}, lambda count: 0.1 + 0.4 * (1 - np.abs(count % 18 / 9 - 1))),
            ({"shrink": 0.5}, lambda count: 0.5 * 0.5 ** (count // 18) * (1 - np.abs(count % 18 / 9 - 1))),
        ],
        "inverse_sqrt": [({}, lambda count: 0.5 * min(count / 10, np.sqrt(10 / max(count, 1))))],
    }


@pytest.mark.parametrize("name", peers())
def test_agrees_with_the_peer(name):
    for options, peer in peers()[name]:
        ours = OF_COUNT[name](**example(OF_COUNT[name], **options))
        counts = np.arange(60)
        expected = [float(peer(count)) for count in counts]
        np.testing.assert_allclose(ours(counts), expected, rtol=1e-5, atol=1e-6)


@every_schedule
def test_stays_defined_from_the_first_step_to_far_beyond_the_last(name):
    schedule = OF_COUNT[name](**example(OF_COUNT[name]))
    values = np.asarray(schedule(np.array([*range(200), 10**5, 10**7, 2**31 - 1])))
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    assert values.max() <= 0.5 * (1 + 1e-6)
    assert values.max() > 0


@every_schedule
def test_compiled_scanned_and_plain_agree(name):
    schedule = OF_COUNT[name](**example(OF_COUNT[name]))
    plain = np.array([float(schedule(count)) for count in range(60)])
    _, scanned = jax.lax.scan(lambda count, _: (count + 1, schedule(count)), jnp.int32(0), length=60)
    np.testing.assert_allclose(scanned, plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(schedule)(np.arange(60)), plain, rtol=1e-5, atol=1e-6)


@every_schedule
def test_numbers_may_be_traced_so_that_a_population_shares_one_program(name):
    function = OF_COUNT[name]
    given = {key: jnp.asarray(value) for key, value in example(function).items()}

    @jax.jit
    @jax.vmap
    def values(factor):
        with jax.numpy_dtype_promotion("strict"):
            first, *others = given
            return function(**{first: given[first] * factor}, **{other: given[other] for other in others})(
                jnp.arange(50)
            )

    together = values(jnp.array([1.0, 0.5]))
    np.testing.assert_allclose(together[0], function(**given)(np.arange(50)), rtol=1e-5, atol=1e-6)
    values(jnp.array([0.1, 0.2]))
    assert values._cache_size() == 1


@every_schedule
def test_every_number_states_its_bounds_and_the_docstring_its_formula_and_source(name):
    function = OF_COUNT[name]
    text = inspect.getdoc(function)
    assert re.match(r"\S.*: .*\.", text.splitlines()[0])
    assert re.search(r"^Source: .+ \d{4}, \".+", text, re.MULTILINE)
    bounds = parameter_domains(function)
    for parameter in inspect.signature(function).parameters.values():
        assert bounds[parameter.name] or parameter.name in ("milestones", "schedule"), parameter.name


def test_the_shapes_that_have_names():
    steps = 400
    wave = np.asarray(schedules.coslog4(1.0, steps=steps)(np.arange(steps + 1)))
    assert wave[0] == wave[-1] == pytest.approx(0, abs=1e-6)
    assert ((wave[1:-1] > wave[:-2]) & (wave[1:-1] > wave[2:])).sum() == 4  # four peaks
    flat = np.asarray(schedules.flat_cosine(1.0, steps=steps)(np.arange(steps + 1)))
    assert (flat[: steps // 2 + 1] == 1).all()
    assert flat[300] == pytest.approx(0.5)
    stable = np.asarray(schedules.wsd(1.0, steps=steps, rise=0.1, fall=0.25)(np.arange(steps + 1)))
    assert stable[20] == pytest.approx(0.5)
    np.testing.assert_allclose(stable[40:301], 1, rtol=1e-6)
    assert stable[350] == pytest.approx(0.5)
    assert stable[-1] == 0
    rising = schedules.warmup(schedules.cosine(1.0, steps=10), steps=5)
    np.testing.assert_allclose(rising(np.arange(16))[5:], schedules.cosine(1.0, steps=10)(np.arange(11)), rtol=1e-6)


@pytest.mark.parametrize(("patience", "cooldown"), [(2, 0), (0, 3), (1, 1)])
def test_the_plateau_falls_where_pytorchs_does(patience, cooldown):
    losses = np.random.default_rng(0).random(60) + 1 / np.arange(1, 61)
    transformation = reduce_on_plateau(0.5, patience=patience, cooldown=cooldown, smallest=1e-3)
    state, ours = transformation.init({}), []
    for loss in losses:
        updates, state = jax.jit(transformation.update)({"w": jnp.ones(2)}, state, None, value=loss)
        ours.append(float(updates["w"][0]))
    scale, best, bad, rest, expected = 1.0, np.inf, 0, 0, []
    for loss in losses:  # torch.optim.lr_scheduler.ReduceLROnPlateau.step
        if loss < best * (1 - 1e-4):
            best, bad = loss, 0
        else:
            bad += 1
        if rest > 0:
            rest, bad = rest - 1, 0
        if bad > patience:
            scale, bad, rest = max(scale * 0.5, 1e-3), 0, cooldown
        expected.append(scale)
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert expected[-1] < 1
