"""Numbers that act around the optimizer: averages of parameters with factors on steps, and codes that stay codes."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from trivium import activations, heads, losses, optimizers
from trivium.network import Perceptron
from trivium.training.augment import augmented
from trivium.training.batches import Batch
from trivium.training.epochs import start
from trivium.training.history import History
from trivium.training.loop import train
from trivium.training.program import Program
from trivium.training.split import table

random = np.random.default_rng(0)
X = random.normal(size=(100, 3)).astype(np.float32)
Y = (X @ np.float32([1, -2, 0.5]) + 0.3).astype(np.float32)
HEAD = heads.regressor_head(losses.squared_error, None)


def test_what_is_evaluated_is_the_average_of_what_the_steps_reached():
    network = Perceptron((), activations.tanh, 1, rate_factors=(("biases", 0.1),))
    program = Program(network, HEAD, losses.squared_error, optimizers.gd, (), heads.squared_distance, 100)
    numbers = {"learning_rate": 0.05, "averaging": 0.8, "decay": 0.1}
    first = network.init(jax.random.key(0), X)
    state = start(program, numbers, first, jax.random.PRNGKey(2))
    state = train(program, numbers, state, table(X, Y, None), None, epochs=20, history=History("R2", 1.0))
    w, b = np.float64(first[0]["weights"][:, 0]), 0.0
    average_w, average_b = w, b
    for t in range(1, 21):
        residual = X @ w + b - Y
        w, b = w - 0.05 * (2 * X.T @ residual / 100 + 0.1 * w), b - 0.1 * 0.05 * 2 * residual.mean()
        keep = min(0.8, (1 + t) / (10 + t))
        average_w, average_b = keep * average_w + (1 - keep) * w, keep * average_b + (1 - keep) * b
    assert_allclose(state.parameters[0]["weights"][:, 0], w, rtol=1e-4)
    assert_allclose(state.parameters[0]["biases"][0], b, rtol=1e-4)
    assert_allclose(state.best[0]["weights"][:, 0], average_w, rtol=1e-4)
    assert_allclose(state.best[0]["biases"][0], average_b, rtol=1e-4)


def test_codes_of_categories_are_neither_mixed_nor_noisy():
    batch = Batch(jnp.asarray(X), jnp.asarray(Y), jnp.ones(100))
    numbers = {"mixup": 0.4, "input_noise": 0.1}
    seen = jax.jit(lambda key: augmented(batch, HEAD, numbers, key, codes=2))(jax.random.key(0))
    assert_array_equal(seen.X[:, 1:], X[:, 1:])
    assert (np.asarray(seen.X[:, 0]) != X[:, 0]).all()
    assert_array_equal(augmented(batch, HEAD, {}, jax.random.key(0), codes=2).X, X)
