"""Laws of the optimizers that use curvature, all rows, the loss itself, or no learning rate at all."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize
from annotated_types import Predicate

from trivium import optimizers
from trivium.catalog import members, parameter_domains
from trivium.optimizers import full_batch, parameter_free, preconditioned, schedule_free

MEMBERS = {
    name: member
    for file in (full_batch, parameter_free, preconditioned, schedule_free)
    for name, member in members(file).items()
}
every_optimizer = pytest.mark.parametrize("name", MEMBERS)

WEIGHT_DIMENSIONS = optax.contrib.MuonDimensionNumbers()


def optax_muon(rate):
    return optax.contrib.muon(
        rate,
        nesterov=False,
        eps=1e-30,  # as ours divides by another norm, the term must not count
        weight_decay=0.1,
        adam_weight_decay=0.1,
        consistent_rms=0.2,
        muon_weight_dimension_numbers=lambda params: jax.tree.map(lambda p: WEIGHT_DIMENSIONS if p.ndim > 1 else None, params),
    )  # fmt: skip


PEERS = {
    "gd": (1e-3, {}, optax.sgd),
    "lbfgs": (1.0, {"memory": 5}, lambda rate: optax.lbfgs(rate, memory_size=5)),
    "polyak": (1.0, {}, optax.polyak_sgd),
    "momo": (1e-2, {"weight_decay": 0.1}, lambda rate: optax.contrib.momo(rate, weight_decay=0.1)),
    "dog": (1.0, {"weight_decay": 0.1}, lambda rate: optax.contrib.dog(rate, weight_decay=0.1)),
    "prodigy": (1.0, {"weight_decay": 0.1}, lambda rate: optax.contrib.prodigy(rate, weight_decay=0.1)),
    "d_adaptation": (1.0, {"weight_decay": 0.1}, lambda rate: optax.contrib.dadapt_adamw(rate, weight_decay=0.1)),
    "schedule_free_sgd": (
        1e-3,
        {"weight_decay": 0.1},
        lambda rate: optax.contrib.schedule_free_sgd(rate, weight_decay=0.1),
    ),
    "schedule_free_adamw": (
        1e-2,
        {"weight_decay": 0.1},
        lambda rate: optax.contrib.schedule_free_adamw(rate, weight_decay=0.1),
    ),
    "muon": (1e-3, {"weight_decay": 0.1, "nesterov": False, "epsilon": 1e-30}, optax_muon),
}
"""Rate, options of ours, the same in Optax. The others are held to recurrences written anew below."""


def rosenbrock(point):
    x, y = point["x"], point["y"]
    return ((1 - x) ** 2 + 100 * (y - x**2) ** 2).sum()


def points(dtype=float):
    return {"x": jnp.asarray([-1.2, 0.5], dtype), "y": jnp.asarray([1.0, -0.3], dtype)}


TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
SLOPES = (TURN * np.logspace(-4, 0, 8)) @ TURN.T


def quadratic(point):
    """Condition number 1e4."""
    z = point["z"]
    return z @ jnp.asarray(SLOPES, z.dtype) @ z / 2


def network(parameters):
    inputs = jnp.asarray(np.random.default_rng(1).normal(size=(40, 3)), parameters[0]["weights"].dtype)
    targets = jnp.sin(inputs[:, 0]) + inputs[:, 1] * inputs[:, 2]
    for layer in parameters[:-1]:
        inputs = jnp.tanh(inputs @ layer["weights"] + layer["biases"][None, :])
    predictions = inputs @ parameters[-1]["weights"] + parameters[-1]["biases"][None, :]
    return jnp.mean((predictions[:, 0] - targets) ** 2)


def layers(dtype=jnp.float32):
    random = np.random.default_rng(2)
    return [
        {"weights": jnp.asarray(random.normal(size=s) / s[0] ** 0.5, dtype), "biases": jnp.zeros(s[1], dtype)}
        for s in ((3, 8), (8, 6), (6, 1))
    ]


def descend(transformation, steps, start, loss):
    transformation = optax.with_extra_args_support(transformation)

    def step(carry, _):
        point, state = carry
        value, gradient = jax.value_and_grad(loss)(point)
        updates, state = transformation.update(gradient, state, point, value=value, grad=gradient, value_fn=loss)
        return (optax.apply_updates(point, updates), state), value

    return jax.lax.scan(step, (start, transformation.init(start)), length=steps)


def follow(transformation, gradients, start):
    """The parameters after a step along each of the gradients (steps, ...)."""

    def step(carry, gradient):
        point, state = carry
        updates, state = transformation.update(gradient, state, point)
        return (optax.apply_updates(point, updates), state), None

    return jax.lax.scan(step, (start, transformation.init(start)), gradients)[0][0]


def close(ours, theirs, tolerance):
    """Every array, to a share of its largest entry."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max()), ours, theirs)


