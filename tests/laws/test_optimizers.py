"""Laws that every optimizer obeys. A new optimizer is tested because it exists."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from trivium import optimizers
from trivium.catalog import members, parameter_domains

every_optimizer = pytest.mark.parametrize("name", members(optimizers))

PEERS = {
    "gd": [({}, lambda rate: optax.sgd(rate))],
    "sgd": [
        ({}, lambda rate: optax.sgd(rate)),
        ({"momentum": 0.9}, lambda rate: optax.sgd(rate, momentum=0.9)),
        ({"momentum": 0.9, "nesterov": True}, lambda rate: optax.sgd(rate, momentum=0.9, nesterov=True)),
    ],
    "adam": [({}, optax.adam), ({"beta1": 0.8, "beta2": 0.95}, lambda rate: optax.adam(rate, b1=0.8, b2=0.95))],
    "adamw": [({"weight_decay": 0.1}, lambda rate: optax.adamw(rate, weight_decay=0.1))],
}
"""Options of ours -> the same in Optax; one entry per member."""

RATES = {"gd": 1e-3, "sgd": 1e-3, "adam": 3e-2, "adamw": 3e-2}
"""A learning rate at which each goes down Rosenbrock's valley."""


def rosenbrock(point):
    x, y = point["x"], point["y"]
    return ((1 - x) ** 2 + 100 * (y - x**2) ** 2).sum()


def descend(transformation, steps, start):
    def step(carry, _):
        point, state = carry
        value, gradient = jax.value_and_grad(rosenbrock)(point)
        updates, state = transformation.update(gradient, state, point, value=value, grad=gradient, value_fn=rosenbrock)
        return (optax.apply_updates(point, updates), state), value

    return jax.lax.scan(step, (start, transformation.init(start)), length=steps)


def points(dtype=float):
    return {"x": jnp.asarray([-1.2, 0.5], dtype), "y": jnp.asarray([1.0, -0.3], dtype)}


def test_every_member_has_a_peer_and_a_rate():
    assert set(PEERS) == set(RATES) == set(members(optimizers))


@every_optimizer
def test_three_hundred_steps_agree_with_the_peer(name):
    with jax.enable_x64(True):
        for options, peer in PEERS[name]:
            rate = RATES[name] / 10
            ours = descend(members(optimizers)[name](rate, **options), 300, points())[0][0]
            theirs = descend(optax.with_extra_args_support(peer(rate)), 300, points())[0][0]
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), ours, theirs)


@every_optimizer
def test_goes_down_rosenbrocks_valley(name):
    options = {"weight_decay": 0.0} if "weight_decay" in inspect.signature(members(optimizers)[name]).parameters else {}
    (point, _), values = descend(members(optimizers)[name](RATES[name], **options), 20_000, points(jnp.float32))
    assert values[-1] < 1e-2 * values[0]
    assert np.allclose(point["x"], 1, atol=0.15)


@every_optimizer
def test_numbers_may_be_traced_so_that_a_population_shares_one_program(name):
    optimizer = members(optimizers)[name]

    @jax.jit
    @jax.vmap
    def last(rate):
        return descend(optimizer(rate), 20, points(jnp.float32))[1][-1]

    rates = jnp.array([0.01, 0.1, 0.5]) * RATES[name]
    alone = [descend(optimizer(float(rate)), 20, points(jnp.float32))[1][-1] for rate in rates]
    np.testing.assert_allclose(last(rates), alone, rtol=1e-4)
    last(rates / 2)
    assert last._cache_size() == 1


@every_optimizer
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_keeps_the_type_of_the_parameters(name, dtype):
    with jax.numpy_dtype_promotion("strict"):
        transformation = members(optimizers)[name](0.1)
        params = {"w": jnp.ones(3, dtype)}
        updates, state = transformation.update({"w": jnp.ones(3, dtype)}, transformation.init(params), params)
    assert updates["w"].dtype == dtype
    assert all(np.isfinite(np.asarray(leaf, np.float32)).all() for leaf in jax.tree.leaves(state))


@every_optimizer
def test_state_is_a_plain_tree_that_goes_through_numpy_and_may_be_donated(name):
    transformation = members(optimizers)[name]()
    (point, state), _ = descend(transformation, 3, points(jnp.float32))
    update = jax.jit(transformation.update, donate_argnums=(1,))
    gradient = jax.grad(rosenbrock)(point)
    expected, _ = transformation.update(gradient, state, point)
    restored = jax.tree.map(jnp.asarray, jax.tree.map(np.asarray, state))
    got, _ = update(gradient, restored, point)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), got, expected)


@every_optimizer
def test_every_number_states_its_bounds_and_the_docstring_its_formula_memory_and_source(name):
    optimizer = members(optimizers)[name]
    text = inspect.getdoc(optimizer)
    assert re.match(r"\S.*: .*\.", text.splitlines()[0])
    assert re.search(r"^Memory: ", text, re.MULTILINE)
    assert re.search(r"^Source: .+ \d{4}, \".+", text, re.MULTILINE)
    bounds = parameter_domains(optimizer)
    for parameter in inspect.signature(optimizer).parameters.values():
        assert bounds[parameter.name] or isinstance(parameter.default, bool), parameter.name
