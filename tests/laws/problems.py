"""What optimizers are tried on: two valleys, a small network, and gradients given beforehand."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax


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


def layers(dtype=jnp.float32, widths=(3, 8, 6, 1)):
    random = np.random.default_rng(2)
    return [
        {"weights": jnp.asarray(random.normal(size=s) / s[0] ** 0.5, dtype), "biases": jnp.zeros(s[1], dtype)}
        for s in itertools.pairwise(widths)
    ]


def product(point):
    """A matrix and a vector, of slopes below 1."""
    return jnp.mean((point["matrix"] @ point["vector"] - 1) ** 2)


def factors(dtype):
    random = np.random.default_rng(0)
    shapes = {"matrix": (4, 3), "vector": (3,)}
    return {name: jnp.asarray(random.normal(size=shape) / 2, dtype) for name, shape in shapes.items()}


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


def gradients_and_start(seed=3, steps=300):
    random = np.random.default_rng(seed)
    shapes = {"matrix": (5, 4), "vector": (4,)}
    trend = {name: random.normal(size=shape) for name, shape in shapes.items()}
    gradients = {name: t + random.normal(size=(steps, *t.shape)) for name, t in trend.items()}
    return gradients, {name: random.normal(size=shape) for name, shape in shapes.items()}