def test_peers_and_members_are_found():
    assert len(MEMBERS) >= 15
    assert set(PEERS) <= set(MEMBERS) <= set(members(optimizers))


# --- agreement ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEERS)
def test_three_hundred_steps_agree_with_optax(name):
    rate, options, peer = PEERS[name]
    if name == "muon":
        options = {**options, "mask": lambda params: jax.tree.map(lambda p: p.ndim > 1, params)}
    with jax.enable_x64(True):
        start, loss = (layers(float), network) if name == "muon" else (points(), rosenbrock)
        ours = descend(MEMBERS[name](rate, **options), 300, start, loss)[0][0]
        theirs = descend(peer(rate), 300, start, loss)[0][0]
        close(ours, theirs, 1e-10)


def gradients_and_start(seed=3, steps=300):
    random = np.random.default_rng(seed)
    shapes = {"matrix": (5, 4), "vector": (4,), "tall": (7, 2)}
    trend = {name: random.normal(size=shape) for name, shape in shapes.items()}
    gradients = {name: t + random.normal(size=(steps, *t.shape)) for name, t in trend.items()}
    return gradients, {name: random.normal(size=shape) for name, shape in shapes.items()}


def agrees_with_the_recurrence(optimizer, recurrence):
    gradients, start = gradients_and_start()
    with jax.enable_x64(True):
        got = follow(optimizer, jax.tree.map(jnp.asarray, gradients), jax.tree.map(jnp.asarray, start))
        close(got, {name: recurrence(gradients[name], start[name]) for name in start}, 1e-10)


def numpy_adam(gradients, x, rate, beta1, beta2, epsilon, decay, first_step=1):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(gradients, first_step):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        x = x - rate * (m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon) + decay * x)
    return x


def test_rprop_agrees_with_its_recurrence():
    def recurrence(gradients, x):
        step, last = np.full_like(x, 0.02), np.zeros_like(x)
        for g in gradients:
            turn = g * last
            step = np.clip(np.select([turn > 0, turn < 0], [step * 1.3, step * 0.4], step), 1e-4, 0.1)
            last = np.where(turn < 0, 0, g)
            x = x - step * np.sign(last)
        return x

    agrees_with_the_recurrence(optimizers.rprop(0.02, shrink=0.4, grow=1.3, smallest=1e-4, largest=0.1), recurrence)


def test_muon_agrees_with_its_recurrence():
    def recurrence(gradients, x):
        if x.ndim < 2:
            return numpy_adam(gradients, x, 1e-3, 0.9, 0.999, 1e-8, 0.1)
        average = np.zeros_like(x)
        for g in gradients:
            average = 0.95 * average + 0.05 * g
            direction = 0.95 * average + 0.05 * g
            direction = direction / (np.sqrt(np.trace(direction @ direction.T)) + 1e-8)
            for _ in range(5):
                square = direction.T @ direction
                direction = direction @ (3.4445 * np.eye(len(square)) - 4.775 * square + 2.0315 * square @ square)
            x = x - 1e-3 * (0.2 * np.sqrt(max(x.shape)) * direction + 0.1 * x)
        return x

    agrees_with_the_recurrence(optimizers.muon(1e-3, weight_decay=0.1), recurrence)


def test_shampoo_agrees_with_its_recurrence():
    def power(matrix, exponent):
        values, vectors = np.linalg.eigh(matrix)
        return vectors @ np.diag(values**exponent) @ vectors.T

    def recurrence(gradients, x):
        columns = x.reshape(len(x), -1)
        left, right, velocity = 1e-2 * np.eye(len(columns)), 1e-2 * np.eye(columns.shape[1]), np.zeros_like(columns)
        for t, g in enumerate(gradients.reshape(len(gradients), *columns.shape)):
            left, right = 0.99 * left + g @ g.T, 0.99 * right + g.T @ g
            if t % 3 == 0:
                one, other = power(left, -1 / 4), power(right, -1 / 4)
                if x.ndim < 2:
                    one, other = power(left, -1 / 2), np.eye(1)
            velocity = 0.9 * velocity + one @ g @ other
            columns = columns - 0.01 * (velocity + 0.1 * columns)
        return columns.reshape(x.shape)

    shampoo = optimizers.shampoo(0.01, momentum=0.9, decay=0.99, epsilon=1e-2, weight_decay=0.1, every=3)
    agrees_with_the_recurrence(shampoo, recurrence)


def test_soap_agrees_with_its_recurrence():
    def recurrence(gradients, x):
        if x.ndim < 2:
            return numpy_adam(gradients[1:], x, 1e-3, 0.9, 0.95, 1e-8, 0.1)
        left, right = 0.05 * gradients[0] @ gradients[0].T, 0.05 * gradients[0].T @ gradients[0]
        turn, other = np.linalg.eigh(left)[1][:, ::-1], np.linalg.eigh(right)[1][:, ::-1]
        m, v = np.zeros_like(x), np.zeros_like(x)
        for t, g in enumerate(gradients[1:], 1):
            m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * (turn.T @ g @ other) ** 2
            turned = turn.T @ m @ other / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.95**t)) + 1e-8)
            x = x - 1e-3 * (turn @ turned @ other.T + 0.1 * x)
            left, right = 0.95 * left + 0.05 * g @ g.T, 0.95 * right + 0.05 * g.T @ g
            if t % 4 == 0:
                order = np.argsort(-np.diag(turn.T @ left @ turn))
                turn, v = np.linalg.qr(left @ turn[:, order])[0], v[order]
                order = np.argsort(-np.diag(other.T @ right @ other))
                other, v = np.linalg.qr(right @ other[:, order])[0], v[:, order]
        return x

    # Eigenvectors of a first gradient of low rank are free to turn; a square one has none to spare.
    gradients, start = gradients_and_start()
    gradients, start = ({name: tree[name] for name in ("square", "vector")} for tree in (
        {**gradients, "square": gradients["matrix"][:, :4]}, {**start, "square": start["matrix"][:4]}
    ))  # fmt: skip
    with jax.enable_x64(True):
        soap = optimizers.soap(1e-3, beta1=0.9, weight_decay=0.1, every=4)
        got = follow(soap, jax.tree.map(jnp.asarray, gradients), jax.tree.map(jnp.asarray, start))
        close(got, {name: recurrence(gradients[name], start[name]) for name in start}, 1e-10)


# --- descent -----------------------------------------------------------------------------------------------------


@every_optimizer
@pytest.mark.parametrize("problem", ["rosenbrock", "quadratic", "network"])
def test_goes_down(name, problem):
    loss, start = {
        "rosenbrock": (rosenbrock, points(jnp.float32)),
        "quadratic": (quadratic, {"z": jnp.asarray(TURN @ np.ones(8), jnp.float32)}),
        "network": (network, layers()),
    }[problem]
    optimizer = MEMBERS[name]
    default = inspect.signature(optimizer).parameters["learning_rate"].default
    options = {"weight_decay": 0.0} if "weight_decay" in inspect.signature(optimizer).parameters else {}

    @jax.jit
    @jax.vmap
    def last(rate):
        return loss(optimizers.evaluation_parameters(*descend(optimizer(rate, **options), 1000, start, loss)[0][::-1]))

    rates = default * jnp.asarray([1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0])
    assert jnp.nanmin(last(rates)) < 0.05 * loss(start)
